/**
 * Threads, processes and the processor's own page, as far as drivers look into them.
 *
 * None of this is in a header: Microsoft calls it opaque, and drivers read it all the same (KeGetCurrentThread is
 * gs:[188h], KeGetPreviousMode a byte of KTHREAD). Offsets are those of the public symbols of ntoskrnl.exe 10.0.19041,
 * which 19045 shares. What is not named here reads as zero in guest memory.
 */
import { CLIENT_ID, LIST_ENTRY, UNICODE_STRING } from './layouts-basic.ts';
import { DISPATCHER_HEADER, KAPC, KAPC_STATE, KEVENT, KTIMER } from './layouts-ke.ts';
import { array, i16, i32, i64, nested, ptr, struct, u8, u16, u32, u64 } from './struct.ts';

export const KTHREAD = struct('KTHREAD', 0x430, {
  Header: nested(0x000, DISPATCHER_HEADER), // signalled when it has ended
  InitialStack: ptr(0x028),
  StackLimit: ptr(0x030), // lowest address of the kernel stack
  StackBase: ptr(0x038),
  CycleTime: u64(0x048),
  KernelStack: ptr(0x058), // RSP while it does not run
  Running: u8(0x071),
  MiscFlags: u32(0x074), // bit 4 Alertable, bit 10 SystemThread
  TrapFrame: ptr(0x090),
  ApcState: nested(0x098, KAPC_STATE),
  Priority: u8(0x0c3),
  WaitStatus: i64(0x0c8),
  WaitBlockList: ptr(0x0d0),
  WaitListEntry: nested(0x0d8, LIST_ENTRY),
  Queue: ptr(0x0e8),
  Teb: ptr(0x0f0),
  Timer: nested(0x100, KTIMER), // of a wait with a timeout
  WaitBlock: u8(0x140), // KWAIT_BLOCK[4], 0x30 bytes each; the scalars below lie in their spare members
  ContextSwitches: u32(0x154),
  State: u8(0x184),
  WaitIrql: u8(0x186),
  WaitMode: u8(0x187),
  WaitTime: u32(0x1b4),
  KernelApcDisable: i16(0x1e4), // negative inside KeEnterCriticalRegion
  SpecialApcDisable: i16(0x1e6), // negative inside KeEnterGuardedRegion
  CombinedApcDisable: u32(0x1e4),
  Process: ptr(0x220), // the process that it belongs to, attached or not
  PreviousMode: u8(0x232),
  BasePriority: u8(0x233),
  ApcStateIndex: u8(0x24a), // 1 while attached
  SavedApcState: nested(0x258, KAPC_STATE),
  WaitReason: u8(0x283),
  SuspendCount: u8(0x284),
  SchedulerApc: nested(0x288, KAPC),
  SuspendEvent: nested(0x2e0, KEVENT),
  ThreadListEntry: nested(0x2f8, LIST_ENTRY), // KPROCESS.ThreadListHead
  MutantListHead: nested(0x308, LIST_ENTRY), // KMUTANT.MutantListEntry
});

export const ETHREAD = struct('ETHREAD', 0x898, {
  Tcb: nested(0x000, KTHREAD),
  CreateTime: i64(0x430),
  ExitTime: i64(0x438),
  StartAddress: ptr(0x450),
  Cid: nested(0x478, CLIENT_ID),
  IrpList: nested(0x4b0, LIST_ENTRY), // IRP.ThreadListEntry of the requests that the thread has issued
  TopLevelIrp: u64(0x4c0), // IoSetTopLevelIrp
  Win32StartAddress: ptr(0x4d0),
  ThreadListEntry: nested(0x4e8, LIST_ENTRY), // EPROCESS.ThreadListHead
  CrossThreadFlags: u32(0x510), // bit 0 Terminated, bit 4 SystemThread
});

export const KPROCESS = struct('KPROCESS', 0x438, {
  Header: nested(0x000, DISPATCHER_HEADER),
  ProfileListHead: nested(0x018, LIST_ENTRY),
  DirectoryTableBase: u64(0x028), // CR3
  ThreadListHead: nested(0x030, LIST_ENTRY),
});

export const EPROCESS = struct('EPROCESS', 0xa40, {
  Pcb: nested(0x000, KPROCESS),
  UniqueProcessId: u64(0x440),
  ActiveProcessLinks: nested(0x448, LIST_ENTRY),
  Flags2: u32(0x460),
  Flags: u32(0x464),
  CreateTime: i64(0x468),
  Token: u64(0x4b8), // EX_FAST_REF: the low four bits count
  SectionObject: ptr(0x518),
  SectionBaseAddress: ptr(0x520),
  InheritedFromUniqueProcessId: u64(0x540),
  Peb: ptr(0x550),
  ObjectTable: ptr(0x570),
  WoW64Process: ptr(0x580),
  ImageFilePointer: ptr(0x5a0),
  ImageFileName: array(0x5a8, 15, u8),
  PriorityClass: u8(0x5b7),
  ThreadListHead: nested(0x5e0, LIST_ENTRY),
  ActiveThreads: u32(0x5f0),
  ExitStatus: u32(0x7d4),
});

/** KPCR.Prcb; its documented head. Sizes of both are those of the whole block. */
export const KPRCB = struct('KPRCB', 0xaf00, {
  MxCsr: u32(0x00),
  LegacyNumber: u8(0x04), // gs:[184h], KeGetCurrentProcessorNumber of old headers
  ReservedMustBeZero: u8(0x05),
  InterruptRequest: u8(0x06),
  IdleHalt: u8(0x07),
  CurrentThread: ptr(0x08), // gs:[188h], KeGetCurrentThread
  NextThread: ptr(0x10),
  IdleThread: ptr(0x18),
  NestingLevel: u8(0x20),
  Number: u32(0x24), // gs:[1A4h]
  RspBase: ptr(0x28),
  CpuType: u8(0x40),
  CpuID: u8(0x41),
  CpuStep: u16(0x42),
  MHz: u32(0x44),
  MinorVersion: u16(0x88),
  MajorVersion: u16(0x8a),
  BuildType: u8(0x8c),
  CpuVendor: u8(0x8d),
});

export const KPCR = struct('KPCR', 0xb080, {
  GdtBase: ptr(0x000),
  TssBase: ptr(0x008),
  UserRsp: ptr(0x010),
  Self: ptr(0x018), // gs:[18h], KeGetPcr
  CurrentPrcb: ptr(0x020), // gs:[20h]
  LockArray: ptr(0x028),
  Used_Self: ptr(0x030), // the TEB, while in user mode
  IdtBase: ptr(0x038),
  Irql: u8(0x050), // not kept up to date on x64: CR8 is the truth
  SecondLevelCacheAssociativity: u8(0x051),
  ObsoleteNumber: u8(0x052),
  MajorVersion: u16(0x060),
  MinorVersion: u16(0x062),
  StallScaleFactor: u32(0x064),
  SecondLevelCacheSize: u32(0x0bc),
  KdVersionBlock: ptr(0x108),
  Prcb: nested(0x180, KPRCB),
});

/** DRIVER_OBJECT.DriverSection; linked in PsLoadedModuleList. */
export const KLDR_DATA_TABLE_ENTRY = struct('KLDR_DATA_TABLE_ENTRY', 0xa0, {
  InLoadOrderLinks: nested(0x00, LIST_ENTRY),
  ExceptionTable: ptr(0x10),
  ExceptionTableSize: u32(0x18),
  DllBase: ptr(0x30),
  EntryPoint: ptr(0x38),
  SizeOfImage: u32(0x40),
  FullDllName: nested(0x48, UNICODE_STRING),
  BaseDllName: nested(0x58, UNICODE_STRING),
  Flags: u32(0x68),
  LoadCount: u16(0x6c),
  SectionPointer: ptr(0x70),
  CheckSum: u32(0x78),
});

/** In front of every object body, at address - 0x30. */
export const OBJECT_HEADER = struct('OBJECT_HEADER', 0x38, {
  PointerCount: i64(0x00),
  HandleCount: i64(0x08),
  Lock: u64(0x10),
  TypeIndex: u8(0x18), // encoded with a cookie in Windows
  TraceFlags: u8(0x19),
  InfoMask: u8(0x1a),
  Flags: u8(0x1b),
  ObjectCreateInfo: ptr(0x20),
  SecurityDescriptor: ptr(0x28),
  Body: i32(0x30),
});
