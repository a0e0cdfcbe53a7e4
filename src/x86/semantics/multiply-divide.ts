/**
 * Multiplication and division.
 *
 * After a multiplication CF and OF say whether the upper half is needed; ZF, SF, PF and AF are undefined (here: as the
 * lower half has them, AF clear). A division by zero or a quotient that does not fit is #DE.
 */
import type { Emit, Emitter, Family } from '../emitter.ts';
import { FLAG, type IntegerSize } from '../flags.ts';
import { divideHelper } from './divide-helper.ts';

const RAX = 0;
const RDX = 2;

/** Pushes the upper 64 bits of the unsigned product of two i64 locals. */
export function highProduct(e: Emitter, a: number, b: number): void {
  const { w } = e;
  const [aLow, aHigh, bLow, bHigh, middle, cross] = [0, 0, 0, 0, 0, 0].map(() => e.temp('i64')) as [
    number, number, number, number, number, number,
  ]; // biome-ignore format: a tuple
  const low = (value: number, to: number) => w.get(value).i64(0xffff_ffffn).op('i64.and').set(to);
  const high = (value: number, to: number) => w.get(value).i64(32).op('i64.shr_u').set(to);
  low(a, aLow);
  high(a, aHigh);
  low(b, bLow);
  high(b, bHigh);
  w.get(aHigh).get(bLow).op('i64.mul');
  w.get(aLow).get(bLow).op('i64.mul').i64(32).op('i64.shr_u').op('i64.add').set(middle);
  w.get(aLow).get(bHigh).op('i64.mul').get(middle).i64(0xffff_ffffn).op('i64.and').op('i64.add').set(cross);
  w.get(aHigh).get(bHigh).op('i64.mul').get(middle).i64(32).op('i64.shr_u').op('i64.add');
  w.get(cross).i64(32).op('i64.shr_u').op('i64.add');
}

/** As highProduct, signed: corrected by each operand where the other is negative. */
function highProductSigned(e: Emitter, a: number, b: number): void {
  const { w } = e;
  highProduct(e, a, b);
  w.get(a).i64(63).op('i64.shr_s').get(b).op('i64.and').op('i64.sub');
  w.get(b).i64(63).op('i64.shr_s').get(a).op('i64.and').op('i64.sub');
}

/** Sets the flags: the i32 on the stack says whether the product overflowed the lower half. */
function flags(e: Emitter, size: IntegerSize, low: number): void {
  const overflow = e.save('i32');
  e.w
    .i32(FLAG.CF | FLAG.OF)
    .i32(0)
    .get(overflow)
    .op('select');
  e.setResultFlags(size, low);
}

/** mul and one-operand imul. */
const widening =
  (signed: boolean): Emit =>
  (e, i) => {
    const { w } = e;
    const size = e.size(i);
    const type = e.type(size);
    e.read(i, 0);
    if (signed) e.signExtend(size);
    const b = e.save(type);
    e.getGpr(RAX, size);
    if (signed) e.signExtend(size);
    const a = e.save(type);
    const low = e.temp(type);
    if (size === 8) {
      w.get(a).get(b).op('i64.mul').set(low);
      if (signed) highProductSigned(e, a, b);
      else highProduct(e, a, b);
      const high = e.save('i64');
      w.get(low);
      e.setGpr(RAX, 8).w.get(high);
      e.setGpr(RDX, 8).w.get(high);
      if (signed) w.get(low).i64(63).op('i64.shr_s');
      else w.i64(0);
      w.op('i64.ne');
      return flags(e, size, low);
    }
    const extend = signed ? 'i64.extend_i32_s' : 'i64.extend_i32_u';
    w.get(a).op(extend).get(b).op(extend).op('i64.mul');
    const product = e.save('i64');
    w.get(product).op('i32.wrap_i64').set(low);
    if (size === 1) {
      w.get(low);
      e.setGpr(RAX, 2);
    } else {
      w.get(low);
      e.setGpr(RAX, size);
      w.get(product)
        .i64(size * 8)
        .op('i64.shr_u')
        .op('i32.wrap_i64');
      e.setGpr(RDX, size);
    }
    w.get(product).get(low);
    if (signed) e.signExtend(size).w.op('i64.extend_i32_s');
    else e.zeroExtend(size).w.op('i64.extend_i32_u');
    w.op('i64.ne');
    flags(e, size, low);
  };

/** imul with two or three operands. */
const imul: Emit = (e, i) => {
  if (i.operands.length === 1) return widening(true)(e, i);
  const { w } = e;
  const size = e.size(i);
  const type = e.type(size);
  const last = i.operands.length - 1;
  e.read(i, last - 1, size).signExtend(size);
  const a = e.save(type);
  e.read(i, last, size).signExtend(size);
  const b = e.save(type);
  const low = e.temp(type);
  if (size === 8) {
    w.get(a).get(b).op('i64.mul').set(low);
    highProductSigned(e, a, b);
    w.get(low).i64(63).op('i64.shr_s').op('i64.ne');
  } else {
    w.get(a).op('i64.extend_i32_s').get(b).op('i64.extend_i32_s').op('i64.mul');
    const product = e.save('i64');
    w.get(product).op('i32.wrap_i64').set(low);
    w.get(low);
    e.signExtend(size).w.op('i64.extend_i32_s').get(product).op('i64.ne');
  }
  flags(e, size, low);
  e.write(i, 0, () => w.get(low));
};

const mulx: Emit = (e, i) => {
  const { w } = e;
  const size = e.size(i);
  const a = e.getGpr(RDX, size).toI64(size).save('i64');
  const b = e.read(i, 2).toI64(size).save('i64');
  w.get(a).get(b).op('i64.mul');
  const low = e.save('i64');
  if (size === 8) highProduct(e, a, b);
  else w.get(low).i64(32).op('i64.shr_u');
  const high = e.save('i64');
  // If both destinations are one register it holds the upper half.
  e.write(i, 1, () => {
    w.get(low);
    e.fromI64(size);
  });
  e.write(i, 0, () => {
    w.get(high);
    e.fromI64(size);
  });
};

const divide =
  (signed: boolean): Emit =>
  (e, i) => {
    const { w } = e;
    const size = e.size(i);
    const suffix = signed ? 's' : 'u';
    e.read(i, 0);
    if (size === 8) {
      // Two-word dividends proper go to TypeScript; nearly all upper words are only an extension.
      const b = e.save('i64');
      e.settle();
      w.get(b).op('i64.eqz').if();
      e.raise(0);
      w.end();
      e.getGpr(RAX, 8);
      const a = e.save('i64');
      e.getGpr(RDX, 8);
      if (signed) w.get(a).i64(63).op('i64.shr_s');
      else w.i64(0);
      w.op('i64.eq');
      // -2^63 / -1 overflows.
      if (signed) w.get(b).i64(-1).op('i64.ne').op('i32.and');
      w.if();
      w.get(a).get(b).op(`i64.rem_${suffix}`);
      e.setGpr(RDX, 8).w.get(a).get(b).op(`i64.div_${suffix}`);
      e.setGpr(RAX, 8).w.else();
      e.help(divideHelper(signed));
      w.end();
      return;
    }
    if (signed) e.signExtend(size).w.op('i64.extend_i32_s');
    else w.op('i64.extend_i32_u');
    const b = e.save('i64');
    if (size === 1) {
      e.getGpr(RAX, 2);
      if (signed) e.signExtend(2).w.op('i64.extend_i32_s');
      else w.op('i64.extend_i32_u');
    } else {
      e.getGpr(RDX, size)
        .w.op('i64.extend_i32_u')
        .i64(size * 8)
        .op('i64.shl');
      e.getGpr(RAX, size).w.op('i64.extend_i32_u').op('i64.or');
      if (signed && size === 2) w.op('i64.extend32_s');
    }
    const a = e.save('i64');
    w.get(b).op('i64.eqz');
    if (signed && size === 4)
      w.get(a)
        .i64(-(2n ** 63n))
        .op('i64.eq')
        .get(b)
        .i64(-1)
        .op('i64.eq')
        .op('i32.and')
        .op('i32.or');
    w.if();
    e.raise(0);
    w.end();
    w.get(a).get(b).op(`i64.div_${suffix}`);
    const quotient = e.save('i64');
    w.get(quotient).get(quotient);
    if (!signed) w.i64((1n << BigInt(size * 8)) - 1n).op('i64.and');
    else w.op(size === 4 ? 'i64.extend32_s' : size === 2 ? 'i64.extend16_s' : 'i64.extend8_s');
    w.op('i64.ne').if();
    e.raise(0);
    w.end();
    w.get(a).get(b).op(`i64.rem_${suffix}`).op('i32.wrap_i64');
    const remainder = e.save('i32');
    w.get(quotient).op('i32.wrap_i64');
    e.setGpr(RAX, size).w.get(remainder);
    if (size === 1) e.setGpr(RAX, 1, true);
    else e.setGpr(RDX, size);
  };

export const multiplyDivide: Family = {
  Mul: widening(false),
  Imul: imul,
  Mulx: mulx,
  Div: divide(false),
  Idiv: divide(true),
};
