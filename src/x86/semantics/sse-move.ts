/**
 * Moves of SSE registers: whole, halves, single elements; aligned and not; masks of signs; MXCSR.
 */
import { type Emit, type Family, memoryOf } from '../emitter.ts';
import { MXCSR } from '../layout.ts';
import { alignedAddress, binary, isXmm, lanes, unary, vector, xmm } from './sse-operands.ts';

/** Bits of MXCSR that may be set (Intel SDM volume 1, 10.2.3); a reserved one in a load is #GP. */
const MXCSR_MASK = 0xffff;
const VECTOR_GENERAL_PROTECTION = 13;

/** Both directions; the store of an aligned form checks its address first. */
const whole =
  (aligned: boolean): Emit =>
  (e, i) => {
    if (isXmm(i, 0)) {
      vector(e, i, 1);
      e.setXmm(xmm(i, 0));
      return;
    }
    const memory = memoryOf(i.operands[0]!);
    if (aligned) {
      const address = alignedAddress(e, memory);
      e.storeAt(address, e.getXmm(xmm(i, 1)).save('v128'), 16);
    } else e.store(memory, 16, () => e.getXmm(xmm(i, 1)));
  };

/** movss, movsd: between registers the rest stays; a load clears it. */
const scalar =
  (size: 4 | 8): Emit =>
  (e, i) => {
    if (isXmm(i, 0) && isXmm(i, 1)) {
      e.getXmm(xmm(i, 0)).getXmm(xmm(i, 1));
      e.w.shuffle(lanes(4, size === 4 ? [4, 1, 2, 3] : [4, 5, 2, 3]));
      e.setXmm(xmm(i, 0));
    } else if (isXmm(i, 0)) {
      vector(e, i, 1);
      e.setXmm(xmm(i, 0));
    } else {
      e.store(memoryOf(i.operands[0]!), size, () =>
        e.getXmm(xmm(i, 1)).w.lane(size === 4 ? 'i32x4.extract_lane' : 'i64x2.extract_lane', 0),
      );
    }
  };

/** movlps, movhps: one half from or to memory. */
const half =
  (lane: 0 | 1): Emit =>
  (e, i) => {
    if (isXmm(i, 0)) {
      const value = e.load(memoryOf(i.operands[1]!), 8).save('i64');
      e.getXmm(xmm(i, 0)).w.get(value).lane('i64x2.replace_lane', lane);
      e.setXmm(xmm(i, 0));
    } else e.store(memoryOf(i.operands[0]!), 8, () => e.getXmm(xmm(i, 1)).w.lane('i64x2.extract_lane', lane));
  };

/** movd, movq between XMM and general registers or memory, and movq between XMM registers: the rest is cleared. */
const element =
  (size: 4 | 8): Emit =>
  (e, i) => {
    const extract = size === 4 ? 'i32x4.extract_lane' : 'i64x2.extract_lane';
    if (!isXmm(i, 0)) {
      e.write(i, 0, () => e.getXmm(xmm(i, 1)).w.lane(extract, 0));
      return;
    }
    e.w.v128(0n, 0n);
    if (isXmm(i, 1)) e.getXmm(xmm(i, 1)).w.lane(extract, 0);
    else e.read(i, 1, size);
    e.w.lane(size === 4 ? 'i32x4.replace_lane' : 'i64x2.replace_lane', 0);
    e.setXmm(xmm(i, 0));
  };

const signs =
  (op: 'i32x4.bitmask' | 'i64x2.bitmask' | 'i8x16.bitmask'): Emit =>
  (e, i) => {
    e.getXmm(xmm(i, 1)).w.op(op);
    e.setGpr((i.operands[0] as { index: number }).index, 4);
  };

/** Stores the bytes whose mask byte has its sign set; the others are written back as they were. */
const maskedStore: Emit = (e, i) => {
  const rdi = 7;
  e.address({
    kind: 'memory',
    size: 16,
    base: rdi,
    index: -1,
    scale: 1,
    displacement: 0n,
    segment: i.string.segment,
    addressSize: i.string.addressSize,
  });
  const opened = e.openAt(16);
  e.getXmm(xmm(i, 1)).loadOpened(opened);
  e.getXmm(xmm(i, 2)).w.i32(7).op('i8x16.shr_s').op('v128.bitselect');
  e.storeOpened(opened, e.save('v128'));
};

const loadControl: Emit = (e, i) => {
  const value = e.load(memoryOf(i.operands[0]!), 4).save('i32');
  e.w.get(value).i32(~MXCSR_MASK).op('i32.and').if();
  e.raise(VECTOR_GENERAL_PROTECTION);
  e.w.end().i32(0).get(value).memory('i32.store', MXCSR);
};

const storeControl: Emit = (e, i) =>
  void e.store(memoryOf(i.operands[0]!), 4, () => e.w.i32(0).memory('i32.load', MXCSR));

const shuffled = (elements: readonly number[]): Emit =>
  binary((e, a, b) => e.w.get(a).get(b).shuffle(lanes(4, elements)));

export const sseMove: Family = {
  Movups: whole(false),
  Movupd: whole(false),
  Movdqu: whole(false),
  Lddqu: whole(false),
  Movaps: whole(true),
  Movapd: whole(true),
  Movdqa: whole(true),
  Movntps: whole(true),
  Movntpd: whole(true),
  Movntdq: whole(true),
  Movntdqa: whole(true),
  Movss: scalar(4),
  Movsd: scalar(8),
  Movd: element(4),
  Movq: element(8),
  Movlps: half(0),
  Movlpd: half(0),
  Movhps: half(1),
  Movhpd: half(1),
  Movhlps: shuffled([6, 7, 2, 3]),
  Movlhps: shuffled([0, 1, 4, 5]),
  Movsldup: unary(e => duplicate(e, [0, 0, 2, 2])),
  Movshdup: unary(e => duplicate(e, [1, 1, 3, 3])),
  Movddup: unary(e => duplicate(e, [0, 1, 0, 1])),
  Movmskps: signs('i32x4.bitmask'),
  Movmskpd: signs('i64x2.bitmask'),
  Pmovmskb: signs('i8x16.bitmask'),
  Maskmovdqu: maskedStore,
  Ldmxcsr: loadControl,
  Stmxcsr: storeControl,
};

function duplicate(e: Parameters<Emit>[0], elements: readonly number[]): void {
  const value = e.save('v128');
  e.w.get(value).get(value).shuffle(lanes(4, elements));
}
