/**
 * Small pool: blocks of 32 to 4080 bytes within a page, each behind a real POOL_HEADER.
 *
 *   +0  PreviousSize:8  PoolIndex:8  BlockSize:8  PoolType:8     sizes in units of 16 bytes, header included
 *   +4  PoolTag
 *   +8  ProcessBilled
 *   +16 what the caller gets; in a free block a LIST_ENTRY
 *
 * Blocks of a page lie end to end; PreviousSize of a page's first block is 0; PoolType is 0 in a free block. Free
 * blocks are on one list per size and merge with free neighbours at once; an entirely free page goes back to its
 * region, but for a few that are kept. (Windows 10 1903 and later cut pool up by the segment heap; the header, the
 * tags and the 16-byte alignment, which is what drivers and debuggers look at, are the same.)
 *
 * Headers and links lie in guest memory, where a driver can ruin them. Nothing is believed: every header is checked
 * against its neighbours and every link against its back link before it is used, and what does not fit is
 * BAD_POOL_HEADER or BAD_POOL_CALLER with the documented parameters. Blocks are named by their byte offset in the
 * region, in 32 bits. Everything works on typed arrays: this is the hottest path of the memory manager.
 */
import type { Ram } from '../../hw/ram.ts';
import { type Address, PAGE_SHIFT, PAGE_SIZE } from '../../wdm/address.ts';
import type { BugCheck } from '../../wdm/failures.ts';
import { BAD_POOL_CALLER, BAD_POOL_HEADER, bugCheck } from '../bug-checks.ts';
import type { PoolRegion } from './pool-region.ts';

export const POOL_HEADER_SIZE = 16;
/** The largest request that fits into a block beside a header: larger ones take whole pages. */
export const LARGEST_SMALL_REQUEST = PAGE_SIZE - 2 * POOL_HEADER_SIZE;

const UNITS_PER_PAGE = 256;
/** PoolType of a block in use: this bit, and the POOL_TYPE's base and cache-aligned bits. */
const IN_USE = 2;
/** Empty pages that a heap keeps mapped. */
const SPARE_PAGES = 8;

export class PoolHeap {
  /** PoolIndex in the headers, and the owner of the heap's pages. */
  readonly index: number;
  readonly #region: PoolRegion;
  readonly #executable: boolean;
  readonly #u32: Uint32Array;
  /** First block of each size's free list; 0 if it is empty. One bit a size says which are not. */
  readonly #heads = new Uint32Array(UNITS_PER_PAGE);
  readonly #nonempty = new Int32Array(UNITS_PER_PAGE / 32);
  readonly #spare: number[] = [];
  /** High half of every address in the region, which lies within 4 GiB. */
  readonly #high: number;

  constructor(index: number, region: PoolRegion, executable: boolean, ram: Ram) {
    this.index = index;
    this.#region = region;
    this.#executable = executable;
    this.#u32 = ram.u32;
    this.#high = Math.floor(region.base / 0x1_0000_0000);
  }

  /**
   * The offset of a new block's header; 0 if there is neither a free block nor a page.
   * @param units size with the header, 2 to 255
   * @param aligned the caller's bytes begin at a multiple of 64
   */
  allocate(units: number, aligned: boolean, poolType: number, tag: number): number {
    let block = this.#takeFree(aligned ? Math.min(units + 3, 255) : units);
    let size: number;
    if (block === 0) {
      const page = this.#takePage();
      if (page < 0) return 0;
      block = page * PAGE_SIZE;
      size = UNITS_PER_PAGE;
    } else size = (this.#u32[this.#word(block)]! >>> 16) & 0xff;
    const previous = size === UNITS_PER_PAGE ? 0 : this.#u32[this.#word(block)]! & 0xff;
    let before = previous;
    if (aligned) {
      const lead = (3 - ((block >>> 4) & 3)) & 3;
      if (lead > 0) {
        this.#makeFree(block, previous, lead);
        block += lead * 16;
        size -= lead;
        before = lead;
      }
    }
    const rest = size - units;
    const word = this.#word(block);
    this.#u32[word] = (before | (this.index << 8) | (units << 16) | ((IN_USE | (poolType & 5)) << 24)) >>> 0;
    this.#u32[word + 1] = tag;
    this.#u32[word + 2] = 0;
    this.#u32[word + 3] = 0;
    if (rest > 0) {
      this.#makeFree(block + units * 16, units, rest);
      this.#setPreviousSize(block + size * 16, rest);
    } else this.#setPreviousSize(block + size * 16, units);
    return block;
  }

  /** Tag of the block in use at `block`. Checks the header as `free` does. */
  tagOf(block: number): number {
    this.#checkInUse(block);
    return this.#u32[this.#word(block) + 1]!;
  }

  /** Frees a block in use. Returns its size in bytes. */
  free(block: number): number {
    const header = this.#checkInUse(block);
    // Marked even if a neighbour swallows it, so that a second free finds a freed block.
    this.#u32[this.#word(block)] = header & 0x00ff_ffff;
    const units = (header >>> 16) & 0xff;
    let start = block;
    let size = units;
    let previous = header & 0xff;
    const next = block + units * 16;
    if (next & (PAGE_SIZE - 1)) {
      const beyond = this.#u32[this.#word(next)]!;
      if (beyond >>> 24 === 0) {
        const more = (beyond >>> 16) & 0xff;
        if (more === 0 || (next & (PAGE_SIZE - 1)) + more * 16 > PAGE_SIZE) throw this.#bad(9, next, 0, next);
        this.#unlink(next, more);
        size += more;
      }
    }
    if (previous > 0) {
      const left = block - previous * 16;
      const before = this.#u32[this.#word(left)]!;
      if (before >>> 24 === 0) {
        this.#unlink(left, previous);
        start = left;
        size += previous;
        previous = before & 0xff;
      }
    }
    if (size === UNITS_PER_PAGE) this.#givePage(start >>> PAGE_SHIFT);
    else {
      this.#makeFree(start, previous, size);
      this.#setPreviousSize(start + size * 16, size);
    }
    return units * 16;
  }

  /** Gives the spare pages back. */
  trim(): void {
    for (const page of this.#spare.splice(0)) this.#region.release(page);
  }

  /** Sizes of the free blocks, in bytes, smallest first: what fragmentation looks like. */
  freeBlocks(): Map<number, number> {
    const sizes = new Map<number, number>();
    for (let units = 2; units < UNITS_PER_PAGE; units++) {
      let n = 0;
      // A ruined list may be a circle.
      const most = this.#region.region.pages * (UNITS_PER_PAGE / units);
      for (let block = this.#heads[units]!; block !== 0 && n < most; block = this.#link(block, 4)) n++;
      if (n > 0) sizes.set(units * 16, n);
    }
    return sizes;
  }

  /** Checks the header of a block that is to be in use, and both neighbours; returns its first word. */
  #checkInUse(block: number): number {
    const header = this.#u32[this.#word(block)]!;
    const units = (header >>> 16) & 0xff;
    const offset = block & (PAGE_SIZE - 1);
    if (!((header >>> 24) & IN_USE)) {
      throw bugCheck(
        BAD_POOL_CALLER,
        [7, 0, header, this.#address(block + POOL_HEADER_SIZE)],
        'a pool block is freed that is not allocated',
      );
    }
    if (units === 0) throw this.#bad(8, 0, 0, block, true);
    if (offset + units * 16 > PAGE_SIZE) throw this.#bad(9, block, 0, block);
    const next = block + units * 16;
    if (next & (PAGE_SIZE - 1) && (this.#u32[this.#word(next)]! & 0xff) !== units)
      throw this.#bad(0x20, block, next, header);
    const previous = header & 0xff;
    if (previous * 16 > offset || (previous === 0) !== (offset === 0)) throw this.#bad(6, block, 0, block);
    if (previous > 0) {
      const left = block - previous * 16;
      if (((this.#u32[this.#word(left)]! >>> 16) & 0xff) !== previous) throw this.#bad(5, left, 0, block);
    }
    return header;
  }

  /** Unlinks the first block of the smallest size that is large enough; 0 if there is none. */
  #takeFree(units: number): number {
    let word = units >>> 5;
    let bits = this.#nonempty[word]! & (-1 << (units & 31));
    while (bits === 0) {
      if (++word === this.#nonempty.length) return 0;
      bits = this.#nonempty[word]!;
    }
    const size = word * 32 + 31 - Math.clz32(bits & -bits);
    const block = this.#heads[size]!;
    this.#unlink(block, size);
    return block;
  }

  /** Writes a free block's header and puts it on its list. One unit is too small for links: it waits for a neighbour. */
  #makeFree(block: number, previous: number, units: number): void {
    const word = this.#word(block);
    this.#u32[word] = (previous | (this.index << 8) | (units << 16)) >>> 0;
    if (units === 1) return;
    const head = this.#heads[units]!;
    this.#setLink(word + 4, head);
    this.#setLink(word + 6, 0);
    if (head !== 0) this.#setLink(this.#word(head) + 6, block);
    else this.#nonempty[units >>> 5]! |= 1 << (units & 31);
    this.#heads[units] = block;
  }

  #unlink(block: number, units: number): void {
    const header = this.#u32[this.#word(block)]!;
    if (((header >>> 16) & 0xff) !== units || header >>> 24 !== 0) throw this.#bad(0xd, block, 0, 0);
    if (units === 1) return;
    const next = this.#link(block, 4);
    const previous = this.#link(block, 6);
    const head = this.#heads[units]!;
    const sound =
      (next === 0 || this.#link(next, 6) === block) &&
      (previous === 0 ? head === block : this.#link(previous, 4) === block);
    if (!sound) throw this.#bad(3, block, next, previous);
    if (previous === 0) {
      this.#heads[units] = next;
      if (next === 0) this.#nonempty[units >>> 5]! &= ~(1 << (units & 31));
    } else this.#setLink(this.#word(previous) + 4, next);
    if (next !== 0) this.#setLink(this.#word(next) + 6, previous);
  }

  /** Reads Flink (4) or Blink (6) of a free block as a block; a link out of this heap is a corrupt list. */
  #link(block: number, words: 4 | 6): number {
    const word = this.#word(block) + words;
    const low = this.#u32[word]!;
    const high = this.#u32[word + 1]! | 0;
    if (low === 0 && high === 0) return 0;
    const to = low - POOL_HEADER_SIZE;
    if (high !== this.#high || to & 15 || to < PAGE_SIZE || this.#region.owner[to >>> PAGE_SHIFT] !== this.index) {
      throw this.#bad(3, block, low, low);
    }
    return to;
  }

  #setLink(word: number, block: number): void {
    this.#u32[word] = block === 0 ? 0 : block + POOL_HEADER_SIZE;
    this.#u32[word + 1] = block === 0 ? 0 : this.#high >>> 0;
  }

  #setPreviousSize(block: number, units: number): void {
    if ((block & (PAGE_SIZE - 1)) === 0) return;
    const word = this.#word(block);
    this.#u32[word] = (this.#u32[word]! & 0xffff_ff00) | units;
  }

  #takePage(): number {
    return this.#spare.pop() ?? this.#region.take(1, this.index, this.#executable);
  }

  #givePage(page: number): void {
    const word = this.#word(page * PAGE_SIZE);
    this.#u32[word] = this.index << 8;
    if (this.#spare.length < SPARE_PAGES) this.#spare.push(page);
    else this.#region.release(page);
  }

  #word(block: number): number {
    return (this.#region.offset[block >>> PAGE_SHIFT]! + (block & (PAGE_SIZE - 1))) >>> 2;
  }

  #address(block: number): Address {
    return this.#region.base + block;
  }

  #bad(violation: number, two: number, three: number, four: number, zero = false): BugCheck {
    const entry = (block: number) => (block === 0 ? 0 : this.#address(block));
    const last = violation === 0x20 ? four : entry(four);
    return bugCheck(
      BAD_POOL_HEADER,
      [violation, zero ? 0 : entry(two), violation === 0x20 || violation === 3 ? entry(three) : three, last],
      'a pool header is corrupt: something wrote outside its own block',
    );
  }
}
