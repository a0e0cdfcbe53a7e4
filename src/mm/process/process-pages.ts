/**
 * A process's page-table entries: the user half of one root.
 *
 * An entry is valid; or it is not and keeps a frame all the same (KEPT: the page is PAGE_NOACCESS or guarded and its
 * contents must survive that); or it is zero: nothing there yet, or nothing at all. What a page is committed as is the
 * address space's knowledge, not the entry's.
 */
import { PTE_ACCESSED, PTE_DIRTY, PTE_PRESENT, PTE_USER, PTE_WRITABLE } from '../../hw/page-tables.ts';
import { PAGE_SHIFT, PAGE_SIZE } from '../../wdm/address.ts';
import { PageWalk } from '../page-walk.ts';
import { FRAME_PROCESS } from '../pfn.ts';
import type { SystemSpace } from '../system-space.ts';
import { isGuarded, protectionOf } from './protection.ts';

/** Software bit of an entry that is not valid: the frame number is good. */
const KEPT = 1 << 9;
const NO_EXECUTE_HIGH = 0x8000_0000;

export class ProcessPages {
  readonly root: number;
  readonly #system: SystemSpace;
  readonly #space: number;

  /** @param space number of the address space, for the PFN database */
  constructor(system: SystemSpace, space: number, root: number) {
    this.#system = system;
    this.#space = space;
    this.root = root;
  }

  /** The frame that a page has, valid or kept; -1 if none. */
  frameAt(page: number): number {
    const index = this.#index(page);
    return index < 0 ? -1 : this.#frame(index);
  }

  isValid(page: number): boolean {
    const index = this.#index(page);
    return index >= 0 && (this.#system.ram.u32[index]! & PTE_PRESENT) !== 0;
  }

  /** Gives a page without a frame a zeroed one. False if there is none left. */
  demandZero(page: number, protect: number): boolean {
    const { pfn } = this.#system;
    // A walk to a new entry can take three tables.
    if (pfn.available < 4) return false;
    const frame = pfn.takeZeroed(FRAME_PROCESS, this.#space);
    this.#write(page, frame, protect);
    return true;
  }

  /** Maps somebody else's frame. False if there is no frame for a page table. */
  mapForeign(page: number, frame: number, protect: number): boolean {
    if (this.#system.pfn.available < 3) return false;
    this.#write(page, frame, protect);
    return true;
  }

  /** Gives pages that have a frame a new protection. */
  protect(start: number, end: number, protect: number): void {
    for (let page = start; page < end; page++) {
      const frame = this.frameAt(page);
      if (frame >= 0) this.#write(page, frame, protect);
    }
  }

  /** Clears the entries; with `release` their frames go back to the PFN database. */
  clear(start: number, end: number, release: boolean): void {
    const { ram, pfn } = this.#system;
    const walk = new PageWalk(this.#system, this.root);
    for (let page = start; page < end; page++) {
      const index = walk.index(page);
      const frame = index < 0 ? -1 : this.#frame(index);
      if (frame < 0) continue;
      ram.u32[index] = 0;
      ram.u32[index + 1] = 0;
      this.#invalidate(page);
      if (release) pfn.release(frame);
    }
  }

  destroy(): void {
    this.#system.tables.destroyRoot(this.root);
  }

  #write(page: number, frame: number, protect: number): void {
    const { read, write, execute } = protectionOf(protect);
    const valid = read && !isGuarded(protect);
    const index = this.#system.tables.entryIndex(this.root, page * PAGE_SIZE, true);
    const bits = valid ? PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_DIRTY | (write ? PTE_WRITABLE : 0) : KEPT;
    const { u32 } = this.#system.ram;
    u32[index] = (frame << PAGE_SHIFT) | bits;
    u32[index + 1] = (frame >>> 20) | (execute ? 0 : NO_EXECUTE_HIGH);
    this.#invalidate(page);
  }

  #invalidate(page: number): void {
    const { translation } = this.#system;
    if (translation.root === this.root) translation.invalidatePage(page * PAGE_SIZE);
  }

  #frame(index: number): number {
    const { u32 } = this.#system.ram;
    const low = u32[index]!;
    return low & (PTE_PRESENT | KEPT) ? (low >>> PAGE_SHIFT) | ((u32[index + 1]! & 0xfff) << 20) : -1;
  }

  #index(page: number): number {
    return this.#system.tables.entryIndex(this.root, page * PAGE_SIZE);
  }
}
