/**
 * What all SSE families share: 128-bit operands, their alignment, and the shape of most instructions,
 * destination = operation(destination, source).
 */
import type { LaneOp, Plain } from '../../wasm/opcodes.ts';
import type { Instruction, MemoryOperand, XmmOperand } from '../decode.ts';
import { type Emit, type Emitter, memoryOf } from '../emitter.ts';

const VECTOR_GENERAL_PROTECTION = 13;

/** Instructions whose 16-byte memory operand may lie anywhere. */
const UNALIGNED = /^(Movup[sd]|Movdqu|Lddqu|Pcmp[ei]str)/;

export function xmm(i: Instruction, n: number): number {
  return (i.operands[n] as XmmOperand).index;
}

export function isXmm(i: Instruction, n: number): boolean {
  return i.operands[n]?.kind === 'xmm';
}

export function immediate(i: Instruction): number {
  const last = i.operands[i.operands.length - 1];
  return last?.kind === 'immediate' ? Number(last.value & 0xffn) : 0;
}

/** Pushes a 16-byte operand's address into a fresh local; a misaligned one is #GP. */
export function alignedAddress(e: Emitter, memory: MemoryOperand): number {
  const address = e.address(memory).save('i64');
  e.w.get(address).op('i32.wrap_i64').i32(15).op('i32.and').if();
  e.raise(VECTOR_GENERAL_PROTECTION);
  e.w.end();
  return address;
}

/** Pushes operand n as v128. Memory of fewer than 16 bytes fills the low end, zeros above. */
export function vector(e: Emitter, i: Instruction, n: number): void {
  const operand = i.operands[n]!;
  if (operand.kind === 'xmm') {
    e.getXmm(operand.index);
    return;
  }
  const memory = memoryOf(operand);
  if (memory.size === 16) {
    if (UNALIGNED.test(i.mnemonic)) e.load(memory, 16);
    else {
      e.w.get(alignedAddress(e, memory));
      e.loadAt(16);
    }
    return;
  }
  const [size, lane] = NARROW[memory.size]!;
  e.w.v128(0n, 0n);
  e.load(memory, size);
  e.w.lane(lane, 0);
}

const NARROW: Readonly<Record<number, readonly [size: 1 | 2 | 4 | 8, lane: LaneOp]>> = {
  1: [1, 'i8x16.replace_lane'],
  2: [2, 'i16x8.replace_lane'],
  4: [4, 'i32x4.replace_lane'],
  8: [8, 'i64x2.replace_lane'],
};

/** Operand n in a fresh local. */
export function vectorLocal(e: Emitter, i: Instruction, n: number): number {
  vector(e, i, n);
  return e.save('v128');
}

/** destination = op(destination, source), for a WebAssembly instruction of that meaning. */
export const plain =
  (op: Plain): Emit =>
  (e, i) =>
    binary((e, a, b) => e.w.get(a).get(b).op(op))(e, i);

/** destination = what `compute` pushes, from both operands in locals. */
export const binary =
  (compute: (e: Emitter, a: number, b: number, i: Instruction) => unknown): Emit =>
  (e, i) => {
    const b = vectorLocal(e, i, 1);
    const a = e.getXmm(xmm(i, 0)).save('v128');
    compute(e, a, b, i);
    e.setXmm(xmm(i, 0));
  };

/** destination = what `compute` makes of the source on the stack. */
export const unary =
  (compute: (e: Emitter, i: Instruction) => unknown): Emit =>
  (e, i) => {
    vector(e, i, 1);
    compute(e, i);
    e.setXmm(xmm(i, 0));
  };

/** Shuffle lanes, given element by element: `bytes` is the element's size, element numbers count through both operands. */
export function lanes(bytes: number, elements: readonly number[]): number[] {
  return elements.flatMap(element => Array.from({ length: bytes }, (_, k) => element * bytes + k));
}
