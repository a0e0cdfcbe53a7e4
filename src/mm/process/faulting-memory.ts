/**
 * Guest memory as a running program sees it: a page fault is handed to the memory manager first, and the access is
 * made again if that has brought the page in. An access is all or nothing, so making it again is right.
 */
import type { VirtualMemory } from '../../hw/virtual-memory.ts';
import type { Address } from '../../wdm/address.ts';
import { type Access, type GuestMemory, PageFault } from '../../wdm/memory.ts';

export class FaultingMemory implements GuestMemory {
  readonly #memory: VirtualMemory;
  readonly #resolve: (address: Address, access: Access) => boolean;

  /** @param resolve whether the page is there now; may throw what the access raises instead */
  constructor(memory: VirtualMemory, resolve: (address: Address, access: Access) => boolean) {
    this.#memory = memory;
    this.#resolve = resolve;
  }

  readU8(address: Address): number {
    return this.#access(() => this.#memory.readU8(address));
  }
  readU16(address: Address): number {
    return this.#access(() => this.#memory.readU16(address));
  }
  readU32(address: Address): number {
    return this.#access(() => this.#memory.readU32(address));
  }
  readU64(address: Address): bigint {
    return this.#access(() => this.#memory.readU64(address));
  }
  readPointer(address: Address): Address {
    return this.#access(() => this.#memory.readPointer(address));
  }
  writeU8(address: Address, value: number): void {
    this.#access(() => this.#memory.writeU8(address, value));
  }
  writeU16(address: Address, value: number): void {
    this.#access(() => this.#memory.writeU16(address, value));
  }
  writeU32(address: Address, value: number): void {
    this.#access(() => this.#memory.writeU32(address, value));
  }
  writeU64(address: Address, value: bigint): void {
    this.#access(() => this.#memory.writeU64(address, value));
  }
  writePointer(address: Address, value: Address): void {
    this.#access(() => this.#memory.writePointer(address, value));
  }
  readBytes(address: Address, length: number): Uint8Array {
    return this.#access(() => this.#memory.readBytes(address, length));
  }
  writeBytes(address: Address, bytes: Uint8Array): void {
    this.#access(() => this.#memory.writeBytes(address, bytes));
  }
  fill(address: Address, length: number, value: number): void {
    this.#access(() => this.#memory.fill(address, length, value));
  }
  copy(destination: Address, source: Address, length: number): void {
    this.#access(() => this.#memory.copy(destination, source, length));
  }

  #access<T>(body: () => T): T {
    for (;;) {
      try {
        return body();
      } catch (fault) {
        if (!(fault instanceof PageFault && this.#resolve(fault.address, fault.access))) throw fault;
      }
    }
  }
}
