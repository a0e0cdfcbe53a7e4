/**
 * x64 page tables: four levels of 512 entries in physical frames, as the processor walks them.
 *
 * An entry is two 32-bit halves here, to keep BigInt out of the walk. Only 4 KiB pages are mapped. The kernel half
 * (PML4 entries 256 to 511) is shared: its 256 page-directory-pointer tables are made once, with the first address
 * space, and every later root copies the 256 entries.
 *
 * This is the hardware's view: it knows frames and permission bits, no NT word. A change of an entry does not by
 * itself reach the TLB: the caller invalidates the page (Intel SDM volume 3, section 4.10.4).
 */
import { type Address, PAGE_SHIFT, PAGE_SIZE } from '../wdm/address.ts';
import type { Ram } from './ram.ts';

/** Bits of the low half of an entry. */
export const PTE_PRESENT = 1 << 0;
export const PTE_WRITABLE = 1 << 1;
export const PTE_USER = 1 << 2;
export const PTE_WRITE_THROUGH = 1 << 3;
export const PTE_CACHE_DISABLE = 1 << 4;
export const PTE_ACCESSED = 1 << 5;
export const PTE_DIRTY = 1 << 6;
export const PTE_GLOBAL = 1 << 8;
/** Bits 9 to 11 are left to software (mm/ says what they mean). */
export const PTE_SOFTWARE = 7 << 9;

/** A leaf entry, taken apart. `bits` are the low 12 bits; a non-present entry keeps whatever software put there. */
export interface PageTableEntry {
  readonly bits: number;
  readonly frame: number;
  readonly noExecute: boolean;
}

export interface FrameSource {
  /** A zeroed frame for a page table. Throws when memory is used up. */
  allocate(): number;
  free(frame: number): void;
}

const NO_EXECUTE_HIGH = 0x8000_0000;
/** Addresses that one PML4 entry maps: 512 GiB. */
const PML4_ENTRY_SPAN = 0x80_0000_0000;

export class PageTables {
  readonly #ram: Ram;
  readonly #frames: FrameSource;
  #kernelRoot = -1;

  constructor(ram: Ram, frames: FrameSource) {
    this.#ram = ram;
    this.#frames = frames;
  }

  /** A new root (the frame for CR3) whose user half is empty and whose kernel half is the shared one. */
  createRoot(): number {
    const root = this.#frames.allocate();
    const base = this.#ram.offsetOf(root) >>> 2;
    if (this.#kernelRoot < 0) {
      for (let i = 256; i < 512; i++)
        this.#writeEntry(base + i * 2, this.#frames.allocate(), PTE_PRESENT | PTE_WRITABLE, false);
      this.#kernelRoot = root;
    } else {
      const shared = (this.#ram.offsetOf(this.#kernelRoot) >>> 2) + 512;
      this.#ram.u32.copyWithin(base + 512, shared, shared + 512);
    }
    return root;
  }

  /** Frees the root and the user half's tables. Leaf frames are the caller's: unmap them first. */
  destroyRoot(root: number): void {
    if (root === this.#kernelRoot) throw new Error('the first address space holds the kernel half and stays');
    const free = (table: number, level: number) => {
      const base = this.#ram.offsetOf(table) >>> 2;
      for (let i = 0; level > 0 && i < (level === 3 ? 256 : 512); i++) {
        if (this.#ram.u32[base + i * 2]! & PTE_PRESENT) free(this.#frameAt(base + i * 2), level - 1);
      }
      this.#frames.free(table);
    };
    free(root, 3);
  }

  /**
   * Index into `ram.u32` of the leaf entry's low half, or -1 if a table on the way is missing.
   * With `create`, missing tables are made.
   */
  entryIndex(root: number, address: Address, create = false): number {
    let table = root;
    for (let level = 3; level > 0; level--) {
      const index = (this.#ram.offsetOf(table) >>> 2) + indexAt(address, level) * 2;
      if (!(this.#ram.u32[index]! & PTE_PRESENT)) {
        if (!create) return -1;
        this.#writeEntry(index, this.#frames.allocate(), PTE_PRESENT | PTE_WRITABLE | PTE_USER, false);
      }
      table = this.#frameAt(index);
    }
    return (this.#ram.offsetOf(table) >>> 2) + indexAt(address, 0) * 2;
  }

  /** The leaf entry for an address; undefined if there is no table for it. */
  read(root: number, address: Address): PageTableEntry | undefined {
    const index = this.entryIndex(root, address);
    if (index < 0) return undefined;
    const { u32 } = this.#ram;
    return {
      bits: u32[index]! & 0xfff,
      frame: this.#frameAt(index),
      noExecute: (u32[index + 1]! & NO_EXECUTE_HIGH) !== 0,
    };
  }

  write(root: number, address: Address, frame: number, bits: number, noExecute: boolean): void {
    this.#writeEntry(this.entryIndex(root, address, true), frame, bits, noExecute);
  }

  /** Clears the leaf entry. */
  clear(root: number, address: Address): void {
    const index = this.entryIndex(root, address);
    if (index >= 0) {
      this.#ram.u32[index] = 0;
      this.#ram.u32[index + 1] = 0;
    }
  }

  #frameAt(index: number): number {
    const { u32 } = this.#ram;
    return (u32[index]! >>> PAGE_SHIFT) | ((u32[index + 1]! & 0xfff) << 20);
  }

  #writeEntry(index: number, frame: number, bits: number, noExecute: boolean): void {
    this.#ram.u32[index] = (frame << PAGE_SHIFT) | (bits & 0xfff);
    this.#ram.u32[index + 1] = (frame >>> 20) | (noExecute ? NO_EXECUTE_HIGH : 0);
  }
}

/** The 9-bit index that an address selects at a level: 3 is the PML4, 0 the page table. */
function indexAt(address: Address, level: number): number {
  if (level === 3) return Math.floor(address / PML4_ENTRY_SPAN) & 0x1ff;
  // The page number's low 32 bits hold the other three.
  return (Math.floor(address / PAGE_SIZE) >>> (9 * level)) & 0x1ff;
}
