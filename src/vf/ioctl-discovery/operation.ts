/**
 * An instruction as IOCTL discovery sees it: a name, operands, and where it can go. Independent of any decoder.
 */

export const CONDITIONS = ['o', 'no', 'b', 'ae', 'e', 'ne', 'be', 'a', 's', 'ns', 'p', 'np', 'l', 'ge', 'le', 'g'] as const; // biome-ignore format: a table
export type Condition = (typeof CONDITIONS)[number];

/** Part of a general register: bits [offset, offset + width) of number 0 (RAX) to 15 (R15). */
export interface RegisterOperand {
  readonly kind: 'register';
  readonly register: number;
  readonly width: number;
  /** 8 for AH, CH, DH and BH. */
  readonly offset: 0 | 8;
}

/** Base and index are register numbers; a RIP-relative address is a displacement alone. */
export interface MemoryOperand {
  readonly kind: 'memory';
  readonly width: number;
  readonly base?: number;
  readonly index?: number;
  readonly scale: number;
  readonly displacement: bigint;
  /** FS or GS: the address is not known from the registers alone. */
  readonly segmented: boolean;
}

export type Operand = RegisterOperand | MemoryOperand | { readonly kind: 'immediate'; readonly value: bigint };

export interface Operation {
  /** Mnemonic in lower case; jcc, setcc and cmovcc for all conditions, and 'other' for what carries no code on. */
  readonly name: string;
  readonly operands: readonly Operand[];
  readonly condition?: Condition;
  /** General registers that it reads, also as part of an address: bit n is register n. */
  readonly reads: number;
  readonly touchesMemory: boolean;
  readonly changesFlags: boolean;
  /**
   * What it does, so that two copies of one piece of code compare equal; undefined if that is nothing by itself: a jump,
   * a nop, a change of the stack frame, a constant put into a register.
   */
  readonly identity: string | undefined;
}

/** The processor before an instruction. */
export interface MachineState {
  register(index: number): bigint;
  /** RFLAGS, the low 32 bits. */
  flags(): number;
  read(address: bigint, bytes: number): bigint | undefined;
}
