/**
 * What of an outcome is compared, and its digest.
 *
 * `normalize` takes away what no program may rely on or what the two sides cannot share: undefined flags, the flags of
 * the operating system, RF, the user bit of a page fault's error code (the harness runs in user mode, a driver does
 * not), the difference between #SS and #GP, CR2 and the error code of vectors that have none. What is left is every register, every defined flag, the
 * vector, and every byte that the code could have touched.
 */
import type { Instruction } from 'iced-x86';
import { ARENA, ARENA_BYTES, COMPARED_FLAGS, OUTCOME } from './layout.ts';
import { undefinedFlags } from './undefined-flags.ts';

export const VECTOR_BREAKPOINT = 3;
const VECTOR_STACK = 12;
const VECTOR_GENERAL_PROTECTION = 13;
const VECTOR_PAGE_FAULT = 14;
/** P, W/R and I/D of a page fault's error code (Intel SDM volume 3, section 4.7). */
const COMPARED_ERROR_BITS = 0x13;
const ERROR_PRESENT = 1;

/** Normalises in place. `code` is the sequence that was run: flags undefined after one part stay undefined until set. */
export function normalize(outcome: Uint8Array, state: Uint8Array, code: readonly Instruction[]): Uint8Array {
  const view = new DataView(outcome.buffer, outcome.byteOffset, outcome.byteLength);
  const before = new DataView(state.buffer, state.byteOffset, state.byteLength);
  // A non-canonical address based on RSP or RBP is #SS; both have the error code 0 and are one to Windows.
  if (view.getUint32(OUTCOME.vector, true) === VECTOR_STACK)
    view.setUint32(OUTCOME.vector, VECTOR_GENERAL_PROTECTION, true);
  const vector = view.getUint32(OUTCOME.vector, true);
  let mask = COMPARED_FLAGS;
  if (vector === VECTOR_BREAKPOINT || code.length > 1)
    for (const instruction of code) mask &= ~undefinedFlags(instruction, before);
  view.setUint32(OUTCOME.rflags, view.getUint32(OUTCOME.rflags, true) & mask, true);
  view.setUint32(OUTCOME.rflags + 4, 0, true);
  const error = vector === VECTOR_PAGE_FAULT ? view.getUint32(OUTCOME.error, true) & COMPARED_ERROR_BITS : 0;
  view.setUint32(OUTCOME.error, nearArena(view.getBigUint64(OUTCOME.cr2, true)) ? error : error & ~ERROR_PRESENT, true);
  if (vector !== VECTOR_PAGE_FAULT) view.setBigUint64(OUTCOME.cr2, 0n, true);
  view.setUint32(OUTCOME.stray, 0, true);
  return outcome;
}

/** Elsewhere the harness has pages of its own, and the kernel its half. */
function nearArena(address: bigint): boolean {
  return address >= BigInt(ARENA - 0x8000) && address < BigInt(ARENA + ARENA_BYTES + 0x8000);
}

/** 32 bits over all of a normalised outcome (murmur's mixing). */
export function digest(outcome: Uint8Array): number {
  const words = new Uint32Array(outcome.buffer, outcome.byteOffset, outcome.length >>> 2);
  let hash = 0x9747_b28c;
  for (const word of words) {
    let k = Math.imul(word, 0xcc9e_2d51);
    k = Math.imul((k << 15) | (k >>> 17), 0x1b87_3593);
    hash ^= k;
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe654_6b64) | 0;
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
