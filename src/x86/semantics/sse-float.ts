/**
 * SSE floating-point arithmetic and comparison.
 *
 * MXCSR's status flags can be seen by stmxcsr and trap when unmasked, and WebAssembly's arithmetic tells nothing of
 * them. So each instruction is computed by WebAssembly only where its flags are known without looking further:
 *
 *  - no operand is a NaN, an infinity out of which something invalid could come, or subnormal (IE, DE, ZE stay as they
 *    are, DAZ has no effect), and the result is finite and, for products and quotients, above the least normal number
 *    (OE, UE stay, FTZ has no effect);
 *  - rounding is to nearest and PE is masked; then only PE could change, and it does not matter if PE is set already:
 *    the flags are sticky. If it is not, a sum is still fast when it is exact, which the two-sum algorithm
 *    (Knuth, The Art of Computer Programming, volume 2, 4.2.2, theorem B) finds out with a few additions more;
 *  - min, max and comparisons depend on neither rounding nor PE.
 *
 * Everything else is performed by soft/sse.ts: NaNs with their payloads, other rounding modes, traps. A program that
 * clears MXCSR's flags runs there until its first inexact result.
 */
import type { Plain } from '../../wasm/opcodes.ts';
import type { Instruction } from '../decode.ts';
import type { Emit, Emitter, Family } from '../emitter.ts';
import { type Helper, STAY } from '../helper.ts';
import { MXCSR, SSE_RESULT, SSE_SOURCE, XMM } from '../layout.ts';
import { performFloat } from '../soft/sse.ts';
import { immediate, vectorLocal, xmm } from './sse-operands.ts';

/** MXCSR's masks, rounding control and FTZ, and what they are when arithmetic is as WebAssembly's. */
const ARITHMETIC_BITS = 0xff80;
const ARITHMETIC_DEFAULT = 0x1f80;
export const PE_FLAG = 0x20;

type Suffix = 'ss' | 'sd' | 'ps' | 'pd';

/** How the lanes of a suffix look to WebAssembly. */
interface LaneShape {
  readonly integer: 'i32x4' | 'i64x2';
  readonly float: 'f32x4' | 'f64x2';
  readonly scalar: boolean;
  /** The bits of the least normal number and of infinity, shifted left by one to lose the sign. */
  readonly least: bigint;
  readonly infinity: bigint;
  readonly width: 32 | 64;
}

const single = { integer: 'i32x4', float: 'f32x4', least: 0x0100_0000n, infinity: 0xff00_0000n, width: 32 } as const;
const double = {
  integer: 'i64x2',
  float: 'f64x2',
  least: 0x0020_0000_0000_0000n,
  infinity: 0xffe0_0000_0000_0000n,
  width: 64,
} as const;

export const SHAPES: Readonly<Record<Suffix, LaneShape>> = {
  ss: { ...single, scalar: true },
  ps: { ...single, scalar: false },
  sd: { ...double, scalar: true },
  pd: { ...double, scalar: false },
};

function splat(e: Emitter, { width }: LaneShape, value: bigint): void {
  const lane = BigInt.asUintN(width, value);
  const half = width === 32 ? lane | (lane << 32n) : lane;
  e.w.v128(half, half);
}

/**
 * Pushes a mask of the lanes whose magnitude (bits without the sign, times two), less `from`, is below `length` as an
 * unsigned number. WebAssembly compares 64-bit lanes signed only, so both sides are moved by half the range.
 */
function inRange(e: Emitter, shape: LaneShape, local: number, from: bigint, length: bigint): void {
  const middle = 1n << BigInt(shape.width - 1);
  e.w.get(local).i32(1).op(`${shape.integer}.shl`);
  splat(e, shape, middle - from);
  e.w.op(`${shape.integer}.add`);
  splat(e, shape, length + middle);
  e.w.op(`${shape.integer}.lt_s`);
}

/** Zeros and everything from the least normal number to the greatest: [least, infinity) and zero, which wraps around. */
export function pushNoSpecial(e: Emitter, shape: LaneShape, local: number): void {
  // Magnitudes 1 to least-1 are subnormal: less one, they are below least-1. All others are at or above it.
  const middle = 1n << BigInt(shape.width - 1);
  e.w.get(local).i32(1).op(`${shape.integer}.shl`);
  splat(e, shape, middle - 1n);
  e.w.op(`${shape.integer}.add`);
  splat(e, shape, shape.least - 1n + middle);
  e.w.op(`${shape.integer}.ge_s`);
}

export function pushFinite(e: Emitter, shape: LaneShape, local: number): void {
  inRange(e, shape, local, 0n, shape.infinity);
}

/** Strictly above the least normal number, and finite: neither overflow nor underflow can have happened. */
export function pushPlain(e: Emitter, shape: LaneShape, local: number): void {
  inRange(e, shape, local, shape.least + 1n, shape.infinity - shape.least - 1n);
}

/** Turns a mask of lanes into an i32 truth about the lanes that the instruction computes. */
export function pushAll(e: Emitter, { integer, scalar }: LaneShape): void {
  if (!scalar) e.w.op(`${integer}.all_true`);
  else e.w.lane('i32x4.extract_lane', 0);
}

/** Pushes whether arithmetic rounds to nearest with every exception masked and FTZ off. */
function pushDefaultMode(e: Emitter): void {
  e.w.i32(0).memory('i32.load', MXCSR).i32(ARITHMETIC_BITS).op('i32.and').i32(ARITHMETIC_DEFAULT).op('i32.eq');
}

function pushInexactKnown(e: Emitter): void {
  e.w.i32(0).memory('i32.load', MXCSR).i32(PE_FLAG).op('i32.and').i32(0).op('i32.ne');
}

/** Puts a computed vector into the destination: all of it, or the low lane. */
function setResult(e: Emitter, shape: LaneShape, target: number, result: number): void {
  if (shape.scalar) mergeLow(e, shape, target, result);
  else e.w.get(result);
  e.setXmm(target);
}

function mergeLow(e: Emitter, shape: LaneShape, target: number, result: number): void {
  e.getXmm(target).w.get(result);
  const low = shape.width / 8;
  e.w.shuffle(Array.from({ length: 16 }, (_, k) => (k < low ? 16 + k : k)));
}

const VECTOR_SIMD = 19;

/** Performs `operation` with the XMM register `target` and SSE_SOURCE; the result goes to the register or SSE_RESULT. */
const software =
  (operation: string, target: number, control: number, result: number): Helper =>
  cpu => {
    const view = new DataView(cpu.bytes.buffer);
    const vector = performFloat(view, MXCSR, operation, XMM + 16 * target, SSE_SOURCE, control, result);
    if (vector !== 0) cpu.raise(VECTOR_SIMD);
    return STAY;
  };

/** Emits the call of the software form; `source` is a v128 local. The flags' lazy form is untouched by it. */
export function emitSoftware(
  e: Emitter,
  operation: string,
  target: number,
  source: number,
  control: number,
  toRegister = true,
): void {
  const { cc } = e;
  e.w.i32(0).get(source).memory('v128.store', SSE_SOURCE);
  e.help(software(operation, target, control, toRegister ? XMM + 16 * target : SSE_RESULT));
  e.cc = cc;
}

/** destination = operation(destination, source) in software always. */
const soft: Emit = (e, i) => emitSoftware(e, i.mnemonic, xmm(i, 0), vectorLocal(e, i, 1), immediate(i));

/** Emits `fast` where `condition` (pushes an i32) holds, the software form elsewhere. */
export function either(e: Emitter, condition: () => void, fast: () => void, slow: () => void): void {
  condition();
  e.w.if();
  fast();
  e.w.else();
  slow();
  e.w.end();
}

/** Pushes a mask of the lanes where a + b (or a - b) = r without rounding error. */
function pushExactSum(e: Emitter, { float }: LaneShape, a: number, b: number, r: number, subtract: boolean): void {
  const { w } = e;
  const op = (name: string) => w.op(`${float}.${name}` as Plain);
  // What was added, as far as the result shows it; then what each operand lost.
  w.get(r).get(a);
  op('sub');
  const seen = e.save('v128');
  w.get(a).get(r).get(seen);
  op('sub');
  op('sub');
  w.get(b);
  if (subtract) op('neg');
  w.get(seen);
  op('sub');
  op('add').v128(0n, 0n);
  op('eq');
}

const arithmetic = (name: 'add' | 'sub' | 'mul' | 'div', suffix: Suffix): Emit => {
  const shape = SHAPES[suffix];
  const sum = name === 'add' || name === 'sub';
  return (e, i) => {
    const target = xmm(i, 0);
    const b = vectorLocal(e, i, 1);
    const a = e.getXmm(target).save('v128');
    const result = e.temp('v128');
    e.w.get(a).get(b).op(`${shape.float}.${name}`).set(result);
    either(
      e,
      () => {
        pushNoSpecial(e, shape, a);
        pushNoSpecial(e, shape, b);
        e.w.op('v128.and');
        if (sum) pushFinite(e, shape, result);
        else pushPlain(e, shape, result);
        e.w.op('v128.and');
        pushAll(e, shape);
        pushInexactKnown(e);
        if (sum) {
          e.w.if('i32');
          e.w.i32(1).else();
          pushExactSum(e, shape, a, b, result, name === 'sub');
          pushAll(e, shape);
          e.w.end();
        }
        e.w.op('i32.and');
        pushDefaultMode(e);
        e.w.op('i32.and');
      },
      () => setResult(e, shape, target, result),
      () => emitSoftware(e, i.mnemonic, target, b, 0),
    );
  };
};

const squareRoot = (suffix: Suffix): Emit => {
  const shape = SHAPES[suffix];
  return (e, i) => {
    const target = xmm(i, 0);
    const b = vectorLocal(e, i, 1);
    const result = e.temp('v128');
    e.w.get(b).op(`${shape.float}.sqrt`).set(result);
    either(
      e,
      () => {
        // A negative operand's root is a NaN, which is not plain.
        pushNoSpecial(e, shape, b);
        pushPlain(e, shape, result);
        e.w.op('v128.and');
        pushAll(e, shape);
        pushInexactKnown(e);
        e.w.op('i32.and');
        pushDefaultMode(e);
        e.w.op('i32.and');
      },
      () => setResult(e, shape, target, result),
      () => emitSoftware(e, i.mnemonic, target, b, 0),
    );
  };
};

/** Pushes whether no operand lane is a NaN, infinite or subnormal: then comparing has no side effect at all. */
export function pushComparable(e: Emitter, shape: LaneShape, a: number, b: number): void {
  pushNoSpecial(e, shape, a);
  pushNoSpecial(e, shape, b);
  e.w.op('v128.and');
  pushFinite(e, shape, a);
  e.w.op('v128.and');
  pushFinite(e, shape, b);
  e.w.op('v128.and');
  pushAll(e, shape);
}

/** What `compute` makes of two comparable operands, or the software form. */
const comparing = (
  suffix: Suffix,
  compute: (e: Emitter, a: number, b: number, shape: LaneShape, i: Instruction) => void,
): Emit => {
  const shape = SHAPES[suffix];
  return (e, i) => {
    const target = xmm(i, 0);
    const b = vectorLocal(e, i, 1);
    const a = e.getXmm(target).save('v128');
    const result = e.temp('v128');
    either(
      e,
      () => pushComparable(e, shape, a, b),
      () => {
        compute(e, a, b, shape, i);
        e.w.set(result);
        setResult(e, shape, target, result);
      },
      () => emitSoftware(e, i.mnemonic, target, b, immediate(i)),
    );
  };
};

/** pmin(x, y) is y < x ? y : x; MINxx is destination < source ? destination : source. */
const extreme = (name: 'pmin' | 'pmax', suffix: Suffix) =>
  comparing(suffix, (e, a, b, { float }) => void e.w.get(b).get(a).op(`${float}.${name}`));

/** Without NaNs: NLT is GE, NLE is GT, UNORD never, ORD always. */
const PREDICATES = ['eq', 'lt', 'le', 'never', 'ne', 'ge', 'gt', 'always'] as const;

const compares = (suffix: Suffix) =>
  comparing(suffix, (e, a, b, { float }, i) => {
    const predicate = PREDICATES[immediate(i) & 7]!;
    if (predicate === 'never') e.w.v128(0n, 0n);
    else if (predicate === 'always') e.w.v128(-1n, -1n);
    else e.w.get(a).get(b).op(`${float}.${predicate}`);
  });

/** comiss, ucomisd and so on: ZF, PF and CF; the others are cleared. */
const ordering = (suffix: 'ss' | 'sd'): Emit => {
  const shape = SHAPES[suffix];
  return (e, i) => {
    const target = xmm(i, 0);
    const b = vectorLocal(e, i, 1);
    const a = e.getXmm(target).save('v128');
    const flags = e.temp('i32');
    either(
      e,
      () => pushComparable(e, shape, a, b),
      () => {
        const lane = (name: string) => {
          e.w
            .get(a)
            .get(b)
            .op(`${shape.float}.${name}` as Plain);
          e.w.lane('i32x4.extract_lane', 0);
        };
        lane('eq');
        e.w.i32(0x40).op('i32.and');
        lane('lt');
        e.w.i32(1).op('i32.and').op('i32.or').set(flags);
      },
      () => {
        emitSoftware(e, i.mnemonic, target, b, 0, false);
        e.w.i32(0).memory('i32.load', SSE_RESULT).set(flags);
      },
    );
    e.w.get(flags);
    e.setEflags();
  };
};

function family(name: string, suffixes: readonly Suffix[], make: (suffix: Suffix) => Emit): Family {
  return Object.fromEntries(suffixes.map(suffix => [name + suffix, make(suffix)]));
}

const EVERY = ['ss', 'sd', 'ps', 'pd'] as const;
const PACKED = ['ps', 'pd'] as const;

export const sseFloat: Family = {
  ...family('Add', EVERY, suffix => arithmetic('add', suffix)),
  ...family('Sub', EVERY, suffix => arithmetic('sub', suffix)),
  ...family('Mul', EVERY, suffix => arithmetic('mul', suffix)),
  ...family('Div', EVERY, suffix => arithmetic('div', suffix)),
  ...family('Sqrt', EVERY, squareRoot),
  ...family('Min', EVERY, suffix => extreme('pmin', suffix)),
  ...family('Max', EVERY, suffix => extreme('pmax', suffix)),
  ...family('Cmp', EVERY, compares),
  ...family('Round', EVERY, () => soft),
  ...family('Rcp', ['ss', 'ps'], () => soft),
  ...family('Rsqrt', ['ss', 'ps'], () => soft),
  ...family('Hadd', PACKED, () => soft),
  ...family('Hsub', PACKED, () => soft),
  ...family('Addsub', PACKED, () => soft),
  ...family('Dp', PACKED, () => soft),
  Comiss: ordering('ss'),
  Comisd: ordering('sd'),
  Ucomiss: ordering('ss'),
  Ucomisd: ordering('sd'),
};
