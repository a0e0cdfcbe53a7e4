/**
 * String instructions: movs, stos, lods, scas, cmps, ins, outs, with and without rep.
 *
 * All are performed in TypeScript. With rep, each iteration is committed (RCX, RSI, RDI) before the next one's accesses,
 * so a fault in the middle leaves the registers at the iteration that faulted, and running the instruction again goes on
 * there. Iterations that stay within a page on both sides, and that nobody watches, are done as one bulk operation; an
 * observer of a watched page is told the range.
 */
import type { Instruction } from '../decode.ts';
import type { Emit, Family } from '../emitter.ts';
import { ccOp, KIND, SYSTEM } from '../flags.ts';
import { type Helper, type HelperContext, STAY } from '../helper.ts';
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
    if (repeated && count === 0n && addressSize === 4) advance(0);
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

const min = (a: bigint, b: number) => (a < BigInt(b) ? Number(a) : b);

const movs: StringOperation = {
  source: true,
  destination: true,
  step(cpu, i, source, destination) {
    const { size } = i.string;
    cpu.check(destination, size, 'write');
    cpu.write(destination, size, cpu.read(source, size));
    return false;
  },
  bulk(cpu, i, source, destination, count) {
    const { size } = i.string;
    const bytes = min(count, 0x1_0000 / size) * size;
    const from = cpu.run(source, bytes, 'read', size);
    const to = from && cpu.run(destination, from.length, 'write', size);
    if (!from || !to) return 0;
    const length = Math.min(from.length, to.length);
    const { bytes: memory } = cpu;
    // Forwards over itself the pattern repeats: memmove would not.
    if (to.at > from.at && to.at < from.at + length) {
      const period = to.at - from.at;
      if (period < size) return 0;
      for (let done = 0; done < length; ) {
        const piece = Math.min(period, length - done);
        memory.copyWithin(to.at + done, from.at + done, from.at + done + piece);
        done += piece;
      }
    } else memory.copyWithin(to.at, from.at, from.at + length);
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
    const to = cpu.run(destination, min(count, 0x1_0000 / size) * size, 'write', size);
    if (!to) return 0;
    const { bytes: memory } = cpu;
    let value = cpu.registers.gpr(GPR.RAX);
    const low = Number(value & 0xffn);
    for (let n = 0; n < size; n++, value >>= 8n) memory[to.at + n] = Number(value & 0xffn);
    let uniform = true;
    for (let n = 1; n < size; n++) uniform &&= memory[to.at + n] === low;
    if (uniform) memory.fill(low, to.at, to.at + to.length);
    else {
      for (let done = size; done < to.length; done *= 2) {
        memory.copyWithin(to.at + done, to.at, to.at + Math.min(done, to.length - done));
      }
    }
    return to.length / size;
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
    return compare(cpu, i, cpu.read(source, size), cpu.read(destination, size));
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

/** Keyed by code where the mnemonic is also an SSE instruction's. */
export const string: Family = {
  Movsb: emit(movs),
  Movsw: emit(movs),
  Movsd_m32_m32: emit(movs),
  Movsq: emit(movs),
  Stosb: emit(stos),
  Stosw: emit(stos),
  Stosd: emit(stos),
  Stosq: emit(stos),
  Lodsb: emit(lods),
  Lodsw: emit(lods),
  Lodsd: emit(lods),
  Lodsq: emit(lods),
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
