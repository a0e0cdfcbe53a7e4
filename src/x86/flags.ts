/**
 * Lazy status flags.
 *
 * A flag-setting instruction keeps two 64-bit values, A and B, and an op that says how CF, PF, AF, ZF, SF and OF follow
 * from them. An op is a kind times four plus the operand size's logarithm; A and B are zero-extended from that size:
 *
 *   EFLAGS  A holds the flags themselves, at their places in RFLAGS
 *   ADD     A is the result, B the second operand
 *   SUB     A is the first operand, B the second (so that conditions after `cmp` are one comparison)
 *   LOGIC   A is the result; CF, OF and AF are clear
 *   RESULT  A is the result (ZF, SF, PF); CF, AF and OF stand in B at their places in RFLAGS
 *   INC     A is the result, B the CF that inc left alone; AF and OF follow from the result
 *   DEC     likewise
 *
 * Translated code knows the op statically nearly everywhere; where paths join it is in a local, and `flagsFunction`
 * computes from it.
 */
import { Body } from '../wasm/body.ts';

export const FLAG = { CF: 0x1, PF: 0x4, AF: 0x10, ZF: 0x40, SF: 0x80, OF: 0x800 } as const;
export const STATUS_FLAGS = 0x8d5;
/** IF, DF, TF and the fixed bit 1. */
export const SYSTEM = { ONE: 0x2, TF: 0x100, IF: 0x200, DF: 0x400 } as const;

export const KIND = { EFLAGS: 0, ADD: 1, SUB: 2, LOGIC: 3, RESULT: 4, INC: 5, DEC: 6 } as const;
export type Kind = (typeof KIND)[keyof typeof KIND];

export type IntegerSize = 1 | 2 | 4 | 8;

export function ccOp(kind: Kind, size: IntegerSize): number {
  return kind * 4 + (31 - Math.clz32(size));
}

export function kindOf(op: number): Kind {
  return (op >> 2) as Kind;
}

export function sizeOf(op: number): IntegerSize {
  return (1 << (op & 3)) as IntegerSize;
}

/** The body of `(op: i32, a: i64, b: i64) -> i32`: the six status flags at their places. Locals 3 to 5: i64, i32, i32. */
export function flagsFunction(): Body {
  const w = new Body();
  const [op, a, b, result, shift, out] = [0, 1, 2, 3, 4, 5];
  w.get(op).i32(4).op('i32.lt_u').if();
  w.get(a).op('i32.wrap_i64').op('return').end();
  // The sign bit of the operand size is brought to bit 63, so that one computation serves all sizes.
  w.i32(64).i32(8).get(op).i32(3).op('i32.and').op('i32.shl').op('i32.sub').set(shift);
  const up = (local: number) => w.get(local).get(shift).op('i64.extend_i32_u').op('i64.shl');
  const sign = () => w.i64(63).op('i64.shr_u').op('i32.wrap_i64');
  const isKind = (kind: number) => w.get(op).i32(2).op('i32.shr_u').i32(kind).op('i32.eq');
  const orIn = () => w.get(out).op('i32.or').set(out);
  w.get(a).set(result);
  isKind(KIND.SUB).if();
  w.get(a).get(b).op('i64.sub').set(result);
  up(a);
  up(b).op('i64.lt_u').set(out);
  w.get(a).get(b).op('i64.xor').get(result).op('i64.xor').op('i32.wrap_i64').i32(FLAG.AF).op('i32.and');
  orIn();
  w.get(a).get(b).op('i64.xor').get(a).get(result).op('i64.xor').op('i64.and');
  w.get(shift).op('i64.extend_i32_u').op('i64.shl');
  sign().i32(11).op('i32.shl');
  orIn();
  w.end();
  isKind(KIND.ADD).if();
  up(result);
  up(b).op('i64.lt_u').set(out);
  // The first operand is result - b.
  w.get(result).get(b).op('i64.sub').get(b).op('i64.xor').get(result).op('i64.xor');
  w.op('i32.wrap_i64').i32(FLAG.AF).op('i32.and');
  orIn();
  w.get(result).get(b).op('i64.sub').get(result).op('i64.xor').get(b).get(result).op('i64.xor').op('i64.and');
  w.get(shift).op('i64.extend_i32_u').op('i64.shl');
  sign().i32(11).op('i32.shl');
  orIn();
  w.end();
  w.get(op)
    .i32(KIND.RESULT * 4)
    .op('i32.ge_u')
    .if();
  w.get(b).op('i32.wrap_i64').set(out);
  w.end();
  // The low bits and the top of the result tell: inc leaves 8000… on overflow and xxx0 on a half carry, dec 7fff… and xxxf.
  for (const [kind, digit, top] of [
    [KIND.INC, 0, 1n << 63n],
    [KIND.DEC, 15, (1n << 63n) - 1n],
  ] as const) {
    isKind(kind).if();
    w.get(result).op('i32.wrap_i64').i32(15).op('i32.and').i32(digit).op('i32.eq').i32(4).op('i32.shl');
    orIn();
    // Shifted up, a result of 7fff… has zeros below: they are filled for the comparison.
    up(result);
    if (kind === KIND.DEC) w.i64(1).get(shift).op('i64.extend_i32_u').op('i64.shl').i64(1).op('i64.sub').op('i64.or');
    w.i64(top).op('i64.eq').i32(11).op('i32.shl');
    orIn();
    w.end();
  }
  up(result).op('i64.eqz').i32(6).op('i32.shl');
  orIn();
  up(result);
  sign().i32(7).op('i32.shl');
  orIn();
  w.get(result).op('i32.wrap_i64').i32(0xff).op('i32.and').op('i32.popcnt').i32(1).op('i32.and').op('i32.eqz');
  w.i32(2).op('i32.shl');
  orIn();
  w.get(out);
  return w;
}
