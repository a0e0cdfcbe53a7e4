/**
 * The emitter: what an instruction family writes translated code with.
 *
 * A family file (semantics/*.ts) exports a table from iced's mnemonic to a function `(e: Emitter, i: Instruction) => void`
 * that emits WebAssembly for one instruction. Its tools are `e.w`, the code under construction (wasm/body.ts: opcodes by
 * their text names), and the methods below, which push and pop guest state on WebAssembly's stack:
 *
 *     export const move: Family = { Mov: (e, i) => e.write(i, 0, () => e.read(i, 1)) };
 *
 * Types. An integer operand of 8 bytes is an i64 on the stack; one of 1, 2 or 4 bytes is an i32. What `read` pushes is
 * zero-extended; what `write` pops may carry rubbish above the operand's size. A 16-byte operand is a v128.
 * `e.typed(size, 'add')` is `i32.add` or `i64.add` as the size needs.
 *
 * Rules, for every family:
 *  - All accesses of an instruction come before its first effect on a register, a flag or memory: a load, `open` or
 *    store may fault, and then the state is what it was before the instruction. (A `write` to memory is at once access
 *    and effect: it comes first among the effects, and so do flags after it. `update` opens before it computes.)
 *  - A register is changed by setGpr/setXmm/write only. The local of a temporary (`e.temp('i32')`) is free again at the
 *    next instruction.
 *  - Flags are set by `setFlags` with a kind of flags.ts, or `setEflags`; read by `condition`, `carry`, `eflags`, on the
 *    instruction's straight path only (not inside an `if`), for these change what is known about the lazy flags.
 *    `settle` before an `if` one of whose arms calls `help` or sets flags.
 *  - `raise(vector)` stops the instruction with a fault before it has any effect: `e.w.<push i32>.if(); e.raise(6); end()`.
 *  - What is rare or long is written in TypeScript: `e.help(helper)` puts all registers into the register file, calls
 *    the helper (helper.ts) and takes the registers back.
 *  - A mnemonic in `ENDS_BLOCK` is the last of its block; one in no table ends it, too, and is Unsupported when executed.
 *
 * Behind the scenes: each access tries the TLB inline and otherwise calls a companion function of the region with all
 * written registers, which puts them into the register file and asks TypeScript (processor.ts). A fault there is thrown
 * through the translated code. A `Mark` stands where the list of the region's registers goes, known only at its end.
 */
import type { Instruction } from './decode.ts';
import { FlagEmitter } from './emit-flags.ts';
import { DYNAMIC, LOCAL, MARK, memoryOf } from './emit-state.ts';
import type { IntegerSize } from './flags.ts';
import type { Helper } from './helper.ts';
import { CC_A, CC_B, CC_OP, LEAVE } from './layout.ts';

export {
  type AccessSize,
  type Callees,
  DYNAMIC,
  LOCAL,
  MARK,
  memoryOf,
  type OpenMemory,
  type Site,
} from './emit-state.ts';

export type Emit = (e: Emitter, i: Instruction) => void;
export type Family = Readonly<Record<string, Emit>>;

export class Emitter extends FlagEmitter {
  // ---- operands

  /** The size of an integer operand. An immediate or implied one has the size of the first operand. */
  size(i: Instruction, n = 0): IntegerSize {
    const operand = i.operands[n];
    if (operand?.kind === 'gpr' || operand?.kind === 'memory') return (operand.size || 8) as IntegerSize;
    if (n > 0) return this.size(i, 0);
    return 8;
  }

  /** Pushes operand n, an integer, at `size` (default: its own). */
  read(i: Instruction, n: number, size: IntegerSize = this.size(i, n)): this {
    const operand = i.operands[n]!;
    switch (operand.kind) {
      case 'gpr':
        return this.getGpr(operand.index, size, operand.high);
      case 'memory':
        return this.load(operand, size);
      case 'immediate':
        return size < 4
          ? this.constant(4, operand.value & (size === 1 ? 0xffn : 0xffffn))
          : this.constant(size, operand.value);
      default:
        throw new Error(`${i.code}: operand ${n} is ${operand.kind}, not an integer`);
    }
  }

  /** Writes operand n with what `value` pushes. */
  write(i: Instruction, n: number, value: () => void, size: IntegerSize = this.size(i, n)): this {
    const operand = i.operands[n]!;
    if (operand.kind === 'gpr') {
      value();
      return this.setGpr(operand.index, size, operand.high);
    }
    return this.store(memoryOf(operand), size, value);
  }

  /** Reads operand n, lets `compute` turn the value on the stack into the new one, and writes it back. */
  update(i: Instruction, n: number, compute: () => void, size: IntegerSize = this.size(i, n)): this {
    const operand = i.operands[n]!;
    if (operand.kind === 'gpr') {
      this.getGpr(operand.index, size, operand.high);
      compute();
      return this.setGpr(operand.index, size, operand.high);
    }
    const opened = this.open(memoryOf(operand), size);
    this.loadOpened(opened);
    compute();
    const value = this.save(this.type(size));
    return this.storeOpened(opened, value);
  }

  // ---- TypeScript

  /** Pops the arguments of a function of bulk.ts and pushes the bytes that it has done, i64. */
  bulk(name: 'copy' | 'fill'): this {
    this.w.call(this.callees[name]);
    return this;
  }

  /** Performs the instruction in TypeScript. Registers and flags are in the register file meanwhile. */
  help(helper: Helper): this {
    const { w } = this;
    const code = this.temp('i32');
    this.pushState('read', 0, helper);
    w.call(this.callees.help).tee(code).i32(0).op('i32.ge_s').if();
    w.get(code).op('return').end();
    this.reloadFuel();
    w.i32(0).memory('i32.load', CC_OP).set(LOCAL.ccOp);
    w.i32(0).memory('i64.load', CC_A).set(LOCAL.ccA);
    w.i32(0).memory('i64.load', CC_B).set(LOCAL.ccB);
    w.mark(MARK.loadRegisters);
    this.cc = DYNAMIC;
    return this;
  }

  /** Performs the instruction, the last of its block, in TypeScript; the helper says how to leave. */
  helpAndLeave(helper: Helper): this {
    const { w } = this;
    const code = this.temp('i32');
    this.retire();
    this.pushState('read', 0, helper);
    w.call(this.callees.help).tee(code).i32(LEAVE.check).get(code).i32(0).op('i32.ge_s').op('select').op('return');
    return this;
  }

  /** Observed mode: puts all registers into the register file and tells the observer. */
  observe(): void {
    this.pushState('read', 0);
    this.w.call(this.callees.before);
    this.reloadFuel();
  }

  /** Stops before the instruction with a fault: 0 #DE, 6 #UD, 13 #GP. */
  raise(vector: number, errorCode = 0): this {
    const { w } = this;
    this.pushState('read', 0, cpu => cpu.raise(vector, errorCode));
    w.call(this.callees.help).op('drop').op('unreachable');
    return this;
  }
}
