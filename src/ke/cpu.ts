/**
 * The processor as the kernel needs it: the capabilities that `ke/` takes from `x86/`, and no more.
 */
import type { Address } from '../wdm/address.ts';
import type { GuestMemory } from '../wdm/memory.ts';

/** Why translated code came back to the kernel. */
export type Exit =
  /** RIP is inside the trap area. */
  | { readonly kind: 'trap'; readonly address: Address }
  /** An exception, precise: RIP is what the hardware would push. `address` is CR2 for a page fault. */
  | { readonly kind: 'fault'; readonly vector: number; readonly errorCode: number; readonly address: Address }
  /** `retired` has reached `deadline`, seen at an architectural point. */
  | { readonly kind: 'deadline' }
  /** CR8 was lowered or IF was set: an interrupt that was held off may now be due. */
  | { readonly kind: 'window' }
  | { readonly kind: 'halt' };

/** Register numbers, in the instruction set's order. */
export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RSP = 4;
export const RBP = 5;
export const R8 = 8;
export const R9 = 9;

export interface Registers {
  gpr(index: number): bigint;
  setGpr(index: number, value: bigint): void;
  /** The register as an address; NON_CANONICAL if it is none. */
  address(index: number): Address;
  /** The register's low 32 bits, unsigned. */
  low32(index: number): number;
  /** Sign-extends the number to 64 bits. */
  setAddress(index: number, value: Address): void;
  rip: Address;
  rsp: Address;
  /** CR8: the current IRQL. */
  irql: number;
  /** All of RFLAGS, as PUSHFQ shows it. */
  rflags: number;
  mxcsr: number;
  /** XMM0 to XMM15: 128 bits, unsigned. */
  xmm(index: number): bigint;
  setXmm(index: number, value: bigint): void;
  save(): RegisterSnapshot;
  restore(snapshot: RegisterSnapshot): void;
}

/** All registers, opaque: only `restore` reads it. */
export type RegisterSnapshot = Uint8Array;

export interface Cpu {
  readonly registers: Registers;
  readonly memory: GuestMemory;
  /** Instructions retired since boot. */
  readonly retired: number;
  /** `run` comes back at the first architectural point at or after this many retired instructions. */
  deadline: number;
  run(): Exit;
}
