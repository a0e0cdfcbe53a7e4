/**
 * A process's address space: the user half, from 64 KiB to MmHighestUserAddress.
 *
 * Reserving takes addresses (in steps of 64 KiB), committing promises memory; the page itself comes at the first touch,
 * zeroed (`resolve`, which the page fault handler calls). Frames belong to the process until it gives them up; those
 * that an MDL holds locked then live on until they are unlocked. NULL and the 64 KiB around it are never mapped.
 *
 * Here are the mechanisms, with page numbers and yes or no; the NT services with their statuses are in
 * `virtual-memory-services.ts`. `allocate`, `free` and `protect` are for programs written in TypeScript.
 */
import { VirtualMemory } from '../../hw/virtual-memory.ts';
import { type Address, PAGE_SIZE } from '../../wdm/address.ts';
import { PAGE_GUARD, PAGE_READONLY, PAGE_READWRITE } from '../../wdm/constants-mm.ts';
import { GuestException } from '../../wdm/failures.ts';
import type { Access, GuestMemory } from '../../wdm/memory.ts';
import {
  STATUS_ACCESS_VIOLATION,
  STATUS_GUARD_PAGE_VIOLATION,
  STATUS_NO_MEMORY,
  STATUS_SUCCESS,
} from '../../wdm/ntstatus.ts';
import { bugCheck, PROCESS_HAS_LOCKED_PAGES } from '../bug-checks.ts';
import { ALLOCATION_GRANULARITY, HIGHEST_USER_ADDRESS, LOWEST_USER_ADDRESS, SHARED_USER_DATA_USER } from '../layout.ts';
import type { SeededRandom } from '../random.ts';
import type { SystemSpace } from '../system-space.ts';
import { ProcessPages } from './process-pages.ts';
import { isGuarded, permits } from './protection.ts';
import { RangeMap } from './range-map.ts';
import { type Vad, type VadKind, VadTable } from './vad.ts';

export const LOWEST_USER_PAGE = LOWEST_USER_ADDRESS / PAGE_SIZE;
/** Exclusive. */
export const USER_PAGES_END = (HIGHEST_USER_ADDRESS + 1) / PAGE_SIZE;
const GRANULE = ALLOCATION_GRANULARITY / PAGE_SIZE;

/** Pages that all processes together may commit. */
export interface CommitCharge {
  used: number;
  readonly limit: number;
}

export class AddressSpace {
  /** A small number for the PFN database. */
  readonly id: number;
  readonly vads = new VadTable();
  /** Protection of each committed page. */
  readonly committed = new RangeMap<number>();
  /** Memory as the process's own code sees it: user mode, demand zero. */
  readonly memory: GuestMemory;
  /** The EPROCESS that it belongs to, if any. */
  process: Address = 0;
  /** Locks that MDLs hold on this process's pages. */
  lockedPages = 0;
  readonly #pages: ProcessPages;
  readonly #charge: CommitCharge;
  /** Where the search for free addresses begins: seeded, as ASLR does it. */
  readonly #bottom: number;
  #alive = true;

  /** @param root page tables whose user half is empty */
  constructor(id: number, system: SystemSpace, root: number, charge: CommitCharge, random: SeededRandom) {
    this.id = id;
    this.#charge = charge;
    this.#pages = new ProcessPages(system, id, root);
    this.#bottom = (0x100_0000_0000 + random.below(0x80_0000) * ALLOCATION_GRANULARITY) / PAGE_SIZE;
    const view = new VirtualMemory(system.ram, system.tables, this.#pages.root, 'user');
    view.onFault = (address, access) => {
      const status = this.resolve(address, access);
      if (status !== STATUS_SUCCESS && status !== STATUS_ACCESS_VIOLATION) throw new GuestException(status);
      return status === STATUS_SUCCESS;
    };
    this.memory = view;
    const shared = SHARED_USER_DATA_USER / PAGE_SIZE;
    this.vads.insert({ start: shared, end: shared + 1, kind: 'shared', protect: PAGE_READONLY });
    this.#pages.mapForeign(shared, system.sharedUserData, PAGE_READONLY);
  }

  /** The frame of its page-table root: CR3. */
  get root(): number {
    return this.#pages.root;
  }
  get alive(): boolean {
    return this.#alive;
  }

  // Mechanisms, in pages

  /**
   * Finds and takes addresses. With `at` (a multiple of 16 pages) exactly those; -1 if they are taken or there are none.
   * @param below no page at or above this one
   */
  reserve(pages: number, protect: number, kind: VadKind, at?: number, below = USER_PAGES_END, topDown = false): number {
    let start: number;
    if (at !== undefined) {
      start = at >= LOWEST_USER_PAGE && at + pages <= below && this.vads.isFree(at, at + pages) ? at : -1;
    } else {
      start = topDown ? -1 : this.vads.gap(pages, GRANULE, this.#bottom, below);
      if (start < 0) start = this.vads.gap(pages, GRANULE, LOWEST_USER_PAGE, below, topDown);
    }
    if (start >= 0) this.vads.insert({ start, end: start + pages, kind, protect });
    return start;
  }

  /** Commits pages, or gives committed ones a new protection. False if the commit limit is reached. */
  commit(start: number, end: number, protect: number): boolean {
    const fresh = end - start - this.committed.count(start, end);
    if (this.#charge.used + fresh > this.#charge.limit) return false;
    this.#charge.used += fresh;
    this.setProtection(start, end, protect);
    return true;
  }

  /** Frees the frames; the addresses stay reserved. */
  decommit(start: number, end: number): void {
    for (const range of this.committed.within(start, end)) {
      this.#pages.clear(range.start, range.end, true);
      this.#charge.used -= range.end - range.start;
    }
    this.committed.set(start, end, undefined);
  }

  /** Frees the addresses, and the frames of private memory. */
  release(vad: Vad, start = vad.start, end = vad.end): void {
    if (vad.kind === 'private') this.decommit(start, end);
    else this.#pages.clear(start, end, false);
    this.vads.cut(vad, start, end);
  }

  /** @param start all pages to `end` are committed, or about to be */
  setProtection(start: number, end: number, protect: number): void {
    for (const range of this.committed.within(start, end)) this.#pages.protect(range.start, range.end, protect);
    this.committed.set(start, end, protect);
  }

  /** Maps frames that are somebody else's, at addresses that were reserved as 'mdl'. */
  mapFrame(page: number, frame: number, protect: number): boolean {
    return this.#pages.mapForeign(page, frame, protect);
  }

  /** The frame behind a page that is valid now, or -1. */
  validFrame(page: number): number {
    return this.#pages.isValid(page) ? this.#pages.frameAt(page) : -1;
  }

  /**
   * Handles a fault on a user address: STATUS_SUCCESS if the access can be made again, else the status of the exception
   * that it raises. A touched guard page loses its guard.
   */
  resolve(address: Address, access: Access): number {
    const page = Math.floor(address / PAGE_SIZE);
    const protect = this.committed.at(page)?.value;
    if (protect === undefined || !this.#alive) return STATUS_ACCESS_VIOLATION;
    if (isGuarded(protect)) {
      this.setProtection(page, page + 1, protect & ~PAGE_GUARD);
      return STATUS_GUARD_PAGE_VIOLATION;
    }
    if (!permits(protect, access)) return STATUS_ACCESS_VIOLATION;
    if (this.#pages.isValid(page)) return STATUS_SUCCESS;
    return this.#pages.demandZero(page, protect) ? STATUS_SUCCESS : STATUS_NO_MEMORY;
  }

  // For programs written in TypeScript

  /** Reserves and commits. Throws a GuestException with STATUS_NO_MEMORY when there is no room. */
  allocate(bytes: number, protect = PAGE_READWRITE, at?: Address): Address {
    const pages = Math.ceil(bytes / PAGE_SIZE);
    const start = this.reserve(pages, protect, 'private', at === undefined ? undefined : Math.floor(at / PAGE_SIZE));
    if (start < 0) throw new GuestException(STATUS_NO_MEMORY);
    if (!this.commit(start, start + pages, protect)) {
      this.vads.cut(this.vads.find(start)!, start, start + pages);
      throw new GuestException(STATUS_NO_MEMORY);
    }
    return start * PAGE_SIZE;
  }

  /** Frees the whole allocation that begins at `address`. */
  free(address: Address): void {
    const vad = this.vads.find(Math.floor(address / PAGE_SIZE));
    if (vad?.kind !== 'private') throw new Error('nothing was allocated at that address');
    this.release(vad);
  }

  /** Changes the protection of the pages that [address, address + bytes) touches; they must be committed. */
  protect(address: Address, bytes: number, protect: number): void {
    const start = Math.floor(address / PAGE_SIZE);
    const end = Math.ceil((address + bytes) / PAGE_SIZE);
    if (this.committed.count(start, end) !== end - start) throw new Error('not all of the range is committed');
    this.setProtection(start, end, protect);
  }

  /**
   * The end of the process: every frame and page table goes back. Pages that a driver still holds locked stop the
   * machine (PROCESS_HAS_LOCKED_PAGES). Must not be the address space in use.
   */
  destroy(): void {
    if (!this.#alive) return;
    if (this.lockedPages > 0) {
      throw bugCheck(
        PROCESS_HAS_LOCKED_PAGES,
        [0, this.process, this.lockedPages],
        'a process ends while a driver has pages of it locked',
      );
    }
    for (const vad of [...this.vads]) this.release(vad);
    this.#alive = false;
    this.#pages.destroy();
  }
}
