/**
 * The AES round instructions and carry-less multiplication (Intel SDM volume 2A, AESENC and following, PCLMULQDQ;
 * FIPS 197). A state is 16 bytes, column by column, as an XMM register holds it.
 */

/** Multiplication by x in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1. */
function double(byte: number): number {
  return ((byte << 1) ^ (byte & 0x80 ? 0x11b : 0)) & 0xff;
}

function multiply(a: number, b: number): number {
  let product = 0;
  for (let power = a, rest = b; rest; rest >>= 1, power = double(power)) if (rest & 1) product ^= power;
  return product;
}

function makeSubstitution(): Uint8Array {
  const table = new Uint8Array(256);
  for (let value = 0; value < 256; value++) {
    // The inverse is the 254th power.
    let inverse = 1;
    for (let i = 0; i < 254; i++) inverse = multiply(inverse, value);
    let out = 0x63;
    for (let turn = 0; turn < 5; turn++) out ^= ((inverse << turn) | (inverse >> (8 - turn))) & 0xff;
    table[value] = out;
  }
  return table;
}

const SUBSTITUTION: Readonly<Uint8Array> = makeSubstitution();
const INVERSE_SUBSTITUTION: Readonly<Uint8Array> = Uint8Array.from({ length: 256 }, (_, i) => SUBSTITUTION.indexOf(i));

/** Row r turns by r columns. */
function shiftRows(state: Uint8Array, direction: 1 | -1): Uint8Array {
  return Uint8Array.from(state, (_, i) => state[(i + direction * 4 * (i & 3)) & 15]!);
}

function mixColumns(state: Uint8Array, factors: readonly number[]): Uint8Array {
  return Uint8Array.from(state, (_, i) => {
    let sum = 0;
    for (let k = 0; k < 4; k++) sum ^= multiply(state[(i & 12) + ((i + k) & 3)]!, factors[k]!);
    return sum;
  });
}

const ENCRYPT_MIX = [2, 3, 1, 1];
const DECRYPT_MIX = [14, 11, 13, 9];

const substitute = (state: Uint8Array, table: Readonly<Uint8Array>) => Uint8Array.from(state, byte => table[byte]!);
const addKey = (state: Uint8Array, key: Uint8Array) => Uint8Array.from(state, (byte, i) => byte ^ key[i]!);

/** (destination, source, immediate) -> destination. */
export type BytesOperation = (a: Uint8Array, b: Uint8Array, immediate: number) => Uint8Array;

export const aesenc: BytesOperation = (a, b) =>
  addKey(mixColumns(substitute(shiftRows(a, 1), SUBSTITUTION), ENCRYPT_MIX), b);
export const aesenclast: BytesOperation = (a, b) => addKey(substitute(shiftRows(a, 1), SUBSTITUTION), b);
export const aesdec: BytesOperation = (a, b) =>
  addKey(mixColumns(substitute(shiftRows(a, -1), INVERSE_SUBSTITUTION), DECRYPT_MIX), b);
export const aesdeclast: BytesOperation = (a, b) => addKey(substitute(shiftRows(a, -1), INVERSE_SUBSTITUTION), b);
export const aesimc: BytesOperation = (_, b) => mixColumns(b, DECRYPT_MIX);

/** From words 1 and 3: each substituted, then rotated by a byte and the round constant added. */
export const aeskeygenassist: BytesOperation = (_, b, constant) => {
  const s = substitute(b, SUBSTITUTION);
  const half = (at: number) => [
    s[at]!,
    s[at + 1]!,
    s[at + 2]!,
    s[at + 3]!,
    s[at + 1]! ^ constant,
    s[at + 2]!,
    s[at + 3]!,
    s[at]!,
  ];
  return Uint8Array.from([...half(4), ...half(12)]);
};

export const pclmulqdq: BytesOperation = (a, b, immediate) => {
  const quad = (bytes: Uint8Array, high: boolean) =>
    new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(high ? 8 : 0, true);
  const x = quad(a, (immediate & 1) !== 0);
  const y = quad(b, (immediate & 16) !== 0);
  let product = 0n;
  for (let i = 0n; i < 64n; i++) if ((y >> i) & 1n) product ^= x << i;
  const out = new Uint8Array(16);
  const view = new DataView(out.buffer);
  view.setBigUint64(0, product & 0xffff_ffff_ffff_ffffn, true);
  view.setBigUint64(8, product >> 64n, true);
  return out;
};

/** mpsadbw: eight sums of absolute differences of four bytes, sliding over the destination. */
export const mpsadbw: BytesOperation = (a, b, immediate) => {
  const from = immediate & 4;
  const block = (immediate & 3) * 4;
  const out = new Uint8Array(16);
  for (let k = 0; k < 8; k++) {
    let sum = 0;
    for (let j = 0; j < 4; j++) sum += Math.abs(a[from + k + j]! - b[block + j]!);
    out[2 * k] = sum;
    out[2 * k + 1] = sum >> 8;
  }
  return out;
};

/** phminposuw: the least of eight unsigned words, and where it first stands. */
export const phminposuw: BytesOperation = (_, b) => {
  let [least, at] = [0x1_0000, 0];
  for (let k = 0; k < 8; k++) {
    const word = b[2 * k]! | (b[2 * k + 1]! << 8);
    if (word < least) [least, at] = [word, k];
  }
  return Uint8Array.from({ length: 16 }, (_, i) => (i === 0 ? least & 0xff : i === 1 ? least >> 8 : i === 2 ? at : 0));
};
