/**
 * What is run for each form: which encodings, and how many states of each. And sequences of instructions, which prove
 * what single ones cannot: flags and registers handed from one to the next within translated code.
 */
import {
  type Code,
  FlowControl,
  type Instruction,
  InstructionInfoFactory,
  Mnemonic,
  OpAccess,
  OpCodeOperandKind,
  Register,
  RegisterExt,
} from 'iced-x86';
import { decodeOne, encode } from './encode.ts';
import { type Form, provedForms } from './forms.ts';
import { CODE, CODE_BYTES, SLOT_BYTES, SLOT_ENTRY } from './layout.ts';
import { Random } from './random.ts';

/** Code to run and how often. The states follow from the seed, the slot and the code. */
export interface Entry {
  /** The form's name, or 'sequence'. */
  readonly name: string;
  readonly code: Uint8Array;
  readonly states: number;
}

const STATES_OF_A_FORM = 320;
const TRIES = 40;
const INT3 = 0xcc;
const JMP_REL32 = 0xe9;

/** Immediates choose between so many behaviours here that more encodings are worth more than more states. */
const MANY =
  /^(Pcmp[ei]str|Pshuf|Shufp|Palignr|Insertps|Dpp|Round|Cmp[ps][sd]_xmm|Blend|Pblendw|Mpsadbw|Psl|Psr|P(ins|ext)r|Ro[lr]|Rc[lr]|Sh[lr]|Sa[lr])/;
/** Floating point has the most to get wrong. */
const MORE_STATES =
  /^(Add|Sub|Mul|Div|Sqrt|Min|Max|Cmp|Cvt|Round|Dp|Hadd|Hsub|Addsub|Rcp|Rsqrt|U?Comi)[a-z0-9]*[sp][sd]/;

/** Encodings for a form, from slot `slot` on, all different. */
export function planForm(form: Form, seed: string, slot: number, encodings = MANY.test(form.name) ? 28 : 16): Entry[] {
  const codes = new Map<string, Uint8Array>();
  for (let variant = 0; variant < encodings; variant++) {
    const random = new Random(`${seed}/${form.name}/${variant}`);
    let code: Uint8Array | undefined;
    for (let attempt = 0; attempt < TRIES && !code; attempt++) code = encode(form, random, slot + codes.size, variant);
    if (code && !codes.has(hex(code))) codes.set(hex(code), code);
  }
  const total = MORE_STATES.test(form.name) ? 2 * STATES_OF_A_FORM : STATES_OF_A_FORM;
  const states = Math.ceil(total / Math.max(1, codes.size));
  return [...codes.values()].map(code => ({ name: form.name, code, states }));
}

/** Left out of sequences: they leave it, need registers of their own, or leave flags undefined depending on the state. */
const NOT_IN_SEQUENCES = new Set([
  Mnemonic.Jmp,
  Mnemonic.Call,
  Mnemonic.Ret,
  Mnemonic.Enter,
  Mnemonic.Leave,
  Mnemonic.Popf,
  Mnemonic.Popfq,
  Mnemonic.Push,
  Mnemonic.Pop,
  Mnemonic.Pushf,
  Mnemonic.Pushfq,
  Mnemonic.Ldmxcsr,
  Mnemonic.Maskmovdqu,
  Mnemonic.Int3,
  Mnemonic.Ud1,
  Mnemonic.Ud2,
  Mnemonic.Bsf,
  Mnemonic.Bsr,
]);

export function sequenceForms(): Form[] {
  return provedForms().filter(
    form =>
      !NOT_IN_SEQUENCES.has(form.mnemonic) &&
      !form.operands.some(kind => /^(br|seg_|es_|mem_offs)/.test(OpCodeOperandKind[kind]!)) &&
      !/_CL$/.test(form.name) &&
      !/^(Bt[csr]?)_rm\d+_r/.test(form.name),
  );
}

/** Two to eight instructions that can run one after the other in the arena. */
export function planSequence(forms: readonly Form[], random: Random, slot: number): Uint8Array {
  const wanted = 2 + random.below(7);
  const bytes: number[] = [];
  const info = new InstructionInfoFactory();
  const start = CODE + slot * SLOT_BYTES + SLOT_ENTRY;
  let undefinedFlags = 0;
  for (let done = 0, tries = 0; done < wanted && tries < 400; tries++) {
    const code = encode(random.pick(forms), random, slot, random.below(8), 'fixed', bytes.length);
    if (!code || bytes.length + code.length > 60) continue;
    const instruction = decodeOne(code, start + bytes.length);
    const writes = (info.info(instruction).usedRegisters() as { register: Register; access: OpAccess }[]).some(
      ({ register, access }) =>
        access !== OpAccess.Read && access !== OpAccess.CondRead && RESERVED.has(RegisterExt.fullRegister(register)),
    );
    if (writes || instruction.rflagsRead & undefinedFlags) continue;
    undefinedFlags &= ~(instruction.rflagsWritten | instruction.rflagsCleared | instruction.rflagsSet);
    undefinedFlags |= instruction.rflagsUndefined;
    bytes.push(...code);
    done++;
  }
  info.free();
  return Uint8Array.from(bytes);
}

const PREFIXES = [0x66, 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65];
const MAPS: readonly (readonly number[])[] = [[], [], [0x0f], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]];
const LONGEST = 15;
/** Whose immediates must be chosen: shld beyond its size is undefined, enter writes before its last check. */
const UNRULY = new Set([Mnemonic.Shld, Mnemonic.Shrd, Mnemonic.Enter, Mnemonic.Movsxd]);

/**
 * Random bytes that are a proved form, in whatever strange encoding, or no instruction at all (which must be #UD).
 * What is no instruction takes all fifteen bytes; what follows it is never reached.
 */
export function planBytes(proved: ReadonlySet<Code>, random: Random, slot: number): Uint8Array {
  const start = CODE + slot * SLOT_BYTES + SLOT_ENTRY;
  for (;;) {
    const head: number[] = [];
    while (head.length < 4 && random.chance(35)) head.push(random.pick(PREFIXES));
    if (random.chance(50)) head.push(0x40 | random.below(16));
    head.push(...random.pick(MAPS));
    const code = Uint8Array.from({ length: LONGEST }, (_, i) => head[i] ?? random.below(256));
    const instruction = decodeOne(code, start);
    const { isInvalid, length } = instruction;
    const wanted = isInvalid
      ? random.chance(10)
      : proved.has(instruction.code) && !isBranch(instruction) && !UNRULY.has(instruction.mnemonic);
    instruction.free();
    if (wanted) return isInvalid ? code : code.subarray(0, length);
  }
}

/** A branch to a random place may end anywhere; with an operand-size prefix Intel and AMD differ, too. */
function isBranch({ flowControl }: Instruction): boolean {
  return flowControl !== FlowControl.Next && flowControl !== FlowControl.Exception;
}

/** R15 is the base of the sequence's memory. */
const RESERVED = new Set<Register>([Register.R15]);

/** Slots whose code our translator sees as one piece. */
const CHAIN = 32;

/**
 * The code area: each entry's code in its slot, an int3 behind it, and behind that a jump to the slot below, which is
 * never taken. It lets one translation hold many entries: run them from the last slot to the first.
 */
export function codeArea(codes: readonly Uint8Array[]): Uint8Array {
  const area = new Uint8Array(CODE_BYTES).fill(INT3);
  const view = new DataView(area.buffer);
  codes.forEach((code, slot) => {
    const start = slot * SLOT_BYTES + SLOT_ENTRY;
    area.set(code, start);
    if (slot % CHAIN === 0) return;
    const jump = start + code.length + 1;
    area[jump] = JMP_REL32;
    view.setInt32(jump + 1, start - SLOT_BYTES - (jump + 5), true);
  });
  return area;
}

/** The instructions of an entry's code. */
export function decodeAll(code: Uint8Array, slot: number): Instruction[] {
  const start = CODE + slot * SLOT_BYTES + SLOT_ENTRY;
  const list: Instruction[] = [];
  for (let at = 0; at < code.length; ) {
    const instruction = decodeOne(code.subarray(at), start + at);
    list.push(instruction);
    at += instruction.isInvalid ? code.length : instruction.length;
  }
  return list;
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** The sequence of states for some code: recorded results rest on this name. */
export function statesRandom(seed: string, slot: number, code: Uint8Array): Random {
  return new Random(`${seed}/${slot}/${hex(code)}`);
}
