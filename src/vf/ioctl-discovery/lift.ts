/**
 * From the decoder's instructions to discovery's operations, each address once.
 *
 * The table of names below is all of the instruction set that carries an IOCTL code on its way through a dispatch
 * routine; everything else is 'other', with its effect on the flags.
 */
import type * as Iced from 'iced-x86';
import { CONDITIONS, type Operand, type Operation } from './operation.ts';

export type Decoder = typeof Iced;

const NAMES = [
  'Mov', 'Movzx', 'Movsx', 'Movsxd', 'Lea', 'Cdqe', 'Cwde', 'Xchg', 'Push', 'Pop', 'Add', 'Sub', 'Cmp', 'And', 'Test', 'Or',
  'Xor', 'Shl', 'Sal', 'Shr', 'Sar', 'Rol', 'Ror', 'Imul', 'Inc', 'Dec', 'Neg', 'Not', 'Bswap', 'Bt', 'Jmp', 'Call',
] as const; // biome-ignore format: a table

/** Reads an instruction's bytes: up to 15 of them, fewer where the next page is not mapped. */
export type FetchCode = (address: bigint) => Uint8Array;

export class Lifter {
  readonly #iced: Decoder;
  readonly #fetch: FetchCode;
  readonly #cache = new Map<bigint, Operation>();
  readonly #names: ReadonlyMap<Iced.Mnemonic, string>;

  constructor(iced: Decoder, fetch: FetchCode) {
    this.#iced = iced;
    this.#fetch = fetch;
    this.#names = new Map(NAMES.map(name => [iced.Mnemonic[name], name.toLowerCase()]));
  }

  at(rip: bigint): Operation {
    let operation = this.#cache.get(rip);
    if (!operation) {
      operation = this.#lift(rip);
      this.#cache.set(rip, operation);
    }
    return operation;
  }

  #lift(rip: bigint): Operation {
    const { Decoder, DecoderOptions, InstructionInfoFactory, OpKind } = this.#iced;
    const decoder = new Decoder(64, this.#fetch(rip), DecoderOptions.None);
    decoder.ip = rip;
    const instruction = decoder.decode();
    const infos = new InstructionInfoFactory();
    const info = infos.info(instruction);
    try {
      const operands: Operand[] = [];
      for (let n = 0; n < instruction.opCount; n++) {
        const operand = this.#operand(instruction, n);
        if (operand) operands.push(operand);
      }
      const condition = CONDITIONS[instruction.conditionCode - 1];
      const direct = instruction.opCount > 0 && instruction.op0Kind === OpKind.NearBranch64;
      const name = this.#name(instruction);
      return {
        name: operands.length < instruction.opCount && !direct ? 'other' : name,
        operands: direct ? [] : operands,
        ...(condition ? { condition } : {}),
        reads: this.#registers(info),
        touchesMemory: operands.some(operand => operand.kind === 'memory'),
        changesFlags: instruction.rflagsModified !== 0,
        identity: this.#identity(instruction, name),
      };
    } finally {
      info.free();
      infos.free();
      instruction.free();
      decoder.free();
    }
  }

  /**
   * Compilers copy a short block to several places, with and without a frame around it, put constants into registers
   * before or after a branch, and branch to each copy: all that is left out.
   */
  #identity(instruction: Iced.Instruction, name: string): string | undefined {
    const { Mnemonic, OpKind, Register } = this.#iced;
    const { mnemonic, op0Kind, op1Kind, opCount } = instruction;
    if (name === 'jcc') return Mnemonic[mnemonic] ?? '';
    if (name === 'push' || name === 'pop' || (name === 'jmp' && op0Kind === OpKind.NearBranch64)) return undefined;
    if ([Mnemonic.Nop, Mnemonic.Ret, Mnemonic.Leave].includes(mnemonic)) return undefined;
    if (opCount > 0 && op0Kind === OpKind.Register) {
      if (instruction.op0Register === Register.RSP) return undefined;
      const clears =
        name === 'xor' && op1Kind === OpKind.Register && instruction.op0Register === instruction.op1Register;
      if (clears || (name === 'mov' && op1Kind !== OpKind.Memory)) return undefined;
    }
    return instruction.toString();
  }

  #name(instruction: Iced.Instruction): string {
    if (instruction.isJccShortOrNear) return 'jcc';
    if (instruction.conditionCode === this.#iced.ConditionCode.None) {
      return this.#names.get(instruction.mnemonic) ?? 'other';
    }
    const text = this.#iced.Mnemonic[instruction.mnemonic] ?? '';
    if (text.startsWith('Set')) return 'setcc';
    return text.startsWith('Cmov') ? 'cmovcc' : 'other';
  }

  #registers(info: Iced.InstructionInfo): number {
    let mask = 0;
    for (const used of info.usedRegisters()) {
      const place = this.#place(used.register);
      if (place) mask |= 1 << place.register;
      used.free();
    }
    return mask;
  }

  /** Undefined for what is not a general register, an immediate or a memory operand of up to 64 bits. */
  #operand(instruction: Iced.Instruction, n: number): Operand | undefined {
    const { OpKind, Register, RegisterExt, MemorySizeExt } = this.#iced;
    const kind = instruction.opKind(n);
    if (kind === OpKind.Register) {
      const place = this.#place(instruction.opRegister(n));
      return place && { kind: 'register', ...place };
    }
    if (kind >= OpKind.Immediate8 && kind <= OpKind.Immediate32to64) {
      return { kind: 'immediate', value: BigInt.asUintN(64, BigInt(instruction.immediate(n))) };
    }
    if (kind !== OpKind.Memory) return undefined;
    const width = MemorySizeExt.size(instruction.memorySize) * 8;
    const isLea = instruction.mnemonic === this.#iced.Mnemonic.Lea;
    if (!isLea && ![8, 16, 32, 64].includes(width)) return undefined;
    const base = this.#place(instruction.memoryBase)?.register;
    const index = this.#place(instruction.memoryIndex)?.register;
    const segment = instruction.memorySegment;
    return {
      kind: 'memory',
      width: isLea ? 64 : width,
      ...(base === undefined || RegisterExt.isIP(instruction.memoryBase) ? {} : { base }),
      ...(index === undefined ? {} : { index }),
      scale: instruction.memoryIndexScale,
      displacement: instruction.memoryDisplacement,
      segmented: segment === Register.FS || segment === Register.GS,
    };
  }

  #place(register: Iced.Register): { register: number; width: number; offset: 0 | 8 } | undefined {
    const { Register, RegisterExt } = this.#iced;
    if (!RegisterExt.isGPR(register)) return undefined;
    const high = register >= Register.AH && register <= Register.BH;
    return {
      register: RegisterExt.number(RegisterExt.fullRegister(register)),
      width: RegisterExt.size(register) * 8,
      offset: high ? 8 : 0,
    };
  }
}
