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
  /** An MDL where no compiler would put one: its entries may straddle pages. */
  readonly #misaligned: boolean;
  /** The entries whose place in `ram.u32` is known, and the first one's. */
  #from = 0;
  #to = 0;
  #word = 0;

  constructor(system: SystemSpace, mdl: Address) {
    this.#system = system;
    this.#base = mdl + MDL_HEADER_SIZE;
    this.#misaligned = this.#base % ENTRY_SIZE !== 0;
  }

  /** A frame number; EMPTY_PFN for what can be none. */
  get(index: number): number {
    if (this.#misaligned) {
      const value = this.#system.translation.memory.readU64(this.#base + index * ENTRY_SIZE);
      return value < 0x1_0000_0000n ? Number(value) : EMPTY_PFN;
    }
    const word = this.#at(index);
    const { u32 } = this.#system.ram;
    return u32[word + 1] === 0 ? u32[word]! : EMPTY_PFN;
  }

  set(index: number, frame: number): void {
    if (this.#misaligned) {
      this.#system.translation.memory.writeU64(this.#base + index * ENTRY_SIZE, BigInt(frame));
      return;
    }
    const word = this.#at(index);
    const { u32 } = this.#system.ram;
    u32[word] = frame;
    u32[word + 1] = frame < 0 ? 0xffff_ffff : 0;
  }

  /** Throws PageFault before anything has happened if `count` entries cannot be written. */
  check(count: number): void {
    if (this.#misaligned) return;
    for (let i = 0; i < count; i += PAGE_SIZE / ENTRY_SIZE) this.#at(i);
    if (count > 0) this.#at(count - 1);
  }

  #at(index: number): number {
    if (index < this.#from || index >= this.#to) this.#find(index);
    return (this.#word + ((index - this.#from) << 1)) | 0;
  }

  /** Looks up the page that holds an entry. */
  #find(index: number): void {
    const address = this.#base + index * ENTRY_SIZE;
    const page = pageOf(address);
    const { tables, translation, ram } = this.#system;
    const entry = tables.read(translation.root, page);
    const needed = PTE_PRESENT | PTE_WRITABLE;
    if (!entry || (entry.bits & needed) !== needed) {
      throw new PageFault(address, 'write', entry !== undefined && (entry.bits & PTE_PRESENT) !== 0);
    }
    // Entries before the first are the header: a wrong subrange (IoBuildPartialMdl) reads there, as on Windows.
    // Small integers, and said to be so: this is a hot path.
    this.#from = ((page - this.#base) / ENTRY_SIZE) | 0;
    this.#to = (this.#from + PAGE_SIZE / ENTRY_SIZE) | 0;
    this.#word = ram.offsetOf(entry.frame) >>> 2;
  }
}
