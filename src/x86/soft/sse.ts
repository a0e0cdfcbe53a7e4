/**
 * Whole SSE floating-point instructions in software: lanes, the order of exceptions, MXCSR.
 *
 * An instruction raises the flags of all its lanes together. An unmasked exception found before computing (IE, DE, ZE)
 * or after it (OE, UE, PE) leaves the destination alone and raises #XM; the flags stay in MXCSR (Intel SDM volume 1,
 * 11.5.3 and 11.5.4). Operands are read and results written in the WebAssembly memory, where the register file is.
 */
import { approximateReciprocal, approximateReciprocalSqrt } from './approximations.ts';
import {
  add,
  type Binary,
  compare,
  compareFlags,
  convert,
  div,
  fromInteger,
  max,
  min,
  mul,
  roundToIntegral,
  sqrt,
  sub,
  toInteger,
} from './arithmetic.ts';
import { DOUBLE, FloatContext, type Format, SINGLE, TRUNCATE } from './float.ts';

/** #XM, the SIMD floating-point exception. */
export const VECTOR_SIMD = 19;

/** A lane of each operand, and whatever else the instruction has. */
interface Operands {
  /** The destination's 128 bits before, and the source's, 32 bits each. */
  readonly a: Lanes;
  readonly b: Lanes;
  readonly immediate: number;
  readonly context: FloatContext;
}

/** 128 bits as four numbers of 32. */
class Lanes {
  readonly words: [number, number, number, number];

  constructor(words: [number, number, number, number]) {
    this.words = words;
  }

  get(f: Format, lane: number): bigint {
    const { words } = this;
    if (f === SINGLE) return BigInt(words[lane]!);
    return BigInt(words[2 * lane]!) | (BigInt(words[2 * lane + 1]!) << 32n);
  }

  set(f: Format, lane: number, bits: bigint): void {
    const { words } = this;
    if (f === SINGLE) words[lane] = Number(bits);
    else {
      words[2 * lane] = Number(bits & 0xffff_ffffn);
      words[2 * lane + 1] = Number(bits >> 32n);
    }
  }

  copy(): Lanes {
    return new Lanes([...this.words]);
  }
}

/** Computes the destination's new lanes. */
type Operation = (o: Operands) => Lanes;

interface Shape {
  readonly format: Format;
  readonly lanes: number;
}

const SHAPES = {
  ss: { format: SINGLE, lanes: 1 },
  sd: { format: DOUBLE, lanes: 1 },
  ps: { format: SINGLE, lanes: 4 },
  pd: { format: DOUBLE, lanes: 2 },
} as const satisfies Record<string, Shape>;

type Entry = readonly [mnemonic: string, operation: Operation];
type LaneOperation = (o: Operands, a: bigint, b: bigint, f: Format) => bigint;

const EVERY = ['ss', 'sd', 'ps', 'pd'] as const;

/** The same computation in each lane, under the mnemonic with each suffix; lanes beyond stay. */
function lanewise(name: string, compute: LaneOperation, suffixes: readonly (keyof typeof SHAPES)[] = EVERY): Entry[] {
  return suffixes.map(suffix => {
    const { format, lanes } = SHAPES[suffix];
    return [
      name + suffix,
      o => {
        const result = o.a.copy();
        for (let i = 0; i < lanes; i++)
          result.set(format, i, compute(o, o.a.get(format, i), o.b.get(format, i), format));
        return result;
      },
    ];
  });
}

const binary =
  (operation: Binary): LaneOperation =>
  ({ context }, a, b, f) =>
    operation(context, a, b, f);

/** HADDxx, HSUBxx: neighbours, first the destination's, then the source's. */
function horizontal(name: string, operation: Binary): Entry[] {
  return (['ps', 'pd'] as const).map(suffix => {
    const { format, lanes } = SHAPES[suffix];
    return [
      name + suffix,
      ({ a, b, context }) => {
        const result = a.copy();
        for (let i = 0; i < lanes; i++) {
          const from = i < lanes / 2 ? a : b;
          const at = (2 * i) % lanes;
          result.set(format, i, operation(context, from.get(format, at), from.get(format, at + 1), format));
        }
        return result;
      },
    ];
  });
}

function alternating(suffix: 'ps' | 'pd'): Entry {
  const { format, lanes } = SHAPES[suffix];
  return [
    `Addsub${suffix}`,
    ({ a, b, context }) => {
      const result = a.copy();
      for (let i = 0; i < lanes; i++) {
        result.set(format, i, (i % 2 === 0 ? sub : add)(context, a.get(format, i), b.get(format, i), format));
      }
      return result;
    },
  ];
}

/**
 * DPPS, DPPD: products of the lanes that the immediate's high half selects, summed in pairs, broadcast to those of the
 * low half. Each step's exceptions count, and an unmasked one stops the steps after it.
 */
function dotProduct(suffix: 'ps' | 'pd'): Entry {
  const { format, lanes } = SHAPES[suffix];
  return [
    `Dp${suffix}`,
    ({ a, b, context, immediate }) => {
      let terms: bigint[] = [];
      for (let i = 0; i < lanes; i++) {
        terms.push((immediate >> (4 + i)) & 1 ? mul(context, a.get(format, i), b.get(format, i), format) : 0n);
      }
      while (terms.length > 1 && !context.trapped) {
        context.nextStep();
        terms = Array.from({ length: terms.length / 2 }, (_, i) =>
          add(context, terms[2 * i]!, terms[2 * i + 1]!, format),
        );
      }
      const result = a.copy();
      for (let i = 0; i < lanes; i++) result.set(format, i, (immediate >> i) & 1 ? terms[0]! : 0n);
      return result;
    },
  ];
}

type Kind = Format | 32 | 64;

/** Conversions between lanes of two kinds; what the results do not fill is zero where `clear`, else kept. */
function conversion(mnemonic: string, from: Kind, to: Kind, lanes: number, clear: boolean): Entry {
  const width = (kind: Kind) => (kind === SINGLE || kind === 32 ? SINGLE : DOUBLE);
  const truncate = mnemonic.startsWith('Cvtt');
  return [
    mnemonic,
    ({ a, b, context }) => {
      const result = clear ? new Lanes([0, 0, 0, 0]) : a.copy();
      for (let i = 0; i < lanes; i++) {
        const value = b.get(width(from), i);
        let bits: bigint;
        if (typeof to === 'number')
          bits = toInteger(context, value, from as Format, to, truncate ? TRUNCATE : context.rounding);
        else if (typeof from === 'number') bits = fromInteger(context, BigInt.asIntN(from, value), to);
        else bits = convert(context, value, from, to);
        result.set(width(to), i, bits);
      }
      return result;
    },
  ];
}

/** UCOMIxx and COMIxx give status flags, as the first word: unordered sets ZF, PF and CF. */
function ordering(mnemonic: string, f: Format, signal: boolean): Entry {
  const FLAGS = { equal: 0x40, less: 0x1, greater: 0, unordered: 0x45 };
  return [
    mnemonic,
    ({ a, b, context }) => {
      const relation = compareFlags(context, a.get(f, 0), b.get(f, 0), f, signal);
      const name = relation === undefined ? 'unordered' : relation < 0 ? 'less' : relation > 0 ? 'greater' : 'equal';
      return new Lanes([FLAGS[name], 0, 0, 0]);
    },
  ];
}

const OPERATIONS: ReadonlyMap<string, Operation> = new Map([
  ...lanewise('Add', binary(add)),
  ...lanewise('Sub', binary(sub)),
  ...lanewise('Mul', binary(mul)),
  ...lanewise('Div', binary(div)),
  ...lanewise('Sqrt', binary(sqrt)),
  ...lanewise('Min', binary(min)),
  ...lanewise('Max', binary(max)),
  ...lanewise('Cmp', ({ context, immediate }, a, b, f) =>
    compare(context, a, b, f, immediate & 7) ? f.signBit * 2n - 1n : 0n,
  ),
  ...lanewise('Round', ({ context, immediate }, _a, b, f) =>
    roundToIntegral(context, b, f, immediate & 4 ? context.rounding : immediate & 3, (immediate & 8) !== 0),
  ),
  ...lanewise('Rcp', (_, _a, b) => approximateReciprocal(b), ['ss', 'ps']),
  ...lanewise('Rsqrt', (_, _a, b) => approximateReciprocalSqrt(b), ['ss', 'ps']),
  ...horizontal('Hadd', add),
  ...horizontal('Hsub', sub),
  alternating('ps'),
  alternating('pd'),
  dotProduct('ps'),
  dotProduct('pd'),
  conversion('Cvtss2sd', SINGLE, DOUBLE, 1, false),
  conversion('Cvtsd2ss', DOUBLE, SINGLE, 1, false),
  conversion('Cvtps2pd', SINGLE, DOUBLE, 2, true),
  conversion('Cvtpd2ps', DOUBLE, SINGLE, 2, true),
  conversion('Cvtdq2ps', 32, SINGLE, 4, true),
  conversion('Cvtdq2pd', 32, DOUBLE, 2, true),
  conversion('Cvtps2dq', SINGLE, 32, 4, true),
  conversion('Cvttps2dq', SINGLE, 32, 4, true),
  conversion('Cvtpd2dq', DOUBLE, 32, 2, true),
  conversion('Cvttpd2dq', DOUBLE, 32, 2, true),
  ...([32, 64] as const).flatMap(bits => [
    conversion(`Cvtsi2ss${bits}`, bits, SINGLE, 1, false),
    conversion(`Cvtsi2sd${bits}`, bits, DOUBLE, 1, false),
    ...['Cvt', 'Cvtt'].flatMap(name => [
      conversion(`${name}ss2si${bits}`, SINGLE, bits, 1, true),
      conversion(`${name}sd2si${bits}`, DOUBLE, bits, 1, true),
    ]),
  ]),
  ordering('Ucomiss', SINGLE, false),
  ordering('Ucomisd', DOUBLE, false),
  ordering('Comiss', SINGLE, true),
  ordering('Comisd', DOUBLE, true),
]);

/**
 * Performs an instruction: the operands' 16 bytes lie at the offsets `first` and `second`, the result goes to `result`
 * and the flags into the MXCSR at `mxcsr`. Returns 0, or the vector of the exception, having changed MXCSR only.
 * Conversions to and from general registers have their integer's size behind the mnemonic: Cvtsi2sd64.
 */
export function performFloat(
  memory: DataView,
  mxcsr: number,
  mnemonic: string,
  first: number,
  second: number,
  immediate: number,
  result: number,
): number {
  const operation = OPERATIONS.get(mnemonic);
  if (!operation) throw new Error(`${mnemonic} has no software form`);
  const control = memory.getUint32(mxcsr, true);
  const context = new FloatContext(control);
  const lanes = operation({ a: readLanes(memory, first), b: readLanes(memory, second), immediate, context });
  memory.setUint32(mxcsr, control | context.flags, true);
  if (context.trapped) return VECTOR_SIMD;
  lanes.words.forEach((word, i) => {
    memory.setUint32(result + 4 * i, word, true);
  });
  return 0;
}

function readLanes(memory: DataView, at: number): Lanes {
  const word = (i: number) => memory.getUint32(at + 4 * i, true);
  return new Lanes([word(0), word(1), word(2), word(3)]);
}
