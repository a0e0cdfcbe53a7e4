/**
 * The memory manager: one object behind which all of this room lies.
 *
 *   pfn.ts             page frames: who has which, who has them locked
 *   layout.ts          the map of the kernel half; system-space.ts makes it, system-region.ts holds its entries
 *   pool/              nonpaged and paged pool
 *   process/           a process's addresses: descriptors, protections, demand zero; the Nt services
 *   access.ts          faults, probes, questions about addresses
 *   mdl/               MDLs: locking, building, second mappings, pages of their own
 *   system-ptes.ts     contiguous and noncached memory, I/O space, reserved mappings
 *   kernel-stacks.ts, image-pages.ts
 *
 * It comes up before the processor, for it makes the page tables that the processor starts with: `machine.ts` builds
 * the processor upon `tables` and `systemRoot` and then hands it to `connect`.
 *
 * Everything is deterministic in the seed and the calls made. Nothing here waits yet; what one day may (a page must be
 * read in) is a routine already.
 */
import type { Trace } from '../etw/trace.ts';
import { PageTables } from '../hw/page-tables.ts';
import { Ram } from '../hw/ram.ts';
import type { MaybeRoutine, Routine } from '../ke/routine.ts';
import { type Address, PAGE_SIZE } from '../wdm/address.ts';
import { NonPagedPoolNx, PAGE_EXECUTE_READWRITE } from '../wdm/constants-mm.ts';
import type { Access, GuestMemory } from '../wdm/memory.ts';
import { MemoryAccess } from './access.ts';
import { ImagePages } from './image-pages.ts';
import { type KernelStack, KernelStacks } from './kernel-stacks.ts';
import { defaultRegionPages, type RegionPages } from './layout.ts';
import { MDL_TAG, Mdls } from './mdl/mdl.ts';
import { MdlMappings } from './mdl/mdl-mappings.ts';
import { MdlPages } from './mdl/mdl-pages.ts';
import { FRAME_SYSTEM, PfnDatabase } from './pfn.ts';
import { Pool } from './pool/pool.ts';
import { AddressSpace, type CommitCharge } from './process/address-space.ts';
import { SeededRandom } from './random.ts';
import { SystemPtes } from './system-ptes.ts';
import { SystemSpace } from './system-space.ts';
import type { AddressTranslation } from './translation.ts';

export interface MemoryManagerOptions {
  /** Size of physical memory, or the memory itself. 64 MiB if neither is given. */
  readonly bytes?: number;
  readonly ram?: Ram;
  readonly seed: number;
  readonly trace?: Trace;
  /** Sizes of kernel regions, in pages, that differ from the default. */
  readonly regions?: Partial<RegionPages>;
}

const DEFAULT_MEMORY = 0x400_0000;

export class MemoryManager {
  readonly ram: Ram;
  readonly pfn: PfnDatabase;
  readonly tables: PageTables;
  readonly system: SystemSpace;
  readonly pool: Pool;
  readonly access: MemoryAccess;
  /** The user half of the System process, where drivers' threads run. It stays. */
  readonly systemSpace: AddressSpace;
  readonly images: ImagePages;
  /** MmAllocatePagesForMdl and its kin. */
  readonly mdlPages: MdlPages;
  /** Contiguous and noncached memory, I/O space, reserved mappings. */
  readonly ptes: SystemPtes;
  readonly #mdls: Mdls;
  readonly #mappings: MdlMappings;
  readonly #stacks: KernelStacks;
  readonly #random: SeededRandom;
  readonly #spaces = new Map<number, AddressSpace>();
  readonly #charge: CommitCharge;
  #lastSpace = 0;

  constructor(options: MemoryManagerOptions) {
    const { seed, trace } = options;
    this.#random = new SeededRandom(seed);
    this.ram = options.ram ?? new Ram(options.bytes ?? DEFAULT_MEMORY);
    this.pfn = new PfnDatabase(this.ram, this.#random);
    this.tables = new PageTables(this.ram, this.pfn);
    const pages = { ...defaultRegionPages(this.ram.frames), ...options.regions };
    this.system = new SystemSpace(this.ram, this.pfn, this.tables, pages, this.#random);
    const { nonPagedPool, pagedPool } = this.system.regions;
    this.pool = new Pool(nonPagedPool, pagedPool, this.pfn, this.ram, trace);
    // What has a frame now is promised away; the rest may be committed.
    this.#charge = { used: 0, limit: this.pfn.available };
    this.systemSpace = this.#newSpace(this.system.root);
    this.access = new MemoryAccess(this.system, this.systemSpace);
    this.#mappings = new MdlMappings(this.system, this.access, trace);
    this.#mdls = new Mdls(this.system, this.access, this.pool, this.#mappings, this.#spaces, trace);
    this.mdlPages = new MdlPages(this.system, this.pool, this.#mdls, this.#mappings);
    this.ptes = new SystemPtes(this.system);
    this.images = new ImagePages(this.system);
    this.#stacks = new KernelStacks(this.system);
  }

  // Translation

  /** Supervisor view of the address space in use. */
  get memory(): GuestMemory {
    return this.system.translation.memory;
  }

  /** CR3 of the System process. */
  get systemRoot(): number {
    return this.system.root;
  }

  /** The processor takes over translation. */
  connect(translation: AddressTranslation): void {
    this.system.translation.connect(translation);
  }

  // Address spaces

  /** Throws OutOfFrames when no page tables can be had. */
  createAddressSpace(): AddressSpace {
    return this.#newSpace(this.tables.createRoot());
  }

  #newSpace(root: number): AddressSpace {
    const space = new AddressSpace(++this.#lastSpace, this.system, root, this.#charge, this.#random);
    this.#spaces.set(space.id, space);
    return space;
  }

  /** Frees everything that the space has. One in use is left first. PROCESS_HAS_LOCKED_PAGES if pages are locked. */
  destroyAddressSpace(space: AddressSpace): void {
    if (space === this.systemSpace) throw new Error('the System process does not end');
    if (this.access.current === space) this.attach(undefined);
    space.destroy();
    this.#spaces.delete(space.id);
  }

  /** Makes a process's user half the current one; undefined: that of the System process. */
  attach(space: AddressSpace | undefined): void {
    const next = space ?? this.systemSpace;
    this.access.current = next;
    this.system.translation.setRoot(next.root);
  }

  get currentSpace(): AddressSpace {
    return this.access.current;
  }

  /** Pages committed by all processes. */
  get committedPages(): number {
    return this.#charge.used;
  }

  // System memory

  allocateKernelStack(pages?: number): KernelStack | undefined {
    return this.#stacks.allocate(pages);
  }
  freeKernelStack(stack: KernelStack): void {
    this.#stacks.free(stack);
  }

  /** Zeroed nonpaged pages that stay for ever: the processor block and its like. 0 if there are none. */
  allocateSystemPages(pages: number): Address {
    const region = this.system.regions.systemPtes;
    const first = pages <= this.pfn.available ? region.runs.allocate(pages) : -1;
    if (first < 0) return 0;
    for (let i = 0; i < pages; i++) region.map(first + i, this.pfn.takeZeroed(FRAME_SYSTEM), true, false);
    return region.addressOf(first);
  }

  // Faults, probes and questions (access.ts)

  MmAccessFault(address: Address, access: Access, mode: number): number {
    return this.access.MmAccessFault(address, access, mode);
  }
  accessFault(address: Address, access: Access, mode: number): boolean {
    return this.access.accessFault(address, access, mode);
  }
  touch(address: Address, length: number, access: Access): MaybeRoutine<void> {
    return this.access.touch(address, length, access);
  }
  ProbeForRead(address: Address, length: number, alignment: number): void {
    this.access.ProbeForRead(address, length, alignment);
  }
  ProbeForWrite(address: Address, length: number, alignment: number): MaybeRoutine<void> {
    return this.access.ProbeForWrite(address, length, alignment);
  }
  MmIsAddressValid(address: Address): boolean {
    return this.access.MmIsAddressValid(address);
  }
  MmGetPhysicalAddress(address: Address): bigint {
    return this.access.MmGetPhysicalAddress(address);
  }

  /** A system address of the frame; 0 if it has none. */
  MmGetVirtualForPhysical(physical: bigint): Address {
    const frame = Number(physical / BigInt(PAGE_SIZE));
    for (const region of Object.values(this.system.regions)) {
      for (let page = 0; page < region.pages; page++) {
        if (region.frameAt(page) === frame) return region.addressOf(page) + Number(physical % BigInt(PAGE_SIZE));
      }
    }
    return 0;
  }
  /** PHYSICAL_MEMORY_RANGE entries (base, bytes), a zero one last, in pool that the caller frees; 0 if there is none. */
  MmGetPhysicalMemoryRanges(): Address {
    const ranges = this.pool.allocate(NonPagedPoolNx, 32, MDL_TAG);
    if (ranges === 0) return 0;
    const values = [PAGE_SIZE, (this.ram.frames - 1) * PAGE_SIZE, 0, 0];
    for (const [i, value] of values.entries()) this.memory.writeU64(ranges + i * 8, BigInt(value));
    return ranges;
  }

  // MDLs (mdl/)

  MmSizeOfMdl(base: Address, length: number): number {
    return this.#mdls.MmSizeOfMdl(base, length);
  }
  /** MmInitializeMdl, inline in drivers. */
  MmInitializeMdl(mdl: Address, base: Address, length: number): void {
    this.#mdls.initialize(mdl, base, length);
  }
  IoAllocateMdl(base: Address, length: number, secondary: boolean, chargeQuota: boolean, irp: Address): Address {
    return this.#mdls.IoAllocateMdl(base, length, secondary, chargeQuota, irp);
  }
  IoFreeMdl(mdl: Address): void {
    this.#mdls.IoFreeMdl(mdl);
  }
  MmPrepareMdlForReuse(mdl: Address): void {
    this.#mdls.MmPrepareMdlForReuse(mdl);
  }
  MmProbeAndLockPages(mdl: Address, mode: number, operation: number): Routine<void> {
    return this.#mdls.MmProbeAndLockPages(mdl, mode, operation);
  }
  MmUnlockPages(mdl: Address): void {
    this.#mdls.MmUnlockPages(mdl);
  }
  MmBuildMdlForNonPagedPool(mdl: Address): void {
    this.#mdls.MmBuildMdlForNonPagedPool(mdl);
  }
  IoBuildPartialMdl(source: Address, target: Address, base: Address, length: number): void {
    this.#mdls.IoBuildPartialMdl(source, target, base, length);
  }
  MmMapLockedPagesSpecifyCache(
    mdl: Address,
    mode: number,
    cacheType: number,
    requestedAddress: Address,
    bugCheckOnFailure: number,
    priority: number,
  ): Address {
    return this.#mappings.MmMapLockedPagesSpecifyCache(
      mdl,
      mode,
      cacheType,
      requestedAddress,
      bugCheckOnFailure,
      priority,
    );
  }
  MmMapLockedPages(mdl: Address, mode: number): Address {
    return this.#mappings.MmMapLockedPages(mdl, mode);
  }
  /** MmGetSystemAddressForMdlSafe, inline in drivers. */
  MmGetSystemAddressForMdlSafe(mdl: Address, priority: number): Address {
    return this.#mappings.systemAddress(mdl, priority);
  }
  MmUnmapLockedPages(base: Address, mdl: Address): void {
    this.#mappings.MmUnmapLockedPages(base, mdl);
  }
  MmProtectMdlSystemAddress(mdl: Address, protect: number): number {
    return this.#mappings.MmProtectMdlSystemAddress(mdl, protect);
  }

  // Physical memory (system-ptes.ts)

  MmMapIoSpace(physical: bigint, bytes: number, _cacheType: number): Address {
    return this.ptes.MmMapIoSpace(physical, bytes, PAGE_EXECUTE_READWRITE);
  }
  MmUnmapIoSpace(base: Address, bytes: number): void {
    this.ptes.MmUnmapIoSpace(base, bytes);
  }
  MmAllocateContiguousMemory(bytes: number, highest: bigint): Address {
    return this.ptes.allocateContiguous(bytes, 0n, highest);
  }
  MmFreeContiguousMemory(base: Address): void {
    this.ptes.MmFreeContiguousMemory(base);
  }

  /** What must be equal before and after a request: frames, system PTEs, pool bytes, locks. */
  usage(): Readonly<Record<'framesInUse' | 'systemPtes' | 'nonPagedBytes' | 'pagedBytes' | 'lockedPages', number>> {
    this.pool.trim();
    let lockedPages = 0;
    for (let frame = 0; frame < this.pfn.total; frame++) lockedPages += this.pfn.lockCount(frame);
    const { runs, pages } = this.system.regions.systemPtes;
    return {
      framesInUse: this.pfn.total - this.pfn.available,
      systemPtes: pages - runs.free,
      nonPagedBytes: this.pool.usage('nonpaged').bytes,
      pagedBytes: this.pool.usage('paged').bytes,
      lockedPages,
    };
  }
}
