/**
 * SSE's scalar operations on bit patterns: what one lane of ADDPS, CVTTSD2SI, CMPPD and the like does.
 * Each notes its exceptions in the context; the order of the checks is that of Intel SDM volume 1, table 4-11
 * ("Precedence among SIMD floating-point exceptions").
 */
import {
  bitLength,
  type Exact,
  exact,
  type FloatContext,
  type Format,
  IE,
  invalid,
  isInfinite,
  isNan,
  isSignaling,
  isZero,
  noteSubnormal,
  PE,
  propagate,
  round,
  shiftRounded,
  source,
  sqrtSticky,
  ZE,
  zeroOfDifference,
} from './float.ts';

export type Binary = (context: FloatContext, a: bigint, b: bigint, f: Format) => bigint;

export const add: Binary = (context, a, b, f) => sum(context, source(context, a, f), source(context, b, f), f, 0n);
export const sub: Binary = (context, a, b, f) =>
  sum(context, source(context, a, f), source(context, b, f), f, f.signBit);

/** a + b, or a - b when `flip` is the sign bit. */
function sum(context: FloatContext, a: bigint, b: bigint, f: Format, flip: bigint): bigint {
  const nan = propagate(context, a, b, f);
  if (nan !== undefined) return nan;
  const other = b ^ flip;
  if (isInfinite(a, f) && isInfinite(other, f) && a !== other) return invalid(context, f);
  noteSubnormal(context, a, f);
  noteSubnormal(context, b, f);
  if (isInfinite(a, f)) return a;
  if (isInfinite(other, f)) return other;
  const x = exact(a, f);
  const y = exact(other, f);
  const exponent = Math.min(x.exponent, y.exponent);
  const value = signed(x, exponent) + signed(y, exponent);
  if (value !== 0n)
    return round(context, { negative: value < 0n, significand: value < 0n ? -value : value, exponent }, f);
  if (x.negative === y.negative) return x.negative ? f.signBit : 0n;
  return zeroOfDifference(context, f);
}

function signed({ negative, significand, exponent }: Exact, at: number): bigint {
  const value = significand << BigInt(exponent - at);
  return negative ? -value : value;
}

export const mul: Binary = (context, first, second, f) => {
  const a = source(context, first, f);
  const b = source(context, second, f);
  const nan = propagate(context, a, b, f);
  if (nan !== undefined) return nan;
  const sign = (a ^ b) & f.signBit;
  const infinite = isInfinite(a, f) || isInfinite(b, f);
  if (infinite && (isZero(a, f) || isZero(b, f))) return invalid(context, f);
  noteSubnormal(context, a, f);
  noteSubnormal(context, b, f);
  if (infinite) return sign | f.infinity;
  const x = exact(a, f);
  const y = exact(b, f);
  const significand = x.significand * y.significand;
  if (significand === 0n) return sign;
  return round(context, { negative: sign !== 0n, significand, exponent: x.exponent + y.exponent }, f);
};

export const div: Binary = (context, first, second, f) => {
  const a = source(context, first, f);
  const b = source(context, second, f);
  const nan = propagate(context, a, b, f);
  if (nan !== undefined) return nan;
  const sign = (a ^ b) & f.signBit;
  if ((isInfinite(a, f) && isInfinite(b, f)) || (isZero(a, f) && isZero(b, f))) return invalid(context, f);
  if (isZero(b, f) && !isInfinite(a, f)) {
    context.before |= ZE;
    return sign | f.infinity;
  }
  noteSubnormal(context, a, f);
  noteSubnormal(context, b, f);
  if (isInfinite(a, f)) return sign | f.infinity;
  if (isInfinite(b, f) || isZero(a, f)) return sign;
  const x = exact(a, f);
  const y = exact(b, f);
  const widen = 2 * f.fraction + 4;
  const dividend = x.significand << BigInt(widen);
  const quotient = dividend / y.significand;
  const sticky = quotient * y.significand === dividend ? 0n : 1n;
  return round(
    context,
    { negative: sign !== 0n, significand: (quotient << 1n) | sticky, exponent: x.exponent - y.exponent - widen - 1 },
    f,
  );
};

export const sqrt: Binary = (context, _first, second, f) => {
  const a = source(context, second, f);
  const nan = propagate(context, a, a, f);
  if (nan !== undefined) return nan;
  if (isZero(a, f)) return a;
  if ((a & f.signBit) !== 0n) return invalid(context, f);
  noteSubnormal(context, a, f);
  if (isInfinite(a, f)) return a;
  const { significand, exponent } = exact(a, f);
  const widen = 2 * f.fraction + 8 + ((exponent & 1) === 0 ? 0 : 1);
  const root = sqrtSticky(significand << BigInt(widen));
  return round(context, { negative: false, significand: root, exponent: (exponent - widen) / 2 - 1 }, f);
};

/** -1, 0, 1, or undefined when either is a NaN. The operands have had DAZ applied. */
function order(a: bigint, b: bigint, f: Format): number | undefined {
  if (isNan(a, f) || isNan(b, f)) return undefined;
  const key = (bits: bigint) => ((bits & f.signBit) !== 0n ? -(bits & ~f.signBit) : bits);
  const x = key(a);
  const y = key(b);
  return x < y ? -1 : x > y ? 1 : 0;
}

/** MIN and MAX give the second operand when either is a NaN, or both are zeros; any NaN is invalid. */
function select(wanted: -1 | 1): Binary {
  return (context, first, second, f) => {
    const a = source(context, first, f);
    const b = source(context, second, f);
    const relation = order(a, b, f);
    if (relation === undefined) {
      context.before |= IE;
      return b;
    }
    noteSubnormal(context, a, f);
    noteSubnormal(context, b, f);
    return relation === wanted ? a : b;
  };
}
export const min = select(-1);
export const max = select(1);

/** CMPxx's predicates 0 to 7: EQ LT LE UNORD NEQ NLT NLE ORD; LT, LE and their opposites signal for quiet NaNs, too. */
export function compare(context: FloatContext, first: bigint, second: bigint, f: Format, predicate: number): boolean {
  const relation = compareFlags(context, first, second, f, (predicate & 3) === 1 || (predicate & 3) === 2);
  const base = predicate & 3;
  const holds =
    base === 0
      ? relation === 0
      : base === 1
        ? relation === -1
        : base === 2
          ? relation === -1 || relation === 0
          : relation === undefined;
  return holds !== predicate > 3;
}

/** The relation, with exceptions: UCOMIxx is quiet about quiet NaNs, COMIxx is not. */
export function compareFlags(
  context: FloatContext,
  first: bigint,
  second: bigint,
  f: Format,
  signal: boolean,
): number | undefined {
  const a = source(context, first, f);
  const b = source(context, second, f);
  const relation = order(a, b, f);
  if (relation === undefined) {
    if (signal || isSignaling(a, f) || isSignaling(b, f)) context.before |= IE;
    return undefined;
  }
  noteSubnormal(context, a, f);
  noteSubnormal(context, b, f);
  return relation;
}

/** To a signed integer of `bits` bits; what does not fit is the "integer indefinite", 2^(bits-1). */
export function toInteger(context: FloatContext, value: bigint, f: Format, bits: number, rounding: number): bigint {
  const a = source(context, value, f);
  const indefinite = 1n << BigInt(bits - 1);
  if (isNan(a, f) || isInfinite(a, f)) {
    context.before |= IE;
    return indefinite;
  }
  const { negative, significand, exponent } = exact(a, f);
  const { value: magnitude, inexact } =
    exponent > bits
      ? { value: indefinite << 1n, inexact: false }
      : shiftRounded(significand, -exponent, negative, rounding);
  if (magnitude > (negative ? indefinite : indefinite - 1n)) {
    context.before |= IE;
    return indefinite;
  }
  if (inexact) context.after |= PE;
  return BigInt.asUintN(bits, negative ? -magnitude : magnitude);
}

/** From a signed integer. */
export function fromInteger(context: FloatContext, value: bigint, f: Format): bigint {
  if (value === 0n) return 0n;
  return round(context, { negative: value < 0n, significand: value < 0n ? -value : value, exponent: 0 }, f);
}

/** Between the formats: a NaN keeps the upper bits of its payload. */
export function convert(context: FloatContext, value: bigint, from: Format, to: Format): bigint {
  const a = source(context, value, from);
  const sign = (a & from.signBit) !== 0n ? to.signBit : 0n;
  if (isNan(a, from)) {
    if (isSignaling(a, from)) context.before |= IE;
    const payload = a & (from.quietBit - 1n);
    const shift = BigInt(to.fraction - from.fraction);
    return sign | to.infinity | to.quietBit | (shift > 0n ? payload << shift : payload >> -shift);
  }
  noteSubnormal(context, a, from);
  if (isInfinite(a, from)) return sign | to.infinity;
  if (isZero(a, from)) return sign;
  return round(context, exact(a, from), to);
}

/** ROUNDxx: to an integer of the same format. `quiet` (bit 3 of the immediate) keeps PE from being noted. */
export function roundToIntegral(
  context: FloatContext,
  value: bigint,
  f: Format,
  rounding: number,
  quiet: boolean,
): bigint {
  const a = source(context, value, f);
  const nan = propagate(context, a, a, f);
  if (nan !== undefined) return nan;
  const number = exact(a, f);
  if (isInfinite(a, f) || number.exponent >= 0 || number.significand === 0n) return a;
  const { value: magnitude, inexact } = shiftRounded(number.significand, -number.exponent, number.negative, rounding);
  if (inexact && !quiet) context.after |= PE;
  const sign = a & f.signBit;
  if (magnitude === 0n) return sign;
  const top = bitLength(magnitude) - 1;
  const fraction = (magnitude << BigInt(f.fraction - top)) - (1n << BigInt(f.fraction));
  return sign | (BigInt(top + f.bias) << BigInt(f.fraction)) | fraction;
}
