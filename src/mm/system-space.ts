/**
 * The kernel half as it stands: its regions, the shared user data page, and who may look where.
 */
import { type PageTables, PTE_ACCESSED, PTE_DIRTY, PTE_GLOBAL, PTE_PRESENT, PTE_WRITABLE } from '../hw/page-tables.ts';
import type { Ram } from '../hw/ram.ts';
import { type Address, NON_CANONICAL } from '../wdm/address.ts';
import { type RegionName, type RegionPages, SHARED_USER_DATA_KERNEL, seededBase } from './layout.ts';
import { FRAME_SYSTEM, OutOfFrames, type PfnDatabase } from './pfn.ts';
import type { SeededRandom } from './random.ts';
import { SystemRegion } from './system-region.ts';
import { Translation, UncachedTranslation } from './translation.ts';

export class SystemSpace {
  readonly ram: Ram;
  readonly pfn: PfnDatabase;
  readonly tables: PageTables;
  /** The first address space's root, which holds the kernel half and stays: the System process runs in it. */
  readonly root: number;
  readonly translation: Translation;
  readonly regions: Readonly<Record<RegionName, SystemRegion>>;
  /** The frame of KUSER_SHARED_DATA. */
  readonly sharedUserData: number;

  constructor(ram: Ram, pfn: PfnDatabase, tables: PageTables, pages: RegionPages, random: SeededRandom) {
    this.ram = ram;
    this.pfn = pfn;
    this.tables = tables;
    this.root = tables.createRoot();
    this.translation = new Translation(new UncachedTranslation(ram, tables, this.root), this.root);
    const make = (name: RegionName) =>
      new SystemRegion(name, seededBase(name, random), pages[name], ram, tables, this.root, this.translation);
    this.regions = {
      kernelStacks: make('kernelStacks'),
      pagedPool: make('pagedPool'),
      systemPtes: make('systemPtes'),
      nonPagedPool: make('nonPagedPool'),
      images: make('images'),
    };
    this.sharedUserData = pfn.takeZeroed(FRAME_SYSTEM);
    if (this.sharedUserData < 0) throw new OutOfFrames();
    const bits = PTE_PRESENT | PTE_WRITABLE | PTE_ACCESSED | PTE_DIRTY | PTE_GLOBAL;
    tables.write(this.root, SHARED_USER_DATA_KERNEL, this.sharedUserData, bits, true);
  }

  /** The region that an address lies in. */
  regionOf(address: Address): SystemRegion | undefined {
    for (const region of Object.values(this.regions)) if (region.contains(address)) return region;
    return undefined;
  }

  /** The frame that a canonical address maps in the address space in use, or -1. */
  frameAt(address: Address, root = this.translation.root): number {
    if (!(address >= -NON_CANONICAL && address < NON_CANONICAL)) return -1;
    const entry = this.tables.read(root, address);
    return entry && entry.bits & PTE_PRESENT ? entry.frame : -1;
  }
}
