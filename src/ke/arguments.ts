/** Arguments of the x64 calling convention, both ways: RCX, RDX, R8, R9, then the stack above the home space. */
import type { Address } from '../wdm/address.ts';
import { type Cpu, R8, R9, RCX, RDX } from './cpu.ts';
import type { CallArgument } from './routine.ts';
import type { ArgumentReader } from './traps.ts';

const IN_REGISTERS = [RCX, RDX, R8, R9] as const;

/** Reads the arguments of one call, from the moment of its entry until the registers change. */
export class Arguments implements ArgumentReader {
  readonly #cpu: Cpu;
  #entryRsp: Address = 0;

  constructor(cpu: Cpu) {
    this.#cpu = cpu;
  }

  /** This reader, set to the call whose return address lies at `entryRsp`. */
  at(entryRsp: Address): this {
    this.#entryRsp = entryRsp;
    return this;
  }

  get entryRsp(): Address {
    return this.#entryRsp;
  }

  u64(index: number): bigint {
    const register = IN_REGISTERS[index];
    if (register !== undefined) return this.#cpu.registers.gpr(register);
    return this.#cpu.memory.readU64(this.#entryRsp + 8 + index * 8);
  }

  u32(index: number): number {
    const register = IN_REGISTERS[index];
    if (register !== undefined) return this.#cpu.registers.low32(register);
    return this.#cpu.memory.readU32(this.#entryRsp + 8 + index * 8);
  }

  address(index: number): Address {
    const register = IN_REGISTERS[index];
    if (register !== undefined) return this.#cpu.registers.address(register);
    return this.#cpu.memory.readPointer(this.#entryRsp + 8 + index * 8);
  }

  /** Puts the first four arguments of a call in their registers. */
  load(args: readonly CallArgument[]): void {
    const { registers } = this.#cpu;
    for (let index = 0; index < args.length && index < IN_REGISTERS.length; index++) {
      const value = args[index]!;
      if (typeof value === 'bigint') registers.setGpr(IN_REGISTERS[index]!, value);
      else registers.setAddress(IN_REGISTERS[index]!, value);
    }
  }
}
