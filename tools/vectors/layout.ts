/**
 * Where a case lives and what it looks like in bytes: the contract between the generator, harness.c (the real
 * processor) and translated.ts (ours). Everything is little-endian.
 *
 * A case is a state: RIP, RFLAGS, 16 general registers, 16 XMM registers, MXCSR, and windows of memory with their
 * contents. An outcome is the same after the code ran, with the vector that ended it (3 is the int3 behind the code),
 * its error code and CR2.
 */

/** Code slots, filled with int3 in between. The code of slot n begins SLOT_ENTRY bytes into it. */
export const CODE = 0x1000_0000;
export const CODE_BYTES = 0x10_0000;
export const SLOT_BYTES = 256;
export const SLOT_ENTRY = 64;
export const SLOTS = CODE_BYTES / SLOT_BYTES;

/** Four pages that can be written, one that can only be read, nothing before and behind. */
export const ARENA = 0x2000_0000;
export const WRITABLE_BYTES = 0x4000;
export const ARENA_BYTES = 0x5000;
export const FS_BASE = 0x9000;
export const GS_BASE = 0x7000;

export const STATE = { rip: 0, rflags: 8, gpr: 16, xmm: 144, mxcsr: 400, windows: 404, size: 408 } as const;
export const OUTCOME = {
  rip: 0,
  rflags: 8,
  gpr: 16,
  xmm: 144,
  mxcsr: 400,
  vector: 404,
  error: 408,
  stray: 412,
  cr2: 416,
  size: 424,
} as const;

/** The flags that are compared: CF, PF, AF, ZF, SF, DF and OF. The rest belong to the operating system. */
export const COMPARED_FLAGS = 0xcd5;

export interface Window {
  readonly address: number;
  readonly length: number;
}

/** What the arena holds before every case: the same bytes for ever. */
export function arenaContents(): Uint8Array {
  const bytes = new Uint8Array(ARENA_BYTES);
  let x = 0x2545_f491;
  for (let i = 0; i < ARENA_BYTES; i++) {
    x = Math.imul(x ^ (x >>> 15), 0x2c1b_3c6d) + 0x6d2b_79f5;
    bytes[i] = x >>> 24;
  }
  return bytes;
}

/** The windows of a state, and where their bytes lie in it. */
export function windowsOf(state: Uint8Array): (Window & { readonly at: number })[] {
  const view = new DataView(state.buffer, state.byteOffset, state.byteLength);
  const list: (Window & { at: number })[] = [];
  let at = STATE.size;
  for (let i = 0; i < view.getUint32(STATE.windows, true); i++) {
    const address = Number(view.getBigUint64(at, true));
    const length = Number(view.getBigUint64(at + 8, true));
    list.push({ address, length, at: at + 16 });
    at += 16 + length;
  }
  return list;
}

export function outcomeSize(state: Uint8Array): number {
  return OUTCOME.size + windowsOf(state).reduce((sum, w) => sum + w.length, 0);
}
