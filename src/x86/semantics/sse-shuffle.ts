/**
 * Rearranging XMM registers: unpack, pack, shuffle, blend, insert, extract, widen.
 */
import type { LaneOp, Plain } from '../../wasm/opcodes.ts';
import { type Emit, type Family, memoryOf } from '../emitter.ts';
import type { IntegerSize } from '../flags.ts';
import { binary, immediate, isXmm, lanes, plain, unary, vector, xmm } from './sse-operands.ts';

/** Element k of the destination, then element k of the source, for each k of one half. */
const unpack = (bytes: number, high: boolean) => {
  const half = 8 / bytes;
  const order = Array.from({ length: half }, (_, k) => (high ? half : 0) + k).flatMap(k => [k, 2 * half + k]);
  return binary((e, a, b) => e.w.get(a).get(b).shuffle(lanes(bytes, order)));
};

/** Four two-bit fields of the immediate choose elements of the source; `from` maps a field to a source element. */
const fields = (value: number) => [0, 2, 4, 6].map(shift => (value >> shift) & 3);

const reorder = (bytes: number, order: (value: number) => number[]) =>
  unary((e, i) => {
    const value = e.save('v128');
    e.w
      .get(value)
      .get(value)
      .shuffle(lanes(bytes, order(immediate(i))));
  });

/** shufps, shufpd, palignr, blends: both operands under the immediate's control. */
const combine = (bytes: number, order: (value: number) => number[]) =>
  binary((e, a, b, i) =>
    e.w
      .get(a)
      .get(b)
      .shuffle(lanes(bytes, order(immediate(i)))),
  );

const blend = (bytes: number) => {
  const count = 16 / bytes;
  return combine(bytes, value => Array.from({ length: count }, (_, k) => ((value >> k) & 1 ? count + k : k)));
};

/** palignr: sixteen bytes of destination:source, from byte `immediate` on; zeros come in from above. */
const align = binary((e, a, b, i) => {
  const count = immediate(i);
  const { w } = e;
  if (count < 16)
    w.get(b)
      .get(a)
      .shuffle(Array.from({ length: 16 }, (_, k) => k + count));
  else if (count < 32) {
    w.get(a)
      .v128(0n, 0n)
      .shuffle(Array.from({ length: 16 }, (_, k) => k + count - 16));
  } else w.v128(0n, 0n);
});

/** blendvps, blendvpd, pblendvb: the signs of XMM0's elements choose the source. */
const variableBlend = (shape: 'i8x16' | 'i32x4' | 'i64x2', width: number) =>
  binary((e, a, b) => {
    e.w.get(b).get(a);
    e.getXmm(0)
      .w.i32(width - 1)
      .op(`${shape}.shr_s`)
      .op('v128.bitselect');
  });

/** pshufb: an index with its top bit set gives zero, and so does swizzle with one above 15. */
const byteShuffle = binary((e, a, b) =>
  e.w.get(a).get(b).i32(0x8f).op('i8x16.splat').op('v128.and').op('i8x16.swizzle'),
);

const insert =
  (size: IntegerSize, lane: LaneOp): Emit =>
  (e, i) => {
    const index = immediate(i) & (16 / size - 1);
    // A register operand is 32 bits wide or more; only its low end is inserted.
    if (i.operands[1]!.kind === 'memory') e.load(memoryOf(i.operands[1]!), size);
    else e.read(i, 1, size === 8 ? 8 : 4);
    const value = e.save(e.type(size));
    e.getXmm(xmm(i, 0)).w.get(value).lane(lane, index);
    e.setXmm(xmm(i, 0));
  };

/** To a general register zero-extended, to memory at the element's size. */
const extract =
  (size: IntegerSize, lane: LaneOp): Emit =>
  (e, i) => {
    const push = () => e.getXmm(xmm(i, 1)).w.lane(lane, immediate(i) & (16 / size - 1));
    const to = i.operands[0]!;
    if (to.kind === 'memory') e.store(to, size, push);
    else e.write(i, 0, push, size === 8 ? 8 : 4);
  };

/** insertps: one element of the source to one place, and a mask of elements to clear. */
const insertSingle: Emit = (e, i) => {
  const control = immediate(i);
  const { w } = e;
  vector(e, i, 1);
  const element = isXmm(i, 1) ? (control >> 6) & 3 : 0;
  w.lane('i32x4.extract_lane', element);
  const value = e.save('i32');
  e.getXmm(xmm(i, 0))
    .w.get(value)
    .lane('i32x4.replace_lane', (control >> 4) & 3);
  for (let k = 0; k < 4; k++) if ((control >> k) & 1) w.i32(0).lane('i32x4.replace_lane', k);
  e.setXmm(xmm(i, 0));
};

/** pmovsx, pmovzx: the low elements, widened once, twice or three times. */
const STEPS: Readonly<Record<string, readonly string[]>> = {
  bw: ['i16x8.extend_low_i8x16'],
  bd: ['i16x8.extend_low_i8x16', 'i32x4.extend_low_i16x8'],
  bq: ['i16x8.extend_low_i8x16', 'i32x4.extend_low_i16x8', 'i64x2.extend_low_i32x4'],
  wd: ['i32x4.extend_low_i16x8'],
  wq: ['i32x4.extend_low_i16x8', 'i64x2.extend_low_i32x4'],
  dq: ['i64x2.extend_low_i32x4'],
};
const widening = (['s', 'z'] as const).flatMap(kind =>
  Object.entries(STEPS).map(([suffix, steps]): [string, Emit] => [
    `Pmov${kind}x${suffix}`,
    unary(e => {
      for (const step of steps) e.w.op(`${step}_${kind === 's' ? 's' : 'u'}` as Plain);
    }),
  ]),
);

/** narrow takes the low half from its first operand: the destination. */
export const sseShuffle: Family = {
  Punpcklbw: unpack(1, false),
  Punpcklwd: unpack(2, false),
  Punpckldq: unpack(4, false),
  Punpcklqdq: unpack(8, false),
  Punpckhbw: unpack(1, true),
  Punpckhwd: unpack(2, true),
  Punpckhdq: unpack(4, true),
  Punpckhqdq: unpack(8, true),
  Unpcklps: unpack(4, false),
  Unpckhps: unpack(4, true),
  Unpcklpd: unpack(8, false),
  Unpckhpd: unpack(8, true),
  Packsswb: plain('i8x16.narrow_i16x8_s'),
  Packuswb: plain('i8x16.narrow_i16x8_u'),
  Packssdw: plain('i16x8.narrow_i32x4_s'),
  Packusdw: plain('i16x8.narrow_i32x4_u'),
  Pshufd: reorder(4, fields),
  Pshuflw: reorder(2, value => [...fields(value), 4, 5, 6, 7]),
  Pshufhw: reorder(2, value => [0, 1, 2, 3, ...fields(value).map(k => k + 4)]),
  Shufps: combine(4, value => fields(value).map((k, at) => (at < 2 ? k : k + 4))),
  Shufpd: combine(8, value => [value & 1, 2 + ((value >> 1) & 1)]),
  Pshufb: byteShuffle,
  Palignr: align,
  Blendps: blend(4),
  Blendpd: blend(8),
  Pblendw: blend(2),
  Pblendvb: variableBlend('i8x16', 8),
  Blendvps: variableBlend('i32x4', 32),
  Blendvpd: variableBlend('i64x2', 64),
  Pinsrb: insert(1, 'i8x16.replace_lane'),
  Pinsrw: insert(2, 'i16x8.replace_lane'),
  Pinsrd: insert(4, 'i32x4.replace_lane'),
  Pinsrq: insert(8, 'i64x2.replace_lane'),
  Pextrb: extract(1, 'i8x16.extract_lane_u'),
  Pextrw: extract(2, 'i16x8.extract_lane_u'),
  Pextrd: extract(4, 'i32x4.extract_lane'),
  Pextrq: extract(8, 'i64x2.extract_lane'),
  Extractps: extract(4, 'i32x4.extract_lane'),
  Insertps: insertSingle,
  ...Object.fromEntries(widening),
};
