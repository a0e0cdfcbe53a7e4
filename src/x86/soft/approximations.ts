/**
 * RCPPS and RSQRTPS: approximations that each processor defines by a table of its own. Intel's manual promises only a
 * relative error of 1.5 * 2^-12; Intel's tables and AMD's differ in the low bits. Ours is AMD's (recorded on a Zen 4).
 *
 * There the result depends on the upper 12 bits of the significand (and on the lowest bit of the exponent, for the
 * square root) and has 12 bits itself. It is within two units of the exact function at the middle of its interval, so
 * two bits for each of 3 * 4096 arguments are kept: one character of base 64 holds three.
 *
 * Neither instruction raises an exception or looks at MXCSR; subnormal arguments count as zero, subnormal results are
 * given as zero (Intel SDM volume 2B, RCPPS, RSQRTPS).
 */
import { APPROXIMATION_DIGITS } from './approximations.g.ts';
import { isNan, SINGLE } from './float.ts';

const SIGN = 0x8000_0000;
const INFINITY = 0x7f80_0000;
const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** The significand's 12 stored bits for one of the three tables (1/x; 1/sqrt x; 1/sqrt 2x), for x in [1, 2). */
function significand(table: number, index: number): number {
  const x = 1 + (index + 0.5) / 4096;
  const exactly = table === 0 ? 1 / x : 1 / Math.sqrt(table * x);
  const at = table * 4096 + index;
  const digit = BASE64.indexOf(APPROXIMATION_DIGITS[Math.floor(at / 3)]!) >> (2 * (at % 3));
  return Math.floor((exactly * 2 - 1) * 4096) + (digit & 3) - 1;
}

export function approximateReciprocal(bits: bigint): bigint {
  if (isNan(bits, SINGLE)) return bits | SINGLE.quietBit;
  const x = Number(bits);
  const sign = x & SIGN;
  const exponent = (x >>> 23) & 0xff;
  if (exponent === 0) return BigInt((sign | INFINITY) >>> 0);
  // The reciprocal of [1, 2) is in (1/2, 1]: biased exponent 126.
  const result = 126 - (exponent - 127);
  if (exponent === 0xff || result <= 0) return BigInt(sign >>> 0);
  return BigInt((sign | (result << 23) | (significand(0, (x >>> 11) & 0xfff) << 11)) >>> 0);
}

export function approximateReciprocalSqrt(bits: bigint): bigint {
  if (isNan(bits, SINGLE)) return bits | SINGLE.quietBit;
  const x = Number(bits);
  const sign = x & SIGN;
  const exponent = (x >>> 23) & 0xff;
  if (exponent === 0) return BigInt((sign | INFINITY) >>> 0);
  if (sign !== 0) return SINGLE.indefinite;
  if (exponent === 0xff) return 0n;
  const odd = (exponent - 127) & 1;
  const result = 126 - (exponent - 127 - odd) / 2;
  return BigInt((result << 23) | (significand(1 + odd, (x >>> 11) & 0xfff) << 11));
}
