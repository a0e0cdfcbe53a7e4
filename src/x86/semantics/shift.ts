/**
 * Shifts and rotates.
 *
 * The count is taken modulo 32, or 64 for 8-byte operands; a count of zero changes no flag. CF is the last bit shifted
 * out; OF is as the manual defines it for a count of one (for others it leaves OF undefined).
 */
import type { Instruction } from '../decode.ts';
import type { Emit, Emitter, Family } from '../emitter.ts';
import { FLAG, type IntegerSize } from '../flags.ts';
import { signToOverflow } from './alu.ts';
import { rotateCarryHelper, shiftDoubleHelper } from './shift-helpers.ts';

/** The masked count: a number if it is an immediate, else an i32 local. */
function countOf(e: Emitter, i: Instruction, n: number, size: IntegerSize): { constant?: number; local: number } {
  const mask = size === 8 ? 63 : 31;
  const operand = i.operands[n];
  const local = e.temp('i32');
  if (operand?.kind === 'immediate') {
    const constant = Number(operand.value & BigInt(mask));
    e.w.i32(constant).set(local);
    return { constant, local };
  }
  e.read(i, n, 1).w.i32(mask).op('i32.and').set(local);
  return { local };
}

function pushCount(e: Emitter, size: IntegerSize, local: number): void {
  e.w.get(local);
  if (size === 8) e.w.op('i64.extend_i32_u');
}

/** After the result: flags by the i32 on the stack, unless the count is zero. */
function finish(e: Emitter, size: IntegerSize, result: number, count: { constant?: number; local: number }): void {
  if (count.constant === undefined) e.setResultFlagsUnlessZero(size, result, count.local);
  else e.setResultFlags(size, result);
}

const shl: Emit = (e, i) => {
  const size = e.size(i);
  const type = e.type(size);
  const count = countOf(e, i, 1, size);
  const [a, result, carry] = [e.temp(type), e.temp(type), e.temp('i32')];
  e.update(i, 0, () => {
    e.w.tee(a);
    pushCount(e, size, count.local);
    e.typed(size, 'shl').zeroExtend(size).w.tee(result);
  });
  if (count.constant === 0) return;
  // The last bit out stands at bit `size * 8 - count` of the operand; none is left if the count is greater than the size.
  e.w.get(a);
  if (size < 4) e.w.op('i64.extend_i32_u');
  if (size < 4)
    e.w
      .get(count.local)
      .op('i64.extend_i32_u')
      .op('i64.shl')
      .i64(size * 8)
      .op('i64.shr_u')
      .op('i32.wrap_i64');
  else {
    e.constant(size, size * 8);
    pushCount(e, size, count.local);
    e.typed(size, 'sub').typed(size, 'shr_u').toI32(size);
  }
  e.w.i32(1).op('i32.and').tee(carry);
  e.w.get(result);
  signToOverflow(e, size);
  e.w.get(carry).i32(11).op('i32.shl').op('i32.xor').op('i32.or');
  finish(e, size, result, count);
};

const shiftRight =
  (signed: boolean): Emit =>
  (e, i) => {
    const size = e.size(i);
    const type = e.type(size);
    const count = countOf(e, i, 1, size);
    const [a, result] = [e.temp(type), e.temp(type)];
    e.update(i, 0, () => {
      if (signed) e.signExtend(size);
      e.w.tee(a);
      pushCount(e, size, count.local);
      e.typed(size, signed ? 'shr_s' : 'shr_u')
        .zeroExtend(size)
        .w.tee(result);
    });
    if (count.constant === 0) return;
    e.w.get(a);
    pushCount(e, size, count.local);
    e.constant(size, 1)
      .typed(size, 'sub')
      .typed(size, signed ? 'shr_s' : 'shr_u')
      .toI32(size);
    e.w.i32(1).op('i32.and');
    if (!signed) {
      e.w.get(a);
      signToOverflow(e, size);
      e.w.op('i32.or');
    }
    finish(e, size, result, count);
  };

/** Rotates change CF and OF only. */
const rotate =
  (left: boolean): Emit =>
  (e, i) => {
    const size = e.size(i);
    const type = e.type(size);
    const count = countOf(e, i, 1, size);
    const bits = size * 8;
    const result = e.temp(type);
    const old = e.temp('i32');
    const variable = count.constant === undefined;
    if (variable) e.eflags().w.set(old);
    e.update(i, 0, () => {
      if (size >= 4) {
        pushCount(e, size, count.local);
        e.typed(size, left ? 'rotl' : 'rotr');
      } else {
        // The operand once more above itself, as often as a 32-bit rotate needs.
        const a = e.save('i32');
        e.w.get(a).get(a).i32(bits).op('i32.shl').op('i32.or');
        if (size === 1) {
          const twice = e.save('i32');
          e.w.get(twice).get(twice).i32(16).op('i32.shl').op('i32.or');
        }
        e.w.get(count.local).op(left ? 'i32.rotl' : 'i32.rotr');
        e.zeroExtend(size);
      }
      e.w.tee(result);
    });
    if (count.constant === 0) return;
    const carry = e.temp('i32');
    e.w.get(result);
    if (left) e.toI32(size).w.i32(1).op('i32.and');
    else
      e.constant(size, bits - 1)
        .typed(size, 'shr_u')
        .toI32(size);
    e.w.tee(carry).get(result);
    signToOverflow(e, size);
    if (left) e.w.get(carry).i32(11).op('i32.shl').op('i32.xor');
    else {
      e.w.get(result);
      e.constant(size, 1).typed(size, 'shl');
      signToOverflow(e, size);
      e.w.op('i32.xor');
    }
    e.w.op('i32.or');
    if (!variable) {
      e.replaceFlags(FLAG.CF | FLAG.OF);
      return;
    }
    const bitsOut = e.save('i32');
    e.w
      .get(old)
      .i32(~(FLAG.CF | FLAG.OF))
      .op('i32.and')
      .get(bitsOut)
      .op('i32.or');
    e.w.get(old).get(count.local).op('select');
    e.setEflags();
  };

/** BMI2 shlx, shrx, sarx: the count in operand 2, no flags. */
const flagless =
  (name: 'shl' | 'shr_u' | 'shr_s'): Emit =>
  (e, i) => {
    const size = e.size(i);
    e.write(i, 0, () => {
      e.read(i, 1);
      e.read(i, 2);
      e.typed(size, name);
    });
  };

const rorx: Emit = (e, i) => {
  const size = e.size(i);
  e.write(i, 0, () => {
    e.read(i, 1);
    e.read(i, 2, size);
    e.typed(size, 'rotr');
  });
};

export const shift: Family = {
  Shl: shl,
  Sal: shl,
  Shr: shiftRight(false),
  Sar: shiftRight(true),
  Rol: rotate(true),
  Ror: rotate(false),
  Rcl: e => void e.help(rotateCarryHelper(true)),
  Rcr: e => void e.help(rotateCarryHelper(false)),
  Shld: e => void e.help(shiftDoubleHelper(true)),
  Shrd: e => void e.help(shiftDoubleHelper(false)),
  Shlx: flagless('shl'),
  Shrx: flagless('shr_u'),
  Sarx: flagless('shr_s'),
  Rorx: rorx,
};
