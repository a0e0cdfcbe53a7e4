/**
 * Decoding: iced-x86's view of an instruction, copied once into a plain object.
 *
 * iced's npm build is WebAssembly behind wasm-bindgen: every property read crosses into it and every object must be
 * freed, so nothing of it leaves this file but mnemonic, code and register numbers, turned into names and indices.
 */
import type * as Iced from 'iced-x86';
import type { Address } from '../wdm/address.ts';
import { toAddress } from '../wdm/address.ts';
import type { IntegerSize } from './flags.ts';

/** The decoder's module, handed to the processor: its npm build loads a file when it is imported. */
export type IcedModule = typeof Iced;

export interface GprOperand {
  readonly kind: 'gpr';
  readonly index: number;
  readonly size: IntegerSize;
  /** AH, CH, DH, BH. */
  readonly high: boolean;
}
export interface XmmOperand {
  readonly kind: 'xmm';
  readonly index: number;
}
/** CR, DR, segment, x87, MMX, AVX registers: by name. */
export interface OtherRegister {
  readonly kind: 'other';
  readonly name: string;
}
export interface MemoryOperand {
  readonly kind: 'memory';
  /** Bytes that the instruction touches there; 0 where it touches none (lea) or more than fits one access (fxsave). */
  readonly size: number;
  /** GPR index, -1 for none. RIP-relative addresses come with base -1 and the target as displacement. */
  readonly base: number;
  readonly index: number;
  readonly scale: number;
  readonly displacement: bigint;
  readonly segment: 'fs' | 'gs' | undefined;
  /** 4 with an address-size prefix: the sum wraps at 32 bits. */
  readonly addressSize: 4 | 8;
}
export interface ImmediateOperand {
  readonly kind: 'immediate';
  /** Sign-extended to 64 bits as the instruction defines, unsigned. */
  readonly value: bigint;
}
export interface BranchOperand {
  readonly kind: 'branch';
  readonly target: Address;
}
/** An implied operand of a string instruction. */
export interface ImpliedOperand {
  readonly kind: 'implied';
}
export type Operand =
  | GprOperand
  | XmmOperand
  | OtherRegister
  | MemoryOperand
  | ImmediateOperand
  | BranchOperand
  | ImpliedOperand;

export interface Instruction {
  readonly address: Address;
  readonly next: Address;
  readonly length: number;
  /** iced's names: 'Cmpxchg', 'Cmpxchg_rm64_r64'. */
  readonly mnemonic: string;
  readonly code: string;
  readonly operands: readonly Operand[];
  readonly memory: MemoryOperand | undefined;
  readonly lock: boolean;
  readonly rep: boolean;
  readonly repne: boolean;
  readonly flow: Flow;
  /** For jcc, setcc, cmovcc: the condition's encoding, 0 (O) to 15 (G). */
  readonly condition: number;
  /** For string instructions: element size, and the segment and width of the addresses. */
  readonly string: {
    readonly size: IntegerSize;
    readonly segment: 'fs' | 'gs' | undefined;
    readonly addressSize: 4 | 8;
  };
}

/** A stretch of bytes being decoded. */
export interface DecodeWindow {
  decode(address: Address): Instruction | undefined;
  free(): void;
}

export type Flow = 'next' | 'jump' | 'indirect' | 'branch' | 'return' | 'call' | 'indirectCall' | 'other';

const FLOWS: Record<string, Flow> = {
  Next: 'next',
  UnconditionalBranch: 'jump',
  IndirectBranch: 'indirect',
  ConditionalBranch: 'branch',
  Return: 'return',
  Call: 'call',
  IndirectCall: 'indirectCall',
};

const GPR_NAMES = 'AX CX DX BX SP BP SI DI'.split(' ');

/** iced's ConditionCode, in the order of the encodings. */
const CONDITIONS = 'o no b ae e ne be a s ns p np l ge le g'.split(' ');

type RegisterEntry = GprOperand | XmmOperand | OtherRegister | { kind: 'none' };

export class InstructionDecoder {
  readonly #iced: IcedModule;
  readonly #registers: RegisterEntry[] = [];
  readonly #memorySizes = new Map<number, number>();
  readonly #conditions = new Map<number, number>();
  readonly #none: number;
  readonly #fs: number;
  readonly #gs: number;
  readonly #rip: number;
  readonly #eip: number;

  constructor(iced: IcedModule) {
    this.#iced = iced;
    for (const [name, value] of Object.entries(iced.Register)) {
      if (typeof value === 'number') this.#registers[value] = classify(name);
    }
    const { None, FS, GS, RIP, EIP } = iced.Register;
    [this.#none, this.#fs, this.#gs, this.#rip, this.#eip] = [None, FS, GS, RIP, EIP];
    CONDITIONS.forEach((name, i) => {
      this.#conditions.set(iced.ConditionCode[name as keyof typeof iced.ConditionCode], i);
    });
  }

  /** The instruction at `address`; undefined if the bytes are no instruction or are cut off. */
  decode(bytes: Uint8Array, address: Address): Instruction | undefined {
    const window = this.window(bytes, address);
    try {
      return window.decode(address);
    } finally {
      window.free();
    }
  }

  /** Many instructions from one stretch of bytes, `address` being the first's. Free it. */
  window(bytes: Uint8Array, address: Address): DecodeWindow {
    const iced = this.#iced;
    const decoder = new iced.Decoder(64, bytes, iced.DecoderOptions.None);
    const raw = new iced.Instruction();
    return {
      decode: at => {
        if (at - address >= bytes.length) return undefined;
        decoder.position = at - address;
        decoder.ip = BigInt.asUintN(64, BigInt(at));
        decoder.decodeOut(raw);
        return raw.isInvalid ? undefined : this.#plain(raw, at);
      },
      free() {
        raw.free();
        decoder.free();
      },
    };
  }

  /** Whether no bytes that might follow make an instruction of these. */
  isInvalid(bytes: Uint8Array, address: Address): boolean {
    const iced = this.#iced;
    const decoder = new iced.Decoder(64, bytes, iced.DecoderOptions.None);
    decoder.ip = BigInt.asUintN(64, BigInt(address));
    const raw = decoder.decode();
    try {
      return decoder.lastError === iced.DecoderError.InvalidInstruction;
    } finally {
      raw.free();
      decoder.free();
    }
  }

  /** Intel syntax, for messages. */
  format(bytes: Uint8Array, address: Address): string {
    const iced = this.#iced;
    const decoder = new iced.Decoder(64, bytes, iced.DecoderOptions.None);
    decoder.ip = BigInt.asUintN(64, BigInt(address));
    const raw = decoder.decode();
    const formatter = new iced.Formatter(iced.FormatterSyntax.Intel);
    try {
      return raw.isInvalid ? '(no instruction)' : formatter.format(raw);
    } finally {
      formatter.free();
      raw.free();
      decoder.free();
    }
  }

  #plain(raw: Iced.Instruction, address: Address): Instruction {
    const iced = this.#iced;
    const { length } = raw;
    const operands: Operand[] = [];
    let memory: MemoryOperand | undefined;
    for (let i = 0; i < raw.opCount; i++) {
      const operand = this.#operand(raw, i);
      if (operand.kind === 'memory') memory = operand;
      operands.push(operand);
    }
    const { flowControl } = raw;
    const { segmentPrefix } = raw;
    return {
      address,
      next: address + length,
      length,
      mnemonic: iced.Mnemonic[raw.mnemonic]!,
      code: iced.Code[raw.code]!,
      operands,
      memory,
      lock: raw.hasLockPrefix,
      rep: raw.hasRepPrefix,
      repne: raw.hasRepnePrefix,
      flow: FLOWS[iced.FlowControl[flowControl]!] ?? 'other',
      condition: this.#conditions.get(raw.conditionCode) ?? -1,
      string: {
        size: (raw.isStringInstruction ? this.#memorySize(raw.memorySize) || 1 : 1) as IntegerSize,
        segment: this.#segment(segmentPrefix),
        addressSize: this.#hasShortAddress(raw) ? 4 : 8,
      },
    };
  }

  #operand(raw: Iced.Instruction, index: number): Operand {
    const { OpKind } = this.#iced;
    const kind = raw.opKind(index);
    if (kind === OpKind.Register) {
      const register = this.#registers[raw.opRegister(index)]!;
      return register.kind === 'none' ? { kind: 'other', name: 'None' } : register;
    }
    if (kind === OpKind.Memory) return this.#memory(raw);
    if (kind === OpKind.NearBranch64) return { kind: 'branch', target: toAddress(raw.nearBranchTarget) };
    if (kind >= OpKind.Immediate8 && kind <= OpKind.Immediate32to64) {
      return { kind: 'immediate', value: BigInt.asUintN(64, raw.immediate(index)) };
    }
    return { kind: 'implied' };
  }

  #memory(raw: Iced.Instruction): MemoryOperand {
    const base = raw.memoryBase;
    const index = raw.memoryIndex;
    const ripRelative = base === this.#rip || base === this.#eip;
    const baseEntry = this.#registers[base]!;
    const indexEntry = this.#registers[index]!;
    const short =
      base === this.#eip ||
      (baseEntry.kind === 'gpr' && baseEntry.size === 4) ||
      (indexEntry.kind === 'gpr' && indexEntry.size === 4) ||
      (base === this.#none && index === this.#none && raw.memoryDisplSize === 4);
    return {
      kind: 'memory',
      size: this.#memorySize(raw.memorySize),
      base: !ripRelative && baseEntry.kind === 'gpr' ? baseEntry.index : -1,
      index: indexEntry.kind === 'gpr' ? indexEntry.index : -1,
      scale: raw.memoryIndexScale,
      displacement: BigInt.asIntN(64, raw.memoryDisplacement),
      segment: this.#segment(raw.memorySegment),
      addressSize: short ? 4 : 8,
    };
  }

  #segment(register: number): 'fs' | 'gs' | undefined {
    if (register === this.#fs) return 'fs';
    return register === this.#gs ? 'gs' : undefined;
  }

  #hasShortAddress(raw: Iced.Instruction): boolean {
    const { OpKind } = this.#iced;
    for (let i = 0; i < raw.opCount; i++) {
      const kind = raw.opKind(i);
      if (kind === OpKind.MemorySegESI || kind === OpKind.MemorySegEDI || kind === OpKind.MemoryESEDI) return true;
    }
    return false;
  }

  #memorySize(size: number): number {
    let bytes = this.#memorySizes.get(size);
    if (bytes === undefined) {
      bytes = this.#iced.MemorySizeExt.size(size);
      this.#memorySizes.set(size, bytes);
    }
    return bytes;
  }
}

function classify(name: string): RegisterEntry {
  if (name === 'None') return { kind: 'none' };
  const gpr = (index: number, size: IntegerSize, high = false): GprOperand => ({ kind: 'gpr', index, size, high });
  const numbered = /^R(\d+)(L|W|D)?$/.exec(name);
  if (numbered) {
    const size = { L: 1, W: 2, D: 4 }[numbered[2] ?? ''] ?? 8;
    return gpr(Number(numbered[1]), size as IntegerSize);
  }
  const xmm = /^XMM(\d+)$/.exec(name);
  if (xmm && Number(xmm[1]) < 16) return { kind: 'xmm', index: Number(xmm[1]) };
  const bytes = 'AL CL DL BL SPL BPL SIL DIL'.split(' ').indexOf(name);
  if (bytes >= 0) return gpr(bytes, 1);
  const highs = 'AH CH DH BH'.split(' ').indexOf(name);
  if (highs >= 0) return gpr(highs, 1, true);
  const words = GPR_NAMES.indexOf(name);
  if (words >= 0) return gpr(words, 2);
  const wide = GPR_NAMES.indexOf(name.slice(1));
  if (wide >= 0 && (name[0] === 'E' || name[0] === 'R')) return gpr(wide, name[0] === 'E' ? 4 : 8);
  return { kind: 'other', name };
}
