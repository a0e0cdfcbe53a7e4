/**
 * Random states for a piece of code: registers, flags, memory, so that its addresses mostly hit the arena (and
 * sometimes its edges, for faults), and so that the rare sides of an instruction are seen as often as the plain ones:
 * quotients that fit, compares that match, strings that are equal, counts of zero.
 */
import { type Instruction, MemorySizeExt, Mnemonic, OpKind, Register, RegisterExt } from 'iced-x86';
import { decodeOne } from './encode.ts';
import { ARENA, ARENA_BYTES, CODE, FS_BASE, GS_BASE, SLOT_BYTES, SLOT_ENTRY, STATE, WRITABLE_BYTES } from './layout.ts';
import type { Random } from './random.ts';

const M = Mnemonic;
const MASK64 = 0xffff_ffff_ffff_ffffn;
const [RAX, RCX, RDX, RSP, RBP, RSI, RDI] = [0, 1, 2, 4, 5, 6, 7] as const;
const STACK = new Set([M.Push, M.Pushf, M.Pushfq, M.Pop, M.Popf, M.Popfq, M.Call, M.Ret, M.Enter]);
const STRINGS = new Set([
  M.Movsb,
  M.Movsw,
  M.Movsq,
  M.Cmpsb,
  M.Cmpsw,
  M.Cmpsq,
  M.Stosb,
  M.Stosw,
  M.Stosd,
  M.Stosq,
  M.Lodsb,
  M.Lodsw,
  M.Lodsd,
  M.Lodsq,
  M.Scasb,
  M.Scasw,
  M.Scasd,
  M.Scasq,
]);
/** Disassembled instructions whose operands are better filled with floating-point values. */
const FLOATING =
  /^((add|sub|mul|div|sqrt|min|max|cmp|u?comi|round|hadd|hsub|addsub|rcp|rsqrt)[a-z0-9]*[sp][sd]\b|cvt|dpp)/;
const BIT_STRINGS = new Set([M.Bt, M.Bts, M.Btr, M.Btc]);

/** One instruction of the code, taken apart once. */
interface Part {
  readonly mnemonic: Mnemonic;
  /** Bytes at its memory operand; 0 if it names memory without touching it, or has none. */
  readonly size: number;
  readonly memory:
    | { base: number; index: number; scale: bigint; displacement: bigint; segment: bigint; narrow: boolean }
    | undefined;
  /** Implicit string addresses. */
  readonly string:
    | { narrow: boolean; source: boolean; destination: boolean; segment: bigint; repeated: boolean }
    | undefined;
  /** The general register of each operand, or -1. */
  readonly registers: readonly number[];
  readonly operandSize: number;
  readonly floating: boolean;
}

export class StateGenerator {
  readonly #parts: Part[] = [];
  readonly #rip: number;
  readonly #slot: number;
  readonly #floating: boolean;
  readonly #sequence: boolean;

  constructor(code: Uint8Array, slot: number) {
    this.#slot = slot;
    this.#rip = CODE + slot * SLOT_BYTES + SLOT_ENTRY;
    for (let at = 0; at < code.length; ) {
      const instruction = decodeOne(code.subarray(at), this.#rip + at);
      this.#parts.push(takeApart(instruction));
      at += instruction.isInvalid ? code.length : instruction.length;
    }
    this.#floating = this.#parts.some(part => part.floating);
    this.#sequence = this.#parts.length > 1;
  }

  next(random: Random): Uint8Array {
    const state = new Uint8Array(2048);
    const view = new DataView(state.buffer);
    const gpr = Array.from({ length: 16 }, () => random.integer());
    const windows = new Windows();
    view.setBigUint64(STATE.rip, BigInt(this.#rip), true);
    view.setBigUint64(STATE.rflags, BigInt(this.#flags(random)), true);
    for (let i = 0; i < 16; i++) random.fill(view, STATE.xmm + i * 16, 16, this.#floating);
    if (random.chance(25)) state.copyWithin(STATE.xmm, STATE.xmm + 16 * random.below(16), STATE.xmm + 256);
    view.setUint32(STATE.mxcsr, this.#mxcsr(random), true);
    const [first] = this.#parts;
    if (this.#sequence) {
      gpr[15] = BigInt(ARENA + 0x100 + 16 * random.below(0x380));
      gpr[RSP] = BigInt(ARENA + 0x1000 + 8 * random.below(0x400));
      gpr[RCX] = gpr[RCX]! & (random.chance(50) ? 7n : 63n);
    } else if (first) prepare(first, gpr, random);
    for (const part of this.#parts) this.#aim(part, gpr, windows, random, view);
    for (let i = 0; i < 16; i++) view.setBigUint64(STATE.gpr + i * 8, gpr[i]!, true);
    let at: number = STATE.size;
    for (const { address, length } of windows.list) {
      view.setBigUint64(at, BigInt(address), true);
      view.setBigUint64(at + 8, BigInt(length), true);
      random.fill(view, at + 16, length, this.#floating);
      at += 16 + length;
    }
    view.setUint32(STATE.windows, windows.list.length, true);
    const result = state.slice(0, at);
    if (first && !this.#sequence) this.#plant(first, result, gpr, windows, random);
    return result;
  }

  #flags(random: Random): number {
    const direction = random.chance(this.#parts.some(part => part.string) ? 40 : 10) ? 0x400 : 0;
    return (random.u32() & 0x8d5) | direction | 0x202;
  }

  #mxcsr(random: Random): number {
    const kind = this.#floating ? random.below(10) : random.below(2);
    if (kind < 3) return 0x1f80;
    if (kind < 5) return 0x1fa0;
    if (kind < 9) return 0x1f80 | (random.u32() & 0xe07f);
    return random.u32() & 0xffff;
  }

  /** Sets the registers that make the part's addresses, and opens windows over what it may touch. */
  #aim(part: Part, gpr: bigint[], windows: Windows, random: Random, view: DataView): void {
    const { memory, string } = part;
    if (string) {
      const size = Math.max(part.size, 1);
      const count = string.repeated ? Number(gpr[RCX]! & 0x3fn) : 1;
      const down = (view.getUint32(STATE.rflags, true) & 0x400) !== 0;
      const place = (register: number, segment: bigint) => {
        const target =
          random.chance(20) && string.repeated
            ? ARENA +
              (down
                ? random.below(size * 8)
                : (random.chance(50) ? WRITABLE_BYTES : ARENA_BYTES) - random.below(size * 8))
            : chooseTarget(random, size);
        const high = string.narrow ? random.u64() & 0xffff_ffff_0000_0000n : 0n;
        gpr[register] = ((BigInt(target) - segment) & (string.narrow ? 0xffff_ffffn : MASK64)) | high;
        const extent = size * (count + 1);
        windows.open(target - (down ? extent : 8), extent + 16);
      };
      if (string.source) place(RSI, string.segment);
      if (string.destination) place(RDI, part.mnemonic === M.Maskmovdqu ? string.segment : 0n);
      if (string.source && string.destination && random.chance(20)) {
        gpr[RDI] = (gpr[RSI]! + BigInt(random.below(48) - 24)) & MASK64;
        windows.open(
          Number(gpr[RDI]! & (string.narrow ? 0xffff_ffffn : MASK64)) - (down ? size * (count + 1) : 8),
          size * (count + 1) + 16,
        );
      }
    }
    if (memory) {
      const delta = bitDelta(part, gpr);
      if (!this.#sequence)
        aimAt(memory, BigInt(chooseTarget(random, part.size)) - delta, gpr, part.mnemonic === M.Xlatb);
      const linear = effective(memory, gpr, part.mnemonic === M.Xlatb) + bitDelta(part, gpr);
      const address = memory.narrow ? ((linear - memory.segment) & 0xffff_ffffn) + memory.segment : linear;
      windows.open(Number(BigInt.asIntN(64, address)) - 8, part.size + 24);
    }
    if (STACK.has(part.mnemonic) && !this.#sequence) {
      // What popf takes must be ours: TF would trap.
      const own = part.mnemonic === M.Popf || part.mnemonic === M.Popfq;
      const target = own || random.chance(85) ? ARENA + 0x200 + 8 * random.below(0x780) : chooseTarget(random, 8);
      if (!memory || (memory.base !== RSP && memory.index !== RSP)) gpr[RSP] = BigInt(target) & MASK64;
      windows.open(Number(BigInt.asIntN(64, gpr[RSP]!)) - 48, 80);
    }
    if (part.mnemonic === M.Enter) {
      gpr[RBP] = BigInt(ARENA + 0x400 + 8 * random.below(0x700));
      windows.open(Number(gpr[RBP]) - 256, 272);
      windows.open(Number(BigInt.asIntN(64, gpr[RSP]!)) - 296, 320);
    }
    if (part.mnemonic === M.Leave) {
      gpr[RBP] = BigInt(chooseTarget(random, 8)) & MASK64;
      windows.open(Number(BigInt.asIntN(64, gpr[RBP]!)) - 8, 32);
    }
    if (this.#sequence && STACK.has(part.mnemonic)) windows.open(Number(gpr[RSP]) - 96, 200);
  }

  /** Memory contents that the instruction wants: equal strings, the accumulator's value, somewhere to jump to. */
  #plant(part: Part, state: Uint8Array, gpr: bigint[], windows: Windows, random: Random): void {
    const view = new DataView(state.buffer);
    const write = (address: number, value: bigint, bytes: number) => {
      const place = windows.locate(address, bytes);
      for (let i = 0; place >= 0 && i < bytes; i++) state[place + i] = Number((value >> BigInt(8 * i)) & 0xffn);
    };
    const target = BigInt(CODE + this.#slot * SLOT_BYTES + 140 + random.below(40));
    const address = part.memory ? Number(BigInt.asIntN(64, effective(part.memory, gpr, false))) : 0;
    switch (part.mnemonic) {
      case M.Cmpxchg:
        if (random.chance(50)) {
          if (part.memory) write(address, gpr[RAX]!, part.operandSize);
          else view.setBigUint64(STATE.gpr + 8 * Math.max(0, part.registers[0]!), gpr[RAX]!, true);
        }
        break;
      case M.Cmpxchg8b:
        if (random.chance(50)) write(address, (gpr[RAX]! & 0xffff_ffffn) | ((gpr[RDX]! & 0xffff_ffffn) << 32n), 8);
        break;
      case M.Cmpxchg16b:
        if (random.chance(50)) write(address, gpr[RAX]! | (gpr[RDX]! << 64n), 16);
        break;
      case M.Jmp:
      case M.Call:
        if (part.memory) write(address, random.chance(90) ? target : random.integer(), 8);
        else if (part.registers[0]! >= 0 && random.chance(90))
          view.setBigUint64(STATE.gpr + 8 * part.registers[0]!, target, true);
        break;
      case M.Ret:
        write(Number(gpr[RSP]), random.chance(90) ? target : random.integer(), 8);
        break;
      case M.Popf:
      case M.Popfq:
        write(Number(gpr[RSP]), BigInt((random.u32() & 0xcd5) | 0x202), part.mnemonic === M.Popf ? 2 : 8);
        break;
      case M.Ldmxcsr:
        write(address, BigInt(random.chance(80) ? random.u32() & 0xffff : random.u32() & 0xfffd_ffff), 4);
        break;
    }
    if (part.string?.repeated && random.chance(60)) {
      const byte = random.below(256);
      for (const { at, length } of windows.placed())
        for (let i = 0; i < length; i++) if (!random.chance(4)) state[at + i] = byte;
      view.setBigUint64(STATE.gpr, random.chance(70) ? BigInt(byte) * 0x0101_0101_0101_0101n : gpr[RAX]!, true);
    }
  }
}

function takeApart(instruction: Instruction): Part {
  const registers: number[] = [];
  let memory: Part['memory'];
  let string: Part['string'];
  let operandSize = 0;
  const segment =
    instruction.memorySegment === Register.GS
      ? BigInt(GS_BASE)
      : instruction.memorySegment === Register.FS
        ? BigInt(FS_BASE)
        : 0n;
  for (let i = 0; i < instruction.opCount; i++) {
    const kind = instruction.opKind(i);
    const register = kind === OpKind.Register ? instruction.opRegister(i) : Register.None;
    registers.push(RegisterExt.isGPR(register) ? RegisterExt.number(RegisterExt.fullRegister(register)) : -1);
    if (i <= 1 && register !== Register.None) operandSize = RegisterExt.size(register);
    if (kind === OpKind.Memory) {
      const { memoryBase: base, memoryIndex: index } = instruction;
      const narrow = RegisterExt.size(base) === 4 || (base === Register.None && RegisterExt.size(index) === 4);
      const plain = base === Register.RIP || base === Register.EIP;
      memory = {
        base: base === Register.None || plain ? -1 : RegisterExt.number(base),
        index: index === Register.None ? -1 : RegisterExt.number(index),
        scale: BigInt(instruction.memoryIndexScale),
        displacement: BigInt.asIntN(64, instruction.memoryDisplacement),
        segment,
        narrow: narrow || base === Register.EIP,
      };
    } else if (kind >= OpKind.MemorySegSI && kind <= OpKind.MemoryESRDI) {
      const name = OpKind[kind]!;
      string = {
        narrow: /E[SD]I$/.test(name) && !/R[SD]I$/.test(name),
        source: (string?.source ?? false) || name.endsWith('SI'),
        destination: (string?.destination ?? false) || name.endsWith('DI'),
        segment,
        repeated: instruction.hasRepPrefix || instruction.hasRepnePrefix,
      };
    }
  }
  if (instruction.opCount === 2 && instruction.opKind(0) === OpKind.Memory && operandSize === 0)
    operandSize = MemorySizeExt.size(instruction.memorySize);
  const floating = FLOATING.test(instruction.toString());
  return {
    mnemonic: instruction.mnemonic,
    size: MemorySizeExt.size(instruction.memorySize),
    memory,
    string,
    registers,
    operandSize,
    floating,
  };
}

/** Register values that an instruction needs to do more than fault. */
function prepare(part: Part, gpr: bigint[], random: Random): void {
  const size = BigInt(8 * Math.max(part.operandSize, part.size));
  switch (part.mnemonic) {
    case M.Div:
      if (!random.chance(70)) break;
      if (size === 8n) gpr[RAX] = gpr[RAX]! & 0x3ffn;
      else gpr[RDX] = random.chance(60) ? 0n : BigInt(random.below(256));
      break;
    case M.Idiv:
      if (!random.chance(80)) break;
      if (size === 8n) gpr[RAX] = BigInt.asUintN(64, BigInt.asIntN(8, gpr[RAX]!));
      else gpr[RDX] = (gpr[RAX]! >> (size - 1n)) & 1n ? MASK64 : 0n;
      break;
    case M.Loop:
    case M.Loope:
    case M.Loopne:
    case M.Jecxz:
    case M.Jrcxz:
      if (random.chance(60)) gpr[RCX] = BigInt(random.below(3)) | (random.chance(30) ? 0x7_0000_0000n : 0n);
      break;
    case M.Shld:
    case M.Shrd:
      if (part.operandSize === 2) gpr[RCX] = (gpr[RCX]! & ~31n) | BigInt(random.below(17));
      break;
    case M.Pcmpestri:
    case M.Pcmpestrm:
    case M.Pcmpestri64:
    case M.Pcmpestrm64:
      for (const register of [RAX, RDX])
        if (random.chance(70)) gpr[register] = BigInt.asUintN(64, BigInt(random.below(42) - 20));
      break;
    case M.Bt:
    case M.Bts:
    case M.Btr:
    case M.Btc:
      // Beyond 48 bits of offset, a Zen 4 wraps the address that Intel's formula makes non-canonical.
      if (part.memory && part.registers[1]! >= 0) {
        const offset = random.chance(60)
          ? BigInt(random.below(4096) - 2048)
          : BigInt.asIntN(48, gpr[part.registers[1]!]!);
        gpr[part.registers[1]!] = BigInt.asUintN(64, offset);
      }
      break;
  }
  if (part.string?.repeated) {
    const high = part.string.narrow ? random.u64() & 0xffff_ffff_0000_0000n : 0n;
    gpr[RCX] = high | BigInt(random.chance(15) ? 0 : random.below(28));
  } else if (!STRINGS.has(part.mnemonic) && part.registers.includes(RCX) && random.chance(50))
    gpr[RCX] = gpr[RCX]! & 0x3fn;
}

/** How far from its memory operand a bit string's bit lies (Intel SDM volume 2A, BT: BitBase + (BitOffset DIV n) * n/8). */
function bitDelta(part: Part, gpr: bigint[]): bigint {
  const register = part.registers[1] ?? -1;
  if (!BIT_STRINGS.has(part.mnemonic) || register < 0) return 0n;
  const bits = 8 * part.operandSize;
  const offset = BigInt.asIntN(bits, gpr[register]!);
  return (offset >> BigInt(Math.log2(bits))) * BigInt(part.operandSize);
}

type MemoryShape = NonNullable<Part['memory']>;

function effective(memory: MemoryShape, gpr: readonly bigint[], xlat: boolean): bigint {
  let sum = memory.displacement;
  if (memory.base >= 0) sum += gpr[memory.base]!;
  if (memory.index >= 0) sum += (xlat ? gpr[RAX]! & 0xffn : gpr[memory.index]!) * memory.scale;
  return ((sum & (memory.narrow ? 0xffff_ffffn : MASK64)) + memory.segment) & MASK64;
}

/** Solves the base register, or the index register, for an effective address. */
function aimAt(memory: MemoryShape, target: bigint, gpr: bigint[], xlat: boolean): void {
  const mask = memory.narrow ? 0xffff_ffffn : MASK64;
  const want = target - memory.segment - memory.displacement;
  const set = (register: number, value: bigint) => {
    gpr[register] = memory.narrow ? (gpr[register]! & ~mask & MASK64) | (value & mask) : value & MASK64;
  };
  if (memory.base >= 0 && memory.base === memory.index && !xlat) {
    const factor = 1n + memory.scale;
    // Two times a register: only even targets; 3, 5 and 9 have inverses.
    if (factor === 2n) set(memory.base, (want & ~1n) >> 1n);
    else set(memory.base, want * inverse(factor));
  } else if (memory.base >= 0) {
    set(memory.base, want - (memory.index < 0 ? 0n : (xlat ? gpr[RAX]! & 0xffn : gpr[memory.index]!) * memory.scale));
  } else if (memory.index >= 0) {
    set(memory.index, (want & mask) / memory.scale);
  }
}

function inverse(odd: bigint): bigint {
  let x = odd;
  for (let i = 0; i < 6; i++) x = (x * (2n - odd * x)) & MASK64;
  return x;
}

/** Mostly inside; now and then across pages, at the edges of what may be read or written, or not an address at all. */
function chooseTarget(random: Random, size: number): number {
  const kind = random.below(100);
  const least = Math.max(size, 2);
  if (kind < 68) return ARENA + 16 * (16 + random.below(0x3c0));
  if (kind < 84) return ARENA + 0x100 + random.below(0x3c00);
  if (kind < 90) return ARENA + 0x1000 * (1 + random.below(3)) - 1 - random.below(least - 1);
  if (kind < 93) return ARENA + WRITABLE_BYTES - random.below(least);
  if (kind < 95) return ARENA + WRITABLE_BYTES + random.below(0x800);
  if (kind < 97) return ARENA + ARENA_BYTES - random.below(least);
  if (kind < 98) return ARENA - random.below(least + 4);
  if (kind < 99) return ARENA - 0x4000 + random.below(0x1000);
  return 2 ** 47 + random.u32() * 2 ** (4 + random.below(28));
}

/** Runs of writable memory, disjoint, in multiples of 8 bytes. */
class Windows {
  readonly list: { address: number; length: number }[] = [];

  open(address: number, length: number): void {
    let from = Math.max(ARENA, Math.floor(address / 8) * 8);
    let to = Math.min(ARENA + WRITABLE_BYTES, Math.ceil((address + length) / 8) * 8);
    if (!(from < to)) return;
    for (let i = this.list.length - 1; i >= 0; i--) {
      const { address: start, length: extent } = this.list[i]!;
      if (start > to || start + extent < from) continue;
      from = Math.min(from, start);
      to = Math.max(to, start + extent);
      this.list.splice(i, 1);
    }
    this.list.push({ address: from, length: to - from });
  }

  /** Where in the state the contents of each window lie. */
  placed(): { address: number; length: number; at: number }[] {
    let at: number = STATE.size;
    return this.list.map(({ address, length }) => {
      const place = at + 16;
      at = place + length;
      return { address, length, at: place };
    });
  }

  locate(address: number, bytes: number): number {
    const window = this.placed().find(w => address >= w.address && address + bytes <= w.address + w.length);
    return window ? window.at + address - window.address : -1;
  }
}
