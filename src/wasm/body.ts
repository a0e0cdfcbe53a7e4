/**
 * The body of a WebAssembly function, or a piece of one, as bytes under construction.
 *
 * Branches name labels, which are nesting depths of this body: `const top = body.loop(); … body.brIf(top); body.end()`.
 * A piece that names no label outside itself can be put into another body at any depth with `append`. `mark` leaves a
 * place that is filled in by whoever appends the piece: code that depends on what is known only at the end.
 */
import { LANE, type LaneOp, MEMORY, type MemoryOp, PLAIN, type Plain, SHUFFLE } from './opcodes.ts';

export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';

export const VALUE_TYPES: Record<ValueType, number> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };

const NO_VALUE = 0x40;

/** The depth of a block's label, as `block`, `loop` and `if` return it. */
export type Label = number;

export interface Mark {
  readonly at: number;
  readonly kind: number;
}

export function pushUnsigned(bytes: number[], value: number): void {
  let rest = value >>> 0;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  bytes.push(rest);
}

function pushSigned(bytes: number[], value: number): void {
  let rest = value | 0;
  while (rest < -64 || rest > 63) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>= 7;
  }
  bytes.push(rest & 0x7f);
}

function pushSigned64(bytes: number[], value: bigint): void {
  let rest = BigInt.asIntN(64, value);
  while (rest < -64n || rest > 63n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest & 0x7fn));
}

export class Body {
  readonly bytes: number[] = [];
  readonly marks: Mark[] = [];
  /** Blocks open at this point. */
  depth = 0;

  op(name: Plain): this {
    this.#opcode(PLAIN[name]);
    return this;
  }

  i32(value: number): this {
    this.bytes.push(0x41);
    pushSigned(this.bytes, value);
    return this;
  }
  i64(value: number | bigint): this {
    this.bytes.push(0x42);
    if (typeof value === 'number' && value === (value | 0)) pushSigned(this.bytes, value);
    else pushSigned64(this.bytes, BigInt(value));
    return this;
  }
  f32(value: number): this {
    this.bytes.push(0x43, ...new Uint8Array(new Float32Array([value]).buffer));
    return this;
  }
  f64(value: number): this {
    this.bytes.push(0x44, ...new Uint8Array(new Float64Array([value]).buffer));
    return this;
  }
  /** A 128-bit constant from its low and high halves. */
  v128(low: bigint, high: bigint): this {
    this.bytes.push(0xfd, 12);
    const halves = new BigUint64Array([BigInt.asUintN(64, low), BigInt.asUintN(64, high)]);
    this.bytes.push(...new Uint8Array(halves.buffer));
    return this;
  }

  get(local: number): this {
    this.bytes.push(0x20);
    pushUnsigned(this.bytes, local);
    return this;
  }
  set(local: number): this {
    this.bytes.push(0x21);
    pushUnsigned(this.bytes, local);
    return this;
  }
  tee(local: number): this {
    this.bytes.push(0x22);
    pushUnsigned(this.bytes, local);
    return this;
  }

  /** A load or store at the address on the stack plus `offset`; no alignment is promised. */
  memory(name: MemoryOp, offset = 0): this {
    this.#opcode(MEMORY[name]);
    this.bytes.push(0);
    pushUnsigned(this.bytes, offset);
    return this;
  }
  lane(name: LaneOp, lane: number, offset = 0): this {
    this.#opcode(LANE[name]);
    if (name.startsWith('v128.')) {
      this.bytes.push(0);
      pushUnsigned(this.bytes, offset);
    }
    this.bytes.push(lane);
    return this;
  }
  /** i8x16.shuffle: lanes 0 to 15 are the first operand's, 16 to 31 the second's. */
  shuffle(lanes: readonly number[]): this {
    this.#opcode(SHUFFLE);
    this.bytes.push(...lanes);
    return this;
  }
  memoryCopy(): this {
    this.bytes.push(0xfc, 10, 0, 0);
    return this;
  }
  memoryFill(): this {
    this.bytes.push(0xfc, 11, 0);
    return this;
  }

  block(result?: ValueType): Label {
    return this.#open(0x02, result);
  }
  loop(result?: ValueType): Label {
    return this.#open(0x03, result);
  }
  if(result?: ValueType): Label {
    return this.#open(0x04, result);
  }
  else(): this {
    this.bytes.push(0x05);
    return this;
  }
  end(): this {
    this.depth--;
    this.bytes.push(0x0b);
    return this;
  }
  br(label: Label): this {
    this.bytes.push(0x0c);
    pushUnsigned(this.bytes, this.depth - label);
    return this;
  }
  brIf(label: Label): this {
    this.bytes.push(0x0d);
    pushUnsigned(this.bytes, this.depth - label);
    return this;
  }
  brTable(labels: readonly Label[], otherwise: Label): this {
    this.bytes.push(0x0e);
    pushUnsigned(this.bytes, labels.length);
    for (const label of labels) pushUnsigned(this.bytes, this.depth - label);
    pushUnsigned(this.bytes, this.depth - otherwise);
    return this;
  }

  call(callee: number): this {
    this.bytes.push(0x10);
    pushUnsigned(this.bytes, callee);
    return this;
  }
  returnCall(callee: number): this {
    this.bytes.push(0x12);
    pushUnsigned(this.bytes, callee);
    return this;
  }
  /** Calls through table 0; the index is on the stack. */
  callIndirect(type: number): this {
    this.bytes.push(0x11);
    pushUnsigned(this.bytes, type);
    this.bytes.push(0);
    return this;
  }
  returnCallIndirect(type: number): this {
    this.bytes.push(0x13);
    pushUnsigned(this.bytes, type);
    this.bytes.push(0);
    return this;
  }

  mark(kind: number): this {
    this.marks.push({ at: this.bytes.length, kind });
    return this;
  }

  /** Appends another piece, calling `fill` at each of its marks. */
  append(piece: Body, fill: (kind: number, into: Body) => void = remark): this {
    let from = 0;
    for (const { at, kind } of piece.marks) {
      this.#copy(piece.bytes, from, at);
      fill(kind, this);
      from = at;
    }
    this.#copy(piece.bytes, from, piece.bytes.length);
    return this;
  }

  #copy(bytes: readonly number[], from: number, to: number): void {
    for (let i = from; i < to; i++) this.bytes.push(bytes[i]!);
  }

  #open(opcode: number, result: ValueType | undefined): Label {
    this.bytes.push(opcode, result ? VALUE_TYPES[result] : NO_VALUE);
    return ++this.depth;
  }

  #opcode(code: number): void {
    if (code <= 0xff) this.bytes.push(code);
    else {
      this.bytes.push(code >>> 16);
      pushUnsigned(this.bytes, code & 0xffff);
    }
  }
}

function remark(kind: number, into: Body): void {
  into.mark(kind);
}
