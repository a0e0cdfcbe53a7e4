/**
 * A region of system addresses with its own page-table entries.
 *
 * The kernel half is one for all processes. A region's page tables are made when the region is, so mapping a page can
 * never fail for want of a table, and an entry is found by arithmetic instead of a walk. Frames are the caller's: a
 * region only writes entries and tells the processor when one goes away.
 */
import { type PageTables, PTE_ACCESSED, PTE_DIRTY, PTE_GLOBAL, PTE_PRESENT, PTE_WRITABLE } from '../hw/page-tables.ts';
import { RAM_BASE, type Ram } from '../hw/ram.ts';
import { type Address, PAGE_SHIFT, PAGE_SIZE } from '../wdm/address.ts';
import { PageRuns } from './page-runs.ts';
import type { Translation } from './translation.ts';

const TABLE_PAGES = 512;
const NO_EXECUTE_HIGH = 0x8000_0000;

/** Low bits of a valid kernel entry. */
const KERNEL_PAGE = PTE_PRESENT | PTE_ACCESSED | PTE_DIRTY | PTE_GLOBAL;

export class SystemRegion {
  readonly name: string;
  readonly base: Address;
  readonly pages: number;
  /** Address space that is taken, in pages. */
  readonly runs: PageRuns;
  readonly #ram: Ram;
  readonly #translation: Translation;
  /** Index into ram.u32 of each page table's first entry. */
  readonly #leaf: Int32Array;

  /** @param base a multiple of 2 MiB */
  constructor(
    name: string,
    base: Address,
    pages: number,
    ram: Ram,
    tables: PageTables,
    root: number,
    translation: Translation,
  ) {
    this.name = name;
    this.base = base;
    this.pages = pages;
    this.runs = new PageRuns(pages);
    this.#ram = ram;
    this.#translation = translation;
    this.#leaf = new Int32Array(Math.ceil(pages / TABLE_PAGES));
    for (let i = 0; i < this.#leaf.length; i++) {
      this.#leaf[i] = tables.entryIndex(root, base + i * TABLE_PAGES * PAGE_SIZE, true);
    }
  }

  get size(): number {
    return this.pages * PAGE_SIZE;
  }

  contains(address: Address): boolean {
    return address >= this.base && address < this.base + this.size;
  }

  /** Page number within the region of an address in it. */
  pageAt(address: Address): number {
    return Math.floor((address - this.base) / PAGE_SIZE);
  }

  addressOf(page: number): Address {
    return this.base + page * PAGE_SIZE;
  }

  map(page: number, frame: number, writable: boolean, executable: boolean, extraBits = 0): void {
    const index = this.#index(page);
    this.#ram.u32[index] = (frame << PAGE_SHIFT) | KERNEL_PAGE | (writable ? PTE_WRITABLE : 0) | extraBits;
    this.#ram.u32[index + 1] = (frame >>> 20) | (executable ? 0 : NO_EXECUTE_HIGH);
  }

  /** Changes a valid entry's protection. */
  protect(page: number, writable: boolean, executable: boolean): void {
    const frame = this.frameAt(page);
    if (frame < 0) return;
    this.map(page, frame, writable, executable);
    this.#translation.invalidatePage(this.addressOf(page));
  }

  /** Clears the entry; returns the frame that it held, or -1. */
  unmap(page: number): number {
    const { u32 } = this.#ram;
    const index = this.#index(page);
    const low = u32[index]!;
    const frame = low & PTE_PRESENT ? (low >>> PAGE_SHIFT) | ((u32[index + 1]! & 0xfff) << 20) : -1;
    u32[index] = 0;
    u32[index + 1] = 0;
    if (frame >= 0) this.#translation.invalidatePage(this.addressOf(page));
    return frame;
  }

  /** The frame mapped at a page, or -1. */
  frameAt(page: number): number {
    const index = this.#index(page);
    const low = this.#ram.u32[index]!;
    return low & PTE_PRESENT ? (low >>> PAGE_SHIFT) | ((this.#ram.u32[index + 1]! & 0xfff) << 20) : -1;
  }

  /** Byte offset in the WebAssembly memory of a frame. */
  static offsetOf(frame: number): number {
    return RAM_BASE + frame * PAGE_SIZE;
  }

  #index(page: number): number {
    return (this.#leaf[page >>> 9]! + ((page & 511) << 1)) | 0;
  }
}
