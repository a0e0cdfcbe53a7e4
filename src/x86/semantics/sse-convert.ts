/**
 * Conversions between integers, singles and doubles.
 *
 * As in sse-float.ts: WebAssembly converts where no flag can change, or only PE and PE is set already; the software
 * form does the rest. An integer that fits the significand converts exactly in every mode.
 */
import type { Plain } from '../../wasm/opcodes.ts';
import type { Emit, Emitter, Family } from '../emitter.ts';
import { MXCSR, SSE_RESULT } from '../layout.ts';
import { either, emitSoftware, PE_FLAG, pushAll, pushNoSpecial, pushPlain, SHAPES } from './sse-float.ts';
import { vectorLocal, xmm } from './sse-operands.ts';

/** PE masked and set, rounding to nearest: what is inexact changes nothing. */
const INEXACT_BITS = 0x7000 | PE_FLAG;
const INEXACT_KNOWN = 0x1000 | PE_FLAG;

function pushInexactIsNothing(e: Emitter): void {
  e.w.i32(0).memory('i32.load', MXCSR).i32(INEXACT_BITS).op('i32.and').i32(INEXACT_KNOWN).op('i32.eq');
}

/** cvtsi2ss, cvtsi2sd: the low lane changes. */
const fromInteger = (to: 'ss' | 'sd'): Emit => {
  const type = to === 'ss' ? 'f32' : 'f64';
  return (e, i) => {
    const size = e.size(i, 1) === 8 ? 8 : 4;
    const integer = size === 8 ? 'i64' : 'i32';
    const target = xmm(i, 0);
    const value = e.read(i, 1, size).save(integer);
    // 2^24 and 2^53: the greatest run of integers that the significand holds.
    const limit = to === 'ss' ? 24 : 53;
    const fast = () => {
      e.getXmm(target);
      e.w.get(value).op(`${type}.convert_${integer}_s` as Plain);
      e.w.lane(to === 'ss' ? 'f32x4.replace_lane' : 'f64x2.replace_lane', 0);
      e.setXmm(target);
    };
    if (to === 'sd' && size === 4) return fast();
    either(
      e,
      () => {
        e.w.get(value);
        e.constant(size, 1n << BigInt(limit)).typed(size, 'add');
        e.constant(size, 2n << BigInt(limit)).typed(size, 'le_u');
        pushInexactIsNothing(e);
        e.w.op('i32.or');
      },
      fast,
      () => {
        e.w
          .v128(0n, 0n)
          .get(value)
          .lane(size === 8 ? 'i64x2.replace_lane' : 'i32x4.replace_lane', 0);
        emitSoftware(e, `${i.mnemonic}${size * 8}`, target, e.save('v128'), 0);
      },
    );
  };
};

/** cvtss2si, cvttsd2si and so on. */
const toInteger = (from: 'ss' | 'sd', truncate: boolean): Emit => {
  return (e, i) => {
    const size = e.size(i) === 8 ? 8 : 4;
    const target = (i.operands[0] as { index: number }).index;
    const b = vectorLocal(e, i, 1);
    const value = e.temp('f64');
    const rounded = e.temp('i64');
    const out = e.temp('i64');
    e.w.get(b).lane(from === 'ss' ? 'f32x4.extract_lane' : 'f64x2.extract_lane', 0);
    if (from === 'ss') e.w.op('f64.promote_f32');
    e.w.set(value).get(value);
    if (!truncate) e.w.op('f64.nearest');
    e.w.op('i64.trunc_sat_f64_s').set(rounded);
    either(
      e,
      () => {
        // In range: no saturation happened, and a NaN, which saturates to 0, is not equal to itself.
        const { w } = e;
        if (size === 4) w.get(rounded).op('i64.extend32_s').get(rounded).op('i64.eq');
        else
          w.get(value)
            .op('f64.abs')
            .f64(2 ** 63)
            .op('f64.lt');
        w.get(value).get(value).op('f64.eq').op('i32.and');
        w.get(rounded).op('f64.convert_i64_s').get(value).op('f64.eq');
        pushInexactIsNothing(e);
        w.op('i32.or').op('i32.and');
      },
      () => e.w.get(rounded).set(out),
      () => {
        emitSoftware(e, `${i.mnemonic}${size * 8}`, 0, b, 0, false);
        e.w
          .i32(0)
          .memory(size === 8 ? 'i64.load' : 'i64.load32_u', SSE_RESULT)
          .set(out);
      },
    );
    e.w.get(out);
    if (size === 4) e.w.op('i32.wrap_i64');
    e.setGpr(target, size);
  };
};

const widen: Emit = (e, i) => {
  const target = xmm(i, 0);
  const b = vectorLocal(e, i, 1);
  either(
    e,
    () => {
      pushNoSpecial(e, SHAPES.ss, b);
      pushAll(e, SHAPES.ss);
      // Only a finite number less itself is zero.
      const lane = () => e.w.get(b).lane('f32x4.extract_lane', 0);
      lane();
      lane().op('f32.sub').f32(0).op('f32.eq').op('i32.and');
    },
    () => {
      e.getXmm(target);
      e.w.get(b).lane('f32x4.extract_lane', 0).op('f64.promote_f32').lane('f64x2.replace_lane', 0);
      e.setXmm(target);
    },
    () => emitSoftware(e, i.mnemonic, target, b, 0),
  );
};

const narrow: Emit = (e, i) => {
  const target = xmm(i, 0);
  const b = vectorLocal(e, i, 1);
  const result = e.temp('v128');
  e.w.get(b).op('f32x4.demote_f64x2_zero').set(result);
  either(
    e,
    () => {
      pushNoSpecial(e, SHAPES.sd, b);
      pushAll(e, SHAPES.sd);
      pushPlain(e, SHAPES.ss, result);
      pushAll(e, SHAPES.ss);
      e.w.op('i32.and');
      pushInexactIsNothing(e);
      // Exact results need no flag, in any mode.
      e.w.get(b).lane('f64x2.extract_lane', 0).get(result).op('f64x2.promote_low_f32x4');
      e.w.lane('f64x2.extract_lane', 0).op('f64.eq').op('i32.or').op('i32.and');
    },
    () => {
      e.getXmm(target);
      e.w.get(result).lane('i32x4.extract_lane', 0).lane('i32x4.replace_lane', 0);
      e.setXmm(target);
    },
    () => emitSoftware(e, i.mnemonic, target, b, 0),
  );
};

const soft: Emit = (e, i) => emitSoftware(e, i.mnemonic, xmm(i, 0), vectorLocal(e, i, 1), 0);

/** Both lanes are exact. */
const pairFromInteger: Emit = (e, i) => {
  const b = vectorLocal(e, i, 1);
  e.w.get(b).op('f64x2.convert_low_i32x4_s');
  e.setXmm(xmm(i, 0));
};

export const sseConvert: Family = {
  Cvtsi2ss: fromInteger('ss'),
  Cvtsi2sd: fromInteger('sd'),
  Cvtss2si: toInteger('ss', false),
  Cvtsd2si: toInteger('sd', false),
  Cvttss2si: toInteger('ss', true),
  Cvttsd2si: toInteger('sd', true),
  Cvtss2sd: widen,
  Cvtsd2ss: narrow,
  Cvtdq2pd: pairFromInteger,
  Cvtps2pd: soft,
  Cvtpd2ps: soft,
  Cvtdq2ps: soft,
  Cvtps2dq: soft,
  Cvttps2dq: soft,
  Cvtpd2dq: soft,
  Cvttpd2dq: soft,
};
