/**
 * Second mappings: the frames of an MDL at another address, in system PTEs or in the current process.
 *
 * A mapping is more page-table entries for the same frames: a store through one is seen through the other at once. It
 * claims nothing: a frame that is unlocked and freed while it is still mapped is somebody else's page, seen through a
 * stale mapping, as in Windows. System PTEs are finite; a mapping that is never released is missing for ever.
 *
 * Sources: "MmMapLockedPagesSpecifyCache", "MmUnmapLockedPages", "MmGetSystemAddressForMdlSafe"; bug check 0xDA for the
 * parameters of a wrong unmap.
 */
import type { Trace } from '../../etw/trace.ts';
import { type Address, isUserAddress, PAGE_SIZE, pageOf, pageOffset } from '../../wdm/address.ts';
import {
  HighPagePriority,
  LowPagePriority,
  MDL_FREE_EXTRA_PTES,
  MDL_MAPPED_TO_SYSTEM_VA,
  MDL_PARTIAL,
  MDL_PARTIAL_HAS_BEEN_MAPPED,
  MdlMappingNoExecute,
  MdlMappingNoWrite,
  PAGE_EXECUTE,
  PAGE_EXECUTE_READ,
  PAGE_EXECUTE_READWRITE,
  PAGE_NOACCESS,
  PAGE_READONLY,
  PAGE_READWRITE,
} from '../../wdm/constants-mm.ts';
import { GuestException } from '../../wdm/failures.ts';
import { MDL } from '../../wdm/layouts.ts';
import {
  STATUS_CONFLICTING_ADDRESSES,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PAGE_PROTECTION,
  STATUS_NOT_MAPPED_VIEW,
  STATUS_SUCCESS,
} from '../../wdm/ntstatus.ts';
import { KernelMode, type MemoryAccess } from '../access.ts';
import { bugCheck, NO_MORE_SYSTEM_PTES, PFN_LIST_CORRUPT, SYSTEM_PTE_MISUSE } from '../bug-checks.ts';
import { ALLOCATION_GRANULARITY } from '../layout.ts';
import { protectionOf } from '../process/protection.ts';
import type { SystemRegion } from '../system-region.ts';
import type { SystemSpace } from '../system-space.ts';
import { type MdlView, mdlPages } from './mdl-view.ts';
import { PfnArray } from './pfn-array.ts';

const PRIORITY_BITS = 0x3f;
/** System PTEs that stay for requests of higher priority. */
const RESERVE_LOW = 256;
const RESERVE_NORMAL = 32;

const PROTECTIONS = [
  PAGE_NOACCESS,
  PAGE_READONLY,
  PAGE_READWRITE,
  PAGE_EXECUTE,
  PAGE_EXECUTE_READ,
  PAGE_EXECUTE_READWRITE,
];

export class MdlMappings {
  readonly #system: SystemSpace;
  readonly #access: MemoryAccess;
  readonly #trace: Trace | undefined;

  constructor(system: SystemSpace, access: MemoryAccess, trace?: Trace) {
    this.#system = system;
    this.#access = access;
    this.#trace = trace;
  }

  /**
   * Maps the MDL's pages: KernelMode into system PTEs, UserMode into the current process. Returns the address of the
   * buffer's first byte. When there is no room: KernelMode 0, or NO_MORE_SYSTEM_PTES with `bugCheckOnFailure`; UserMode
   * raises. CacheType changes nothing that a program could see here.
   * IRQL <= DISPATCH_LEVEL, UserMode <= APC_LEVEL.
   */
  MmMapLockedPagesSpecifyCache(
    mdl: Address,
    mode: number,
    _cacheType: number,
    requestedAddress: Address,
    bugCheckOnFailure: number,
    priority: number,
  ): Address {
    const view = this.#view(mdl);
    const address =
      mode === KernelMode
        ? this.#mapToSystem(mdl, view, bugCheckOnFailure !== 0, priority)
        : this.#mapToProcess(mdl, view, requestedAddress, priority);
    if (address !== 0 && this.#trace?.enabled) {
      const side = mode === KernelMode ? 'kernel' : 'user';
      this.#trace.emit({ type: 'mapped', mdl, address, bytes: view.ByteCount, mode: side });
    }
    return address;
  }

  /** MmMapLockedPages: a kernel mapping that fails stops the machine. */
  MmMapLockedPages(mdl: Address, mode: number): Address {
    return this.MmMapLockedPagesSpecifyCache(mdl, mode, 1, 0, 1, HighPagePriority);
  }

  /** MmGetSystemAddressForMdlSafe, which is inline in drivers. */
  systemAddress(mdl: Address, priority: number): Address {
    const view = this.#view(mdl);
    return view.MdlFlags & 5
      ? view.MappedSystemVa
      : this.MmMapLockedPagesSpecifyCache(mdl, KernelMode, 1, 0, 0, priority);
  }

  /**
   * Releases a mapping. `base` is what the mapping routine returned; a user mapping must be released in its own process.
   * What is not a mapping of so many pages is SYSTEM_PTE_MISUSE. IRQL <= DISPATCH_LEVEL, a user mapping <= APC_LEVEL.
   */
  MmUnmapLockedPages(base: Address, mdl: Address): void {
    const view = this.#view(mdl);
    if (isUserAddress(base)) this.#unmapFromProcess(base, mdl, view);
    else {
      this.#unmapFromSystem(base, mdl, view);
      view.MdlFlags &= ~(MDL_MAPPED_TO_SYSTEM_VA | MDL_PARTIAL_HAS_BEEN_MAPPED | MDL_FREE_EXTRA_PTES);
    }
    if (this.#trace?.enabled) this.#trace.emit({ type: 'unmapped', mdl, address: base });
  }

  /** Changes the protection of an MDL's system mapping. IRQL <= APC_LEVEL. */
  MmProtectMdlSystemAddress(mdl: Address, protect: number): number {
    if (!PROTECTIONS.includes(protect)) return STATUS_INVALID_PAGE_PROTECTION;
    const view = this.#view(mdl);
    const region = this.#ptes;
    const first = region.pageAt(view.MappedSystemVa);
    if (!(view.MdlFlags & MDL_MAPPED_TO_SYSTEM_VA) || !region.contains(view.MappedSystemVa))
      return STATUS_NOT_MAPPED_VIEW;
    const { read, write, execute } = protectionOf(protect);
    const frames = new PfnArray(this.#system, mdl);
    const pages = mdlPages(view);
    for (let i = 0; i < pages && first + i < region.pages; i++) {
      region.unmap(first + i);
      if (read) region.map(first + i, this.#frame(frames.get(i)), write, execute);
    }
    return STATUS_SUCCESS;
  }

  get #ptes(): SystemRegion {
    return this.#system.regions.systemPtes;
  }

  #mapToSystem(mdl: Address, view: MdlView, mustSucceed: boolean, priority: number): Address {
    const region = this.#ptes;
    const pages = mdlPages(view);
    const level = priority & PRIORITY_BITS;
    const reserve =
      level >= HighPagePriority || mustSucceed ? 0 : level === LowPagePriority ? RESERVE_LOW : RESERVE_NORMAL;
    const first = region.runs.free - pages < reserve ? -1 : region.runs.allocate(pages);
    if (first < 0) {
      if (!mustSucceed) return 0;
      throw bugCheck(NO_MORE_SYSTEM_PTES, [0, pages, region.runs.free, region.pages], 'no system PTEs for an MDL');
    }
    const frames = new PfnArray(this.#system, mdl);
    try {
      for (let i = 0; i < pages; i++) {
        region.map(
          first + i,
          this.#frame(frames.get(i)),
          !(priority & MdlMappingNoWrite),
          !(priority & MdlMappingNoExecute),
        );
      }
    } catch (error) {
      for (let i = 0; i < pages; i++) region.unmap(first + i);
      region.runs.release(first);
      throw error;
    }
    const address = region.addressOf(first) + pageOffset(view.ByteOffset);
    view.MappedSystemVa = address;
    view.MdlFlags |= MDL_MAPPED_TO_SYSTEM_VA | (view.MdlFlags & MDL_PARTIAL ? MDL_PARTIAL_HAS_BEEN_MAPPED : 0);
    return address;
  }

  #unmapFromSystem(base: Address, mdl: Address, view: MdlView): void {
    const region = this.#ptes;
    const pages = mdlPages(view);
    const misuse = (kind: number, two: Address, three: number) =>
      bugCheck(
        SYSTEM_PTE_MISUSE,
        kind === 6 ? [6, mdl, two, three] : [2, two, three, pages],
        'a mapping is released that is not one',
      );
    if (!region.contains(base)) throw misuse(6, base, pages);
    let first = region.pageAt(base);
    // After MmAdvanceMdl the mapping begins before the MDL's first page.
    let extra = 0;
    if (view.MdlFlags & MDL_FREE_EXTRA_PTES) for (; first > 0 && region.runs.runAt(first) === 0; extra++) first--;
    const mapped = region.runs.runAt(first);
    if (mapped === 0) throw misuse(6, base, pages);
    if (mapped !== pages + extra) throw misuse(2, base, mapped);
    for (let i = 0; i < mapped; i++) region.unmap(first + i);
    region.runs.release(first);
  }

  #mapToProcess(mdl: Address, view: MdlView, requested: Address, priority: number): Address {
    const space = this.#access.current;
    const pages = mdlPages(view);
    const protect = priority & MdlMappingNoWrite ? PAGE_READONLY : PAGE_READWRITE;
    const granule = requested - (requested % ALLOCATION_GRANULARITY);
    const at = requested === 0 ? undefined : isUserAddress(requested) ? granule / PAGE_SIZE : -1;
    const start = pages > 0 ? space.reserve(pages, protect, 'mdl', at) : -1;
    if (start < 0)
      throw new GuestException(at === undefined ? STATUS_INSUFFICIENT_RESOURCES : STATUS_CONFLICTING_ADDRESSES);
    const frames = new PfnArray(this.#system, mdl);
    try {
      for (let i = 0; i < pages; i++) {
        if (!space.mapFrame(start + i, this.#frame(frames.get(i)), protect))
          throw new GuestException(STATUS_INSUFFICIENT_RESOURCES);
      }
    } catch (error) {
      space.release(space.vads.find(start)!);
      throw error;
    }
    return start * PAGE_SIZE + pageOffset(view.ByteOffset);
  }

  #unmapFromProcess(base: Address, mdl: Address, view: MdlView): void {
    const space = this.#access.current;
    const vad = space.vads.find(pageOf(base) / PAGE_SIZE);
    if (vad?.kind !== 'mdl' || vad.start !== pageOf(base) / PAGE_SIZE) {
      throw bugCheck(
        SYSTEM_PTE_MISUSE,
        [6, mdl, base, mdlPages(view)],
        'nothing is mapped at that address in this process',
      );
    }
    space.release(vad);
  }

  /** A frame number out of an MDL, which must be a page of ours. */
  #frame(frame: number): number {
    if (this.#system.pfn.isInUse(frame)) return frame;
    throw bugCheck(
      PFN_LIST_CORRUPT,
      [0x99, BigInt.asUintN(64, BigInt(frame))],
      'an MDL is mapped whose pages were never filled in or are freed',
    );
  }

  #view(mdl: Address): MdlView {
    return MDL.at(this.#system.translation.memory, mdl);
  }
}
