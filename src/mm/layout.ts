/**
 * The map of the kernel half.
 *
 *   0xFFFFB000________  kernel stacks            each with a guard page below it
 *   0xFFFFC000________  paged pool
 *   0xFFFFD000________  system PTEs              second mappings: MDLs, I/O space, contiguous and noncached memory
 *   0xFFFFE000________  nonpaged pool            NX and executable pages side by side
 *   0xFFFFF78000000000  KUSER_SHARED_DATA        fixed, as in every Windows; the kernel's own, writable alias
 *   0xFFFFF800________  images                   ntoskrnl's pseudo-image and the drivers
 *
 * Except for the shared page, a region begins at a seeded multiple of 4 GiB within its 512 GiB (one PML4 entry), as
 * Windows 10 moves its regions at each boot; a pool region lies within 4 GiB, so that 32 bits tell a block in it.
 * Page tables are not mapped anywhere: no driver may look at them.
 */
import type { SeededRandom } from './random.ts';

export const SHARED_USER_DATA_KERNEL = -0x880_0000_0000;
export const SHARED_USER_DATA_USER = 0x7ffe_0000;

/** MmSystemRangeStart. */
export const SYSTEM_RANGE_START = -0x8000_0000_0000;
/** MmHighestUserAddress. */
export const HIGHEST_USER_ADDRESS = 0x7fff_fffe_ffff;
/** The lowest address that a process can allocate: the first 64 KiB, with NULL, stay empty. */
export const LOWEST_USER_ADDRESS = 0x1_0000;

export const ALLOCATION_GRANULARITY = 0x1_0000;

/** KERNEL_STACK_SIZE on x64: 24 KiB. */
export const KERNEL_STACK_PAGES = 6;

const GIB4 = 0x1_0000_0000;

const REGION_BASES = {
  kernelStacks: -0x5000_0000_0000,
  pagedPool: -0x4000_0000_0000,
  systemPtes: -0x3000_0000_0000,
  nonPagedPool: -0x2000_0000_0000,
  images: -0x7fc_0000_0000, // above the trap area, which never moves (ke/traps.ts)
} as const;

export type RegionName = keyof typeof REGION_BASES;

/** How large the regions are, in pages. System PTEs are finite, and so is pool. */
export type RegionPages = Readonly<Record<RegionName, number>>;

/** Sizes for a machine with so many frames. */
export function defaultRegionPages(frames: number): RegionPages {
  return {
    kernelStacks: 4096,
    pagedPool: Math.max(1024, frames >>> 1),
    systemPtes: 16384,
    nonPagedPool: Math.max(1024, frames >>> 1),
    images: 32768,
  };
}

/** A region's base at this boot. */
export function seededBase(name: RegionName, random: SeededRandom): number {
  return REGION_BASES[name] + random.below(120) * GIB4;
}
