/**
 * The shadow: which registers, memory bytes and flags hold a value that derives from the IOCTL code, and how.
 *
 * The rules (rules.ts) carry it along with each instruction before that runs. They need not know what else changes a
 * register or a byte (a call, an instruction that they ignore, a kernel routine): before a shadow is used, its value for
 * the present code is compared with what the machine holds, and a shadow that is not true any more is dropped.
 */
import { alternatives, boundOf, type Decision, type Flags, holds, holdsInFlags, maskedIndex } from './condition.ts';
import { binary, CODE, constant, dependsOnCode, type Expression, evaluate, resize, solve, tooLarge } from './expression.ts'; // biome-ignore format: one line
import type { Condition, MachineState, MemoryOperand, Operand, RegisterOperand } from './operation.ts';

/** A code worth trying, because a decision or a table on this run may treat it otherwise. */
export interface Candidate {
  readonly code: number;
  /** It may be a case of its own, and is not merely a border in a search tree. */
  readonly mayBeCase: boolean;
}

export class Shadow {
  /** The code of this run. */
  readonly code: number;
  readonly decisions: Decision[] = [];
  readonly candidates: Candidate[] = [];
  /** Instructions so far whose outcome depended on the code. */
  decided = 0;
  /** The instruction at hand used a value that depends on the code. */
  touched = false;

  readonly #machine: MachineState;
  readonly #registers: (Expression | undefined)[] = new Array(16).fill(undefined);
  /** Bit n: register n may hold such a value. */
  #live = 0;
  /** By address: the value that lies there and which of its bytes this is. */
  readonly #bytes = new Map<bigint, { readonly value: Expression; readonly byte: number }>();
  #flags: Flags | undefined;

  constructor(code: number, machine: MachineState) {
    this.code = code;
    this.#machine = machine;
  }

  /** The code lies here: a stack location's Parameters.DeviceIoControl.IoControlCode. */
  seed(address: bigint): void {
    this.#store(address, CODE);
  }

  get live(): number {
    return this.#live;
  }

  get stackPointer(): bigint {
    return this.#machine.register(4);
  }

  /** Flags that do not depend on the code are of no interest. */
  setFlags(flags: Flags | undefined): void {
    this.#flags = this.touched ? flags : undefined;
  }

  /** The condition's outcome; a Decision is noted if it depends on the code. */
  decide(rip: bigint, condition: Condition): boolean {
    const taken = holdsInFlags(condition, this.#machine.flags());
    const flags = this.#flags;
    const read = this.#machine.read;
    if (!flags || holds(condition, flags, this.code, read) !== taken) {
      this.#flags = undefined;
      return taken;
    }
    const decision: Decision = { rip, flags, condition, taken };
    this.decisions.push(decision);
    this.decided++;
    const { codes, cases } = alternatives(decision, this.code, read);
    for (const code of codes) this.candidates.push({ code, mayBeCase: cases });
    return taken;
  }

  /** An operand's value before the instruction; an immediate is as wide as the caller says. */
  value(operand: Operand, width: number): Expression {
    if (operand.kind === 'immediate') return constant(operand.value, width);
    if (operand.kind === 'register') return this.#part(operand);
    if (operand.segmented) return constant(0n, operand.width);
    const address = this.address(operand);
    if (address.kind === 'constant') return this.load(address.value, operand.width);
    this.decided++;
    this.#tryTable(address);
    return { kind: 'load', width: operand.width, address };
  }

  set(operand: Operand, value: Expression): void {
    if (operand.kind === 'memory' && !operand.segmented) {
      const address = this.address(operand);
      if (address.kind === 'constant') this.#store(address.value, resize(value, operand.width));
    }
    if (operand.kind === 'register') {
      const { register } = operand;
      const merged = this.#merged(operand, value);
      this.#registers[register] = merged;
      this.#live = merged ? this.#live | (1 << register) : this.#live & ~(1 << register);
    }
  }

  push(value: Expression): void {
    this.#store(this.stackPointer - 8n, resize(value, 64));
  }

  /** An effective address; a constant unless it depends on the code. */
  address({ base, index, scale, displacement }: MemoryOperand): Expression {
    let sum: Expression = constant(displacement, 64);
    if (base !== undefined) sum = binary('add', 64, this.#register(base), sum);
    if (index !== undefined) {
      sum = binary('add', 64, binary('mul', 64, this.#register(index), constant(BigInt(scale), 64)), sum);
    }
    return dependsOnCode(sum) ? sum : constant(evaluate(sum, this.code, this.#machine.read) ?? 0n, 64);
  }

  load(address: bigint, width: number): Expression {
    const held = this.#machine.read(address, width / 8) ?? 0n;
    const first = this.#bytes.get(address);
    if (!first) return constant(held, width);
    const shifted = binary('shr', first.value.width, first.value, constant(BigInt(first.byte * 8), 64));
    const covered = first.value.width - first.byte * 8;
    const value: Expression =
      covered < width
        ? { kind: 'insert', width, low: resize(shifted, covered), rest: constant(held, width) }
        : resize(first.byte ? shifted : first.value, width);
    if (this.#isTrue(value, held)) return value;
    this.#bytes.delete(address);
    return constant(held, width);
  }

  /** A table is read at an index that derives from the code: all its entries are worth trying. */
  #tryTable(address: Expression): void {
    const read = this.#machine.read;
    const bound = boundOf(this.decisions, this.code, read) ?? maskedIndex(address);
    if (!bound) return;
    for (let n = 0n; n <= bound.largest; n++) {
      for (const code of solve(bound.index, n, this.code, read)) this.candidates.push({ code, mayBeCase: true });
    }
  }

  #isTrue(value: Expression, held: bigint): boolean {
    if (evaluate(value, this.code, this.#machine.read) !== held) return false;
    this.touched = true;
    return true;
  }

  #part({ register, offset, width }: RegisterOperand): Expression {
    const whole = this.#register(register);
    return resize(offset === 8 ? binary('shr', 64, whole, constant(8n, 64)) : whole, width);
  }

  #register(index: number): Expression {
    const held = this.#machine.register(index);
    const value = this.#registers[index];
    if (value && this.#isTrue(value, held)) return value;
    this.#registers[index] = undefined;
    this.#live &= ~(1 << index);
    return constant(held, 64);
  }

  #store(address: bigint, value: Expression): void {
    const depends = dependsOnCode(value) && !tooLarge(value);
    for (let byte = 0; byte < value.width / 8; byte++) {
      if (depends) this.#bytes.set(address + BigInt(byte), { value, byte });
      else this.#bytes.delete(address + BigInt(byte));
    }
  }

  /** A write to 32 bits clears the upper half of the register; a narrower one leaves the rest as it was. */
  #merged({ register, width, offset }: RegisterOperand, value: Expression): Expression | undefined {
    if (offset === 8) return undefined;
    const low = resize(value, width);
    const whole: Expression =
      width >= 32 ? resize(low, 64) : { kind: 'insert', width: 64, low, rest: this.#register(register) };
    return dependsOnCode(whole) && !tooLarge(whole) ? whole : undefined;
  }
}
