/**
 * The flags that the manual leaves undefined, which are therefore not compared. Each row cites "Flags Affected" of the
 * instruction's page in the Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2 (order number
 * 325383). Where a shift's count decides, the count is taken from the state.
 */
import { type Instruction, MemorySizeExt, Mnemonic, OpKind, Register, RegisterExt } from 'iced-x86';
import { STATE } from './layout.ts';

const CF = 1;
const PF = 4;
const AF = 0x10;
const ZF = 0x40;
const SF = 0x80;
const OF = 0x800;
const M = Mnemonic;

const ALWAYS: readonly (readonly [mnemonics: readonly Mnemonic[], flags: number])[] = [
  // AND, OR, XOR, TEST: "The OF and CF flags are cleared; SF, ZF, PF according to the result. The state of the AF flag is undefined."
  [[M.And, M.Or, M.Xor, M.Test], AF],
  // MUL: "The SF, ZF, AF, and PF flags are undefined." IMUL: "The SF, ZF, AF, and PF flags are undefined" (SF set in one-operand forms of later printings).
  [[M.Mul, M.Imul], SF | ZF | AF | PF],
  // DIV, IDIV: "The CF, OF, SF, ZF, AF, and PF flags are undefined."
  [[M.Div, M.Idiv], CF | OF | SF | ZF | AF | PF],
  // BT, BTS, BTR, BTC: "The ZF flag is unaffected. The OF, SF, AF, and PF flags are undefined."
  [[M.Bt, M.Bts, M.Btr, M.Btc], OF | SF | AF | PF],
  // BSF, BSR: "The ZF flag is set if the source is 0 … the CF, OF, SF, AF, and PF flags are undefined."
  [[M.Bsf, M.Bsr], CF | OF | SF | AF | PF],
  // LZCNT, TZCNT: "OF, SF, PF, and AF flags are undefined."
  [[M.Lzcnt, M.Tzcnt], OF | SF | PF | AF],
  // ANDN: "OF and CF are cleared. AF and PF are undefined." BLSI, BLSMSK, BLSR, BZHI: "AF and PF are undefined."
  [[M.Andn, M.Blsi, M.Blsmsk, M.Blsr, M.Bzhi], AF | PF],
  // BEXTR: "ZF is updated based on the result. AF, SF, and PF are undefined."
  [[M.Bextr], AF | SF | PF],
];

const SHIFTS = new Set([M.Shl, M.Sal, M.Shr, M.Sar, M.Shld, M.Shrd]);
const ROTATES = new Set([M.Rol, M.Ror, M.Rcl, M.Rcr]);
const BY_MNEMONIC = new Map(ALWAYS.flatMap(([mnemonics, flags]) => mnemonics.map(m => [m, flags] as const)));

/** The undefined flags after an instruction that ran to its end from `state`. */
export function undefinedFlags(instruction: Instruction, state: DataView): number {
  const { mnemonic } = instruction;
  const always = BY_MNEMONIC.get(mnemonic);
  if (always !== undefined) return always;
  const shift = SHIFTS.has(mnemonic);
  if (!shift && !ROTATES.has(mnemonic)) return 0;
  const bits = operandBits(instruction);
  const count = shiftCount(instruction, state) & (bits === 64 ? 63 : 31);
  // All: "If the count is 0, the flags are not affected."
  if (count === 0) return 0;
  // "The OF flag is affected only on 1-bit shifts" / rotates: "otherwise undefined".
  const overflow = count === 1 ? 0 : OF;
  if (!shift) return overflow;
  // SAL/SAR/SHL/SHR: "CF is undefined for SHL and SHR if the count is greater than or equal to the size of the destination … AF is undefined for a non-zero count."
  // SHLD/SHRD: the same for AF and OF; a count beyond the operand's size leaves everything undefined and is never made.
  const carry = mnemonic !== M.Sar && count >= bits ? CF : 0;
  return overflow | carry | AF;
}

function operandBits(instruction: Instruction): number {
  if (instruction.opKind(0) === OpKind.Register) return 8 * RegisterExt.size(instruction.opRegister(0));
  return 8 * MemorySizeExt.size(instruction.memorySize);
}

function shiftCount(instruction: Instruction, state: DataView): number {
  const last = instruction.opCount - 1;
  if (instruction.opKind(last) === OpKind.Register && instruction.opRegister(last) === Register.CL) {
    return state.getUint8(STATE.gpr + 8);
  }
  return Number(instruction.immediate(last) & 0xffn);
}
