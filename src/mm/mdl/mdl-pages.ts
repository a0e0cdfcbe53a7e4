/**
 * MDLs that own their pages: MmAllocatePagesForMdl and its Ex form, MmFreePagesFromMdl; and MmAdvanceMdl.
 *
 * Such pages have no address until they are mapped. Physical ranges are given in bytes; a machine has one node.
 */
import { type Address, PAGE_SIZE, pageOffset } from '../../wdm/address.ts';
import {
  MDL_FREE_EXTRA_PTES,
  MDL_MAPPED_TO_SYSTEM_VA,
  MDL_PAGES_LOCKED,
  MM_ALLOCATE_FAST_LARGE_PAGES,
  MM_ALLOCATE_FULLY_REQUIRED,
  MM_ALLOCATE_REQUIRE_CONTIGUOUS_CHUNKS,
  MM_DONT_ZERO_ALLOCATION,
  NonPagedPoolNx,
} from '../../wdm/constants-mm.ts';
import { STATUS_INVALID_PARAMETER_2, STATUS_SUCCESS } from '../../wdm/ntstatus.ts';
import { bugCheck, PFN_LIST_CORRUPT } from '../bug-checks.ts';
import { FRAME_FREE, FRAME_MDL } from '../pfn.ts';
import type { Pool } from '../pool/pool.ts';
import type { SystemSpace } from '../system-space.ts';
import { MDL_TAG, type Mdls } from './mdl.ts';
import type { MdlMappings } from './mdl-mappings.ts';
import { mdlPages } from './mdl-view.ts';
import { EMPTY_PFN, MDL_HEADER_SIZE, PfnArray } from './pfn-array.ts';

/** "The maximum amount of memory that it can allocate in a single call is (4 gigabytes - PAGE_SIZE)." */
const LARGEST_REQUEST = 0x1_0000_0000 - PAGE_SIZE;

export class MdlPages {
  readonly #system: SystemSpace;
  readonly #pool: Pool;
  readonly #mdls: Mdls;
  readonly #mappings: MdlMappings;

  constructor(system: SystemSpace, pool: Pool, mdls: Mdls, mappings: MdlMappings) {
    this.#system = system;
    this.#pool = pool;
    this.#mdls = mdls;
    this.#mappings = mappings;
  }

  /** Fewer pages than asked for are a success; 0 means none, or no pool for the MDL. Pages are zeroed. */
  MmAllocatePagesForMdl(low: bigint, high: bigint, skip: bigint, bytes: number): Address {
    return this.MmAllocatePagesForMdlEx(low, high, skip, bytes, 1, 0);
  }

  /** The caller frees the pages with MmFreePagesFromMdl and the MDL with ExFreePool. IRQL <= DISPATCH_LEVEL. */
  MmAllocatePagesForMdlEx(
    low: bigint,
    high: bigint,
    skip: bigint,
    bytes: number,
    _cacheType: number,
    flags: number,
  ): Address {
    if (!(bytes > 0 && bytes <= LARGEST_REQUEST) || flags & MM_ALLOCATE_FAST_LARGE_PAGES) return 0;
    if (skip % BigInt(PAGE_SIZE) !== 0n) return 0;
    const wanted = Math.ceil(bytes / PAGE_SIZE);
    const frames =
      flags & MM_ALLOCATE_REQUIRE_CONTIGUOUS_CHUNKS
        ? this.#chunks(wanted, low, high, skip)
        : this.#scattered(wanted, low, high, skip);
    const giveBack = () => {
      for (const frame of frames) this.#system.pfn.release(frame);
      return 0;
    };
    if (frames.length === 0 || (flags & MM_ALLOCATE_FULLY_REQUIRED && frames.length < wanted)) return giveBack();
    const mdl = this.#pool.allocate(NonPagedPoolNx, MDL_HEADER_SIZE + 8 * frames.length, MDL_TAG);
    if (mdl === 0) return giveBack();
    const view = this.#mdls.initialize(mdl, 0, frames.length * PAGE_SIZE);
    view.Process = 0;
    view.MappedSystemVa = 0;
    view.MdlFlags = MDL_PAGES_LOCKED;
    const array = new PfnArray(this.#system, mdl);
    frames.forEach((frame, i) => {
      if (!(flags & MM_DONT_ZERO_ALLOCATION)) this.#system.pfn.zero(frame);
      array.set(i, frame);
    });
    return mdl;
  }

  /**
   * Frees the pages, their system mapping first. A page that an MDL holds locked, or that is not from
   * MmAllocatePagesForMdl, is PFN_LIST_CORRUPT. IRQL <= DISPATCH_LEVEL.
   */
  MmFreePagesFromMdl(mdl: Address): void {
    const { pfn } = this.#system;
    const view = this.#mdls.view(mdl);
    if (view.MdlFlags & MDL_MAPPED_TO_SYSTEM_VA) this.#mappings.MmUnmapLockedPages(view.MappedSystemVa, mdl);
    const array = new PfnArray(this.#system, mdl);
    const pages = mdlPages(view);
    for (let i = 0; i < pages; i++) {
      const frame = array.get(i);
      const use = pfn.isInUse(frame) ? pfn.use(frame) : FRAME_FREE;
      const named = BigInt.asUintN(64, BigInt(frame));
      if (use !== FRAME_MDL)
        throw bugCheck(PFN_LIST_CORRUPT, [0x99, named, use], 'a page is freed that MmAllocatePagesForMdl did not give');
      if (pfn.lockCount(frame) > 0) {
        throw bugCheck(
          PFN_LIST_CORRUPT,
          [0x9a, named, use, pfn.lockCount(frame)],
          'a page is freed that is still locked for I/O',
        );
      }
      pfn.release(frame);
      array.set(i, EMPTY_PFN);
    }
    view.MdlFlags &= ~MDL_PAGES_LOCKED;
  }

  /** Moves the MDL's beginning; pages that it leaves behind are unlocked at once. IRQL <= DISPATCH_LEVEL. */
  MmAdvanceMdl(mdl: Address, bytes: number): number {
    const view = this.#mdls.view(mdl);
    if (!(bytes <= view.ByteCount)) return STATUS_INVALID_PARAMETER_2;
    const offset = view.ByteOffset + bytes;
    const passed = Math.floor(offset / PAGE_SIZE);
    const array = new PfnArray(this.#system, mdl);
    const left = mdlPages(view) - passed;
    if (view.MdlFlags & MDL_PAGES_LOCKED) for (let i = 0; i < passed; i++) this.#mdls.unlockFrame(array.get(i));
    for (let i = 0; i < left; i++) array.set(i, array.get(i + passed));
    view.StartVa += passed * PAGE_SIZE;
    view.ByteOffset = pageOffset(offset);
    view.ByteCount -= bytes;
    if (view.MdlFlags & MDL_MAPPED_TO_SYSTEM_VA) {
      view.MappedSystemVa += bytes;
      if (passed > 0) view.MdlFlags |= MDL_FREE_EXTRA_PTES;
    }
    return STATUS_SUCCESS;
  }

  #scattered(wanted: number, low: bigint, high: bigint, skip: bigint): number[] {
    const { pfn } = this.#system;
    const frames: number[] = [];
    if (low < BigInt(2 * PAGE_SIZE) && high >= BigInt(pfn.total) * BigInt(PAGE_SIZE) - 1n) {
      for (let frame = pfn.take(FRAME_MDL); frame >= 0; frame = pfn.take(FRAME_MDL)) {
        frames.push(frame);
        if (frames.length === wanted) break;
      }
      return frames;
    }
    for (const [first, last] of this.#ranges(low, high, skip)) {
      for (let frame = first; frame <= last && frames.length < wanted; frame++) {
        if (pfn.use(frame) !== FRAME_FREE) continue;
        pfn.takeThis(frame, FRAME_MDL);
        frames.push(frame);
      }
    }
    return frames;
  }

  /** One block of adjacent frames; with `skip`, blocks of `skip` bytes each. */
  #chunks(wanted: number, low: bigint, high: bigint, skip: bigint): number[] {
    const { pfn } = this.#system;
    const chunk = skip === 0n ? wanted : Number(skip / BigInt(PAGE_SIZE));
    if (skip & (skip - 1n) || wanted % chunk !== 0) return [];
    const frames: number[] = [];
    const [range] = this.#ranges(low, high, 0n);
    while (range && frames.length < wanted) {
      const first = pfn.takeContiguous(chunk, FRAME_MDL, ...range);
      if (first < 0) break;
      for (let i = 0; i < chunk; i++) frames.push(first + i);
    }
    return frames;
  }

  /** Physical ranges as frames: [low, high], and that moved on by `skip` until memory ends. */
  #ranges(low: bigint, high: bigint, skip: bigint): [number, number][] {
    const page = BigInt(PAGE_SIZE);
    const end = BigInt(this.#system.pfn.total) * page;
    const ranges: [number, number][] = [];
    // Ranges that overlap are one.
    if (skip > 0n && skip <= high - low + 1n) return this.#ranges(low, end - 1n, 0n);
    for (let [from, to] = [low, high]; from <= to && from < end; from += skip, to += skip) {
      const first = Number((from + page - 1n) / page);
      const last = Number((to + 1n < end ? to + 1n : end) / page) - 1;
      if (first <= last) ranges.push([Math.max(first, 1), last]);
      if (skip === 0n) break;
    }
    return ranges;
  }
}
