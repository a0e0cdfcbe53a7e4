/**
 * Pool pages: a region of system addresses that is either cut into blocks (pool-heap.ts) or handed out by the page.
 *
 * Big allocations (a page or more, and what would not leave room for a header) are whole pages without a header, as in
 * Windows, which keeps their tags in a table of its own (PoolBigPageTable). A page that is freed leaves the address
 * space at once: a driver that still uses it takes PAGE_FAULT_IN_NONPAGED_AREA, which real Windows gives it only
 * sometimes. Page 0 of a region is never used, so that offset 0 means "none".
 */
import { type Address, PAGE_SIZE } from '../../wdm/address.ts';
import { FRAME_NONPAGED_POOL, FRAME_PAGED_POOL, type PfnDatabase } from '../pfn.ts';
import { SystemRegion } from '../system-region.ts';

/** Which heap cuts up a page, or one of these. */
export const PAGE_UNUSED = 0xff;
export const PAGE_BIG = 0xfe;

export class PoolRegion {
  readonly region: SystemRegion;
  readonly paged: boolean;
  /** Byte offset in the WebAssembly memory of each page, while it is used. */
  readonly offset: Int32Array;
  /** Heap number, PAGE_BIG or PAGE_UNUSED, of each page. */
  readonly owner: Uint8Array;
  /** Of the first page of each big allocation: what was asked for. */
  readonly bigBytes: Uint32Array;
  readonly bigTag: Uint32Array;
  readonly bigType: Uint8Array;
  readonly #pfn: PfnDatabase;
  readonly #use: number;

  constructor(region: SystemRegion, paged: boolean, pfn: PfnDatabase) {
    this.region = region;
    this.paged = paged;
    this.offset = new Int32Array(region.pages);
    this.owner = new Uint8Array(region.pages).fill(PAGE_UNUSED);
    this.bigBytes = new Uint32Array(region.pages);
    this.bigTag = new Uint32Array(region.pages);
    this.bigType = new Uint8Array(region.pages);
    this.#pfn = pfn;
    this.#use = paged ? FRAME_PAGED_POOL : FRAME_NONPAGED_POOL;
    region.runs.allocateAt(0, 1);
  }

  get base(): Address {
    return this.region.base;
  }

  /** The first of `count` pages, mapped, with old contents; -1 when address space or frames are used up. */
  take(count: number, owner: number, executable: boolean): number {
    if (count > this.#pfn.available) return -1;
    const first = this.region.runs.allocate(count);
    if (first < 0) return -1;
    for (let page = first; page < first + count; page++) {
      const frame = this.#pfn.take(this.#use);
      this.region.map(page, frame, true, executable);
      this.offset[page] = SystemRegion.offsetOf(frame);
      this.owner[page] = owner;
    }
    return first;
  }

  /** Unmaps and frees the run of pages that begins at `first`; returns its bytes. */
  release(first: number): number {
    const count = this.region.runs.release(first);
    for (let page = first; page < first + count; page++) {
      this.#pfn.release(this.region.unmap(page));
      this.offset[page] = 0;
      this.owner[page] = PAGE_UNUSED;
    }
    return count * PAGE_SIZE;
  }
}
