/**
 * The processor as the memory manager needs it: whose page tables are in use, and word that an entry has changed.
 */
import type { PageTables } from '../hw/page-tables.ts';
import type { Ram } from '../hw/ram.ts';
import { VirtualMemory } from '../hw/virtual-memory.ts';
import type { Address } from '../wdm/address.ts';
import type { GuestMemory } from '../wdm/memory.ts';

/** What `Processor` offers; a plain `VirtualMemory` will do where there is no processor. */
export interface AddressTranslation {
  /** Supervisor view of the address space in use. */
  readonly memory: GuestMemory;
  setRoot(root: number): void;
  invalidatePage(address: Address): void;
}

/** Walks the tables at each access: nothing is cached, so nothing need be invalidated. */
export class UncachedTranslation implements AddressTranslation {
  readonly memory: VirtualMemory;

  constructor(ram: Ram, tables: PageTables, root: number) {
    this.memory = new VirtualMemory(ram, tables, root, 'supervisor');
  }

  setRoot(root: number): void {
    this.memory.root = root;
  }

  invalidatePage(): void {}
}

/** The translation in use: the plain one until `machine.ts` has built the processor upon the page tables. */
export class Translation implements AddressTranslation {
  #target: AddressTranslation;
  #root: number;

  constructor(target: AddressTranslation, root: number) {
    this.#target = target;
    this.#root = root;
  }

  get memory(): GuestMemory {
    return this.#target.memory;
  }
  /** CR3, as a frame number. */
  get root(): number {
    return this.#root;
  }

  connect(target: AddressTranslation): void {
    this.#target = target;
    target.setRoot(this.#root);
  }

  setRoot(root: number): void {
    if (root === this.#root) return;
    this.#root = root;
    this.#target.setRoot(root);
  }

  invalidatePage(address: Address): void {
    this.#target.invalidatePage(address);
  }
}
