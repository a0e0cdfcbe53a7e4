/**
 * _JUMP_BUFFER (setjmp.h, x64): the registers that longjmp goes back to.
 */
import type { Context } from '../rtl/context.ts';
import { type Address, toAddress } from '../wdm/address.ts';
import type { GuestException } from '../wdm/failures.ts';
import type { GuestMemory } from '../wdm/memory.ts';

/** Offset and hardware number of each general register. */
const GPRS: readonly (readonly [offset: number, register: number])[] = [
  [0x08, 3], // Rbx
  [0x10, 4], // Rsp
  [0x18, 5], // Rbp
  [0x20, 6], // Rsi
  [0x28, 7], // Rdi
  [0x30, 12],
  [0x38, 13],
  [0x40, 14],
  [0x48, 15],
];
const RIP = 0x50;
const MXCSR = 0x58;
/** Xmm6 to Xmm15. */
const XMM6 = 0x60;

/** Changes `context` to the jump buffer that a STATUS_LONGJUMP exception's first parameter points to. Throws PageFault. */
export function loadJumpBuffer(memory: GuestMemory, exception: GuestException, context: Context): void {
  const at: Address = toAddress(exception.information[0] ?? 0n);
  for (const [offset, register] of GPRS) context.gpr[register] = memory.readU64(at + offset);
  context.rip = memory.readPointer(at + RIP);
  context.mxcsr = memory.readU32(at + MXCSR);
  for (let i = 0; i < 20; i++) context.xmm[12 + i] = memory.readU64(at + XMM6 + i * 8);
}
