/**
 * Finding the entries of neighbouring pages: one walk for each page table, arithmetic within it.
 *
 * For a loop over a range in one address space. A missing table is looked for again each time, since handling a fault
 * may make it; one that was found stays, for tables are freed only with their address space.
 */
import { PTE_PRESENT, PTE_WRITABLE } from '../hw/page-tables.ts';
import { NON_CANONICAL, PAGE_SHIFT, PAGE_SIZE } from '../wdm/address.ts';
import type { SystemSpace } from './system-space.ts';

const TABLE_PAGES = 512;
const CANONICAL_PAGES = NON_CANONICAL / PAGE_SIZE;

export class PageWalk {
  readonly #system: SystemSpace;
  readonly #root: number;
  /** First page of the table that is known, and the index in ram.u32 of its entry. */
  #first = Number.NaN;
  #base = 0;

  constructor(system: SystemSpace, root = system.translation.root) {
    this.#system = system;
    this.#root = root;
  }

  /** Index in ram.u32 of a page's entry; -1 if there is no table for it. The page must be canonical. */
  index(page: number): number {
    const within = page - this.#first;
    if (within >= 0 && within < TABLE_PAGES) return (this.#base + ((within | 0) << 1)) | 0;
    const first = Math.floor(page / TABLE_PAGES) * TABLE_PAGES;
    const base = this.#system.tables.entryIndex(this.#root, first * PAGE_SIZE);
    if (base < 0) return -1;
    this.#first = first;
    this.#base = base;
    return base + (page - first) * 2;
  }

  /** The frame of a page that the supervisor may read, or write; -1 otherwise. */
  frame(page: number, write: boolean): number {
    const index = this.index(page);
    if (index < 0) return -1;
    const { u32 } = this.#system.ram;
    const low = u32[index]!;
    const needed = write ? PTE_PRESENT | PTE_WRITABLE : PTE_PRESENT;
    return (low & needed) === needed ? (low >>> PAGE_SHIFT) | ((u32[index + 1]! & 0xfff) << 20) : -1;
  }
}

/** Whether a page number is that of a canonical address. */
export function isCanonicalPage(page: number): boolean {
  return page >= -CANONICAL_PAGES && page < CANONICAL_PAGES;
}
