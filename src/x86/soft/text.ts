/**
 * The SSE4.2 string comparisons: PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (Intel SDM volume 1, 12.8 and volume 2,
 * chapter 4.1, "Imm8 control byte operation").
 *
 * The immediate: bits 1:0 the elements (unsigned or signed bytes or words), 3:2 the aggregation, 5:4 the polarity,
 * 6 the output (index of the last or first, mask of elements or bits).
 */

export interface TextResult {
  /** One bit an element: IntRes2. */
  readonly bits: number;
  readonly elements: number;
  /** CF, ZF, SF, OF at their places; AF and PF are clear. */
  readonly flags: number;
}

const AGGREGATION = { equalAny: 0, ranges: 1, equalEach: 2, equalOrdered: 3 } as const;

/** Elements before the first zero. */
export function implicitLength(text: readonly number[]): number {
  const at = text.indexOf(0);
  return at < 0 ? text.length : at;
}

/** The absolute value of a length in a register, at most the number of elements. */
export function explicitLength(value: bigint, elements: number): number {
  const magnitude = value < 0n ? -value : value;
  return magnitude > BigInt(elements) ? elements : Number(magnitude);
}

export function elementsOf(bytes: Uint8Array, immediate: number): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const signed = (immediate & 2) !== 0;
  if (immediate & 1)
    return Array.from({ length: 8 }, (_, i) => (signed ? view.getInt16(2 * i, true) : view.getUint16(2 * i, true)));
  return Array.from({ length: 16 }, (_, i) => (signed ? view.getInt8(i) : view.getUint8(i)));
}

/** `a` is the first operand (the set, the ranges, the needle), `b` the second; their valid lengths go with them. */
export function compareText(
  a: readonly number[],
  b: readonly number[],
  lengthA: number,
  lengthB: number,
  immediate: number,
): TextResult {
  const count = a.length;
  const aggregation = (immediate >> 2) & 3;
  /** Comparison of elements, or what the manual puts in its place where one or both are past the end. */
  const equal = (i: number, j: number): boolean => {
    const [validA, validB] = [i < lengthA, j < lengthB];
    if (validA && validB) return a[i] === b[j];
    if (aggregation === AGGREGATION.equalEach) return !validA && !validB;
    return aggregation === AGGREGATION.equalOrdered ? !validA : false;
  };
  let first = 0;
  for (let j = 0; j < count; j++) {
    let holds = false;
    if (aggregation === AGGREGATION.equalAny) {
      for (let i = 0; i < count; i++) holds ||= equal(i, j);
    } else if (aggregation === AGGREGATION.ranges) {
      for (let i = 0; i + 1 < lengthA; i += 2) holds ||= j < lengthB && a[i]! <= b[j]! && b[j]! <= a[i + 1]!;
    } else if (aggregation === AGGREGATION.equalEach) holds = equal(j, j);
    else {
      holds = true;
      for (let i = 0; i + j < count; i++) holds &&= equal(i, i + j);
    }
    if (holds) first |= 1 << j;
  }
  const all = (1 << count) - 1;
  const valid = (1 << Math.min(lengthB, count)) - 1;
  const polarity = (immediate >> 4) & 3;
  const bits = polarity === 1 ? first ^ all : polarity === 3 ? first ^ valid : first;
  const flags =
    (bits !== 0 ? 0x1 : 0) | (lengthB < count ? 0x40 : 0) | (lengthA < count ? 0x80 : 0) | (bits & 1 ? 0x800 : 0);
  return { bits, elements: count, flags };
}

/** What goes to ECX: the first or last set bit, or the number of elements. */
export function indexOf({ bits, elements }: TextResult, immediate: number): number {
  if (bits === 0) return elements;
  return immediate & 0x40 ? 31 - Math.clz32(bits) : 31 - Math.clz32(bits & -bits);
}

/** What goes to XMM0: the bits, or whole elements of ones. */
export function maskOf({ bits, elements }: TextResult, immediate: number): Uint8Array {
  if (!(immediate & 0x40)) return Uint8Array.from({ length: 16 }, (_, i) => (i < 2 ? bits >> (8 * i) : 0));
  const size = 16 / elements;
  return Uint8Array.from({ length: 16 }, (_, i) => ((bits >> Math.floor(i / size)) & 1 ? 0xff : 0));
}
