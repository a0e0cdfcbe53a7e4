/**
 * Exceptions and unwinding: what a language handler, a filter and RtlVirtualUnwind exchange.
 */
import { array, nested, ptr, struct, u8, u16, u32, u64 } from './struct.ts';

export const EXCEPTION_RECORD = struct('EXCEPTION_RECORD', 0x98, {
  ExceptionCode: u32(0x00),
  ExceptionFlags: u32(0x04), // EXCEPTION_*
  ExceptionRecord: ptr(0x08),
  ExceptionAddress: ptr(0x10),
  NumberParameters: u32(0x18),
  ExceptionInformation: array(0x20, 15, u64),
});

export const EXCEPTION_POINTERS = struct('EXCEPTION_POINTERS', 0x10, {
  ExceptionRecord: ptr(0x00),
  ContextRecord: ptr(0x08),
});

export const M128A = struct('M128A', 0x10, {
  Low: u64(0x00),
  High: u64(0x08),
});

/** FXSAVE's image. */
export const XMM_SAVE_AREA32 = struct('XMM_SAVE_AREA32', 0x200, {
  ControlWord: u16(0x00),
  StatusWord: u16(0x02),
  TagWord: u8(0x04),
  ErrorOpcode: u16(0x06),
  ErrorOffset: u32(0x08),
  ErrorSelector: u16(0x0c),
  DataOffset: u32(0x10),
  DataSelector: u16(0x14),
  MxCsr: u32(0x18),
  MxCsr_Mask: u32(0x1c),
  FloatRegisters: array(0x20, 16, u64), // eight, two halves each
  XmmRegisters: array(0xa0, 32, u64), // sixteen, two halves each
});

/** General registers lie in the processor's order from Rax on, vector registers from 0x1a0 on. */
export const CONTEXT = struct('CONTEXT', 0x4d0, {
  P1Home: u64(0x000),
  P2Home: u64(0x008),
  P3Home: u64(0x010),
  P4Home: u64(0x018),
  P5Home: u64(0x020),
  P6Home: u64(0x028),
  ContextFlags: u32(0x030), // CONTEXT_*
  MxCsr: u32(0x034),
  SegCs: u16(0x038),
  SegDs: u16(0x03a),
  SegEs: u16(0x03c),
  SegFs: u16(0x03e),
  SegGs: u16(0x040),
  SegSs: u16(0x042),
  EFlags: u32(0x044),
  Dr0: u64(0x048),
  Dr1: u64(0x050),
  Dr2: u64(0x058),
  Dr3: u64(0x060),
  Dr6: u64(0x068),
  Dr7: u64(0x070),
  Rax: u64(0x078),
  Rcx: u64(0x080),
  Rdx: u64(0x088),
  Rbx: u64(0x090),
  Rsp: u64(0x098),
  Rbp: u64(0x0a0),
  Rsi: u64(0x0a8),
  Rdi: u64(0x0b0),
  R8: u64(0x0b8),
  R9: u64(0x0c0),
  R10: u64(0x0c8),
  R11: u64(0x0d0),
  R12: u64(0x0d8),
  R13: u64(0x0e0),
  R14: u64(0x0e8),
  R15: u64(0x0f0),
  Rip: u64(0x0f8),
  FltSave: nested(0x100, XMM_SAVE_AREA32),
  Xmm0: nested(0x1a0, M128A),
  Xmm1: nested(0x1b0, M128A),
  Xmm2: nested(0x1c0, M128A),
  Xmm3: nested(0x1d0, M128A),
  Xmm4: nested(0x1e0, M128A),
  Xmm5: nested(0x1f0, M128A),
  Xmm6: nested(0x200, M128A),
  Xmm7: nested(0x210, M128A),
  Xmm8: nested(0x220, M128A),
  Xmm9: nested(0x230, M128A),
  Xmm10: nested(0x240, M128A),
  Xmm11: nested(0x250, M128A),
  Xmm12: nested(0x260, M128A),
  Xmm13: nested(0x270, M128A),
  Xmm14: nested(0x280, M128A),
  Xmm15: nested(0x290, M128A),
  VectorRegister: array(0x300, 52, u64), // twenty-six, two halves each
  VectorControl: u64(0x4a0),
  DebugControl: u64(0x4a8),
  LastBranchToRip: u64(0x4b0),
  LastBranchFromRip: u64(0x4b8),
  LastExceptionToRip: u64(0x4c0),
  LastExceptionFromRip: u64(0x4c8),
});

/** .pdata; addresses are relative to the image. */
export const RUNTIME_FUNCTION = struct('RUNTIME_FUNCTION', 0x0c, {
  BeginAddress: u32(0x00),
  EndAddress: u32(0x04),
  UnwindData: u32(0x08),
});

/** The fourth argument of a language handler. */
export const DISPATCHER_CONTEXT = struct('DISPATCHER_CONTEXT', 0x50, {
  ControlPc: ptr(0x00),
  ImageBase: ptr(0x08),
  FunctionEntry: ptr(0x10), // RUNTIME_FUNCTION
  EstablisherFrame: ptr(0x18),
  TargetIp: ptr(0x20),
  ContextRecord: ptr(0x28),
  LanguageHandler: ptr(0x30),
  HandlerData: ptr(0x38),
  HistoryTable: ptr(0x40),
  ScopeIndex: u32(0x48),
  Fill0: u32(0x4c),
});

/** RtlLookupFunctionEntry's cache, on its caller's stack. */
export const UNWIND_HISTORY_TABLE = struct('UNWIND_HISTORY_TABLE', 0xd8, {
  Count: u32(0x00),
  LocalHint: u8(0x04),
  GlobalHint: u8(0x05),
  Search: u8(0x06),
  Once: u8(0x07),
  LowAddress: u64(0x08),
  HighAddress: u64(0x10),
  Entry: array(0x18, 24, u64), // twelve pairs of ImageBase, FunctionEntry
});

/** On the kernel stack under every trap, interrupt and system service. */
export const KTRAP_FRAME = struct('KTRAP_FRAME', 0x190, {
  P1Home: u64(0x000),
  P2Home: u64(0x008),
  P3Home: u64(0x010),
  P4Home: u64(0x018),
  P5: u64(0x020),
  PreviousMode: u8(0x028),
  PreviousIrql: u8(0x029),
  FaultIndicator: u8(0x02a),
  ExceptionActive: u8(0x02b),
  MxCsr: u32(0x02c),
  Rax: u64(0x030),
  Rcx: u64(0x038),
  Rdx: u64(0x040),
  R8: u64(0x048),
  R9: u64(0x050),
  R10: u64(0x058),
  R11: u64(0x060),
  GsBase: u64(0x068),
  Xmm0: nested(0x070, M128A),
  Xmm1: nested(0x080, M128A),
  Xmm2: nested(0x090, M128A),
  Xmm3: nested(0x0a0, M128A),
  Xmm4: nested(0x0b0, M128A),
  Xmm5: nested(0x0c0, M128A),
  FaultAddress: u64(0x0d0),
  Dr0: u64(0x0d8),
  Dr1: u64(0x0e0),
  Dr2: u64(0x0e8),
  Dr3: u64(0x0f0),
  Dr6: u64(0x0f8),
  Dr7: u64(0x100),
  SegDs: u16(0x130),
  SegEs: u16(0x132),
  SegFs: u16(0x134),
  SegGs: u16(0x136),
  TrapFrame: u64(0x138),
  Rbx: u64(0x140),
  Rdi: u64(0x148),
  Rsi: u64(0x150),
  Rbp: u64(0x158),
  ErrorCode: u64(0x160),
  Rip: u64(0x168),
  SegCs: u16(0x170),
  EFlags: u32(0x178),
  Rsp: u64(0x180),
  SegSs: u16(0x188),
});
