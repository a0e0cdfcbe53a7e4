/**
 * MDLs: making them, and filling in which frames they describe.
 *
 *   IoAllocateMdl              header only; the frame numbers are whatever the pool held
 *   MmProbeAndLockPages        locks the pages, fills in the frames         undone by MmUnlockPages
 *   MmBuildMdlForNonPagedPool  fills in the frames of memory that is always there; nothing to undo
 *   IoBuildPartialMdl          copies part of another MDL's frames; nothing to undo but its own mapping
 *
 * Sources: "Using MDLs" and the pages of the routines. Where they call an operation "not allowed" (locking twice,
 * unlocking what was not locked) nothing is checked that Windows does not check: the harm is done, and a frame that is
 * unlocked too often is PFN_LIST_CORRUPT. An MDL lies where a driver can write: its numbers are never trusted to stay
 * within memory.
 */
import type { Trace } from '../../etw/trace.ts';
import type { Routine } from '../../ke/routine.ts';
import {
  type Address,
  isUserAddress,
  NON_CANONICAL,
  PAGE_SIZE,
  pageOf,
  pageOffset,
  spanPages,
} from '../../wdm/address.ts';
import {
  IoReadAccess,
  MDL_ALLOCATED_FIXED_SIZE,
  MDL_IO_PAGE_READ,
  MDL_MAPPED_TO_SYSTEM_VA,
  MDL_PAGES_LOCKED,
  MDL_PARTIAL,
  MDL_PARTIAL_HAS_BEEN_MAPPED,
  MDL_SOURCE_IS_NONPAGED_POOL,
  MDL_WRITE_OPERATION,
  NonPagedPoolNx,
} from '../../wdm/constants-mm.ts';
import { Unsupported } from '../../wdm/failures.ts';
import { IRP, MDL } from '../../wdm/layouts.ts';
import { PageFault } from '../../wdm/memory.ts';
import { accessViolation, type MemoryAccess, UserMode } from '../access.ts';
import { bugCheck, PFN_LIST_CORRUPT, TARGET_MDL_TOO_SMALL } from '../bug-checks.ts';
import { HIGHEST_USER_ADDRESS } from '../layout.ts';
import { isCanonicalPage, PageWalk } from '../page-walk.ts';
import type { Pool } from '../pool/pool.ts';
import type { AddressSpace } from '../process/address-space.ts';
import type { SystemSpace } from '../system-space.ts';
import type { MdlMappings } from './mdl-mappings.ts';
import { type MdlView, mdlPages } from './mdl-view.ts';
import { MDL_HEADER_SIZE, PfnArray } from './pfn-array.ts';

export const MDL_TAG = 0x206c_644d; // 'Mdl '
/** "Starting in Windows 7, the maximum buffer size is (4 gigabytes - PAGE_SIZE)." */
const LARGEST_MDL_BUFFER = 0x1_0000_0000 - PAGE_SIZE;
/** MDLs of up to so many pages are all of one size and come from a lookaside list. */
const FIXED_SIZE_PAGES = 23;
/** An MDL chain that is longer is a circle. */
const LONGEST_CHAIN = 0x10_0000;

export class Mdls {
  readonly #system: SystemSpace;
  readonly #access: MemoryAccess;
  readonly #pool: Pool;
  readonly #mappings: MdlMappings;
  readonly #spaces: ReadonlyMap<number, AddressSpace>;
  readonly #trace: Trace | undefined;
  /** Ids are not used twice, so a space that has ended is never taken for another. */
  #lastSpace: AddressSpace | undefined;

  constructor(
    system: SystemSpace,
    access: MemoryAccess,
    pool: Pool,
    mappings: MdlMappings,
    spaces: ReadonlyMap<number, AddressSpace>,
    trace?: Trace,
  ) {
    this.#system = system;
    this.#access = access;
    this.#pool = pool;
    this.#mappings = mappings;
    this.#spaces = spaces;
    this.#trace = trace;
  }

  /** Bytes that an MDL for the buffer takes. Any IRQL. */
  MmSizeOfMdl(base: Address, length: number): number {
    return MDL_HEADER_SIZE + 8 * spanPages(base, length);
  }

  /** MmInitializeMdl, which is inline in drivers: the header's fields, all but MappedSystemVa and Process. */
  initialize(mdl: Address, base: Address, length: number): MdlView {
    const view = this.view(mdl);
    view.Next = 0;
    view.Size = MDL_HEADER_SIZE + 8 * spanPages(base, length);
    view.MdlFlags = 0;
    view.StartVa = pageOf(base);
    view.ByteOffset = pageOffset(base);
    view.ByteCount = length;
    return view;
  }

  /**
   * An MDL for the buffer, and its place in the IRP: its first, or with `secondary` its last. 0 if there is no pool for
   * it or the buffer is too long. The caller frees it with IoFreeMdl. IRQL <= DISPATCH_LEVEL.
   */
  IoAllocateMdl(base: Address, length: number, secondary: boolean, _chargeQuota: boolean, irp: Address): Address {
    if (!(length >= 0 && length <= LARGEST_MDL_BUFFER)) return 0;
    const pages = spanPages(base, length);
    const fixed = pages <= FIXED_SIZE_PAGES;
    const mdl = this.#pool.allocate(NonPagedPoolNx, MDL_HEADER_SIZE + 8 * (fixed ? FIXED_SIZE_PAGES : pages), MDL_TAG);
    if (mdl === 0) return 0;
    const view = this.initialize(mdl, base, length);
    view.Process = 0;
    view.MappedSystemVa = 0;
    if (fixed) view.MdlFlags = MDL_ALLOCATED_FIXED_SIZE;
    if (irp !== 0) this.#append(irp, mdl, secondary);
    if (this.#trace?.enabled) {
      this.#trace.emit({ type: 'mdl-created', ...(irp && { irp }), mdl, address: base, bytes: length });
    }
    return mdl;
  }

  /** Frees an MDL from IoAllocateMdl; a partial one's own mapping goes first. IRQL <= DISPATCH_LEVEL. */
  IoFreeMdl(mdl: Address): void {
    this.MmPrepareMdlForReuse(mdl);
    if (this.#trace?.enabled) this.#trace.emit({ type: 'mdl-freed', mdl });
    this.#pool.free(mdl, MDL_TAG);
  }

  /** MmPrepareMdlForReuse, which is inline in drivers: a partial MDL's own mapping is released. */
  MmPrepareMdlForReuse(mdl: Address): void {
    const view = this.view(mdl);
    if (view.MdlFlags & MDL_PARTIAL_HAS_BEEN_MAPPED) this.#mappings.MmUnmapLockedPages(view.MappedSystemVa, mdl);
  }

  /**
   * Makes the buffer's pages present, checks that they allow the operation, locks them and fills in their frames.
   * Raises if they do not; no page stays locked then. With UserMode a buffer outside user space raises
   * STATUS_ACCESS_VIOLATION. A kernel address that is not mapped is a page fault: a bug check.
   * IRQL <= APC_LEVEL for pageable memory, <= DISPATCH_LEVEL else.
   */
  *MmProbeAndLockPages(mdl: Address, mode: number, operation: number): Routine<void> {
    const view = this.view(mdl);
    const { StartVa, ByteOffset, ByteCount } = view;
    const base = StartVa + ByteOffset;
    const pages = spanPages(base, ByteCount);
    const access = operation === IoReadAccess ? 'read' : 'write';
    if (mode === UserMode && !(base >= 0 && base <= HIGHEST_USER_ADDRESS + 1 - ByteCount)) {
      throw accessViolation(isUserAddress(base) ? HIGHEST_USER_ADDRESS + 1 : base, access);
    }
    const frames = new PfnArray(this.#system, mdl);
    frames.check(pages);
    const { pfn } = this.#system;
    const walk = new PageWalk(this.#system);
    const firstPage = Math.floor(base / PAGE_SIZE);
    let locked = 0;
    try {
      for (; locked < pages; locked++) {
        const page = firstPage + locked;
        let frame = isCanonicalPage(page) ? walk.frame(page, access === 'write') : -1;
        if (frame < 0) frame = this.#lockable(locked === 0 ? base : page * PAGE_SIZE, access);
        pfn.lock(frame);
        this.#countLock(frame, 1);
        frames.set(locked, frame);
      }
    } catch (error) {
      for (let i = 0; i < locked; i++) this.unlockFrame(frames.get(i));
      throw error;
    }
    const user = isUserAddress(base) && pages > 0;
    view.Process = user ? this.#access.current.process : 0;
    view.MdlFlags =
      (view.MdlFlags & ~MDL_WRITE_OPERATION) | MDL_PAGES_LOCKED | (access === 'write' ? MDL_WRITE_OPERATION : 0);
    if (this.#trace?.enabled) {
      this.#trace.emit({
        type: 'pages-locked',
        mdl,
        access,
        frames: Array.from({ length: pages }, (_, i) => frames.get(i)),
      });
    }
  }

  /** Releases the MDL's system mapping, if it has one, and its locks. IRQL <= DISPATCH_LEVEL. */
  MmUnlockPages(mdl: Address): void {
    const view = this.view(mdl);
    if (view.MdlFlags & MDL_MAPPED_TO_SYSTEM_VA) this.#mappings.MmUnmapLockedPages(view.MappedSystemVa, mdl);
    const frames = new PfnArray(this.#system, mdl);
    const pages = mdlPages(view);
    frames.check(pages);
    for (let i = 0; i < pages; i++) this.unlockFrame(frames.get(i));
    view.MdlFlags &= ~MDL_PAGES_LOCKED;
    if (this.#trace?.enabled) this.#trace.emit({ type: 'pages-unlocked', mdl });
  }

  /** For memory that is always there: fills in its frames. IRQL <= DISPATCH_LEVEL. */
  MmBuildMdlForNonPagedPool(mdl: Address): void {
    const view = this.view(mdl);
    const base = view.StartVa;
    const frames = new PfnArray(this.#system, mdl);
    const pages = mdlPages(view);
    frames.check(pages);
    for (let i = 0; i < pages; i++) {
      const frame = this.#system.frameAt(base + i * PAGE_SIZE);
      if (frame < 0) throw new PageFault(base + i * PAGE_SIZE, 'read', false);
      frames.set(i, frame);
    }
    view.Process = 0;
    view.MappedSystemVa = base + view.ByteOffset;
    view.MdlFlags |= MDL_SOURCE_IS_NONPAGED_POOL;
  }

  /**
   * Makes `target` describe a part of `source`: [base, base + length), or from `base` to the end with length 0. It shares
   * the source's mapping if there is one. Too small a target is TARGET_MDL_TOO_SMALL. IRQL <= DISPATCH_LEVEL.
   */
  IoBuildPartialMdl(source: Address, target: Address, base: Address, length: number): void {
    const from = this.view(source);
    const to = this.view(target);
    const offset = base - (from.StartVa + from.ByteOffset);
    const bytes = length === 0 ? from.ByteCount - offset : length;
    const first = Math.floor((offset + from.ByteOffset) / PAGE_SIZE);
    const pages = spanPages(base, bytes);
    const room = Math.floor((to.Size - MDL_HEADER_SIZE) / 8);
    if (!(pages <= room)) throw bugCheck(TARGET_MDL_TOO_SMALL, [], 'IoBuildPartialMdl: the target has too few pages');
    const sourceFrames = new PfnArray(this.#system, source);
    const targetFrames = new PfnArray(this.#system, target);
    targetFrames.check(Math.max(0, pages));
    for (let i = 0; i < pages; i++) targetFrames.set(i, sourceFrames.get(first + i));
    const kept = to.MdlFlags & MDL_ALLOCATED_FIXED_SIZE;
    const shared = from.MdlFlags & (MDL_MAPPED_TO_SYSTEM_VA | MDL_SOURCE_IS_NONPAGED_POOL | MDL_IO_PAGE_READ);
    to.StartVa = pageOf(base);
    to.ByteOffset = pageOffset(base);
    to.ByteCount = bytes;
    to.Process = from.Process;
    to.MdlFlags = kept | shared | MDL_PARTIAL;
    if (shared & (MDL_MAPPED_TO_SYSTEM_VA | MDL_SOURCE_IS_NONPAGED_POOL)) {
      const mapped = from.MappedSystemVa + offset;
      to.MappedSystemVa = mapped >= -NON_CANONICAL && mapped < NON_CANONICAL ? mapped : 0;
    }
  }

  /** A view of an MDL in the address space in use. */
  view(mdl: Address): MdlView {
    return MDL.at(this.#system.translation.memory, mdl);
  }

  /** The frame of a page that allows the access now. */
  #lockable(address: Address, access: 'read' | 'write'): number {
    try {
      this.#access.require(address, access);
    } catch (fault) {
      if (!(fault instanceof PageFault)) throw fault;
      // User space, and a page that is there but not writable, raise; what is not there in kernel space is a bug check.
      if (isUserAddress(address) || fault.present) throw accessViolation(address, access);
      throw fault;
    }
    return this.#system.frameAt(address);
  }

  /** Drops one lock of a frame that an MDL names. */
  unlockFrame(frame: number): void {
    const { pfn } = this.#system;
    if (!pfn.isInUse(frame)) {
      throw bugCheck(
        PFN_LIST_CORRUPT,
        [0x99, BigInt.asUintN(64, BigInt(frame))],
        'an MDL names a page that is nobody’s',
      );
    }
    this.#countLock(frame, -1);
    pfn.unlock(frame);
  }

  /** A process knows how many locks there are on its pages. */
  #countLock(frame: number, change: number): void {
    const id = this.#system.pfn.spaceOf(frame);
    if (id === 0) return;
    if (this.#lastSpace?.id !== id) this.#lastSpace = this.#spaces.get(id);
    const space = this.#lastSpace;
    if (space && (change > 0 || space.lockedPages > 0)) space.lockedPages += change;
  }

  #append(irp: Address, mdl: Address, secondary: boolean): void {
    const { memory } = this.#system.translation;
    const head = IRP.at(memory, irp);
    if (!secondary || head.MdlAddress === 0) {
      head.MdlAddress = mdl;
      return;
    }
    let last = this.view(head.MdlAddress);
    for (let n = 0; last.Next !== 0; n++) {
      if (n > LONGEST_CHAIN) throw new Unsupported('an IRP whose MDL chain is a circle');
      last = this.view(last.Next);
    }
    last.Next = mdl;
  }
}
