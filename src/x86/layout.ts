/**
 * The host area: what stands in the WebAssembly memory before frame 0, where translated code and TypeScript meet.
 *
 * All offsets are bytes from the start of the memory. Translated code keeps registers in locals; the register file
 * here is right whenever no translated code is running, in every call from translated code into TypeScript, and nowhere
 * else.
 *
 * Status flags are lazy: CC_OP says how to compute them from CC_A and CC_B (flags.ts).
 */

/** RAX … R15, in the order of their encoding, 8 bytes each. */
export const REGISTERS = 0x1000;
export const RIP = 0x1080;
/** 64 bits, signed: instructions left until the deadline; RETIRED = limit - FUEL. */
export const FUEL = 0x1088;
export const CC_OP = 0x1090;
/** RFLAGS less the six status flags. */
export const SYSTEM_FLAGS = 0x1094;
export const CC_A = 0x1098;
export const CC_B = 0x10a0;
/** CR8, which is Windows' IRQL. */
export const CR8 = 0x10a8;
export const MXCSR = 0x10ac;
export const FS_BASE = 0x10b0;
export const GS_BASE = 0x10b8;
export const KERNEL_GS_BASE = 0x10c0;
/** x87 control word; the rest of the x87 is not there. */
export const FCW = 0x10c8;
/** XMM0 … XMM15. */
export const XMM = 0x1100;
export const REGISTERS_END = 0x1200;

/** The address of an access that missed the TLB. */
export const MISS_ADDRESS = 0x1200;
/** Room for the bytes of accesses that cannot go straight to one frame, SCRATCH_SLOTS of SCRATCH_SIZE bytes. */
export const SCRATCH = 0x1400;
export const SCRATCH_SIZE = 0x100;
export const SCRATCH_SLOTS = 4;
/** Where SSE instructions performed in TypeScript find their source operand and leave a result that is no XMM register. */
export const SSE_SOURCE = 0x1800;
export const SSE_RESULT = 0x1810;

/** Jump caches, plain and observed: JUMP_ENTRIES of { rip: i64, function: i32 (table index), block: i32 }. */
export const JUMP_ENTRIES = 4096;
export const JUMP_PLAIN = 0x1_0000;
export const JUMP_OBSERVED = 0x2_0000;

/** How translated code leaves to the dispatcher. */
export const LEAVE = {
  /** Go on at RIP; an architectural point: look at the deadline. */
  check: 0,
  /** Go on at RIP. */
  go: 1,
  /** There is no translation for RIP. */
  miss: 2,
  deadline: 3,
  window: 4,
  halt: 5,
  /** An instruction that TypeScript performs has left a fault to be reported. */
  fault: 6,
} as const;
