/**
 * Two-operand arithmetic and logic: add, or, adc, sbb, and, sub, xor, cmp, test; inc, dec, neg, not.
 */
import type { Plain } from '../../wasm/opcodes.ts';
import type { Instruction } from '../decode.ts';
import type { Emit, Emitter, Family } from '../emitter.ts';
import { FLAG, type IntegerSize, KIND } from '../flags.ts';

/** Operand 1 at operand 0's size, in a local. */
function source(e: Emitter, i: Instruction, size: IntegerSize): number {
  return e.read(i, 1, size).save(e.type(size));
}

const add: Emit = (e, i) => {
  const size = e.size(i);
  const b = source(e, i, size);
  const result = e.temp(e.type(size));
  e.update(i, 0, () => {
    e.w.get(b);
    e.typed(size, 'add').w.tee(result);
  });
  e.setFlags(KIND.ADD, size, result, b);
};

const sub: Emit = (e, i) => {
  const size = e.size(i);
  const b = source(e, i, size);
  const a = e.temp(e.type(size));
  e.update(i, 0, () => {
    e.w.tee(a).get(b);
    e.typed(size, 'sub');
  });
  e.setFlags(KIND.SUB, size, a, b);
};

const cmp: Emit = (e, i) => {
  const size = e.size(i);
  e.read(i, 0);
  const a = e.save(e.type(size));
  const b = source(e, i, size);
  e.setFlags(KIND.SUB, size, a, b);
};

const logic =
  (name: 'and' | 'or' | 'xor'): Emit =>
  (e, i) => {
    const size = e.size(i);
    const b = source(e, i, size);
    const result = e.temp(e.type(size));
    e.update(i, 0, () => {
      e.w.get(b);
      e.typed(size, name).w.tee(result);
    });
    e.setFlags(KIND.LOGIC, size, result);
  };

const test: Emit = (e, i) => {
  const size = e.size(i);
  e.read(i, 0);
  const a = e.save(e.type(size));
  e.read(i, 1, size).w.get(a);
  e.typed(size, 'and');
  e.setFlags(KIND.LOGIC, size, e.save(e.type(size)));
};

/** Pushes bit `size * 8 - 1` of the value on the stack, moved to OF's place; the rest is zero. */
export function signToOverflow(e: Emitter, size: IntegerSize): void {
  if (size === 8)
    e.w
      .i64(63 - 11)
      .op('i64.shr_u')
      .op('i32.wrap_i64');
  else if (size === 4) e.w.i32(31 - 11).op('i32.shr_u');
  else if (size === 2) e.w.i32(4).op('i32.shr_u');
  else e.w.i32(4).op('i32.shl');
  e.w.i32(FLAG.OF).op('i32.and');
}

/** Pushes AF from a ^ b ^ result. */
function adjust(e: Emitter, size: IntegerSize, a: number, b: number, result: number): void {
  e.w.get(a).get(b);
  e.typed(size, 'xor').w.get(result);
  e.typed(size, 'xor').toI32(size).w.i32(FLAG.AF).op('i32.and');
}

/** adc and sbb: with the carry in, CF is (result < a) or (carry and result == a); for sbb (a < b) or (carry and a == b). */
const withCarry =
  (name: 'add' | 'sub'): Emit =>
  (e, i) => {
    const size = e.size(i);
    const type = e.type(size);
    const b = source(e, i, size);
    const carry = e.carry().save('i32');
    const [a, result] = [e.temp(type), e.temp(type)];
    e.update(i, 0, () => {
      e.w.tee(a).get(b);
      e.typed(size, name).w.get(carry);
      if (size === 8) e.w.op('i64.extend_i32_u');
      e.typed(size, name).zeroExtend(size).w.tee(result);
    });
    const [left, right] = name === 'add' ? [result, a] : [a, b];
    e.w.get(left).get(right);
    e.typed(size, 'lt_u').w.get(left).get(right);
    e.typed(size, 'eq').w.get(carry).op('i32.and').op('i32.or');
    adjust(e, size, a, b, result);
    e.w
      .op('i32.or')
      .get(a)
      .get(name === 'add' ? result : b);
    e.typed(size, 'xor')
      .w.get(name === 'add' ? b : a)
      .get(result);
    e.typed(size, 'xor').typed(size, 'and');
    signToOverflow(e, size);
    e.w.op('i32.or');
    e.setResultFlags(size, result);
  };

/** inc and dec: as add and sub of one, but CF stays. */
const step =
  (by: 1 | -1): Emit =>
  (e, i) => {
    const size = e.size(i);
    const type = e.type(size);
    const [carry, result] = [e.temp(type), e.temp(type)];
    e.carry();
    if (size === 8) e.w.op('i64.extend_i32_u');
    e.w.set(carry);
    e.update(i, 0, () => {
      e.constant(size, by).typed(size, 'add').zeroExtend(size).w.tee(result);
    });
    e.setFlags(by > 0 ? KIND.INC : KIND.DEC, size, result, carry);
  };

const neg: Emit = (e, i) => {
  const size = e.size(i);
  const [a, zero] = [e.temp(e.type(size)), e.temp(e.type(size))];
  e.update(i, 0, () => {
    e.w.set(a);
    e.constant(size, 0).w.tee(zero).get(a);
    e.typed(size, 'sub');
  });
  e.setFlags(KIND.SUB, size, zero, a);
};

const not: Emit = (e, i) => {
  const size = e.size(i);
  e.update(i, 0, () => e.constant(size, -1).w.op(`${size === 8 ? 'i64' : 'i32'}.xor` as Plain));
};

export const alu: Family = {
  Add: add,
  Or: logic('or'),
  Adc: withCarry('add'),
  Sbb: withCarry('sub'),
  And: logic('and'),
  Sub: sub,
  Xor: logic('xor'),
  Cmp: cmp,
  Test: test,
  Inc: step(1),
  Dec: step(-1),
  Neg: neg,
  Not: not,
};
