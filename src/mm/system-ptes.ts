/**
 * System PTEs for other than MDLs: contiguous and noncached memory, I/O space, and addresses that a driver reserves for
 * later mappings. Each run of addresses is remembered with what it is, so that a wrong free is found.
 */
import { type Address, PAGE_SIZE, pageOf, pageOffset } from '../wdm/address.ts';
import { MDL_MAPPED_TO_SYSTEM_VA, MDL_PARTIAL, MDL_PARTIAL_HAS_BEEN_MAPPED } from '../wdm/constants-mm.ts';
import { Unsupported } from '../wdm/failures.ts';
import { MDL } from '../wdm/layouts.ts';
import { BAD_POOL_CALLER, bugCheck, PFN_LIST_CORRUPT, SYSTEM_PTE_MISUSE } from './bug-checks.ts';
import { mdlPages } from './mdl/mdl-view.ts';
import { PfnArray } from './mdl/pfn-array.ts';
import { FRAME_CONTIGUOUS, FRAME_SYSTEM } from './pfn.ts';
import { protectionOf } from './process/protection.ts';
import type { SystemRegion } from './system-region.ts';
import type { SystemSpace } from './system-space.ts';

type Run =
  | { readonly kind: 'contiguous' | 'noncached' | 'io-space'; readonly bytes: number }
  | { readonly kind: 'reserved'; readonly tag: number; mapped: number };

const MAXIMUM_PHYSICAL = 0xf_ffff_ffff_ffffn;

export class SystemPtes {
  readonly #system: SystemSpace;
  readonly #runs = new Map<number, Run>();

  constructor(system: SystemSpace) {
    this.#system = system;
  }

  /**
   * Physically contiguous, nonpaged, page-aligned memory within [low, high] that does not cross a multiple of `boundary`
   * (0: any; else a power of two of at least a page). Old contents. 0 if there is none. IRQL <= DISPATCH_LEVEL.
   */
  allocateContiguous(bytes: number, low = 0n, high = MAXIMUM_PHYSICAL, boundary = 0n): Address {
    const { pfn } = this.#system;
    if (!(bytes > 0 && bytes <= this.#region.size)) return 0;
    const page = BigInt(PAGE_SIZE);
    if (boundary !== 0n && (boundary < page || (boundary & (boundary - 1n)) !== 0n)) return 0;
    const pages = Math.ceil(bytes / PAGE_SIZE);
    const clamp = (frame: bigint) => Number(frame < BigInt(pfn.total) ? frame : BigInt(pfn.total));
    const first = clamp((low + page - 1n) / page);
    const last = clamp((high + 1n) / page) - 1;
    const run = this.#region.runs.allocate(pages);
    if (run < 0) return 0;
    const frame = pfn.takeContiguous(pages, FRAME_CONTIGUOUS, first, last, clamp(boundary / page));
    if (frame < 0) {
      this.#region.runs.release(run);
      return 0;
    }
    for (let i = 0; i < pages; i++) this.#region.map(run + i, frame + i, true, false);
    this.#runs.set(run, { kind: 'contiguous', bytes });
    return this.#region.addressOf(run);
  }

  /** BAD_POOL_CALLER (0x60) for what is not the base of contiguous memory. IRQL <= DISPATCH_LEVEL. */
  MmFreeContiguousMemory(base: Address): void {
    const run = this.#runAt(base, 'contiguous');
    if (run < 0) throw bugCheck(BAD_POOL_CALLER, [0x60, base], 'what is freed is no contiguous memory');
    this.#drop(run, true);
  }

  /** Whole pages, not contiguous, old contents. 0 if there are none. IRQL < DISPATCH_LEVEL. */
  MmAllocateNonCachedMemory(bytes: number): Address {
    const { pfn } = this.#system;
    const pages = Math.ceil(bytes / PAGE_SIZE);
    if (!(pages >= 1 && pages <= pfn.available)) return 0;
    const run = this.#region.runs.allocate(pages);
    if (run < 0) return 0;
    for (let i = 0; i < pages; i++) this.#region.map(run + i, pfn.take(FRAME_SYSTEM), true, false);
    this.#runs.set(run, { kind: 'noncached', bytes: pages * PAGE_SIZE });
    return this.#region.addressOf(run);
  }

  /** `bytes` must span the pages that were allocated. IRQL < DISPATCH_LEVEL. */
  MmFreeNonCachedMemory(base: Address, bytes: number): void {
    const run = this.#runAt(base, 'noncached');
    this.#checkLength(run, base, Math.ceil(bytes / PAGE_SIZE));
    this.#drop(run, true);
  }

  /**
   * Maps physical addresses. Frames of memory only: what lies beyond is a device's, and there is none.
   * 0 for no bytes or when system PTEs are used up. IRQL <= DISPATCH_LEVEL.
   */
  MmMapIoSpace(physical: bigint, bytes: number, protect: number): Address {
    const page = BigInt(PAGE_SIZE);
    const offset = Number(physical % page);
    if (!(bytes > 0)) return 0;
    if (!(bytes <= this.#region.size)) return 0;
    const pages = Math.ceil((offset + bytes) / PAGE_SIZE);
    const frame = physical / page;
    if (frame + BigInt(pages) > BigInt(this.#system.pfn.total)) {
      throw new Unsupported(`device memory at physical address 0x${physical.toString(16)} (MmMapIoSpace)`);
    }
    const run = this.#region.runs.allocate(pages);
    if (run < 0) return 0;
    const { write, execute } = protectionOf(protect);
    for (let i = 0; i < pages; i++) this.#region.map(run + i, Number(frame) + i, write, execute);
    this.#runs.set(run, { kind: 'io-space', bytes: offset + bytes });
    return this.#region.addressOf(run) + offset;
  }

  /** `bytes` must span the pages that were mapped. IRQL <= DISPATCH_LEVEL. */
  MmUnmapIoSpace(base: Address, bytes: number): void {
    const run = this.#runAt(pageOf(base), 'io-space');
    this.#checkLength(run, base, Math.ceil((pageOffset(base) + bytes) / PAGE_SIZE));
    this.#drop(run, false);
  }

  /** Reserves addresses for MmMapLockedPagesWithReservedMapping. 0 if there are none. IRQL <= APC_LEVEL. */
  MmAllocateMappingAddress(bytes: number, tag: number): Address {
    const pages = Math.ceil(bytes / PAGE_SIZE);
    if (bytes === 0) throw bugCheck(SYSTEM_PTE_MISUSE, [0x100, 0, tag], 'MmAllocateMappingAddress of no bytes');
    const run = this.#region.runs.allocate(pages);
    if (run < 0) return 0;
    this.#runs.set(run, { kind: 'reserved', tag, mapped: 0 });
    return this.#region.addressOf(run);
  }

  /** Nothing may be mapped there any more. IRQL <= APC_LEVEL. */
  MmFreeMappingAddress(base: Address, tag: number): void {
    const [run, reserved] = this.#reserved(base, tag, 0x102, 0x101);
    if (reserved.mapped > 0) {
      throw bugCheck(
        SYSTEM_PTE_MISUSE,
        [0x103, base, tag, this.#region.runs.runAt(run)],
        'a reserved mapping is freed while it is in use',
      );
    }
    this.#drop(run, false);
  }

  /** Maps an MDL at reserved addresses. 0 if they are too few. IRQL <= DISPATCH_LEVEL. */
  MmMapLockedPagesWithReservedMapping(base: Address, tag: number, mdl: Address): Address {
    const [run, reserved] = this.#reserved(base, tag, 0x105, 0x104);
    const view = MDL.at(this.#system.translation.memory, mdl);
    const pages = mdlPages(view);
    const room = this.#region.runs.runAt(run);
    if (pages > room) return 0;
    if (reserved.mapped > 0) {
      throw bugCheck(
        SYSTEM_PTE_MISUSE,
        [0x107, base, base, base + (room - 1) * PAGE_SIZE],
        'reserved addresses are mapped already',
      );
    }
    const frames = new PfnArray(this.#system, mdl);
    for (let i = 0; i < pages; i++) {
      const frame = frames.get(i);
      if (!this.#system.pfn.isInUse(frame)) {
        throw bugCheck(
          PFN_LIST_CORRUPT,
          [0x99, BigInt.asUintN(64, BigInt(frame))],
          'an MDL is mapped whose pages were never filled in',
        );
      }
      this.#region.map(run + i, frame, true, true);
    }
    reserved.mapped = pages;
    view.MappedSystemVa = base + pageOffset(view.ByteOffset);
    view.MdlFlags |= MDL_MAPPED_TO_SYSTEM_VA | (view.MdlFlags & MDL_PARTIAL ? MDL_PARTIAL_HAS_BEEN_MAPPED : 0);
    return view.MappedSystemVa;
  }

  MmUnmapReservedMapping(base: Address, tag: number, mdl: Address): void {
    const [run, reserved] = this.#reserved(base, tag, 0x109, 0x108);
    const view = MDL.at(this.#system.translation.memory, mdl);
    const pages = mdlPages(view);
    if (pages > reserved.mapped) {
      throw bugCheck(SYSTEM_PTE_MISUSE, [0x10a, base, reserved.mapped, pages], 'more is unmapped than was mapped');
    }
    for (let i = 0; i < reserved.mapped; i++) this.#region.unmap(run + i);
    reserved.mapped = 0;
    view.MdlFlags &= ~(MDL_MAPPED_TO_SYSTEM_VA | MDL_PARTIAL_HAS_BEEN_MAPPED);
  }

  get #region(): SystemRegion {
    return this.#system.regions.systemPtes;
  }

  /** The run of this kind that begins at `base`, or -1. */
  #runAt(base: Address, kind: Run['kind']): number {
    if (!this.#region.contains(base) || pageOffset(base) !== 0) return -1;
    const run = this.#region.pageAt(base);
    return this.#runs.get(run)?.kind === kind ? run : -1;
  }

  #reserved(base: Address, tag: number, missing: number, foreign: number): [number, Run & { kind: 'reserved' }] {
    const run = this.#runAt(base, 'reserved');
    const entry = this.#runs.get(run);
    if (entry?.kind !== 'reserved')
      throw bugCheck(SYSTEM_PTE_MISUSE, [missing, base, tag], 'no addresses are reserved there');
    if (entry.tag !== tag)
      throw bugCheck(SYSTEM_PTE_MISUSE, [foreign, base, tag, entry.tag], 'reserved addresses of another tag');
    return [run, entry];
  }

  #checkLength(run: number, base: Address, pages: number): void {
    const expected = run < 0 ? 0 : this.#region.runs.runAt(run);
    if (run < 0 || expected !== pages) {
      throw bugCheck(
        SYSTEM_PTE_MISUSE,
        [2, base, expected, BigInt(Math.min(pages, 2 ** 53))],
        'the wrong number of pages is released',
      );
    }
  }

  #drop(run: number, frames: boolean): void {
    const pages = this.#region.runs.release(run);
    for (let i = 0; i < pages; i++) {
      const frame = this.#region.unmap(run + i);
      if (frames && frame >= 0) this.#system.pfn.release(frame);
    }
    this.#runs.delete(run);
  }
}
