import type { Address } from './address.ts';

/**
 * What a view reads and writes through: guest virtual memory as one address space shows it.
 *
 * Every method may throw `PageFault` when a byte of the range is not mapped or not writable; nothing has been written
 * then. 64-bit data is BigInt, always unsigned; pointers are `Address`.
 */
export interface GuestMemory {
  readU8(address: Address): number;
  readU16(address: Address): number;
  readU32(address: Address): number;
  readU64(address: Address): bigint;
  readPointer(address: Address): Address;
  writeU8(address: Address, value: number): void;
  writeU16(address: Address, value: number): void;
  writeU32(address: Address, value: number): void;
  /** Takes the low 64 bits. */
  writeU64(address: Address, value: bigint): void;
  writePointer(address: Address, value: Address): void;
  /** A copy of the bytes. */
  readBytes(address: Address, length: number): Uint8Array;
  writeBytes(address: Address, bytes: Uint8Array): void;
  fill(address: Address, length: number, value: number): void;
  /** memmove: right for overlapping ranges. */
  copy(destination: Address, source: Address, length: number): void;
}

export type Access = 'read' | 'write' | 'execute';

/**
 * An access that the page tables refuse, thrown by `GuestMemory` to TypeScript code that touched a bad address.
 * The scheduler turns one that no TypeScript frame catches into what Windows makes of it: an access violation for the
 * guest's handlers, or a bug check.
 */
export class PageFault extends Error {
  readonly address: Address;
  readonly access: Access;
  /** A page is mapped there, but does not allow this access. */
  readonly present: boolean;

  constructor(address: Address, access: Access, present: boolean) {
    super(`page fault: ${access} at 0x${BigInt.asUintN(64, BigInt(address)).toString(16)}`);
    this.name = 'PageFault';
    this.address = address;
    this.access = access;
    this.present = present;
  }
}
