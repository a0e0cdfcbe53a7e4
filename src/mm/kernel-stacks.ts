/**
 * Kernel stacks: 24 KiB each (KERNEL_STACK_SIZE on x64), above a page that is never mapped. A thread that uses up its
 * stack runs into that page, which is a double fault on hardware and not somebody else's memory.
 */
import { type Address, PAGE_SIZE } from '../wdm/address.ts';
import { KERNEL_STACK_PAGES } from './layout.ts';
import { FRAME_KERNEL_STACK } from './pfn.ts';
import type { SystemSpace } from './system-space.ts';

export interface KernelStack {
  /** Highest address: where the stack pointer starts. */
  readonly base: Address;
  readonly limit: Address;
}

export class KernelStacks {
  readonly #system: SystemSpace;

  constructor(system: SystemSpace) {
    this.#system = system;
  }

  /** Undefined when frames or addresses are used up. */
  allocate(pages = KERNEL_STACK_PAGES): KernelStack | undefined {
    const { pfn, regions } = this.#system;
    const region = regions.kernelStacks;
    if (pfn.available < pages) return undefined;
    const guard = region.runs.allocate(pages + 1);
    if (guard < 0) return undefined;
    for (let i = 1; i <= pages; i++) region.map(guard + i, pfn.take(FRAME_KERNEL_STACK), true, false);
    const limit = region.addressOf(guard + 1);
    return { base: limit + pages * PAGE_SIZE, limit };
  }

  free(stack: KernelStack): void {
    const { pfn, regions } = this.#system;
    const region = regions.kernelStacks;
    const guard = region.pageAt(stack.limit) - 1;
    const pages = region.runs.release(guard);
    if (pages === 0) throw new Error('that is not a kernel stack');
    for (let i = 1; i < pages; i++) pfn.release(region.unmap(guard + i));
  }
}
