/**
 * The memory manager.
 */
import type { Trace } from '../etw/trace.ts';
import { PageTables } from '../hw/page-tables.ts';
import { Ram } from '../hw/ram.ts';
import type { GuestMemory } from '../wdm/memory.ts';
import { defaultRegionPages, type RegionPages } from './layout.ts';
import { PfnDatabase } from './pfn.ts';
import { Pool } from './pool/pool.ts';
import { SeededRandom } from './random.ts';
import { SystemSpace } from './system-space.ts';
import type { AddressTranslation } from './translation.ts';

export interface MemoryManagerOptions {
  /** Size of physical memory, or the memory itself. */
  readonly bytes?: number;
  readonly ram?: Ram;
  readonly seed: number;
  readonly trace?: Trace;
  /** Sizes of kernel regions that differ from the default. */
  readonly regions?: Partial<RegionPages>;
}

export class MemoryManager {
  readonly ram: Ram;
  readonly pfn: PfnDatabase;
  readonly tables: PageTables;
  readonly system: SystemSpace;
  readonly pool: Pool;

  constructor(options: MemoryManagerOptions) {
    const { seed, trace } = options;
    const random = new SeededRandom(seed);
    this.ram = options.ram ?? new Ram(options.bytes ?? 0x400_0000);
    this.pfn = new PfnDatabase(this.ram, random);
    this.tables = new PageTables(this.ram, this.pfn);
    const pages = { ...defaultRegionPages(this.ram.frames), ...options.regions };
    this.system = new SystemSpace(this.ram, this.pfn, this.tables, pages, random);
    const { nonPagedPool, pagedPool } = this.system.regions;
    this.pool = new Pool(nonPagedPool, pagedPool, this.pfn, this.ram, trace);
  }

  /** Supervisor view of the address space in use. */
  get memory(): GuestMemory {
    return this.system.translation.memory;
  }

  /** The processor takes over translation. It must start at `systemRoot`. */
  connect(translation: AddressTranslation): void {
    this.system.translation.connect(translation);
  }
}
