/**
 * Pages for driver images (system-image.ts): each is mapped, protected and unmapped by itself, for a section may be
 * discarded while the rest stays.
 */
import type { Address } from '../wdm/address.ts';
import type { GuestMemory } from '../wdm/memory.ts';
import { FRAME_IMAGE } from './pfn.ts';
import type { SystemSpace } from './system-space.ts';

export class ImagePages {
  readonly #system: SystemSpace;

  constructor(system: SystemSpace) {
    this.#system = system;
  }

  get memory(): GuestMemory {
    return this.#system.translation.memory;
  }

  /** Where images may lie. */
  get range(): { readonly low: Address; readonly high: Address } {
    const { base, size } = this.#system.regions.images;
    return { low: base, high: base + size };
  }

  /** Maps zeroed pages, writable and not executable. False, and nothing mapped, when there is no room. */
  map(base: Address, pages: number): boolean {
    const { pfn, regions } = this.#system;
    const region = regions.images;
    const first = region.pageAt(base);
    if (!(pages >= 1 && first >= 0 && first + pages <= region.pages) || pages > pfn.available) return false;
    for (let i = 0; i < pages; i++) {
      if (region.runs.allocateAt(first + i, 1)) continue;
      for (let j = 0; j < i; j++) region.runs.release(first + j);
      return false;
    }
    for (let i = 0; i < pages; i++) region.map(first + i, pfn.takeZeroed(FRAME_IMAGE), true, false);
    return true;
  }

  protect(base: Address, pages: number, protection: { readonly write: boolean; readonly execute: boolean }): void {
    const region = this.#system.regions.images;
    const first = region.pageAt(base);
    for (let i = 0; i < pages; i++) region.protect(first + i, protection.write, protection.execute);
  }

  /** Unmaps pages that `map` mapped, and frees them. Pages in between that are gone already stay so. */
  unmap(base: Address, pages: number): void {
    const { pfn, regions } = this.#system;
    const region = regions.images;
    const first = region.pageAt(base);
    for (let i = 0; i < pages; i++) {
      if (region.runs.release(first + i) === 0) continue;
      pfn.release(region.unmap(first + i));
    }
  }
}
