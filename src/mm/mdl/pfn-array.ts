/**
 * The page frame numbers behind an MDL's header, 8 bytes each, in whatever memory the MDL lies.
 *
 * They are the memory manager's, but lie where a driver can overwrite them: what is read here is a number that the
 * caller must check (`isInUse` of the PFN database) before it believes it.
 */
import { PTE_PRESENT, PTE_WRITABLE } from '../../hw/page-tables.ts';
import { type Address, PAGE_SIZE, pageOf } from '../../wdm/address.ts';
import { PageFault } from '../../wdm/memory.ts';
import type { SystemSpace } from '../system-space.ts';

export const MDL_HEADER_SIZE = 0x30;
const ENTRY_SIZE = 8;

/** What stands for "no page" (MM_EMPTY_PFN). */
export const EMPTY_PFN = -1;

export class PfnArray {
  readonly #system: SystemSpace;
  readonly #base: Address;
  /** The page whose place in `ram.u32` is known. */
  #page: Address = Number.NaN;
  #word = 0;

  constructor(system: SystemSpace, mdl: Address) {
    this.#system = system;
    this.#base = mdl + MDL_HEADER_SIZE;
  }

  /** A frame number; EMPTY_PFN for what can be none. */
  get(index: number): number {
    const word = this.#at(index);
    const { u32 } = this.#system.ram;
    return u32[word + 1] === 0 ? u32[word]! : EMPTY_PFN;
  }

  set(index: number, frame: number): void {
    const word = this.#at(index);
    const { u32 } = this.#system.ram;
    u32[word] = frame;
    u32[word + 1] = frame < 0 ? 0xffff_ffff : 0;
  }

  /** Throws PageFault before anything has happened if `count` entries cannot be written. */
  check(count: number): void {
    for (let i = 0; i < count; i += PAGE_SIZE / ENTRY_SIZE) this.#at(i);
    if (count > 0) this.#at(count - 1);
  }

  #at(index: number): number {
    const address = this.#base + index * ENTRY_SIZE;
    const page = pageOf(address);
    if (page !== this.#page) {
      const { tables, translation, ram } = this.#system;
      const entry = tables.read(translation.root, page);
      const needed = PTE_PRESENT | PTE_WRITABLE;
      if (!entry || (entry.bits & needed) !== needed) {
        throw new PageFault(address, 'write', entry !== undefined && (entry.bits & PTE_PRESENT) !== 0);
      }
      this.#page = page;
      this.#word = ram.offsetOf(entry.frame) >>> 2;
    }
    return this.#word + ((address - page) >>> 2);
  }
}
