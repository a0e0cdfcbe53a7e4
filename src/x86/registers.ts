/**
 * The register file: registers as TypeScript reads and writes them.
 *
 * They stand in the host area (layout.ts) and are right whenever translated code is not running. GPRs are unsigned
 * BigInt or, where they hold an address or a small number, `address(i)`. A context switch is `save` and `restore`.
 */
import type { Ram } from '../hw/ram.ts';
import { type Address, addressFromHalves } from '../wdm/address.ts';
import { ccOp, KIND, STATUS_FLAGS, SYSTEM } from './flags.ts';
import {
  CC_A,
  CC_B,
  CC_OP,
  CR8,
  FCW,
  FS_BASE,
  FUEL,
  GS_BASE,
  KERNEL_GS_BASE,
  MXCSR,
  REGISTERS,
  REGISTERS_END,
  RIP,
  SYSTEM_FLAGS,
  XMM,
} from './layout.ts';

/** In the order of their encoding. */
export const GPR = {
  RAX: 0, RCX: 1, RDX: 2, RBX: 3, RSP: 4, RBP: 5, RSI: 6, RDI: 7,
  R8: 8, R9: 9, R10: 10, R11: 11, R12: 12, R13: 13, R14: 14, R15: 15,
} as const; // biome-ignore format: a table

const EFLAGS_OP = ccOp(KIND.EFLAGS, 4);

export class RegisterFile {
  readonly #u64: BigUint64Array;
  readonly #u32: Uint32Array;
  readonly #i32: Int32Array;
  readonly #u8: Uint8Array;
  /** The six status flags, computed from the lazy ones in the host area. */
  readonly #lazyFlags: () => number;

  constructor(ram: Ram, lazyFlags: () => number) {
    this.#u64 = ram.u64;
    this.#u32 = ram.u32;
    this.#i32 = ram.i32;
    this.#u8 = ram.u8;
    this.#lazyFlags = lazyFlags;
  }

  /** Registers as after a reset into 64-bit mode: zeros, the fixed RFLAGS bit, MXCSR and FCW at their defaults. */
  reset(): void {
    this.restore(new Uint8Array(REGISTERS_END - REGISTERS));
    this.#i32[SYSTEM_FLAGS >>> 2] = SYSTEM.ONE;
    this.#i32[MXCSR >>> 2] = 0x1f80;
    this.#i32[FCW >>> 2] = 0x27f;
  }

  gpr(index: number): bigint {
    return this.#u64[(REGISTERS >>> 3) + index]!;
  }
  /** Takes the low 64 bits. */
  setGpr(index: number, value: bigint): void {
    this.#u64[(REGISTERS >>> 3) + index] = value;
  }
  /** The register as an address; NON_CANONICAL if it is none. */
  address(index: number): Address {
    return this.#address(REGISTERS + index * 8);
  }
  /** Sets the register to an address, or to any integer that a number holds exactly (sign-extended). */
  setAddress(index: number, value: Address): void {
    this.#setAddress(REGISTERS + index * 8, value);
  }
  /** The low 32 bits, unsigned. */
  low32(index: number): number {
    return this.#u32[(REGISTERS >>> 2) + index * 2]!;
  }

  get rip(): Address {
    return this.#address(RIP);
  }
  set rip(value: Address) {
    this.#setAddress(RIP, value);
  }
  get rsp(): Address {
    return this.address(GPR.RSP);
  }
  set rsp(value: Address) {
    this.setAddress(GPR.RSP, value);
  }

  /** All of RFLAGS. */
  get rflags(): number {
    return this.#i32[SYSTEM_FLAGS >>> 2]! | this.#lazyFlags();
  }
  set rflags(value: number) {
    this.#i32[SYSTEM_FLAGS >>> 2] = (value & ~STATUS_FLAGS) | SYSTEM.ONE;
    this.setStatusFlags(value & STATUS_FLAGS);
  }
  statusFlags(): number {
    return this.#lazyFlags();
  }
  setStatusFlags(flags: number): void {
    this.#i32[CC_OP >>> 2] = EFLAGS_OP;
    this.#u64[CC_A >>> 3] = BigInt(flags);
  }
  /** Leaves the flags to be computed when somebody asks (flags.ts says from what). */
  setLazyFlags(op: number, a: bigint, b: bigint): void {
    this.#i32[CC_OP >>> 2] = op;
    this.#u64[CC_A >>> 3] = a;
    this.#u64[CC_B >>> 3] = b;
  }
  /** IF, DF and the others that are not status flags. */
  get systemFlags(): number {
    return this.#i32[SYSTEM_FLAGS >>> 2]!;
  }
  set systemFlags(value: number) {
    this.#i32[SYSTEM_FLAGS >>> 2] = value;
  }

  /** CR8: Windows' IRQL. */
  get irql(): number {
    return this.#i32[CR8 >>> 2]!;
  }
  set irql(value: number) {
    this.#i32[CR8 >>> 2] = value;
  }
  get mxcsr(): number {
    return this.#u32[MXCSR >>> 2]!;
  }
  set mxcsr(value: number) {
    this.#u32[MXCSR >>> 2] = value;
  }
  get fcw(): number {
    return this.#u32[FCW >>> 2]!;
  }
  set fcw(value: number) {
    this.#u32[FCW >>> 2] = value;
  }
  get fsBase(): Address {
    return this.#address(FS_BASE);
  }
  set fsBase(value: Address) {
    this.#setAddress(FS_BASE, value);
  }
  get gsBase(): Address {
    return this.#address(GS_BASE);
  }
  set gsBase(value: Address) {
    this.#setAddress(GS_BASE, value);
  }
  get kernelGsBase(): Address {
    return this.#address(KERNEL_GS_BASE);
  }
  set kernelGsBase(value: Address) {
    this.#setAddress(KERNEL_GS_BASE, value);
  }

  /** An XMM register, unsigned 128 bits. */
  xmm(index: number): bigint {
    const at = (XMM >>> 3) + index * 2;
    return (this.#u64[at + 1]! << 64n) | this.#u64[at]!;
  }
  setXmm(index: number, value: bigint): void {
    const at = (XMM >>> 3) + index * 2;
    this.#u64[at] = value;
    this.#u64[at + 1] = value >> 64n;
  }

  /** A copy of everything: GPRs, RIP, RFLAGS, CR8, segment bases, MXCSR, x87 control word, XMM. */
  save(): Uint8Array {
    return this.#u8.slice(REGISTERS, REGISTERS_END);
  }
  /** Takes back what `save` gave. The count of instructions is the processor's, and stays. */
  restore(copy: Uint8Array): void {
    const fuel = this.#u64[FUEL >>> 3]!;
    this.#u8.set(copy, REGISTERS);
    this.#u64[FUEL >>> 3] = fuel;
  }

  #address(offset: number): Address {
    const at = offset >>> 2;
    return addressFromHalves(this.#i32[at]!, this.#i32[at + 1]!);
  }
  #setAddress(offset: number, value: Address): void {
    const at = offset >>> 2;
    this.#i32[at] = value | 0;
    this.#i32[at + 1] = Math.floor(value / 0x1_0000_0000) | 0;
  }
}
