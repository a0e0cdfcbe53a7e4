/**
 * Epilogues of x64 functions, recognised by their instructions.
 *
 * The convention allows an epilogue just one shape, so that an unwinder can tell from the bytes at the instruction
 * pointer whether a function has begun to leave: optionally `add rsp, constant` or `lea rsp, constant[frame register]`,
 * then 8-byte pops, then a return or a jump out of the function. Source: "x64 prolog and epilog" and "x64 exception
 * handling, Unwind procedure" (Microsoft).
 */
import { type Address, toAddress } from '../wdm/address.ts';
import type { GuestMemory } from '../wdm/memory.ts';
import { type Context, RSP } from './context.ts';

/** Enough for `lea rsp, [r13+disp32]`, a pop of each register and a jump. */
const WINDOW = 64;

/**
 * If the instructions from `pc` on are an epilogue, carries them out on `context`, return included, and says so.
 * Throws PageFault if the stack cannot be read.
 * @param within whether an address belongs to the function: a jump inside it does not leave
 * @param frameRegister its number; 0 if the function has none
 */
export function runEpilogue(
  memory: GuestMemory,
  context: Context,
  pc: Address,
  end: Address,
  frameRegister: number,
  within: (address: Address) => boolean,
): boolean {
  const code = memory.readBytes(pc, Math.min(WINDOW, Math.max(0, end - pc)));
  const byte = (i: number) => code[i] ?? -1;
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  const int8 = (i: number) => (i < code.length ? view.getInt8(i) : 0);
  const int32 = (i: number) => (i + 4 <= code.length ? view.getInt32(i, true) : 0);

  const { gpr } = context;
  let rsp = gpr[RSP]!;
  let at = 0;
  const rex = byte(0);
  if (rex === 0x48 && byte(1) === 0x83 && byte(2) === 0xc4) {
    rsp += BigInt(int8(3)); // add rsp, imm8
    at = 4;
  } else if (rex === 0x48 && byte(1) === 0x81 && byte(2) === 0xc4) {
    rsp += BigInt(int32(3)); // add rsp, imm32
    at = 7;
  } else if ((rex & 0xfe) === 0x48 && byte(1) === 0x8d && frameRegister !== 0) {
    // lea rsp, disp[frame register]; r12 as a base takes a SIB byte
    const modrm = byte(2);
    const base = (modrm & 7) | ((rex & 1) << 3);
    const sib = (modrm & 7) === 4 ? 1 : 0;
    if ((modrm & 0x38) !== 0x20 || base !== frameRegister || (sib && byte(3) !== 0x24)) return false;
    const mod = modrm >>> 6;
    if (mod === 1) rsp = gpr[base]! + BigInt(int8(3 + sib));
    else if (mod === 2) rsp = gpr[base]! + BigInt(int32(3 + sib));
    else return false;
    at = 3 + sib + (mod === 1 ? 1 : 4);
  }

  const pops: number[] = [];
  for (;;) {
    const extended = (byte(at) & 0xf0) === 0x40 ? byte(at) & 1 : -1;
    const opcode = extended < 0 ? byte(at) : byte(at + 1);
    if ((opcode & 0xf8) !== 0x58) break;
    pops.push((opcode & 7) | (extended === 1 ? 8 : 0));
    at += extended < 0 ? 1 : 2;
  }
  if (!leaves(byte, int8, int32, at, pc, within)) return false;

  const take = () => {
    const value = memory.readU64(toAddress(BigInt.asUintN(64, rsp)));
    rsp += 8n;
    return value;
  };
  const values = pops.map(take);
  const rip = take();
  pops.forEach((register, i) => {
    gpr[register] = values[i]!;
  });
  gpr[RSP] = rsp;
  context.rip = toAddress(rip);
  return true;
}

type Read = (index: number) => number;

/** Whether the instruction at `at` returns, or jumps out of the function. */
function leaves(
  byte: Read,
  int8: Read,
  int32: Read,
  at: number,
  pc: Address,
  within: (a: Address) => boolean,
): boolean {
  const opcode = byte(at);
  if (opcode === 0xc3 || opcode === 0xc2) return true; // ret, ret imm16
  if (opcode === 0xf3) return byte(at + 1) === 0xc3; // rep ret
  if (opcode === 0xeb) return !within(pc + at + 2 + int8(at + 1)); // jmp rel8
  if (opcode === 0xe9) return !within(pc + at + 5 + int32(at + 1)); // jmp rel32
  if (opcode === 0xff) return byte(at + 1) === 0x25; // jmp [rip+disp32]
  // A REX.W prefix on an indirect jump has no other use than to mark it as one that leaves.
  return (opcode & 0xf8) === 0x48 && byte(at + 1) === 0xff && (byte(at + 2) & 0x38) === 0x20;
}
