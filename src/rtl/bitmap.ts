/**
 * RTL_BITMAP: a size in bits and a pointer to ULONGs, lowest bit first.
 *
 * Bits are looked at a word at a time, and no word beyond the answer is read: a hostile SizeOfBitMap costs no more than
 * the memory that is really there. A range that leaves the bitmap is the caller's mistake; Windows does not check it
 * either, but for the searches, which find nothing. Source: the routines' pages in the driver reference.
 */
import type { Address } from '../wdm/address.ts';
import { RTL_BITMAP } from '../wdm/layouts.ts';
import type { GuestMemory } from '../wdm/memory.ts';

/** What a search that finds nothing answers. */
export const NOT_FOUND = 0xffff_ffff;

export interface Run {
  readonly start: number;
  readonly length: number;
}

const WORD = 32;

/** The mask of bits [from, to) of a word. */
const maskOf = (from: number, to: number) =>
  (to - from === WORD ? 0xffff_ffff : ((1 << (to - from)) - 1) << from) >>> 0;

function change(memory: GuestMemory, bitmap: Address, start: number, count: number, set: boolean): void {
  const { Buffer } = RTL_BITMAP.at(memory, bitmap);
  for (let at = start; at < start + count; ) {
    const word = Math.floor(at / WORD);
    const to = Math.min((word + 1) * WORD, start + count);
    const mask = maskOf(at % WORD, to - word * WORD);
    const old = memory.readU32(Buffer + word * 4);
    memory.writeU32(Buffer + word * 4, (set ? old | mask : old & ~mask) >>> 0);
    at = to;
  }
}

export const RtlSetBits = (memory: GuestMemory, bitmap: Address, start: number, count: number): void =>
  change(memory, bitmap, start, count, true);

export const RtlClearBits = (memory: GuestMemory, bitmap: Address, start: number, count: number): void =>
  change(memory, bitmap, start, count, false);

/** Whole ULONGs, the bits behind the last included. */
export function fillBits(memory: GuestMemory, bitmap: Address, set: boolean): void {
  const { SizeOfBitMap, Buffer } = RTL_BITMAP.at(memory, bitmap);
  memory.fill(Buffer, Math.ceil(SizeOfBitMap / WORD) * 4, set ? 0xff : 0);
}

export function RtlTestBit(memory: GuestMemory, bitmap: Address, bit: number): boolean {
  const { Buffer } = RTL_BITMAP.at(memory, bitmap);
  return ((memory.readU32(Buffer + Math.floor(bit / WORD) * 4) >>> (bit % WORD)) & 1) === 1;
}

/** The first bit at or behind `from` that is as wanted; the size if there is none. */
function next(memory: GuestMemory, bitmap: Address, from: number, set: boolean): number {
  const { SizeOfBitMap, Buffer } = RTL_BITMAP.at(memory, bitmap);
  for (let at = from; at < SizeOfBitMap; at = (Math.floor(at / WORD) + 1) * WORD) {
    const word = memory.readU32(Buffer + Math.floor(at / WORD) * 4);
    const wanted = ((set ? word : ~word) & maskOf(at % WORD, WORD)) >>> 0;
    if (wanted !== 0) return Math.min(Math.floor(at / WORD) * WORD + 31 - Math.clz32(wanted & -wanted), SizeOfBitMap);
  }
  return SizeOfBitMap;
}

/** The runs of bits that are as wanted, from `from` on. */
function* runs(memory: GuestMemory, bitmap: Address, from: number, set: boolean): Generator<Run> {
  const { SizeOfBitMap } = RTL_BITMAP.at(memory, bitmap);
  for (let at = from; ; ) {
    const start = next(memory, bitmap, at, set);
    if (start >= SizeOfBitMap) return;
    at = next(memory, bitmap, start, !set);
    yield { start, length: at - start };
  }
}

/** RtlAreBitsClear, RtlAreBitsSet: FALSE also for no bits, and for bits outside. */
export function areBits(memory: GuestMemory, bitmap: Address, start: number, count: number, set: boolean): boolean {
  const { SizeOfBitMap } = RTL_BITMAP.at(memory, bitmap);
  if (count === 0 || start + count > SizeOfBitMap) return false;
  return next(memory, bitmap, start, !set) >= start + count;
}

/** RtlNumberOfClearBits, RtlNumberOfSetBits. */
export function countBits(memory: GuestMemory, bitmap: Address, set: boolean): number {
  let count = 0;
  for (const { length } of runs(memory, bitmap, 0, set)) count += length;
  return count;
}

/** RtlFindClearBits, RtlFindSetBits: `count` together, at or behind the hint if there are any, else before it. */
export function findBits(memory: GuestMemory, bitmap: Address, count: number, hint: number, set: boolean): number {
  const { SizeOfBitMap } = RTL_BITMAP.at(memory, bitmap);
  const from = hint < SizeOfBitMap ? hint : 0;
  if (count === 0) return Math.floor(from / 8) * 8; // as documented: nothing is found at the hint's byte
  for (const start of from === 0 ? [0] : [from, 0]) {
    for (const run of runs(memory, bitmap, start, set)) if (run.length >= count) return run.start;
  }
  return NOT_FOUND;
}

/** RtlFindClearBitsAndSet, RtlFindSetBitsAndClear. */
export function takeBits(memory: GuestMemory, bitmap: Address, count: number, hint: number, set: boolean): number {
  const found = findBits(memory, bitmap, count, hint, set);
  if (found !== NOT_FOUND) change(memory, bitmap, found, count, !set);
  return found;
}

/** RtlFindNextForwardRunClear and, from 0, RtlFindFirstRunClear. A length of 0 when there is none. */
export function nextClearRun(memory: GuestMemory, bitmap: Address, from: number): Run {
  const { value } = runs(memory, bitmap, from, false).next();
  return value ?? { start: RTL_BITMAP.at(memory, bitmap).SizeOfBitMap, length: 0 };
}

/** RtlFindLongestRunClear: the first of the longest. */
export function longestClearRun(memory: GuestMemory, bitmap: Address): Run {
  let longest: Run = { start: 0, length: 0 };
  for (const run of runs(memory, bitmap, 0, false)) if (run.length > longest.length) longest = run;
  return longest;
}
