/**
 * What the flags say about the code: the comparison that set them, and each condition as a question about it.
 *
 * `holds` answers for any code, not only for the one at hand; `alternatives` gives codes for which a decision may go
 * another way than it did.
 */
import { binary, dependsOnCode, type Expression, evaluate, type ReadMemory, solve } from './expression.ts';
import type { Condition } from './operation.ts';

export type Flags =
  /** cmp, sub: all six flags. */
  | { readonly kind: 'compare'; readonly width: number; readonly left: Expression; readonly right: Expression }
  /** Logic leaves carry and overflow clear. Other arithmetic is asked for zero and sign only. */
  | { readonly kind: 'result'; readonly width: number; readonly value: Expression; readonly logic: boolean }
  /** bt: the carry flag. */
  | { readonly kind: 'bit'; readonly width: number; readonly value: Expression; readonly index: Expression };

/** A place where the driver's way depends on the code. */
export interface Decision {
  readonly rip: bigint;
  readonly flags: Flags;
  readonly condition: Condition;
  readonly taken: boolean;
}

/** An index compared with at most this is taken for a switch or a range of codes, and tried out value by value. */
export const LARGEST_TABLE = 1024n;
const LARGEST_RANGE = 64n;

interface Bits {
  readonly carry?: boolean;
  readonly zero?: boolean;
  readonly sign?: boolean;
  readonly overflow?: boolean;
}

function bitsOf(flags: Flags, code: number, read: ReadMemory): Bits | undefined {
  const { width } = flags;
  const signed = (value: bigint) => BigInt.asIntN(width, value);
  switch (flags.kind) {
    case 'compare': {
      const left = evaluate(flags.left, code, read);
      const right = evaluate(flags.right, code, read);
      if (left === undefined || right === undefined) return undefined;
      const difference = signed(left - right);
      const overflow = difference !== signed(left) - signed(right);
      return { carry: left < right, zero: left === right, sign: difference < 0n, overflow };
    }
    case 'result': {
      const value = evaluate(flags.value, code, read);
      if (value === undefined) return undefined;
      const own = { zero: value === 0n, sign: signed(value) < 0n };
      return flags.logic ? { ...own, carry: false, overflow: false } : own;
    }
    case 'bit': {
      const value = evaluate(flags.value, code, read);
      const index = evaluate(flags.index, code, read);
      if (value === undefined || index === undefined) return undefined;
      return { carry: ((value >> (index % BigInt(width))) & 1n) === 1n };
    }
  }
}

const both = (a: boolean | undefined, b: boolean | undefined, join: (a: boolean, b: boolean) => boolean) =>
  a === undefined || b === undefined ? undefined : join(a, b);
const less = ({ sign, overflow }: Bits) => both(sign, overflow, (s, o) => s !== o);
const below = ({ carry, zero }: Bits) => both(carry, zero, (c, z) => c || z);
const lessOrEqual = (bits: Bits) => both(less(bits), bits.zero, (l, z) => l || z);
const not = (value: boolean | undefined) => (value === undefined ? undefined : !value);

/** Parity says nothing that a switch is made of. */
const TESTS: Record<Condition, (bits: Bits) => boolean | undefined> = {
  o: bits => bits.overflow,
  no: bits => not(bits.overflow),
  b: bits => bits.carry,
  ae: bits => not(bits.carry),
  e: bits => bits.zero,
  ne: bits => not(bits.zero),
  be: bits => below(bits),
  a: bits => not(below(bits)),
  s: bits => bits.sign,
  ns: bits => not(bits.sign),
  p: () => undefined,
  np: () => undefined,
  l: bits => less(bits),
  ge: bits => not(less(bits)),
  le: bits => lessOrEqual(bits),
  g: bits => not(lessOrEqual(bits)),
};

/** What the processor itself says. */
export function holdsInFlags(condition: Condition, rflags: number): boolean {
  const bit = (n: number) => ((rflags >> n) & 1) === 1;
  const parity = condition === 'p' || condition === 'np' ? bit(2) === (condition === 'p') : undefined;
  return parity ?? TESTS[condition]({ carry: bit(0), zero: bit(6), sign: bit(7), overflow: bit(11) }) === true;
}

/** Whether the condition holds for this code; undefined if the flags do not tell. */
export function holds(condition: Condition, flags: Flags, code: number, read: ReadMemory): boolean | undefined {
  const bits = bitsOf(flags, code, read);
  return bits && TESTS[condition](bits);
}

/** A decision that found two values equal; the expression whose bits it thereby knows. */
export function equality({ flags, condition, taken }: Decision): Expression | undefined {
  if ((condition === 'e') !== taken && (condition === 'ne') !== !taken) return undefined;
  if (condition !== 'e' && condition !== 'ne') return undefined;
  if (flags.kind === 'compare') return binary('sub', flags.width, flags.left, flags.right);
  return flags.kind === 'result' ? flags.value : undefined;
}

export interface Alternatives {
  readonly codes: readonly number[];
  /** The codes may be cases; otherwise they lie beside the border between two halves of a search tree. */
  readonly cases: boolean;
}

/** Codes, near to `code`, that this decision may send another way. */
export function alternatives(decision: Decision, code: number, read: ReadMemory): Alternatives {
  const { flags, condition } = decision;
  const { width } = flags;
  if (flags.kind === 'bit') return { codes: bitAlternatives(flags, code, read), cases: true };
  if (flags.kind === 'result') {
    if (condition === 's' || condition === 'ns') {
      const top = 1n << BigInt(width - 1);
      return { codes: [0n, top].flatMap(value => solve(flags.value, value, code, read)), cases: false };
    }
    const values = [0n, 1n, ...maskBits(flags.value)];
    return { codes: values.flatMap(value => solve(flags.value, value, code, read)), cases: true };
  }
  const [value, limit] = dependsOnCode(flags.left) ? [flags.left, flags.right] : [flags.right, flags.left];
  const right = evaluate(limit, code, read);
  if (right === undefined) return { codes: [], cases: false };
  if (condition === 'e' || condition === 'ne') {
    const isEqual = decision.taken === (condition === 'e');
    if (!isEqual) return { codes: solve(value, right, code, read), cases: true };
    const beside = [right - 1n, right + 1n].map(n => BigInt.asUintN(width, n));
    return { codes: beside.flatMap(n => solve(value, n, code, read)), cases: false };
  }
  if (right <= LARGEST_RANGE) {
    const all = Array.from({ length: Number(right) + 2 }, (_, n) => BigInt(n));
    return { codes: all.flatMap(n => solve(value, n, code, read)), cases: true };
  }
  const borders = [right - 1n, right, right + 1n].map(n => BigInt.asUintN(width, n));
  return { codes: borders.flatMap(n => solve(value, n, code, read)), cases: false };
}

/** The single bits of the constant in `value & constant`: what `test` can find set. */
function maskBits(value: Expression): bigint[] {
  if (value.kind !== 'binary' || value.operator !== 'and' || value.right.kind !== 'constant') return [];
  const mask = value.right.value;
  const bits = Array.from({ length: value.width }, (_, n) => 1n << BigInt(n)).filter(bit => mask & bit);
  return bits.length <= 8 ? [mask, ...bits] : [mask];
}

function bitAlternatives(flags: Extract<Flags, { kind: 'bit' }>, code: number, read: ReadMemory): number[] {
  if (dependsOnCode(flags.index)) {
    const all = Array.from({ length: flags.width }, (_, n) => BigInt(n));
    return all.flatMap(n => solve(flags.index, n, code, read));
  }
  const index = evaluate(flags.index, code, read);
  const value = evaluate(flags.value, code, read);
  if (index === undefined || value === undefined) return [];
  return solve(flags.value, value ^ (1n << (index % BigInt(flags.width))), code, read);
}

/** What a table is indexed with, at most: from the comparison on the way here that let only small values pass. */
export function boundOf(
  decisions: readonly Decision[],
  code: number,
  read: ReadMemory,
): { index: Expression; largest: bigint } | undefined {
  // biome-ignore format: one line
  for (const { flags } of decisions.toReversed()) {
    if (flags.kind !== 'compare' || !dependsOnCode(flags.left)) continue;
    const left = evaluate(flags.left, code, read);
    const right = evaluate(flags.right, code, read);
    if (left === undefined || right === undefined || right >= LARGEST_TABLE || left > right) continue;
    return { index: flags.left, largest: right };
  }
  return undefined;
}

/** A mask within an address (`handlers[(code >> 2) & 0xF]`): it bounds the index by itself. */
export function maskedIndex(address: Expression): { index: Expression; largest: bigint } | undefined {
  if (address.kind === 'binary') {
    const { operator, left, right } = address;
    if (operator === 'and' && right.kind === 'constant' && right.value < LARGEST_TABLE && dependsOnCode(left)) {
      return { index: address, largest: right.value };
    }
    return maskedIndex(left) ?? maskedIndex(right);
  }
  if (address.kind === 'resize' || address.kind === 'sign-extend') {
    if (address.value.width === 8 && dependsOnCode(address.value)) return { index: address.value, largest: 255n };
    return maskedIndex(address.value);
  }
  return undefined;
}
