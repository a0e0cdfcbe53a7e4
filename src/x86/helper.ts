/**
 * Helpers: instructions performed in TypeScript, because they are rare, long or talk to the machine.
 *
 * A helper runs with all registers in the register file and RIP at the next instruction. It may throw through `raise`
 * (or by a bad access) only before it has changed anything that running it again would change differently: the
 * instruction then has not happened, and RIP is back at it. It returns LEAVE.* to leave the region, or STAY.
 */
import type { Address } from '../wdm/address.ts';
import type { Instruction } from './decode.ts';
import type { RegisterFile } from './registers.ts';
import type { GuestRange } from './slow-access.ts';

export const STAY = -1;

export type Helper = (cpu: HelperContext, instruction: Instruction) => number;

/** The machine around the processor, as instructions reach it. */
export interface Ports {
  /** in: `size` is 1, 2 or 4. */
  read(port: number, size: number): number;
  write(port: number, size: number, value: number): void;
}

export interface HelperContext {
  readonly registers: RegisterFile;
  /** Instructions retired before this one: nanoseconds of the virtual clock. */
  readonly retired: number;
  readonly ports: Ports;
  /** CR3: the frame of the page-table root. */
  readonly root: number;
  /** CR2: what the last page fault left. */
  readonly faultAddress: Address;
  setRoot(root: number): void;
  invalidatePage(address: Address): void;
  /** The effective address of the instruction's memory operand. */
  effectiveAddress(instruction: Instruction): bigint;
  /** Guest memory, 1, 2, 4, 8 or 16 bytes, as the instruction would touch it: watched, faulting. */
  read(address: bigint, size: number): bigint;
  write(address: bigint, size: number, value: bigint): void;
  /** Throws unless `size` bytes (any number) may be accessed. */
  check(address: bigint, size: number, access: 'read' | 'write'): void;
  /** As much of a range as can be accessed in bulk. */
  range(address: bigint, bytes: number, access: 'read' | 'write'): GuestRange;
  /** The WebAssembly memory that a range's pieces lie in. */
  readonly bytes: Uint8Array;
  raise(vector: number, errorCode?: number): never;
  /** Leaves with the fault as a trap: RIP stays after the instruction. */
  trap(vector: number): number;
  unsupported(what: string): never;
  /** The next number of the seeded generator, 64 bits. */
  random(): bigint;
}
