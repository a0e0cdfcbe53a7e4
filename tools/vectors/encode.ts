/**
 * Random encodings of one instruction form: registers or memory by every addressing form, immediates at their edges,
 * lock and rep, segment overrides, prefixes that change nothing.
 *
 * Addresses are made to hit the arena by the state that is chosen later, through a base or index register; forms
 * without a register (RIP-relative, absolute) get their target here.
 */
import {
  Code,
  CodeExt,
  Decoder,
  Encoder,
  FlowControl,
  Instruction,
  OpCodeOperandKind,
  OpKind,
  Register,
} from 'iced-x86';
import type { Form } from './forms.ts';
import { ARENA, CODE, SLOT_BYTES, SLOT_ENTRY } from './layout.ts';
import type { Random } from './random.ts';

/** In a sequence, memory is reached without a register or through R15, which nothing writes. */
export type Addressing = 'any' | 'fixed';

const KINDS = OpCodeOperandKind;

/** The first register of the sixteen that an operand kind may name. */
function registerFile(kind: OpCodeOperandKind): Register | undefined {
  const name = KINDS[kind]!;
  if (/^r8_/.test(name)) return Register.AL;
  if (/^r16_/.test(name)) return Register.AX;
  if (/^r32_/.test(name)) return Register.EAX;
  if (/^r64_/.test(name)) return Register.RAX;
  if (/^xmm_/.test(name)) return Register.XMM0;
  return undefined;
}

const FIXED: Partial<Record<OpCodeOperandKind, Register>> = {
  [KINDS.al]: Register.AL,
  [KINDS.cl]: Register.CL,
  [KINDS.ax]: Register.AX,
  [KINDS.dx]: Register.DX,
  [KINDS.eax]: Register.EAX,
  [KINDS.rax]: Register.RAX,
};

const IMMEDIATES: Partial<Record<OpCodeOperandKind, OpKind>> = {
  [KINDS.imm8]: OpKind.Immediate8,
  [KINDS.imm8_const_1]: OpKind.Immediate8,
  [KINDS.imm8sex16]: OpKind.Immediate8to16,
  [KINDS.imm8sex32]: OpKind.Immediate8to32,
  [KINDS.imm8sex64]: OpKind.Immediate8to64,
  [KINDS.imm16]: OpKind.Immediate16,
  [KINDS.imm32]: OpKind.Immediate32,
  [KINDS.imm32sex64]: OpKind.Immediate32to64,
  [KINDS.imm64]: OpKind.Immediate64,
};

/** Prefixes that mean nothing before most instructions; the decoder has the last word. */
const OPERAND_SIZE = 0x66;
const IDLE_PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x40, 0x41, 0x42, 0x44, 0x47, 0x66, 0x67, 0xf2, 0xf3];

/** One encoding, or undefined when the choice made cannot be encoded: try again. `variant` steers what is tried. */
export function encode(
  form: Form,
  random: Random,
  slot: number,
  variant: number,
  addressing: Addressing = 'any',
  offset = 0,
): Uint8Array | undefined {
  const start = CODE + slot * SLOT_BYTES + SLOT_ENTRY;
  const rip = start + offset;
  const info = CodeExt.opCode(form.code);
  const instruction = new Instruction();
  instruction.code = form.code;
  let memory = false;
  for (const [i, kind] of form.operands.entries()) {
    const name = KINDS[kind]!;
    const file = registerFile(kind);
    const fixed = FIXED[kind];
    const immediate = IMMEDIATES[kind];
    if (kind === KINDS.mem || (name.endsWith('_or_mem') && variant % 2 === 1)) {
      memory = true;
      instruction.setOpKind(i, OpKind.Memory);
      setMemory(instruction, random, addressing);
    } else if (kind === KINDS.mem_offs) {
      memory = true;
      instruction.setOpKind(i, OpKind.Memory);
      instruction.memoryDisplSize = 8;
      instruction.memoryDisplacement = BigInt(ARENA + random.below(0x4008));
      if (random.chance(20)) instruction.segmentPrefix = Register.GS;
    } else if (file !== undefined) {
      instruction.setOpKind(i, OpKind.Register);
      instruction.setOpRegister(i, pickRegister(file, random));
    } else if (fixed !== undefined) {
      instruction.setOpKind(i, OpKind.Register);
      instruction.setOpRegister(i, fixed);
    } else if (immediate !== undefined) {
      const second = i > 0 && name === 'imm8' && KINDS[form.operands[i - 1]!] === 'imm16';
      instruction.setOpKind(i, second ? OpKind.Immediate8_2nd : immediate);
      setImmediate(instruction, name, form, second, random);
    } else if (name.startsWith('br64')) {
      instruction.setOpKind(i, OpKind.NearBranch64);
      instruction.nearBranch64 = BigInt(
        CODE + slot * SLOT_BYTES + (random.chance(40) ? random.below(SLOT_ENTRY - 8) : 128 + random.below(60)),
      );
    } else if (!setString(instruction, i, kind, variant)) {
      return undefined;
    }
  }
  // With the count in an address register it could not be kept in range: beyond 16 the result is undefined.
  if (/^Sh[lr]d_rm16_r16_CL/.test(form.name) && usesRcx(instruction)) return undefined;
  // Intel reads 16 bits there, AMD 32.
  if (form.name === 'Movsxd_r16_rm16' && memory) return undefined;
  if (info.canUseLockPrefix && memory && variant % 4 === 3) instruction.hasLockPrefix = true;
  if (info.canUseRepPrefix && variant % 3 === 1) instruction.hasRepPrefix = true;
  if (info.canUseRepnePrefix && variant % 3 === 2) instruction.hasRepnePrefix = true;
  const encoder = new Encoder(64);
  let bytes: Uint8Array;
  try {
    encoder.encode(instruction, BigInt(rip));
    bytes = encoder.takeBuffer();
  } catch {
    return undefined;
  } finally {
    encoder.free();
  }
  if (variant >= 4 && random.chance(30) && !ripRelative(instruction)) {
    const prefix = random.pick(IDLE_PREFIXES);
    // AMD cuts the target of a branch to 16 bits then, Intel does not.
    if (prefix === OPERAND_SIZE && instruction.flowControl !== FlowControl.Next) return undefined;
    bytes = new Uint8Array([prefix, ...bytes]);
  }
  const decoded = decodeOne(bytes, rip);
  return decoded.code === form.code && decoded.length === bytes.length && bytes.length <= 15 ? bytes : undefined;
}

export function decodeOne(bytes: Uint8Array, rip: number): Instruction {
  const decoder = new Decoder(64, bytes, 0);
  decoder.ip = BigInt(rip);
  const instruction = decoder.decode();
  decoder.free();
  return instruction;
}

function usesRcx({ memoryBase, memoryIndex }: Instruction): boolean {
  return [memoryBase, memoryIndex].some(register => register === Register.RCX || register === Register.ECX);
}

function ripRelative(instruction: Instruction): boolean {
  return instruction.isIpRelMemoryOperand || instruction.code === Code.Jmp_rel8_64 || instruction.isJccShortOrNear;
}

function pickRegister(file: Register, random: Random): Register {
  // iced-x86 lists AL CL DL BL AH CH DH BH SPL BPL SIL DIL R8L..R15L: twenty byte registers.
  return (file + random.below(file === Register.AL ? 20 : 16)) as Register;
}

function setMemory(instruction: Instruction, random: Random, addressing: Addressing): void {
  const fixed = addressing === 'fixed';
  const target = BigInt(ARENA + (random.chance(75) ? 16 * random.below(0x3e0) : random.below(0x3f80)));
  const shape = fixed ? random.pick([0, 1, 9, 9, 9]) : random.below(12);
  const wide = shape !== 8 && !(shape === 7 && random.chance(50));
  const base = (wide ? Register.RAX : Register.EAX) + (fixed ? 15 : random.below(16));
  const index = (wide ? Register.RAX : Register.EAX) + random.pick([0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
  const small = BigInt(random.below(256) - 128);
  const large = BigInt(random.u32() | 0);
  instruction.memoryIndexScale = 1;
  if (shape === 9) {
    instruction.memoryBase = Register.RIP;
    instruction.memoryDisplSize = 8;
    instruction.memoryDisplacement = target;
    return;
  }
  if (shape === 10) {
    instruction.memoryDisplSize = 4;
    instruction.memoryDisplacement = target;
    return;
  }
  if (shape !== 5) instruction.memoryBase = base as Register;
  if (shape >= 3 && shape <= 7) {
    instruction.memoryIndex = index as Register;
    instruction.memoryIndexScale = 1 << random.below(4);
  }
  const displacement = shape === 0 || shape === 3 ? 0n : shape === 1 || shape === 4 ? small : fixed ? 0n : large;
  instruction.memoryDisplSize = displacement === 0n && shape !== 5 ? 0 : shape === 1 || shape === 4 ? 1 : wide ? 8 : 4;
  instruction.memoryDisplacement = wide ? displacement : BigInt.asUintN(32, displacement);
  if (!fixed && random.chance(12)) instruction.segmentPrefix = random.chance(70) ? Register.GS : Register.FS;
}

function setImmediate(instruction: Instruction, kind: string, form: Form, second: boolean, random: Random): void {
  const byte = random.chance(40)
    ? random.pick([0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 255])
    : random.below(256);
  const value = random.integer();
  if (second) instruction.immediate8_2nd = random.chance(80) ? random.below(4) : byte;
  else if (kind === 'imm8_const_1') instruction.immediate8 = 1;
  else if (kind === 'imm8') instruction.immediate8 = /^Sh[lr]d_rm16/.test(form.name) ? (byte & 31) % 17 : byte;
  else if (kind === 'imm8sex16') instruction.immediate8to16 = (byte << 24) >> 24;
  else if (kind === 'imm8sex32') instruction.immediate8to32 = (byte << 24) >> 24;
  else if (kind === 'imm8sex64') instruction.immediate8to64 = BigInt((byte << 24) >> 24);
  else if (kind === 'imm16') instruction.immediate16 = /^(Ret|Enter)/.test(form.name) ? byte : Number(value & 0xffffn);
  else if (kind === 'imm32') instruction.immediate32 = Number(value & 0xffff_ffffn);
  else if (kind === 'imm32sex64') instruction.immediate32to64 = BigInt.asIntN(32, value);
  else instruction.immediate64 = value;
}

/** The implicit operands of string instructions, xlat and maskmovdqu; a quarter of them with 32-bit addresses. */
function setString(instruction: Instruction, i: number, kind: OpCodeOperandKind, variant: number): boolean {
  const narrow = variant % 4 === 2;
  if (kind === KINDS.seg_rSI) instruction.setOpKind(i, narrow ? OpKind.MemorySegESI : OpKind.MemorySegRSI);
  else if (kind === KINDS.es_rDI) instruction.setOpKind(i, narrow ? OpKind.MemoryESEDI : OpKind.MemoryESRDI);
  else if (kind === KINDS.seg_rDI) instruction.setOpKind(i, narrow ? OpKind.MemorySegEDI : OpKind.MemorySegRDI);
  else if (kind === KINDS.seg_rBX_al) {
    instruction.setOpKind(i, OpKind.Memory);
    instruction.memoryBase = narrow ? Register.EBX : Register.RBX;
    instruction.memoryIndex = Register.AL;
    instruction.memoryIndexScale = 1;
  } else return false;
  return true;
}
