/**
 * IEEE 754 arithmetic in integers, as SSE performs it: four rounding modes, DAZ and FTZ, and the six exception flags.
 *
 * WebAssembly's floating point rounds to nearest, keeps no flags and lets NaN payloads be anything. Translated code uses
 * it where the result is provably the same (semantics/sse-float.ts says when); everything else comes here, where speed
 * does not matter and every bit does. Values are bit patterns in BigInt; exact intermediate results are a sign, an
 * integer and a power of two, rounded once.
 *
 * Rules: Intel SDM volume 1, chapter 4.8 (NaNs, rounding, tininess after rounding) and 11.5 (SSE exceptions).
 */

export interface Format {
  /** Stored bits of the significand. */
  readonly fraction: number;
  readonly bias: number;
  readonly signBit: bigint;
  readonly infinity: bigint;
  readonly quietBit: bigint;
  /** The NaN that an invalid operation gives: "QNaN floating-point indefinite". */
  readonly indefinite: bigint;
}

function format(fraction: number, exponent: number): Format {
  const infinity = ((1n << BigInt(exponent)) - 1n) << BigInt(fraction);
  const signBit = 1n << BigInt(fraction + exponent);
  const quietBit = 1n << BigInt(fraction - 1);
  return {
    fraction,
    bias: 2 ** (exponent - 1) - 1,
    signBit,
    infinity,
    quietBit,
    indefinite: signBit | infinity | quietBit,
  };
}

export const SINGLE: Format = format(23, 8);
export const DOUBLE: Format = format(52, 11);

/** MXCSR's status flags; its masks are the same, seven bits up. */
export const IE = 1;
export const DE = 2;
export const ZE = 4;
export const OE = 8;
export const UE = 0x10;
export const PE = 0x20;
const DAZ = 0x40;
const FTZ = 0x8000;

export const NEAREST = 0;
const DOWN = 1;
const UP = 2;
export const TRUNCATE = 3;

/** One instruction's arithmetic under one MXCSR: collects the flags that its lanes raise. */
export class FloatContext {
  readonly rounding: number;
  readonly daz: boolean;
  readonly ftz: boolean;
  /** 1 where the exception is masked. */
  readonly masks: number;
  /** Flags of the checks before computing (IE, DE, ZE): an unmasked one stops all lanes. */
  before = 0;
  /** OE, UE, PE. */
  after = 0;
  #earlier = 0;

  constructor(mxcsr: number, rounding = (mxcsr >> 13) & 3) {
    this.rounding = rounding;
    this.daz = (mxcsr & DAZ) !== 0;
    this.masks = (mxcsr >> 7) & 0x3f;
    this.ftz = (mxcsr & FTZ) !== 0 && (this.masks & UE) !== 0;
  }

  get trapped(): boolean {
    return ((this.before | this.after) & ~this.masks) !== 0;
  }

  /** The flags for MXCSR: when a check before computing traps, nothing has been computed. */
  get flags(): number {
    return this.#earlier | ((this.before & ~this.masks) !== 0 ? this.before : this.before | this.after);
  }

  /** One step of several has been computed without a trap: its flags stay. */
  nextStep(): void {
    this.#earlier = this.flags;
    this.before = this.after = 0;
  }
}

export const isNan = (bits: bigint, f: Format): boolean => (bits & ~f.signBit) > f.infinity;
export const isSignaling = (bits: bigint, f: Format): boolean => isNan(bits, f) && (bits & f.quietBit) === 0n;
export const isInfinite = (bits: bigint, f: Format): boolean => (bits & ~f.signBit) === f.infinity;
export const isZero = (bits: bigint, f: Format): boolean => (bits & ~f.signBit) === 0n;
export const isSubnormal = (bits: bigint, f: Format): boolean => (bits & f.infinity) === 0n && !isZero(bits, f);

/** With DAZ, a subnormal is a zero of its sign. */
export function source(context: FloatContext, bits: bigint, f: Format): bigint {
  return context.daz && isSubnormal(bits, f) ? bits & f.signBit : bits;
}

/** The NaN that two operands give if either is one: the first operand if it is a NaN, else the second; quiet. */
export function propagate(context: FloatContext, a: bigint, b: bigint, f: Format): bigint | undefined {
  if (!isNan(a, f) && !isNan(b, f)) return undefined;
  if (isSignaling(a, f) || isSignaling(b, f)) context.before |= IE;
  return (isNan(a, f) ? a : b) | f.quietBit;
}

export function invalid(context: FloatContext, f: Format): bigint {
  context.before |= IE;
  return f.indefinite;
}

export function noteSubnormal(context: FloatContext, bits: bigint, f: Format): void {
  if (isSubnormal(bits, f)) context.before |= DE;
}

/** A finite number, exactly: (-1)^negative * significand * 2^exponent. */
export interface Exact {
  readonly negative: boolean;
  readonly significand: bigint;
  readonly exponent: number;
}

export function exact(bits: bigint, f: Format): Exact {
  const fraction = BigInt(f.fraction);
  const biased = Number((bits & f.infinity) >> fraction);
  const low = bits & ((1n << fraction) - 1n);
  return {
    negative: (bits & f.signBit) !== 0n,
    significand: biased === 0 ? low : low | (1n << fraction),
    exponent: Math.max(biased, 1) - f.bias - f.fraction,
  };
}

export function bitLength(value: bigint): number {
  let length = 0;
  let rest = value;
  while (rest >= 1n << 64n) {
    rest >>= 64n;
    length += 64;
  }
  const high = Number(rest >> 32n);
  return length + (high === 0 ? 32 - Math.clz32(Number(rest)) : 64 - Math.clz32(high));
}

/** `value * 2^-shift` as an integer by the rounding mode, and whether something was lost. */
export function shiftRounded(
  value: bigint,
  shift: number,
  negative: boolean,
  rounding: number,
): { value: bigint; inexact: boolean } {
  if (shift <= 0) return { value: value << BigInt(-shift), inexact: false };
  const by = BigInt(shift);
  const kept = value >> by;
  const lost = value - (kept << by);
  if (lost === 0n) return { value: kept, inexact: false };
  const half = 1n << (by - 1n);
  const up =
    rounding === NEAREST
      ? lost > half || (lost === half && (kept & 1n) === 1n)
      : rounding === DOWN
        ? negative
        : rounding === UP && !negative;
  return { value: up ? kept + 1n : kept, inexact: true };
}

/** The sign of an exact zero that comes of adding opposites. */
export function zeroOfDifference(context: FloatContext, f: Format): bigint {
  return context.rounding === DOWN ? f.signBit : 0n;
}

/**
 * Rounds an exact non-zero number to a format. The lowest bit of the significand may be sticky: set if anything below
 * it was lost; there must be at least two bits more than the format holds, then.
 */
export function round(context: FloatContext, { negative, significand, exponent }: Exact, f: Format): bigint {
  const { rounding } = context;
  const sign = negative ? f.signBit : 0n;
  const least = 1 - f.bias;
  const top = exponent + bitLength(significand) - 1;
  const normal = shiftRounded(significand, top - f.fraction - exponent, negative, rounding);
  const carried = bitLength(normal.value) > f.fraction + 1 ? 1 : 0;
  if (top + carried < least) {
    // Tiny. Unmasked, UE is raised whether or not something is lost (11.5.2.5).
    const { value, inexact } = shiftRounded(significand, least - f.fraction - exponent, negative, rounding);
    if ((context.masks & UE) === 0) {
      context.after |= normal.inexact ? UE | PE : UE;
      return sign;
    }
    if (context.ftz) {
      context.after |= UE | PE;
      return sign;
    }
    if (inexact) context.after |= UE | PE;
    return sign | value;
  }
  if (top + carried > f.bias) {
    context.after |= (context.masks & OE) !== 0 || normal.inexact ? OE | PE : OE;
    const toInfinity = rounding === NEAREST || rounding === (negative ? DOWN : UP);
    return sign | (toInfinity ? f.infinity : f.infinity - 1n);
  }
  // From just below the normal range, rounding may give its least number: lost bits are counted at the real spacing.
  const { value, inexact } =
    top < least ? shiftRounded(significand, least - f.fraction - exponent, negative, rounding) : normal;
  if (inexact) context.after |= PE;
  const biased = BigInt(Math.max(top, least) + f.bias - 1);
  return sign | (value + (biased << BigInt(f.fraction)));
}

/** The integer square root, with a sticky lowest bit. */
export function sqrtSticky(value: bigint): bigint {
  if (value < 2n) return value << 1n;
  let x = 1n << BigInt((bitLength(value) + 1) >> 1);
  for (;;) {
    const y = (x + value / x) >> 1n;
    if (y >= x) break;
    x = y;
  }
  return (x << 1n) | (x * x === value ? 0n : 1n);
}
