/**
 * The records of structured exception handling, and the register set that the unwinder works on.
 *
 * CONTEXT, EXCEPTION_RECORD, EXCEPTION_POINTERS and DISPATCHER_CONTEXT (wdm/layouts-rtl.ts) lie in guest memory,
 * because filters and language handlers read and change them. `Context` is the same register set as a plain value:
 * what a stack walk steps along without touching guest memory. It is loaded from a CONTEXT, or taken from the
 * processor, and stored back; the two are never kept in step behind anybody's back.
 */
import { type Address, fromAddress, toAddress } from '../wdm/address.ts';
import { CONTEXT } from '../wdm/layouts.ts';
import type { GuestMemory } from '../wdm/memory.ts';
import { struct, u32 } from '../wdm/struct.ts';

export const CONTEXT_AMD64 = 0x0010_0000;
export const CONTEXT_CONTROL = CONTEXT_AMD64 | 0x01;
export const CONTEXT_INTEGER = CONTEXT_AMD64 | 0x02;
export const CONTEXT_SEGMENTS = CONTEXT_AMD64 | 0x04;
export const CONTEXT_FLOATING_POINT = CONTEXT_AMD64 | 0x08;
export const CONTEXT_DEBUG_REGISTERS = CONTEXT_AMD64 | 0x10;
export const CONTEXT_FULL = CONTEXT_CONTROL | CONTEXT_INTEGER | CONTEXT_FLOATING_POINT;

export const EXCEPTION_MAXIMUM_PARAMETERS = 15;

/** ExceptionFlags. */
export const EXCEPTION_NONCONTINUABLE = 0x01;
export const EXCEPTION_UNWINDING = 0x02;
export const EXCEPTION_EXIT_UNWIND = 0x04;
export const EXCEPTION_STACK_INVALID = 0x08;
export const EXCEPTION_NESTED_CALL = 0x10;
export const EXCEPTION_TARGET_UNWIND = 0x20;
export const EXCEPTION_COLLIDED_UNWIND = 0x40;
export const EXCEPTION_UNWIND = EXCEPTION_UNWINDING | EXCEPTION_EXIT_UNWIND | EXCEPTION_TARGET_UNWIND | EXCEPTION_COLLIDED_UNWIND; // biome-ignore format: one line

/** What a filter answers. */
export const EXCEPTION_EXECUTE_HANDLER = 1;
export const EXCEPTION_CONTINUE_SEARCH = 0;
export const EXCEPTION_CONTINUE_EXECUTION = -1;

/** EXCEPTION_DISPOSITION: what a language handler answers. */
export const ExceptionContinueExecution = 0;
export const ExceptionContinueSearch = 1;
export const ExceptionNestedException = 2;
export const ExceptionCollidedUnwind = 3;

/** Hardware numbers of the general registers that the calling convention gives a part. */
export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RSP = 4;
export const RBP = 5;

const GPRS = 0x78;
const XMMS = 0x1a0;

/** Segment selectors of kernel mode: KGDT64_R0_CODE, KGDT64_R3_DATA | 3, … as Windows' own contexts show them. */
const SELECTORS = { cs: 0x10, ds: 0x2b, es: 0x2b, fs: 0x53, gs: 0x2b, ss: 0x18 };

export class Context {
  rip: Address = 0;
  eflags = 0x202;
  mxcsr = 0x1f80;
  /** By hardware number, unsigned: rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8 to r15. */
  readonly gpr: BigUint64Array = new BigUint64Array(16);
  /** Low and high halves of xmm0 to xmm15. */
  readonly xmm: BigUint64Array = new BigUint64Array(32);

  get rsp(): Address {
    return toAddress(this.gpr[RSP]!);
  }
  set rsp(value: Address) {
    this.gpr[RSP] = fromAddress(value);
  }

  clone(): Context {
    const copy = new Context();
    copy.assign(this);
    return copy;
  }

  assign(from: Context): void {
    this.rip = from.rip;
    this.eflags = from.eflags;
    this.mxcsr = from.mxcsr;
    this.gpr.set(from.gpr);
    this.xmm.set(from.xmm);
  }

  /** Reads the CONTEXT at `address`. Throws PageFault. */
  static load(memory: GuestMemory, address: Address): Context {
    const context = new Context();
    const bytes = memory.readBytes(address, CONTEXT.size);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    context.rip = toAddress(view.getBigUint64(0xf8, true));
    context.eflags = view.getUint32(0x44, true);
    context.mxcsr = view.getUint32(0x34, true);
    for (let i = 0; i < 16; i++) context.gpr[i] = view.getBigUint64(GPRS + i * 8, true);
    for (let i = 0; i < 32; i++) context.xmm[i] = view.getBigUint64(XMMS + i * 8, true);
    return context;
  }

  /** Writes a full kernel-mode CONTEXT at `address`, zero where the register set has nothing. Throws PageFault. */
  store(memory: GuestMemory, address: Address): void {
    const bytes = new Uint8Array(CONTEXT.size);
    const view = new DataView(bytes.buffer);
    view.setUint32(0x30, CONTEXT_FULL | CONTEXT_SEGMENTS, true);
    Object.values(SELECTORS).forEach((selector, i) => {
      view.setUint16(0x38 + i * 2, selector, true);
    });
    view.setUint16(0x100, 0x27f, true); // FltSave.ControlWord, as the processor is set up
    view.setUint32(0x11c, 0xffff, true); // FltSave.MxCsr_Mask
    this.#put(view);
    memory.writeBytes(address, bytes);
  }

  /** Writes the registers into the CONTEXT that is at `address`, and leaves its other fields. Throws PageFault. */
  update(memory: GuestMemory, address: Address): void {
    const bytes = memory.readBytes(address, CONTEXT.size);
    this.#put(new DataView(bytes.buffer, bytes.byteOffset));
    memory.writeBytes(address, bytes);
  }

  #put(view: DataView): void {
    view.setUint32(0x34, this.mxcsr, true);
    view.setUint32(0x44, this.eflags, true);
    for (let i = 0; i < 16; i++) view.setBigUint64(GPRS + i * 8, this.gpr[i]!, true);
    view.setBigUint64(0xf8, fromAddress(this.rip), true);
    view.setUint32(0x118, this.mxcsr, true);
    for (let i = 0; i < 32; i++) view.setBigUint64(XMMS + i * 8, this.xmm[i]!, true);
  }
}

/** One __try of a function, in the scope table behind __C_specific_handler's UNWIND_INFO. RVAs. */
export const SCOPE_TABLE_ENTRY = struct('SCOPE_TABLE_ENTRY', 0x10, {
  BeginAddress: u32(0x00),
  EndAddress: u32(0x04),
  HandlerAddress: u32(0x08), // RVA of the filter or __finally funclet; 1 = EXCEPTION_EXECUTE_HANDLER
  JumpTarget: u32(0x0c), // RVA of the __except block; 0 = this is a __finally
});
