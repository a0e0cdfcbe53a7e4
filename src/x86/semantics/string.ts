/**
 * String instructions: movs, stos, lods, scas, cmps, ins, outs, with and without rep.
 *
 * Single movs, stos and lods are inline; rep movs and rep stos do what they can in WebAssembly (bulk.ts); all else is
 * performed in TypeScript. With rep, each iteration is committed (RCX, RSI, RDI) before the next one's accesses,
 * so a fault in the middle leaves the registers at the iteration that faulted, and running the instruction again goes on
 * there. Iterations that stay within a page on both sides, and that nobody watches, are done as one bulk operation; an
 * observer of a watched page is told the range.
 */
import type { Instruction } from '../decode.ts';
import type { Emit, Emitter, Family } from '../emitter.ts';
import { ccOp, KIND, SYSTEM } from '../flags.ts';
import { type Helper, type HelperContext, STAY } from '../helper.ts';
import { SYSTEM_FLAGS } from '../layout.ts';
import { maskOf, writeGpr } from '../operands.ts';
import { GPR } from '../registers.ts';

/** Which pointers move, and what one iteration does; `true` from it means that a repe or repne ends. */
interface StringOperation {
  readonly source: boolean;
  readonly destination: boolean;
  step(cpu: HelperContext, i: Instruction, source: bigint, destination: bigint): boolean;
  /** As many iterations as one bulk operation can do, or 0. Upwards only. */
  bulk?(cpu: HelperContext, i: Instruction, source: bigint, destination: bigint, count: bigint): number;
}

function sourceAddress(cpu: HelperContext, i: Instruction, offset: bigint): bigint {
  const { segment } = i.string;
  if (!segment) return offset;
  const base = BigInt(segment === 'gs' ? cpu.registers.gsBase : cpu.registers.fsBase);
  return (offset + base) & maskOf(8);
}

const run =
  (operation: StringOperation): Helper =>
  (cpu, i) => {
    const { registers } = cpu;
    const { size, addressSize } = i.string;
    const repeated = i.rep || i.repne;
    const mask = maskOf(addressSize);
    const down = (registers.systemFlags & SYSTEM.DF) !== 0;
    const stride = down ? -BigInt(size) : BigInt(size);
    let count = repeated ? registers.gpr(GPR.RCX) & mask : 1n;
    const advance = (iterations: number) => {
      const by = stride * BigInt(iterations);
      if (operation.source) registers.setGpr(GPR.RSI, (registers.gpr(GPR.RSI) + by) & mask);
      if (operation.destination) registers.setGpr(GPR.RDI, (registers.gpr(GPR.RDI) + by) & mask);
      count -= BigInt(iterations);
      if (repeated) registers.setGpr(GPR.RCX, count);
    };
    while (count > 0n) {
      const source = sourceAddress(cpu, i, registers.gpr(GPR.RSI) & mask);
      const destination = registers.gpr(GPR.RDI) & mask;
      const many = count > 1n && !down ? (operation.bulk?.(cpu, i, source, destination, count) ?? 0) : 0;
      if (many > 0) {
        advance(many);
        continue;
      }
      const done = operation.step(cpu, i, source, destination);
      advance(1);
      if (done) break;
    }
    return STAY;
  };

/** Bulk operations are cut here, so that lists of pages stay short. */
const MAX_BULK = 1 << 22;

function bulkBytes(count: bigint, size: number): number {
  return count < BigInt(MAX_BULK) ? Number(count) * size : MAX_BULK * size;
}

/** Copies a run upwards, as a loop over elements would: over itself, the pattern repeats. */
function copyRun(memory: Uint8Array, to: number, from: number, length: number): void {
  const period = to - from;
  if (period <= 0 || period >= length) {
    memory.copyWithin(to, from, from + length);
    return;
  }
  for (let done = 0; done < length; ) {
    // What has been copied already can be copied again: the piece doubles.
    const piece = Math.min(period + done, length - done);
    memory.copyWithin(to + done, from, from + piece);
    done += piece;
  }
}

const movs: StringOperation = {
  source: true,
  destination: true,
  step(cpu, i, source, destination) {
    const { size } = i.string;
    cpu.check(source, size, 'read');
    cpu.check(destination, size, 'write');
    cpu.write(destination, size, cpu.read(source, size));
    return false;
  },
  bulk(cpu, i, source, destination, count) {
    const { size } = i.string;
    const from = cpu.range(source, bulkBytes(count, size), 'read');
    const to = cpu.range(destination, from.length, 'write');
    let length = to.length - (to.length % size);
    if (length === 0) return 0;
    const { bytes: memory } = cpu;
    const copies: [to: number, from: number, size: number][] = [];
    for (let done = 0, f = 0, t = 0, inFrom = 0, inTo = 0; done < length; ) {
      const [a, b] = [from.pieces[f]!, to.pieces[t]!];
      const bytes = Math.min(a.size - inFrom, b.size - inTo, length - done);
      const period = b.at + inTo - (a.at + inFrom);
      // Elements that overlap themselves, or frames in another order than pages: one at a time.
      if (period > 0 && period < size) {
        length = done - (done % size);
        break;
      }
      copies.push([b.at + inTo, a.at + inFrom, bytes]);
      done += bytes;
      inFrom += bytes;
      inTo += bytes;
      if (inFrom === a.size) [f, inFrom] = [f + 1, 0];
      if (inTo === b.size) [t, inTo] = [t + 1, 0];
    }
    if (length === 0) return 0;
    from.tell(length);
    to.tell(length);
    let left = length;
    for (const [target, origin, bytes] of copies) {
      copyRun(memory, target, origin, Math.min(bytes, left));
      left -= Math.min(bytes, left);
    }
    return length / size;
  },
};

const stos: StringOperation = {
  source: false,
  destination: true,
  step(cpu, i, _source, destination) {
    cpu.write(destination, i.string.size, cpu.registers.gpr(GPR.RAX) & maskOf(i.string.size));
    return false;
  },
  bulk(cpu, i, _source, destination, count) {
    const { size } = i.string;
    const to = cpu.range(destination, bulkBytes(count, size), 'write');
    const length = to.length - (to.length % size);
    if (length === 0) return 0;
    to.tell(length);
    const pattern = new Uint8Array(size);
    let value = cpu.registers.gpr(GPR.RAX);
    for (let n = 0; n < size; n++, value >>= 8n) pattern[n] = Number(value & 0xffn);
    const uniform = pattern.every(byte => byte === pattern[0]);
    let done = 0;
    for (const { at, size: whole } of to.pieces) {
      const bytes = Math.min(whole, length - done);
      if (uniform) cpu.bytes.fill(pattern[0]!, at, at + bytes);
      else {
        // The pattern goes on where the last piece left it, then doubles.
        const first = Math.min(size, bytes);
        for (let n = 0; n < first; n++) cpu.bytes[at + n] = pattern[(done + n) % size]!;
        copyRun(cpu.bytes, at + first, at, bytes - first);
      }
      done += bytes;
    }
    return length / size;
  },
};

const lods: StringOperation = {
  source: true,
  destination: false,
  step(cpu, i, source) {
    writeGpr(cpu, GPR.RAX, i.string.size, cpu.read(source, i.string.size));
    return false;
  },
};

/** Sets the flags as cmp does, and says whether a repe or repne ends here. */
function compare(cpu: HelperContext, i: Instruction, a: bigint, b: bigint): boolean {
  cpu.registers.setLazyFlags(ccOp(KIND.SUB, i.string.size), a, b);
  return i.repne ? a === b : i.rep ? a !== b : false;
}

const scas: StringOperation = {
  source: false,
  destination: true,
  step(cpu, i, _source, destination) {
    const { size } = i.string;
    return compare(cpu, i, cpu.registers.gpr(GPR.RAX) & maskOf(size), cpu.read(destination, size));
  },
};

const cmps: StringOperation = {
  source: true,
  destination: true,
  step(cpu, i, source, destination) {
    const { size } = i.string;
    // Which operand faults first is not architectural. A Zen 4's second does, except for the fast repe cmpsb.
    if (i.rep && size === 1) cpu.check(source, size, 'read');
    const b = cpu.read(destination, size);
    return compare(cpu, i, cpu.read(source, size), b);
  },
};

const ins: StringOperation = {
  source: false,
  destination: true,
  step(cpu, i, _source, destination) {
    const { size } = i.string;
    cpu.check(destination, size, 'write');
    cpu.write(destination, size, BigInt(cpu.ports.read(cpu.registers.low32(GPR.RDX) & 0xffff, size) >>> 0));
    return false;
  },
};

const outs: StringOperation = {
  source: true,
  destination: false,
  step(cpu, i, source) {
    const { size } = i.string;
    cpu.ports.write(cpu.registers.low32(GPR.RDX) & 0xffff, size, Number(cpu.read(source, size)));
    return false;
  },
};

const emit = (operation: StringOperation): Emit => {
  const helper = run(operation);
  return e => void e.help(helper);
};

/** Plain addresses: 64 bits wide, no segment base. */
function isPlain(i: Instruction): boolean {
  return i.string.addressSize === 8 && i.string.segment === undefined;
}

/** Moves RSI or RDI by one element, in DF's direction. */
function step(e: Emitter, register: number, size: number): void {
  e.getGpr(register, 8);
  e.w
    .i64(-size)
    .i64(size)
    .i32(0)
    .memory('i32.load', SYSTEM_FLAGS)
    .i32(SYSTEM.DF)
    .op('i32.and')
    .op('select')
    .op('i64.add');
  e.setGpr(register, 8);
}

/** More than this would overflow when it is turned into bytes. */
const MAX_COUNT = 1n << 40n;

/** The bytes that RCX elements are, in a local. */
function bytesToDo(e: Emitter, size: number): number {
  e.getGpr(GPR.RCX, 8).w.i64(MAX_COUNT);
  e.getGpr(GPR.RCX, 8).w.i64(MAX_COUNT).op('i64.lt_u').op('select').i64(Math.log2(size)).op('i64.shl');
  return e.save('i64');
}

/** Takes the bytes on the stack as done, and leaves the rest to the helper. */
function finish(e: Emitter, registers: readonly number[], size: number, helper: Helper): void {
  const done = e.save('i64');
  for (const register of registers) {
    e.getGpr(register, 8).w.get(done).op('i64.add');
    e.setGpr(register, 8);
  }
  e.getGpr(GPR.RCX, 8).w.get(done).i64(Math.log2(size)).op('i64.shr_u').op('i64.sub');
  e.setGpr(GPR.RCX, 8);
  e.settle();
  e.getGpr(GPR.RCX, 8).w.i64(0).op('i64.ne').if();
  e.help(helper).w.end();
}

const emitMovs: Emit = (e, i) => {
  const { size } = i.string;
  if (!isPlain(i)) e.help(runMovs);
  else if (i.rep || i.repne) {
    const bytes = bytesToDo(e, size);
    e.getGpr(GPR.RSI, 8).getGpr(GPR.RDI, 8).w.get(bytes).i64(size);
    finish(e.bulk('copy'), [GPR.RSI, GPR.RDI], size, runMovs);
  } else {
    const value = e.getGpr(GPR.RSI, 8).loadAt(size).save(e.type(size));
    e.storeAt(e.getGpr(GPR.RDI, 8).save('i64'), value, size);
    step(e, GPR.RSI, size);
    step(e, GPR.RDI, size);
  }
};
const runMovs = run(movs);

const emitStos: Emit = (e, i) => {
  const { size } = i.string;
  if (i.string.addressSize !== 8) e.help(runStos);
  else if (i.rep || i.repne) {
    const bytes = bytesToDo(e, size);
    e.getGpr(GPR.RDI, 8).w.get(bytes).i64(size);
    // The element in every place of eight bytes.
    const ones: Record<number, bigint> = {
      1: 0x0101010101010101n,
      2: 0x0001000100010001n,
      4: 0x0000000100000001n,
      8: 1n,
    };
    e.getGpr(GPR.RAX, size).toI64(size).w.i64(ones[size]!).op('i64.mul');
    finish(e.bulk('fill'), [GPR.RDI], size, runStos);
  } else {
    const value = e.getGpr(GPR.RAX, size).save(e.type(size));
    e.storeAt(e.getGpr(GPR.RDI, 8).save('i64'), value, size);
    step(e, GPR.RDI, size);
  }
};
const runStos = run(stos);

const emitLods: Emit = (e, i) => {
  const { size } = i.string;
  if (i.rep || i.repne || !isPlain(i)) e.help(runLods);
  else {
    e.getGpr(GPR.RSI, 8).loadAt(size).setGpr(GPR.RAX, size);
    step(e, GPR.RSI, size);
  }
};
const runLods = run(lods);

/** Keyed by code where the mnemonic is also an SSE instruction's. */
export const string: Family = {
  Movsb: emitMovs,
  Movsw: emitMovs,
  Movsd_m32_m32: emitMovs,
  Movsq: emitMovs,
  Stosb: emitStos,
  Stosw: emitStos,
  Stosd: emitStos,
  Stosq: emitStos,
  Lodsb: emitLods,
  Lodsw: emitLods,
  Lodsd: emitLods,
  Lodsq: emitLods,
  Scasb: emit(scas),
  Scasw: emit(scas),
  Scasd: emit(scas),
  Scasq: emit(scas),
  Cmpsb: emit(cmps),
  Cmpsw: emit(cmps),
  Cmpsd_m32_m32: emit(cmps),
  Cmpsq: emit(cmps),
  Insb: emit(ins),
  Insw: emit(ins),
  Insd: emit(ins),
  Outsb: emit(outs),
  Outsw: emit(outs),
  Outsd: emit(outs),
};
