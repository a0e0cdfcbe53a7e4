/**
 * System instructions in TypeScript: control registers, MSRs, CPUID, flags as a whole, interrupts, port input and output,
 * and the state-saving ones.
 *
 * What this processor says that it is: an x86-64 with SSE4.2, without AVX, XSAVE or virtualisation. A driver that asks
 * CPUID and believes it never meets an instruction that is not there.
 */
import type { Address } from '../../wdm/address.ts';
import { fromAddress, NON_CANONICAL, toAddress } from '../../wdm/address.ts';
import type { Instruction } from '../decode.ts';
import type { Emit } from '../emitter.ts';
import { FLAG, STATUS_FLAGS, SYSTEM } from '../flags.ts';
import { type Helper, type HelperContext, STAY } from '../helper.ts';
import { CR8, LEAVE } from '../layout.ts';
import { maskOf, operandSize, readOperand, writeGpr, writeOperand } from '../operands.ts';
import { GPR } from '../registers.ts';

/** PG, AM, WP, NE, ET, MP, PE. */
const CR0 = 0x8005_0033n;
/** SMEP, OSXMMEXCPT, OSFXSR, PGE, PAE, PSE, DE. */
const CR4 = 0x10_06b8n;

/** CPUID: leaf to EAX, EBX, ECX, EDX. */
const CPUID: ReadonlyMap<number, readonly [number, number, number, number]> = new Map([
  // 'GenuineIntel'
  [0, [0xd, 0x756e_6547, 0x6c65_746e, 0x4965_6e69]],
  // Family 6; ECX: SSE3, PCLMULQDQ, SSSE3, CX16, SSE4.1, SSE4.2, MOVBE, POPCNT, AES, RDRAND;
  // EDX: FPU, DE, PSE, TSC, MSR, PAE, CX8, APIC, PGE, CMOV, PAT, PSE36, CLFSH, FXSR, SSE, SSE2.
  [1, [0x0009_06ea, 0x0001_0800, 0x42d8_2203, 0x070b_a37d]],
  // BMI1, SMEP, BMI2, ERMS, RDSEED, ADX
  [7, [0, 0x000c_0388, 0, 0]],
  [0x8000_0000, [0x8000_0008, 0, 0, 0]],
  // ECX: LAHF, LZCNT, PREFETCHW; EDX: SYSCALL, NX, RDTSCP, long mode
  [0x8000_0001, [0, 0, 0x121, 0x2810_0800]],
  // Invariant TSC
  [0x8000_0007, [0, 0, 0, 0x100]],
  // 48 bits of virtual address, 39 of physical
  [0x8000_0008, [0x3027, 0, 0, 0]],
]);

const BRAND = 'Irpwright virtual x64 processor';

export const cpuid: Helper = ({ registers }) => {
  const leaf = registers.low32(GPR.RAX);
  let values = CPUID.get(leaf) ?? [0, 0, 0, 0];
  if (leaf === 7 && registers.low32(GPR.RCX) !== 0) values = [0, 0, 0, 0];
  if (leaf >= 0x8000_0002 && leaf <= 0x8000_0004) {
    const word = (n: number) => {
      let value = 0;
      for (let k = 3; k >= 0; k--)
        value = (value << 8) | (BRAND.charCodeAt((leaf - 0x8000_0002) * 16 + n * 4 + k) & 0xff);
      return value;
    };
    values = [word(0), word(1), word(2), word(3)];
  }
  [GPR.RAX, GPR.RBX, GPR.RCX, GPR.RDX].forEach((register, n) => {
    registers.setGpr(register, BigInt(values[n]! >>> 0));
  });
  return STAY;
};

interface Msr {
  get(cpu: HelperContext): bigint;
  set?(cpu: HelperContext, value: bigint): void;
}

/** A non-canonical base is #GP. */
function canonical(cpu: HelperContext, value: bigint): Address {
  const address = toAddress(value);
  return address === NON_CANONICAL ? cpu.raise(13) : address;
}

function segmentBase(name: 'fsBase' | 'gsBase' | 'kernelGsBase'): Msr {
  return {
    get: cpu => fromAddress(cpu.registers[name]),
    set: (cpu, value) => {
      cpu.registers[name] = canonical(cpu, value);
    },
  };
}

/** The MSRs that are there; any other is #GP (Intel SDM volume 4). */
const MSRS: ReadonlyMap<number, Msr> = new Map<number, Msr>([
  // IA32_TIME_STAMP_COUNTER
  [0x10, { get: cpu => BigInt(cpu.retired) }],
  // IA32_APIC_BASE: enabled, bootstrap processor
  [0x1b, { get: () => 0xfee0_0900n }],
  // IA32_FEATURE_CONTROL: locked
  [0x3a, { get: () => 1n }],
  // IA32_BIOS_SIGN_ID
  [0x8b, { get: () => 0n, set: () => {} }],
  // IA32_MISC_ENABLE: fast strings
  [0x1a0, { get: () => 1n }],
  // IA32_PAT
  [0x277, { get: () => 0x0007_0406_0007_0406n }],
  // IA32_EFER: SCE, LME, LMA, NXE
  [0xc000_0080, { get: () => 0xd01n }],
  [0xc000_0100, segmentBase('fsBase')],
  [0xc000_0101, segmentBase('gsBase')],
  [0xc000_0102, segmentBase('kernelGsBase')],
  // IA32_TSC_AUX
  [0xc000_0103, { get: () => 0n }],
]);

export const rdmsr: Helper = cpu => {
  const { registers } = cpu;
  const msr = MSRS.get(registers.low32(GPR.RCX)) ?? cpu.raise(13);
  const value = msr.get(cpu);
  registers.setGpr(GPR.RAX, value & 0xffff_ffffn);
  registers.setGpr(GPR.RDX, value >> 32n);
  return STAY;
};

export const wrmsr: Helper = cpu => {
  const { registers } = cpu;
  const value = (BigInt(registers.low32(GPR.RDX)) << 32n) | BigInt(registers.low32(GPR.RAX));
  const set = MSRS.get(registers.low32(GPR.RCX))?.set ?? cpu.raise(13);
  set(cpu, value);
  return STAY;
};

export const rdtsc: Helper = ({ registers, retired }) => {
  const value = BigInt(retired);
  registers.setGpr(GPR.RAX, value & 0xffff_ffffn);
  registers.setGpr(GPR.RDX, value >> 32n);
  return STAY;
};

export const rdtscp: Helper = (cpu, i) => {
  rdtsc(cpu, i);
  cpu.registers.setGpr(GPR.RCX, 0n);
  return STAY;
};

/** XCR0 is not there: CR4.OSXSAVE is clear. */
export const xgetbv: Helper = cpu => cpu.raise(6);

export const random: Helper = (cpu, i) => {
  writeOperand(cpu, i, 0, cpu.random());
  cpu.registers.setStatusFlags(FLAG.CF);
  return STAY;
};

// ---- control registers

/** `mov cr8, r` and `mov r, cr8` are inline: drivers raise and lower IRQL by them. */
export const moveControl: Emit = (e, i) => {
  const [to, from] = i.operands;
  const { w } = e;
  if (from?.kind === 'other' && from.name === 'CR8' && to?.kind === 'gpr') {
    w.i32(0).memory('i64.load32_u', CR8);
    e.setGpr(to.index, 8);
    return;
  }
  if (to?.kind === 'other' && to.name === 'CR8') {
    e.helpAndLeave(writeCr8);
    return;
  }
  if (to?.kind === 'other' && /^[CDE]/.test(to.name) && /^(CR|DR)/.test(to.name)) e.help(writeControl);
  else e.help(readSpecial);
};

/** True for a `mov` after which the block ends: pending interrupts may be due, or the mapping is another. */
export function movesToControl(i: Instruction): boolean {
  const to = i.operands[0];
  return i.mnemonic === 'Mov' && to?.kind === 'other' && to.name.startsWith('CR');
}

const writeCr8: Helper = (cpu, i) => {
  const value = readOperand(cpu, i, 1, 8);
  if (value > 15n) cpu.raise(13);
  const lowered = Number(value) < cpu.registers.irql;
  cpu.registers.irql = Number(value);
  return lowered ? LEAVE.window : LEAVE.go;
};

const SELECTORS: Record<string, bigint> = { CS: 0x10n, SS: 0x18n, DS: 0x2bn, ES: 0x2bn, FS: 0x53n, GS: 0x2bn };

const readSpecial: Helper = (cpu, i) => {
  const [to, from] = i.operands;
  if (from?.kind !== 'other') {
    // A data segment register is loaded: in 64-bit mode only FS and GS bases would notice, and those go by MSR.
    if (to?.kind === 'other' && /^[DE]S$/.test(to.name)) return STAY;
    return cpu.unsupported(`mov to ${to?.kind === 'other' ? to.name : 'a register'}`);
  }
  const values: Record<string, () => bigint> = {
    CR0: () => CR0,
    CR2: () => fromAddress(cpu.faultAddress),
    CR3: () => BigInt(cpu.root) << 12n,
    CR4: () => CR4,
    DR0: () => 0n,
    DR1: () => 0n,
    DR2: () => 0n,
    DR3: () => 0n,
    DR6: () => 0xffff_0ff0n,
    DR7: () => 0x400n,
  };
  const value = values[from.name]?.() ?? SELECTORS[from.name];
  if (value === undefined) return cpu.unsupported(`mov from ${from.name}`);
  writeOperand(cpu, i, 0, to?.kind === 'memory' ? value & 0xffffn : value);
  return STAY;
};

const writeControl: Helper = (cpu, i) => {
  const to = i.operands[0];
  const name = to?.kind === 'other' ? to.name : '';
  const value = readOperand(cpu, i, 1, 8);
  if (name === 'CR3' && value >> 12n === BigInt(cpu.root)) {
    // The same address space once more: its user half's translations are forgotten.
    cpu.setRoot(cpu.root);
    return LEAVE.go;
  }
  const unchanged: Record<string, bigint> = { CR0, CR4, DR7: 0x400n, DR6: 0xffff_0ff0n };
  if (value === unchanged[name]) return name.startsWith('C') ? LEAVE.go : STAY;
  return cpu.unsupported(`mov ${name.toLowerCase()}, 0x${value.toString(16)}`);
};

export const invlpg: Helper = (cpu, i) => {
  const address = toAddress(cpu.effectiveAddress(i));
  if (address !== NON_CANONICAL) cpu.invalidatePage(address);
  return LEAVE.go;
};

// ---- flags, interrupts

const PUSHED = STATUS_FLAGS | SYSTEM.ONE | SYSTEM.TF | SYSTEM.IF | SYSTEM.DF | 0x27_7000;
/** What popf may change in ring 0: all but VM, VIF, VIP and RF, which is cleared. */
const POPPED = STATUS_FLAGS | SYSTEM.IF | SYSTEM.DF | 0x24_7000;

export const pushf: Helper = (cpu, i) => {
  const size = i.mnemonic === 'Pushf' ? 2 : 8;
  push(cpu, BigInt(cpu.registers.rflags & PUSHED & ~0x1_0000) & maskOf(size), size);
  return STAY;
};

export const popf: Helper = (cpu, i) => {
  const { registers } = cpu;
  const size = i.mnemonic === 'Popf' ? 2 : 8;
  const value = Number(cpu.read(registers.gpr(GPR.RSP), size) & 0xffff_ffffn);
  if (value & SYSTEM.TF) cpu.unsupported('popf with the trap flag (single step)');
  const mask = size === 2 ? POPPED & 0xffff : POPPED;
  const before = registers.rflags;
  registers.rflags = (before & ~mask) | (value & mask);
  registers.setGpr(GPR.RSP, registers.gpr(GPR.RSP) + BigInt(size));
  return ~before & value & SYSTEM.IF ? LEAVE.window : LEAVE.go;
};

export const cli: Helper = ({ registers }) => {
  registers.systemFlags &= ~SYSTEM.IF;
  return STAY;
};
export const sti: Helper = ({ registers }) => {
  const was = registers.systemFlags;
  registers.systemFlags = was | SYSTEM.IF;
  return was & SYSTEM.IF ? LEAVE.go : LEAVE.window;
};
export const cld: Helper = ({ registers }) => {
  registers.systemFlags &= ~SYSTEM.DF;
  return STAY;
};
export const std: Helper = ({ registers }) => {
  registers.systemFlags |= SYSTEM.DF;
  return STAY;
};

export const halt: Helper = () => LEAVE.halt;

export const int3: Helper = cpu => cpu.trap(3);
export const int: Helper = (cpu, i) => cpu.trap(Number(readOperand(cpu, i, 0, 1)));
export const int1: Helper = cpu => cpu.trap(1);

/** Returns within ring 0: RIP, CS, RFLAGS, RSP, SS. */
export const iret: Helper = cpu => {
  const { registers } = cpu;
  const frame = registers.gpr(GPR.RSP);
  cpu.check(frame, 40, 'read');
  const [rip, cs, flags, rsp] = [0n, 8n, 16n, 24n].map(at => cpu.read(frame + at, 8)) as [
    bigint,
    bigint,
    bigint,
    bigint,
  ];
  if (cs & 3n) cpu.unsupported('iretq to user mode');
  const target = canonical(cpu, rip);
  const before = registers.rflags;
  registers.rflags = (before & ~POPPED) | (Number(flags & 0xffff_ffffn) & POPPED);
  registers.setGpr(GPR.RSP, rsp);
  registers.rip = target;
  return ~before & Number(flags & 0x200n) ? LEAVE.window : LEAVE.check;
};

export const swapgs: Helper = ({ registers }) => {
  [registers.gsBase, registers.kernelGsBase] = [registers.kernelGsBase, registers.gsBase];
  return STAY;
};

// ---- ports

function portOf(cpu: HelperContext, i: Instruction, n: number): number {
  return Number(readOperand(cpu, i, n, i.operands[n]?.kind === 'gpr' ? 2 : 1));
}

export const input: Helper = (cpu, i) => {
  const to = i.operands[0];
  const size = to?.kind === 'gpr' ? to.size : 4;
  writeGpr(cpu, GPR.RAX, size, BigInt(cpu.ports.read(portOf(cpu, i, 1), size) >>> 0));
  return STAY;
};

export const output: Helper = (cpu, i) => {
  const from = i.operands[1];
  const size = from?.kind === 'gpr' ? from.size : 4;
  cpu.ports.write(portOf(cpu, i, 0), size, Number(cpu.registers.gpr(GPR.RAX) & maskOf(size)));
  return STAY;
};

// ---- state

export const fninit: Helper = ({ registers }) => {
  registers.fcw = 0x37f;
  return STAY;
};
export const fnstcw: Helper = (cpu, i) => {
  cpu.write(cpu.effectiveAddress(i), 2, BigInt(cpu.registers.fcw));
  return STAY;
};
export const fldcw: Helper = (cpu, i) => {
  cpu.registers.fcw = Number(cpu.read(cpu.effectiveAddress(i), 2));
  return STAY;
};

/** Legacy area of fxsave: control words, MXCSR and its mask, sixteen XMM registers; the x87 stack is empty. */
export const fxsave: Helper = (cpu, i) => {
  const base = cpu.effectiveAddress(i);
  if (base & 15n) cpu.raise(13);
  cpu.check(base, 512, 'write');
  cpu.write(base, 8, BigInt(cpu.registers.fcw));
  cpu.write(base + 8n, 8, 0n);
  cpu.write(base + 16n, 8, 0n);
  cpu.write(base + 24n, 8, (0xffffn << 32n) | BigInt(cpu.registers.mxcsr));
  for (let n = 0; n < 8; n++) cpu.write(base + 32n + BigInt(n * 16), 16, 0n);
  for (let n = 0; n < 16; n++) cpu.write(base + 160n + BigInt(n * 16), 16, cpu.registers.xmm(n));
  return STAY;
};
export const fxrstor: Helper = (cpu, i) => {
  const base = cpu.effectiveAddress(i);
  if (base & 15n) cpu.raise(13);
  cpu.check(base, 512, 'read');
  const mxcsr = Number(cpu.read(base + 24n, 4));
  if (mxcsr & 0xffff_0000) cpu.raise(13);
  cpu.registers.mxcsr = mxcsr;
  cpu.registers.fcw = Number(cpu.read(base, 2));
  for (let n = 0; n < 16; n++) cpu.registers.setXmm(n, cpu.read(base + 160n + BigInt(n * 16), 16));
  return STAY;
};

// ---- long moves

export function push(cpu: HelperContext, value: bigint, size: number): void {
  const address = cpu.registers.gpr(GPR.RSP) - BigInt(size);
  cpu.write(address & maskOf(8), size, value);
  cpu.registers.setGpr(GPR.RSP, address);
}

export const enter: Helper = (cpu, i) => {
  const { registers } = cpu;
  const bytes = readOperand(cpu, i, 0, 2);
  const level = Number(readOperand(cpu, i, 1, 1) & 31n);
  const rsp = registers.gpr(GPR.RSP);
  const rbp = registers.gpr(GPR.RBP);
  const frame = (rsp - 8n) & maskOf(8);
  const above = (n: number) => (rbp - BigInt(8 * n)) & maskOf(8);
  const pushed = (n: number) => (rsp - BigInt(8 * n)) & maskOf(8);
  const pushes = level + 1;
  for (let n = 1; n < level; n++) cpu.check(above(n), 8, 'read');
  for (let n = 1; n <= pushes; n++) cpu.check(pushed(n), 8, 'write');
  // The end of the new frame must be writable, although nothing is written there (SDM volume 2A, ENTER, #PF).
  const bottom = (pushed(pushes) - bytes) & maskOf(8);
  cpu.check(bottom, 1, 'write');
  // One after the other: a frame pointer that is read may be one that has just been pushed.
  cpu.write(pushed(1), 8, rbp);
  for (let n = 1; n < level; n++) cpu.write(pushed(n + 1), 8, cpu.read(above(n), 8));
  if (level > 0) cpu.write(pushed(pushes), 8, frame);
  registers.setGpr(GPR.RBP, frame);
  registers.setGpr(GPR.RSP, bottom);
  return STAY;
};

/** The accumulator pair against memory of 8 or 16 bytes: equal, memory takes the other pair; else the pair takes memory. */
const compareExchange =
  (size: 8 | 16): Helper =>
  (cpu, i) => {
    const { registers } = cpu;
    const address = cpu.effectiveAddress(i);
    if (size === 16 && address & 15n) cpu.raise(13);
    cpu.check(address, size, 'write');
    const half = BigInt(size * 4);
    const mask = maskOf(size / 2);
    const pair = (high: number, low: number) => ((registers.gpr(high) & mask) << half) | (registers.gpr(low) & mask);
    const old = cpu.read(address, size);
    const flags = registers.statusFlags() & ~FLAG.ZF;
    if (old === pair(GPR.RDX, GPR.RAX)) {
      cpu.write(address, size, pair(GPR.RCX, GPR.RBX));
      registers.setStatusFlags(flags | FLAG.ZF);
    } else {
      cpu.write(address, size, old);
      registers.setGpr(GPR.RAX, old & mask);
      registers.setGpr(GPR.RDX, old >> half);
      registers.setStatusFlags(flags);
    }
    return STAY;
  };
export const cmpxchg8b = compareExchange(8);
export const cmpxchg16b = compareExchange(16);

export const baseHelper: Helper = (cpu, i) => {
  const size = operandSize(i);
  const { registers } = cpu;
  const which = i.mnemonic.endsWith('fsbase') ? 'fsBase' : 'gsBase';
  if (i.mnemonic.startsWith('Rd')) writeOperand(cpu, i, 0, fromAddress(registers[which]));
  else registers[which] = canonical(cpu, readOperand(cpu, i, 0, size));
  return STAY;
};
