/**
 * Values that derive from the I/O control code, as expressions over it.
 *
 * What a compiler makes of `switch (IoControlCode)` is arithmetic on one 32-bit unknown: subtract the lowest case,
 * rotate away the two METHOD bits, look the rest up in a table. An expression can be *evaluated* for any code and
 * *solved* for the codes that give it a wanted value. Solving goes from the outside in, one inverse at a time; where
 * an operation loses bits (a shift, a mask), the lost ones are taken from the code that the driver was just given, so
 * that a solution follows the same path up to the place that asked. Every solution has been checked by evaluation.
 *
 * Values are unsigned BigInts below 2^width.
 */

export type BinaryOperator = 'add' | 'sub' | 'mul' | 'and' | 'or' | 'xor' | 'shl' | 'shr' | 'sar' | 'rol' | 'ror';

export type Expression =
  /** The code itself: 32 bits. */
  | { readonly kind: 'code'; readonly width: 32 }
  | { readonly kind: 'constant'; readonly width: number; readonly value: bigint }
  | {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly width: number;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly kind: 'bswap'; readonly width: number; readonly value: Expression }
  /** The low `width` bits of a wider value, or a narrower value with zeros above. */
  | { readonly kind: 'resize'; readonly width: number; readonly value: Expression }
  | { readonly kind: 'sign-extend'; readonly width: number; readonly value: Expression }
  /** `low` in the low bits, the rest from `rest`: what a write to AL leaves in RAX. */
  | { readonly kind: 'insert'; readonly width: number; readonly low: Expression; readonly rest: Expression }
  /** 1 if a condition held (setcc), else 0. What would change it has been tried where it was asked. */
  | {
      readonly kind: 'truth';
      readonly width: 8;
      readonly holds: (code: number, read: ReadMemory) => boolean | undefined;
    }
  /** Memory at an address that depends on the code: a table of case numbers or targets. */
  | { readonly kind: 'load'; readonly width: number; readonly address: Expression };

/** Little-endian guest memory as it is now; undefined where nothing is mapped. */
export type ReadMemory = (address: bigint, bytes: number) => bigint | undefined;

export const CODE: Expression = { kind: 'code', width: 32 };

/** Beyond this many nodes a value is no switch any more, and is treated as if it did not depend on the code. */
const LARGEST = 64;

/** An `and` that loses at most this many bits is solved for all of their values: `case A: case A + 4:` become one mask. */
const FREE_BITS = 2;

const ones = (width: number) => (1n << BigInt(width)) - 1n;
const trim = (value: bigint, width: number) => BigInt.asUintN(width, value);

export function constant(value: bigint, width: number): Expression {
  return { kind: 'constant', width, value: trim(value, width) };
}

export function binary(operator: BinaryOperator, width: number, left: Expression, right: Expression): Expression {
  return { kind: 'binary', operator, width, left: resize(left, width), right: resize(right, width) };
}

export function resize(value: Expression, width: number): Expression {
  if (value.width === width) return value;
  if (value.kind === 'constant') return constant(value.value, width);
  if (value.kind === 'resize' && (value.value.width <= value.width || width < value.width)) {
    return resize(value.value, width);
  }
  if (value.kind === 'insert' && value.low.width === width) return value.low;
  return { kind: 'resize', width, value };
}

export function dependsOnCode(expression: Expression): boolean {
  return expression.kind === 'code' || expression.kind === 'truth' || children(expression).some(dependsOnCode);
}

export function tooLarge(expression: Expression): boolean {
  let left = LARGEST;
  const visit = (e: Expression): void => {
    if (--left > 0) children(e).forEach(visit);
  };
  visit(expression);
  return left <= 0;
}

function children(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case 'code':
    case 'constant':
    case 'truth':
      return [];
    case 'binary':
      return [expression.left, expression.right];
    case 'insert':
      return [expression.low, expression.rest];
    case 'load':
      return [expression.address];
    default:
      return [expression.value];
  }
}

const OPERATORS: Record<BinaryOperator, (left: bigint, right: bigint, width: number) => bigint> = {
  add: (left, right) => left + right,
  sub: (left, right) => left - right,
  mul: (left, right) => left * right,
  and: (left, right) => left & right,
  or: (left, right) => left | right,
  xor: (left, right) => left ^ right,
  shl: (left, right, width) => left << shiftCount(right, width),
  shr: (left, right, width) => left >> shiftCount(right, width),
  sar: (left, right, width) => BigInt.asIntN(width, left) >> shiftCount(right, width),
  rol: (left, right, width) => rotate(left, shiftCount(right, width) % BigInt(width), width),
  ror: (left, right, width) => rotate(left, BigInt(width) - (shiftCount(right, width) % BigInt(width)), width),
};

/** The processor masks a count to six bits for 64-bit operands and to five otherwise. */
function shiftCount(count: bigint, width: number): bigint {
  return count & (width === 64 ? 63n : 31n);
}

function rotate(value: bigint, count: bigint, width: number): bigint {
  return (value << count) | (value >> (BigInt(width) - count));
}

function swapBytes(value: bigint, width: number): bigint {
  let result = 0n;
  for (let bit = 0; bit < width; bit += 8) result = (result << 8n) | ((value >> BigInt(bit)) & 0xffn);
  return result;
}

/** The value for this code; undefined if it needs memory that is not mapped. */
export function evaluate(expression: Expression, code: number, read: ReadMemory): bigint | undefined {
  const { width } = expression;
  const of = (e: Expression) => evaluate(e, code, read);
  switch (expression.kind) {
    case 'code':
      return BigInt(code);
    case 'constant':
      return expression.value;
    case 'binary': {
      const left = of(expression.left);
      const right = left === undefined ? undefined : of(expression.right);
      if (left === undefined || right === undefined) return undefined;
      return trim(OPERATORS[expression.operator](left, right, width), width);
    }
    case 'insert': {
      const low = of(expression.low);
      const rest = low === undefined ? undefined : of(expression.rest);
      if (low === undefined || rest === undefined) return undefined;
      return trim((rest & ~ones(expression.low.width)) | low, width);
    }
    case 'truth': {
      const holds = expression.holds(code, read);
      return holds === undefined ? undefined : BigInt(holds);
    }
    case 'load': {
      const address = of(expression.address);
      return address === undefined ? undefined : read(address, width / 8);
    }
    case 'bswap': {
      const value = of(expression.value);
      return value === undefined ? undefined : swapBytes(value, width);
    }
    case 'resize': {
      const value = of(expression.value);
      return value === undefined ? undefined : trim(value, width);
    }
    case 'sign-extend': {
      const value = of(expression.value);
      return value === undefined ? undefined : trim(BigInt.asIntN(expression.value.width, value), width);
    }
  }
}

/** Codes for which the expression has this value, near to `code`: ascending, possibly none, never all of many. */
export function solve(expression: Expression, want: bigint, code: number, read: ReadMemory): number[] {
  const found = new Set<number>();
  for (const solution of invert(expression, want, code, read)) {
    const candidate = Number(solution);
    if (evaluate(expression, candidate, read) === want) found.add(candidate);
  }
  return [...found].sort((a, b) => a - b);
}

function invert(expression: Expression, want: bigint, code: number, read: ReadMemory): bigint[] {
  const { width } = expression;
  if (want < 0n || want > ones(width)) return [];
  const go = (e: Expression, value: bigint) => invert(e, value, code, read);
  const now = (e: Expression) => evaluate(e, code, read) ?? 0n;
  switch (expression.kind) {
    case 'code':
      return [want];
    case 'constant':
    case 'truth':
    case 'load':
      return [];
    case 'bswap':
      return go(expression.value, swapBytes(want, width));
    case 'resize': {
      const { value } = expression;
      return go(value, value.width <= width ? want : (now(value) & ~ones(width)) | want);
    }
    case 'sign-extend':
      return go(expression.value, trim(want, expression.value.width));
    case 'insert': {
      const low = ones(expression.low.width);
      const throughLow = dependsOnCode(expression.low) ? go(expression.low, want & low) : [];
      return dependsOnCode(expression.rest) ? [...throughLow, ...go(expression.rest, want)] : throughLow;
    }
    case 'binary': {
      const { operator, left, right } = expression;
      const throughLeft = dependsOnCode(left)
        ? LEFT_INVERSES[operator](want, now(right), now(left), width).flatMap(value => go(left, trim(value, width)))
        : [];
      if (!dependsOnCode(right)) return throughLeft;
      const values = RIGHT_INVERSES[operator]?.(want, now(left), now(right), width) ?? [];
      return [...throughLeft, ...values.flatMap(value => go(right, trim(value, width)))];
    }
  }
}

/** Left operands that give `want` with this right operand; bits that the operation loses come from `old`. */
type Inverse = (want: bigint, other: bigint, old: bigint, width: number) => bigint[];

const LEFT_INVERSES: Record<BinaryOperator, Inverse> = {
  add: (want, right) => [want - right],
  sub: (want, right) => [want + right],
  mul: (want, right) => (right !== 0n && want % right === 0n ? [want / right] : []),
  and: (want, mask, old, width) => fillings(ones(width) & ~mask, old).map(free => want | free),
  or: (want, mask, old) => [(want & ~mask) | (old & mask)],
  xor: (want, right) => [want ^ right],
  shl: (want, count, old, width) => {
    const n = shiftCount(count, width);
    const kept = BigInt(width) - n;
    return [(want >> n) | ((old >> kept) << kept)];
  },
  shr: (want, count, old, width) => {
    const n = shiftCount(count, width);
    return [(want << n) | (old & ((1n << n) - 1n))];
  },
  sar: (want, count, old, width) => {
    const n = shiftCount(count, width);
    return [(want << n) | (old & ((1n << n) - 1n))];
  },
  rol: (want, count, _old, width) => [OPERATORS.ror(want, count, width)],
  ror: (want, count, _old, width) => [OPERATORS.rol(want, count, width)],
};

/** A shift by the code (1 << case) can only be tried out. */
const tryCounts =
  (operator: BinaryOperator): Inverse =>
  (want, left, _old, width) => {
    const counts = Array.from({ length: width }, (_, n) => BigInt(n));
    return counts.filter(n => trim(OPERATORS[operator](left, n, width), width) === want);
  };

const RIGHT_INVERSES: Partial<Record<BinaryOperator, Inverse>> = {
  add: LEFT_INVERSES.add,
  mul: LEFT_INVERSES.mul,
  and: LEFT_INVERSES.and,
  or: LEFT_INVERSES.or,
  xor: LEFT_INVERSES.xor,
  sub: (want, left) => [left - want],
  shl: tryCounts('shl'),
  shr: tryCounts('shr'),
  sar: tryCounts('sar'),
};

/** Values for the bits of `mask`: all of them if they are few, else the ones that are there. */
function fillings(mask: bigint, old: bigint): bigint[] {
  const bits: bigint[] = [];
  for (let bit = 1n; bit <= mask && bits.length <= FREE_BITS; bit <<= 1n) if (mask & bit) bits.push(bit);
  if (bits.length > FREE_BITS) return [old & mask];
  let all = [0n];
  for (const bit of bits) all = all.concat(all.map(value => value | bit));
  return all;
}

/** Which of the code's 32 bits have a say in the value, one at a time, around this code. */
export function sensitivity(expression: Expression, code: number, read: ReadMemory): number {
  const value = evaluate(expression, code, read);
  let mask = 0;
  for (let bit = 0; bit < 32; bit++) {
    if (evaluate(expression, (code ^ (1 << bit)) >>> 0, read) !== value) mask |= 1 << bit;
  }
  return mask >>> 0;
}
