/**
 * Single bits and bit fields: bt and its kin, bit scans and counts, BMI1, BMI2, ADX, crc32.
 *
 * A bit index from a register reaches beyond a memory operand: the operand is then the word that holds the bit.
 */
import type { Instruction } from '../decode.ts';
import { type Emit, type Emitter, type Family, memoryOf, type OpenMemory } from '../emitter.ts';
import { FLAG, type IntegerSize, KIND } from '../flags.ts';
import { FS_BASE, GS_BASE } from '../layout.ts';
import { crc32, pdep, pext } from './bit-helpers.ts';

type BitChange = 'bt' | 'bts' | 'btr' | 'btc';

const bitTest =
  (change: BitChange): Emit =>
  (e, i) => {
    const { w } = e;
    const size = e.size(i);
    const type = e.type(size);
    const bits = size * 8;
    e.read(i, 1, size);
    const index = e.save(type);
    const mask = e.temp(type);
    const [value, result] = [e.temp(type), e.temp(type)];
    const operand = i.operands[0]!;
    let opened: OpenMemory | undefined;
    if (operand.kind === 'memory') {
      e.address(operand, 0, i.operands[1]?.kind !== 'gpr');
      if (i.operands[1]?.kind === 'gpr') {
        w.get(index);
        if (size !== 8) e.signExtend(size).w.op('i64.extend_i32_s');
        w.i64(Math.log2(bits)).op('i64.shr_s').i64(size).op('i64.mul').op('i64.add');
        // With 32-bit addresses the bit's word is found modulo 2^32, too; the segment's base comes last.
        if (operand.addressSize === 4) w.i64(0xffff_ffffn).op('i64.and');
        if (operand.segment)
          w.i32(0)
            .memory('i64.load', operand.segment === 'gs' ? GS_BASE : FS_BASE)
            .op('i64.add');
      }
      if (change === 'bt') e.loadAt(size).w.set(value);
      else {
        opened = e.openAt(size);
        e.loadOpened(opened).w.set(value);
      }
    } else e.read(i, 0).w.set(value);
    w.get(index);
    e.constant(size, bits - 1)
      .typed(size, 'and')
      .w.set(index);
    e.constant(size, 1).w.get(index);
    e.typed(size, 'shl').w.set(mask);
    if (change !== 'bt') {
      w.get(value).get(mask);
      if (change === 'bts') e.typed(size, 'or');
      else if (change === 'btc') e.typed(size, 'xor');
      else e.constant(size, -1).typed(size, 'xor').typed(size, 'and');
      w.set(result);
      if (opened) e.storeOpened(opened, result);
      else e.write(i, 0, () => w.get(result));
    }
    w.get(value).get(index);
    e.typed(size, 'shr_u').toI32(size).w.i32(1).op('i32.and');
    e.replaceFlags(FLAG.CF);
  };

/** bsf and bsr: a source of zero sets ZF and leaves the destination. */
const scan =
  (forward: boolean): Emit =>
  (e, i) => {
    const { w } = e;
    const size = e.size(i);
    const type = e.type(size);
    const value = e.read(i, 1).save(type);
    w.get(value);
    if (forward) e.typed(size, 'ctz');
    else {
      e.typed(size, 'clz')
        .constant(size, size === 8 ? 63 : 31)
        .typed(size, 'xor');
    }
    e.read(i, 0).w.get(value);
    if (size === 8) w.i64(0).op('i64.ne');
    w.op('select');
    const found = e.save(type);
    // A 32-bit destination keeps even its upper half then.
    const operand = i.operands[0]!;
    if (size === 4 && operand.kind === 'gpr') {
      w.get(found).op('i64.extend_i32_u');
      e.getGpr(operand.index, 8).w.get(value).op('select');
      e.setGpr(operand.index, 8);
    } else e.write(i, 0, () => w.get(found));
    e.setFlags(KIND.LOGIC, size, value);
  };

/** lzcnt and tzcnt: CF if the source is zero, ZF if the result is; the others are undefined. */
const countZeros =
  (trailing: boolean): Emit =>
  (e, i) => {
    const { w } = e;
    const size = e.size(i);
    const type = e.type(size);
    const value = e.read(i, 1).save(type);
    const result = e.temp(type);
    if (trailing) {
      w.get(value);
      // A bit just above a 16-bit operand stops the count there.
      if (size === 2) w.i32(0x1_0000).op('i32.or');
      e.typed(size, 'ctz');
    } else {
      w.get(value);
      e.typed(size, 'clz');
      if (size === 2) w.i32(16).op('i32.sub');
    }
    w.set(result);
    e.write(i, 0, () => w.get(result));
    w.get(value);
    e.typed(size, 'eqz');
    e.setResultFlags(size, result);
  };

const popcnt: Emit = (e, i) => {
  const { w } = e;
  const size = e.size(i);
  const value = e.read(i, 1).save(e.type(size));
  e.write(i, 0, () => {
    w.get(value);
    e.typed(size, 'popcnt');
  });
  // Only ZF can be set.
  w.get(value);
  e.typed(size, 'eqz').w.i32(6).op('i32.shl');
  e.setEflags();
};

const andn: Emit = (e, i) => {
  const size = e.size(i);
  const type = e.type(size);
  const source = e.read(i, 2).save(type);
  e.read(i, 1).constant(size, -1).typed(size, 'xor').w.get(source);
  e.typed(size, 'and');
  const result = e.save(type);
  e.write(i, 0, () => e.w.get(result));
  e.setFlags(KIND.LOGIC, size, result);
};

/** blsi, blsr, blsmsk: x with x - 1 or -x; CF says whether the source was zero (blsi: was not). */
const lowest =
  (combine: (e: Emitter, size: IntegerSize, x: number) => void, carryIfZero: boolean): Emit =>
  (e, i) => {
    const size = e.size(i);
    const type = e.type(size);
    const value = e.read(i, 1).save(type);
    combine(e, size, value);
    const result = e.save(type);
    e.write(i, 0, () => e.w.get(result));
    e.w.get(value);
    e.typed(size, 'eqz');
    if (!carryIfZero) e.w.op('i32.eqz');
    e.setResultFlags(size, result);
  };

const withPredecessor = (name: 'and' | 'xor') => (e: Emitter, size: IntegerSize, x: number) => {
  e.w.get(x).get(x);
  e.constant(size, 1).typed(size, 'sub').typed(size, name);
};
const withNegative = (e: Emitter, size: IntegerSize, x: number) => {
  e.w.get(x);
  e.constant(size, 0).w.get(x);
  e.typed(size, 'sub').typed(size, 'and');
};

/** Pushes `value` cut to its low `count` bits, an i32 local of at most 255. */
function lowBits(e: Emitter, size: IntegerSize, value: number, count: number): void {
  const { w } = e;
  w.get(value);
  e.constant(size, 1).w.get(count);
  if (size === 8) w.op('i64.extend_i32_u');
  e.typed(size, 'shl').constant(size, 1).typed(size, 'sub').typed(size, 'and');
  w.get(value)
    .get(count)
    .i32(size * 8)
    .op('i32.lt_u')
    .op('select');
}

const bextr: Emit = (e, i) => {
  const { w } = e;
  const size = e.size(i);
  const type = e.type(size);
  const value = e.read(i, 1).save(type);
  e.read(i, 2).toI32(size);
  const control = e.save('i32');
  const [start, count] = [e.temp('i32'), e.temp('i32')];
  w.get(control).i32(0xff).op('i32.and').set(start);
  w.get(control).i32(8).op('i32.shr_u').i32(0xff).op('i32.and').set(count);
  w.get(value).get(start);
  if (size === 8) w.op('i64.extend_i32_u');
  e.typed(size, 'shr_u')
    .constant(size, 0)
    .w.get(start)
    .i32(size * 8)
    .op('i32.lt_u')
    .op('select')
    .set(value);
  lowBits(e, size, value, count);
  const result = e.save(type);
  e.write(i, 0, () => w.get(result));
  e.setFlags(KIND.LOGIC, size, result);
};

const bzhi: Emit = (e, i) => {
  const { w } = e;
  const size = e.size(i);
  const type = e.type(size);
  const value = e.read(i, 1).save(type);
  e.read(i, 2).toI32(size).w.i32(0xff).op('i32.and');
  const count = e.save('i32');
  lowBits(e, size, value, count);
  const result = e.save(type);
  e.write(i, 0, () => w.get(result));
  w.get(count)
    .i32(size * 8)
    .op('i32.ge_u');
  e.setResultFlags(size, result);
};

/** adcx and adox: an addition with carry through one flag alone. */
const addThrough =
  (flag: 'CF' | 'OF'): Emit =>
  (e, i) => {
    const { w } = e;
    const size = e.size(i);
    const type = e.type(size);
    const b = e.read(i, 1).save(type);
    const flags = e.eflags().save('i32');
    const place = flag === 'CF' ? 0 : 11;
    const [sum, result] = [e.temp(type), e.temp(type)];
    e.read(i, 0).w.get(b);
    e.typed(size, 'add').w.tee(sum);
    w.get(flags).i32(place).op('i32.shr_u').i32(1).op('i32.and');
    if (size === 8) w.op('i64.extend_i32_u');
    e.typed(size, 'add').w.set(result);
    e.write(i, 0, () => w.get(result));
    w.get(sum).get(b);
    e.typed(size, 'lt_u').w.get(result).get(sum);
    e.typed(size, 'lt_u').w.op('i32.or').i32(place).op('i32.shl');
    w.get(flags).i32(~FLAG[flag]).op('i32.and').op('i32.or');
    e.setEflags();
  };

function carryChange(change: (e: Emitter) => void): Emit {
  return e => {
    change(e);
    e.replaceFlags(FLAG.CF);
  };
}

/** lahf, sahf: SF, ZF, AF, PF, CF in AH. */
const lahf: Emit = e => {
  e.eflags().w.i32(0xd5).op('i32.and').i32(2).op('i32.or');
  e.setGpr(0, 1, true);
};
const sahf: Emit = e => {
  e.getGpr(0, 1, true).w.i32(0xd5).op('i32.and');
  e.eflags().w.i32(FLAG.OF).op('i32.and').op('i32.or');
  e.setEflags();
};

export function isBitString(i: Instruction): boolean {
  return i.operands[0]?.kind === 'memory' && memoryOf(i.operands[0]).size > 0;
}

export const bit: Family = {
  Bt: bitTest('bt'),
  Bts: bitTest('bts'),
  Btr: bitTest('btr'),
  Btc: bitTest('btc'),
  Bsf: scan(true),
  Bsr: scan(false),
  Lzcnt: countZeros(false),
  Tzcnt: countZeros(true),
  Popcnt: popcnt,
  Andn: andn,
  Blsi: lowest(withNegative, false),
  Blsr: lowest(withPredecessor('and'), true),
  Blsmsk: lowest(withPredecessor('xor'), true),
  Bextr: bextr,
  Bzhi: bzhi,
  Pdep: e => void e.help(pdep),
  Pext: e => void e.help(pext),
  Adcx: addThrough('CF'),
  Adox: addThrough('OF'),
  Crc32: e => void e.help(crc32),
  Clc: carryChange(e => void e.w.i32(0)),
  Stc: carryChange(e => void e.w.i32(1)),
  Cmc: carryChange(e => void e.carry().w.i32(1).op('i32.xor')),
  Lahf: lahf,
  Sahf: sahf,
};
