/**
 * Integer arithmetic, comparison, logic and shifts on XMM registers, SSE2 to SSE4.2. Most are one WebAssembly
 * instruction; the rest are built so that they wrap and saturate as Intel's manual says, not as WebAssembly would.
 */
import type { LaneOp, Plain } from '../../wasm/opcodes.ts';
import type { Emit, Emitter, Family } from '../emitter.ts';
import { FLAG } from '../flags.ts';
import { binary, immediate, lanes, plain, unary, vector, vectorLocal, xmm } from './sse-operands.ts';

/** x86's mnemonic, WebAssembly's instruction of the same meaning. */
const DIRECT: Readonly<Record<string, Plain>> = {
  Paddb: 'i8x16.add',
  Paddw: 'i16x8.add',
  Paddd: 'i32x4.add',
  Paddq: 'i64x2.add',
  Psubb: 'i8x16.sub',
  Psubw: 'i16x8.sub',
  Psubd: 'i32x4.sub',
  Psubq: 'i64x2.sub',
  Paddsb: 'i8x16.add_sat_s',
  Paddsw: 'i16x8.add_sat_s',
  Paddusb: 'i8x16.add_sat_u',
  Paddusw: 'i16x8.add_sat_u',
  Psubsb: 'i8x16.sub_sat_s',
  Psubsw: 'i16x8.sub_sat_s',
  Psubusb: 'i8x16.sub_sat_u',
  Psubusw: 'i16x8.sub_sat_u',
  Pmullw: 'i16x8.mul',
  Pmulld: 'i32x4.mul',
  Pmaddwd: 'i32x4.dot_i16x8_s',
  Pavgb: 'i8x16.avgr_u',
  Pavgw: 'i16x8.avgr_u',
  Pminub: 'i8x16.min_u',
  Pminuw: 'i16x8.min_u',
  Pminud: 'i32x4.min_u',
  Pminsb: 'i8x16.min_s',
  Pminsw: 'i16x8.min_s',
  Pminsd: 'i32x4.min_s',
  Pmaxub: 'i8x16.max_u',
  Pmaxuw: 'i16x8.max_u',
  Pmaxud: 'i32x4.max_u',
  Pmaxsb: 'i8x16.max_s',
  Pmaxsw: 'i16x8.max_s',
  Pmaxsd: 'i32x4.max_s',
  Pcmpeqb: 'i8x16.eq',
  Pcmpeqw: 'i16x8.eq',
  Pcmpeqd: 'i32x4.eq',
  Pcmpeqq: 'i64x2.eq',
  Pcmpgtb: 'i8x16.gt_s',
  Pcmpgtw: 'i16x8.gt_s',
  Pcmpgtd: 'i32x4.gt_s',
  Pcmpgtq: 'i64x2.gt_s',
  Pand: 'v128.and',
  Andps: 'v128.and',
  Andpd: 'v128.and',
  Por: 'v128.or',
  Orps: 'v128.or',
  Orpd: 'v128.or',
  Pxor: 'v128.xor',
  Xorps: 'v128.xor',
  Xorpd: 'v128.xor',
};

const EVEN_WORDS = lanes(2, [0, 2, 4, 6, 8, 10, 12, 14]);
const ODD_WORDS = lanes(2, [1, 3, 5, 7, 9, 11, 13, 15]);
const EVEN_DWORDS = lanes(4, [0, 2, 4, 6]);
const ODD_DWORDS = lanes(4, [1, 3, 5, 7]);

/** ~destination & source. */
const andNot = binary((e, a, b) => e.w.get(b).get(a).op('v128.andnot'));

/** The upper halves of 16-bit products. */
const highProduct = (sign: 's' | 'u') =>
  binary((e, a, b) => {
    for (const end of ['low', 'high'] as const) e.w.get(a).get(b).op(`i32x4.extmul_${end}_i16x8_${sign}`);
    e.w.shuffle(ODD_WORDS);
  });

/** pmulhrsw: ((a * b >> 14) + 1) >> 1, cut to 16 bits (WebAssembly's own saturates). */
const roundedProduct = binary((e, a, b) => {
  for (const end of ['low', 'high'] as const) {
    e.w.get(a).get(b).op(`i32x4.extmul_${end}_i16x8_s`).i32(14).op('i32x4.shr_s');
    e.w.i32(1).op('i32x4.splat').op('i32x4.add').i32(1).op('i32x4.shr_s');
  }
  e.w.shuffle(EVEN_WORDS);
});

/** 64-bit products of the even 32-bit elements. */
const wideProduct = (sign: 's' | 'u') =>
  binary((e, a, b) => {
    for (const operand of [a, b]) e.w.get(operand).get(operand).shuffle(EVEN_DWORDS);
    e.w.op(`i64x2.extmul_low_i32x4_${sign}`);
  });

/** pmaddubsw: unsigned bytes of the destination times signed bytes of the source, pairs added with saturation. */
const mixedProduct = binary((e, a, b) => {
  e.w.get(a).i32(0xff).op('i16x8.splat').op('v128.and');
  e.w.get(b).i32(8).op('i16x8.shl').i32(8).op('i16x8.shr_s').op('i16x8.mul');
  e.w.get(a).i32(8).op('i16x8.shr_u').get(b).i32(8).op('i16x8.shr_s').op('i16x8.mul').op('i16x8.add_sat_s');
});

/** psadbw: sums of absolute differences of each eight bytes. */
const differences = binary((e, a, b) => {
  e.w.get(a).get(b).op('i8x16.max_u').get(a).get(b).op('i8x16.min_u').op('i8x16.sub');
  e.w.op('i16x8.extadd_pairwise_i8x16_u').op('i32x4.extadd_pairwise_i16x8_u');
  const sums = e.save('v128');
  e.w.get(sums).i32(32).op('i64x2.shr_u').get(sums).i64(0xffff_ffffn).op('i64x2.splat').op('v128.and').op('i64x2.add');
});

/** phaddw and its like: neighbours, first the destination's, then the source's. */
const horizontal = (op: Plain, even: readonly number[], odd: readonly number[]) =>
  binary((e, a, b) => e.w.get(a).get(b).shuffle(even).get(a).get(b).shuffle(odd).op(op));

/** psignx: the destination's elements negated, cleared or kept by the source's signs. */
const signed = (shape: 'i8x16' | 'i16x8' | 'i32x4') =>
  binary((e, a, b) => {
    const zero = () => e.w.v128(0n, 0n);
    e.w.get(b);
    zero().op(`${shape}.lt_s`);
    const negative = e.save('v128');
    e.w.get(a).get(negative).op('v128.xor').get(negative).op(`${shape}.sub`).get(b);
    zero().op(`${shape}.ne`).op('v128.and');
  });

type Shape = 'i16x8' | 'i32x4' | 'i64x2';
const WIDTH: Readonly<Record<Shape, number>> = { i16x8: 16, i32x4: 32, i64x2: 64 };

/** Shifts by an immediate or by the low 64 bits of an operand; beyond the width only zeros or signs are left. */
const shift =
  (shape: Shape, direction: 'shl' | 'shr_s' | 'shr_u'): Emit =>
  (e, i) => {
    const { w } = e;
    const width = WIDTH[shape];
    const op = `${shape}.${direction}` as Plain;
    const target = xmm(i, 0);
    const arithmetic = direction === 'shr_s';
    if (i.operands[1]!.kind === 'immediate') {
      const count = immediate(i);
      if (count < width || arithmetic)
        e.getXmm(target)
          .w.i32(Math.min(count, width - 1))
          .op(op);
      else w.v128(0n, 0n);
      e.setXmm(target);
      return;
    }
    vector(e, i, 1);
    const count = w.lane('i64x2.extract_lane' as LaneOp, 0) && e.save('i64');
    if (arithmetic) {
      e.getXmm(target)
        .w.get(count)
        .i64(width - 1);
      w.get(count).i64(width).op('i64.lt_u').op('select').op('i32.wrap_i64').op(op);
    } else {
      e.getXmm(target).w.get(count).op('i32.wrap_i64').op(op).v128(0n, 0n);
      w.get(count).i64(width).op('i64.lt_u').op('select');
    }
    e.setXmm(target);
  };

/** pslldq, psrldq: by whole bytes. */
const shiftBytes =
  (left: boolean): Emit =>
  (e, i) => {
    const count = Math.min(immediate(i), 16);
    e.w.v128(0n, 0n);
    e.getXmm(xmm(i, 0));
    // Lanes 0 to 15 are zeros, 16 to 31 the register.
    const lane = (k: number) => (left ? (k < count ? 0 : 16 + k - count) : k + count < 16 ? 16 + k + count : 0);
    e.w.shuffle(Array.from({ length: 16 }, (_, k) => lane(k)));
    e.setXmm(xmm(i, 0));
  };

/** ptest: ZF if no common bit, CF if the destination covers the source. */
const test: Emit = (e, i) => {
  const b = vectorLocal(e, i, 1);
  const a = e.getXmm(xmm(i, 0)).save('v128');
  const none = (op: Plain) => e.w.get(b).get(a).op(op).op('v128.any_true').op('i32.eqz');
  none('v128.and').i32(Math.log2(FLAG.ZF)).op('i32.shl');
  none('v128.andnot').op('i32.or');
  e.setEflags();
};

const absolute = (op: Plain) => unary((e: Emitter) => e.w.op(op));

export const sseInteger: Family = {
  ...Object.fromEntries(Object.entries(DIRECT).map(([mnemonic, op]) => [mnemonic, plain(op)])),
  Pandn: andNot,
  Andnps: andNot,
  Andnpd: andNot,
  Pmulhw: highProduct('s'),
  Pmulhuw: highProduct('u'),
  Pmulhrsw: roundedProduct,
  Pmuludq: wideProduct('u'),
  Pmuldq: wideProduct('s'),
  Pmaddubsw: mixedProduct,
  Psadbw: differences,
  Phaddw: horizontal('i16x8.add', EVEN_WORDS, ODD_WORDS),
  Phaddd: horizontal('i32x4.add', EVEN_DWORDS, ODD_DWORDS),
  Phaddsw: horizontal('i16x8.add_sat_s', EVEN_WORDS, ODD_WORDS),
  Phsubw: horizontal('i16x8.sub', EVEN_WORDS, ODD_WORDS),
  Phsubd: horizontal('i32x4.sub', EVEN_DWORDS, ODD_DWORDS),
  Phsubsw: horizontal('i16x8.sub_sat_s', EVEN_WORDS, ODD_WORDS),
  Psignb: signed('i8x16'),
  Psignw: signed('i16x8'),
  Psignd: signed('i32x4'),
  Pabsb: absolute('i8x16.abs'),
  Pabsw: absolute('i16x8.abs'),
  Pabsd: absolute('i32x4.abs'),
  Psllw: shift('i16x8', 'shl'),
  Pslld: shift('i32x4', 'shl'),
  Psllq: shift('i64x2', 'shl'),
  Psrlw: shift('i16x8', 'shr_u'),
  Psrld: shift('i32x4', 'shr_u'),
  Psrlq: shift('i64x2', 'shr_u'),
  Psraw: shift('i16x8', 'shr_s'),
  Psrad: shift('i32x4', 'shr_s'),
  Pslldq: shiftBytes(true),
  Psrldq: shiftBytes(false),
  Ptest: test,
};
