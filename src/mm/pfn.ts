/**
 * The PFN database: one row for each page frame, and the list of free ones.
 *
 * Every frame is always accounted for: `count(use)` over all uses adds up to the number of frames, and `verify` proves
 * that the columns agree with the free list. A frame has
 *
 *   use    what it was handed out for, FREE when nobody has it
 *   share  page tables' and owners' claims; `allocate` makes the first one, `release` drops one
 *   lock   MDLs that have it locked (MmProbeAndLockPages); a frame that its owner gives up while it is locked becomes
 *          LIMBO and is free only after its last unlock, so that no device writes into somebody else's page
 *
 * Contents. A frame keeps what was in it: who wants zeros says so (`allocateZeroed`: page tables, user pages). RAM that
 * was never used before would be zero and hide reads of uninitialised pool, so a frame's first use as something that is
 * not zeroed fills it with a word that says which frame it is (0x5EED____).
 *
 * Frames come in a seeded order, so that what is contiguous in virtual addresses is scattered in physical ones; the
 * upper quarter stays in order and is handed out last, so that contiguous memory can still be had.
 */
import type { FrameSource } from '../hw/page-tables.ts';
import type { Ram } from '../hw/ram.ts';
import { PAGE_SHIFT, PAGE_SIZE } from '../wdm/address.ts';
import { bugCheck, PFN_LIST_CORRUPT } from './bug-checks.ts';
import type { SeededRandom } from './random.ts';

export const FRAME_FREE = 0;
/** Frame 0: a physical address of 0 stays invalid. */
export const FRAME_RESERVED = 1;
export const FRAME_PAGE_TABLE = 2;
export const FRAME_NONPAGED_POOL = 3;
export const FRAME_PAGED_POOL = 4;
export const FRAME_KERNEL_STACK = 5;
export const FRAME_IMAGE = 6;
export const FRAME_PROCESS = 7;
/** From MmAllocatePagesForMdl. */
export const FRAME_MDL = 8;
export const FRAME_CONTIGUOUS = 9;
/** The shared user data page, the processor block, noncached memory. */
export const FRAME_SYSTEM = 10;
/** Given up by its owner, still locked. */
export const FRAME_LIMBO = 11;
const USES = 12;

/** Thrown where a frame is needed and none is left: a host error, unless a routine turns it into its own failure. */
export class OutOfFrames extends Error {
  constructor() {
    super('the machine has no page frame left: give it more memory');
    this.name = 'OutOfFrames';
  }
}

export class PfnDatabase implements FrameSource {
  readonly #ram: Ram;
  readonly #use: Uint8Array;
  readonly #share: Uint32Array;
  readonly #lock: Uint32Array;
  /** Whose address space it belongs to; 0 if none. */
  readonly #space: Uint32Array;
  readonly #pristine: Uint8Array;
  /** The free list: a stack, and each free frame's place in it. */
  readonly #free: Int32Array;
  readonly #place: Int32Array;
  #freeCount = 0;
  readonly #counts = new Int32Array(USES);

  constructor(ram: Ram, random: SeededRandom) {
    const { frames } = ram;
    this.#ram = ram;
    this.#use = new Uint8Array(frames);
    this.#share = new Uint32Array(frames);
    this.#lock = new Uint32Array(frames);
    this.#space = new Uint32Array(frames);
    this.#pristine = new Uint8Array(frames).fill(1);
    this.#free = new Int32Array(frames);
    this.#place = new Int32Array(frames).fill(-1);
    this.#use[0] = FRAME_RESERVED;
    this.#counts[FRAME_FREE] = frames;
    this.#recount(FRAME_FREE, FRAME_RESERVED);
    const quiet = frames - (frames >>> 2);
    for (let frame = frames - 1; frame > 0; frame--) this.#push(frame);
    const bottom = frames - quiet;
    for (let i = this.#freeCount - 1; i > bottom; i--) this.#swap(i, bottom + random.below(i - bottom + 1));
  }

  get total(): number {
    return this.#use.length;
  }
  get available(): number {
    return this.#freeCount;
  }
  /** Frames that are in use for a FRAME_* purpose. */
  count(use: number): number {
    return this.#counts[use]!;
  }
  use(frame: number): number {
    return this.#use[frame]!;
  }
  shareCount(frame: number): number {
    return this.#share[frame]!;
  }
  lockCount(frame: number): number {
    return this.#lock[frame]!;
  }
  spaceOf(frame: number): number {
    return this.#space[frame]!;
  }
  /** Whether the number is one of our frames, and somebody has it. */
  isInUse(frame: number): boolean {
    return frame > 0 && frame < this.#use.length && this.#use[frame] !== FRAME_FREE;
  }

  /** A frame with old contents, or -1 when there is none left. */
  take(use: number, space = 0): number {
    if (this.#freeCount === 0) return -1;
    const frame = this.#free[--this.#freeCount]!;
    this.#claim(frame, use, space);
    this.#soil(frame);
    return frame;
  }

  /** A zeroed frame, or -1. */
  takeZeroed(use: number, space = 0): number {
    if (this.#freeCount === 0) return -1;
    const frame = this.#free[--this.#freeCount]!;
    this.#claim(frame, use, space);
    this.zero(frame);
    return frame;
  }

  zero(frame: number): void {
    if (this.#pristine[frame]) this.#pristine[frame] = 0;
    else this.#ram.zeroFrame(frame);
  }

  /**
   * The first of `count` adjacent free frames within [low, high] that do not cross a multiple of `boundary` frames
   * (0: any), now the caller's, with old contents; -1 if there are none.
   */
  takeContiguous(count: number, use: number, low = 1, high = this.total - 1, boundary = 0): number {
    const last = Math.min(high, this.total - 1);
    if (count < 1 || (boundary > 0 && count > boundary)) return -1;
    let run = 0;
    for (let frame = Math.max(low, 1); frame <= last; frame++) {
      if (boundary > 0 && frame % boundary === 0) run = 0;
      run = this.#use[frame] === FRAME_FREE ? run + 1 : 0;
      if (run < count) continue;
      const first = frame - count + 1;
      for (let i = first; i <= frame; i++) this.takeThis(i, use);
      return first;
    }
    return -1;
  }

  /** Takes one given frame; it must be free. */
  takeThis(frame: number, use: number): void {
    const place = this.#place[frame]!;
    if (place < 0) throw new Error(`frame ${frame} is not free`);
    this.#swap(place, --this.#freeCount);
    this.#claim(frame, use, 0);
    this.#soil(frame);
  }

  addShare(frame: number): void {
    this.#share[frame]!++;
  }

  /** Drops one claim. The last one frees the frame, or leaves it in LIMBO until it is unlocked. */
  release(frame: number): void {
    if (this.#share[frame] === 0) throw new Error(`frame ${frame} has no owner`);
    if (--this.#share[frame]! > 0) return;
    if (this.#lock[frame] === 0) this.#retire(frame);
    else this.#setUse(frame, FRAME_LIMBO);
  }

  lock(frame: number): void {
    this.#lock[frame]!++;
  }

  /** Throws PFN_LIST_CORRUPT (7) for a page that is not locked. */
  unlock(frame: number): void {
    if (this.#lock[frame] === 0) {
      throw bugCheck(
        PFN_LIST_CORRUPT,
        [7, frame, this.#share[frame]!],
        'a page is unlocked more often than it was locked',
      );
    }
    if (--this.#lock[frame]! === 0 && this.#use[frame] === FRAME_LIMBO) this.#retire(frame);
  }

  /** FrameSource, for page tables. */
  allocate(): number {
    const frame = this.takeZeroed(FRAME_PAGE_TABLE);
    if (frame < 0) throw new OutOfFrames();
    return frame;
  }
  free(frame: number): void {
    this.release(frame);
  }

  /** Throws if the columns and the free list contradict each other. For tests. */
  verify(): void {
    const counts = new Int32Array(USES);
    for (let frame = 0; frame < this.total; frame++) {
      const use = this.#use[frame]!;
      counts[use]!++;
      const inList = this.#place[frame]! >= 0 && this.#free[this.#place[frame]!] === frame;
      if (inList !== (use === FRAME_FREE)) throw new Error(`frame ${frame} (use ${use}) and the free list disagree`);
      if (use === FRAME_FREE && (this.#share[frame] || this.#lock[frame]))
        throw new Error(`free frame ${frame} is claimed`);
    }
    if (counts.some((n, use) => n !== this.#counts[use])) throw new Error('the frame counts are wrong');
    if (counts[FRAME_FREE] !== this.#freeCount) throw new Error('the free list is too short or too long');
  }

  #claim(frame: number, use: number, space: number): void {
    this.#place[frame] = -1;
    this.#recount(FRAME_FREE, use);
    this.#use[frame] = use;
    this.#share[frame] = 1;
    this.#space[frame] = space;
  }

  #retire(frame: number): void {
    this.#setUse(frame, FRAME_FREE);
    this.#space[frame] = 0;
    this.#push(frame);
  }

  #setUse(frame: number, use: number): void {
    this.#recount(this.#use[frame]!, use);
    this.#use[frame] = use;
  }

  #recount(from: number, to: number): void {
    this.#counts[from]!--;
    this.#counts[to]!++;
  }

  #soil(frame: number): void {
    if (!this.#pristine[frame]) return;
    this.#pristine[frame] = 0;
    const at = this.#ram.offsetOf(frame) >>> 2;
    this.#ram.u32.fill(0x5eed_0000 + (frame & 0xffff), at, at + (PAGE_SIZE >>> 2));
  }

  #push(frame: number): void {
    this.#free[this.#freeCount] = frame;
    this.#place[frame] = this.#freeCount++;
  }

  #swap(i: number, j: number): void {
    const a = this.#free[i]!;
    const b = this.#free[j]!;
    this.#free[i] = b;
    this.#free[j] = a;
    this.#place[b] = i;
    this.#place[a] = j;
  }
}

/** Frame of a physical byte address. */
export function frameOf(physical: number): number {
  return Math.floor(physical / 2 ** PAGE_SHIFT);
}
