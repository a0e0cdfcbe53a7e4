/**
 * Which instruction forms (iced-x86 codes) are proved against the real processor, and which cannot be, with the reason.
 *
 * A form that the translator accepts must be in one of the two lists; test/vectors fails otherwise. What cannot be run
 * in user mode, or depends on more than the architectural state, has tests written by hand beside the translator.
 */
import { Code, CodeExt, CpuidFeature, EncodingKind, Instruction, type Mnemonic, OpCodeOperandKind } from 'iced-x86';

export interface Form {
  readonly code: Code;
  /** The code's name, as iced-x86 spells it: what the recorded vectors are filed under. */
  readonly name: string;
  readonly mnemonic: Mnemonic;
  readonly operands: readonly OpCodeOperandKind[];
}

/** Features as iced-x86 names them; everything that these bring is recorded unless an exemption says why not. */
const FEATURES = new Set(
  (
    'INTEL8086 INTEL186 INTEL286 INTEL386 INTEL486 X64 MULTIBYTENOP PAUSE CMOV CX8 CMPXCHG16B FXSR CLFSH PREFETCHW ' +
    'SSE SSE2 SSE3 SSSE3 SSE4_1 SSE4_2 AES PCLMULQDQ POPCNT LZCNT MOVBE BMI1 BMI2 ADX CET_IBT FSGSBASE XSAVE RDRAND ' +
    'RDSEED TSC RDTSCP RDPID MSR SMAP CPUID SYSCALL SEP CLFLUSHOPT INVPCID'
  ).split(' '),
);

/** The first row that matches decides. */
const EXEMPT: readonly (readonly [names: RegExp, reason: string])[] = [
  [/^(In|Out)(s[bwd])?_/, 'I/O privilege'],
  [
    /^(Cli|Sti|Hlt|Clts|Invd|Wbinvd|Invlpg|Invpcid|Swapgs|Wrmsr|Rdmsr|Lmsw|Clac|Stac|Xsetbv|Sysret|Sysexit)/,
    'needs ring 0',
  ],
  [
    /^(Mov_(r64_[cd]r|[cd]r_r64)|Ver[rw]_|Lar_|Lsl_|[SL][gil]dt_|[SL]tr_|Smsw_)/,
    'needs ring 0, or its descriptor tables',
  ],
  [/^(Int_|Int1|Iret|Syscall|Sysenter)/, 'enters the operating system'],
  [/Sreg|_[FG]S$|^L[fgs]s_|^(Jmp|Call)_m16|^Ret(f|nw)/, 'segment registers belong to the operating system'],
  [/^(Rdtsc|Rdrand|Rdseed|Rdpid|Cpuid|Xgetbv)/, 'answers differ from one processor to the next'],
  [/^(Fldcw|Fnstcw|Fninit)/, 'the x87 control word is not in a state'],
  [/^Prefetchwt1/, 'later than the processor that was recorded'],
  [/^(Fldcw|Fnstcw|Fninit)/, 'the x87 control word is not in a state'],
  [/^Prefetchwt1/, 'later than the processor that was recorded'],
  [/^(Fxsave|Fxrstor|Xsave|Xrstor)/, 'the image holds x87 state and differs between processors'],
  [/^Wr[fg]sbase/, 'the harness would lose its own bases'],
  [/_rel16$|^(Jmp|Call)_rm16|_rel8_16/, 'Intel and AMD differ on 16-bit branches in 64-bit mode'],
  [/^(Enterw|Leavew)/, 'Intel and AMD differ on the stack pointer in 64-bit mode'],
  [/^Bswap_r16/, 'undefined result (Intel SDM volume 2A, BSWAP)'],
  [/^(Reservednop|Prefetchreserved|Ud0)/, 'reserved: later processors give it a meaning, or a length'],
];

/** Why a form is not recorded; undefined if it is to be. */
export function exemption(name: string): string | undefined {
  return EXEMPT.find(([names]) => names.test(name))?.[1];
}

/** Every 64-bit form of the features above, or of all there are, in iced-x86's order. */
export function allForms(which: 'ours' | 'every' = 'ours'): Form[] {
  const forms: Form[] = [];
  for (const [name, code] of Object.entries(Code)) {
    if (typeof code !== 'number') continue;
    const info = CodeExt.opCode(code);
    if (!info.isInstruction || !info.mode64 || !(info.intelDecoder64 || info.amdDecoder64)) continue;
    if (info.encoding !== EncodingKind.Legacy && info.encoding !== EncodingKind.VEX) continue;
    const instruction = new Instruction();
    instruction.code = code;
    const features = [...instruction.cpuidFeatures()].map(feature => CpuidFeature[feature]!);
    if (which === 'ours' && !features.every(feature => FEATURES.has(feature))) continue;
    const operands = Array.from({ length: info.opCount }, (_, i) => info.opKind(i));
    if (operands.some(kind => OpCodeOperandKind[kind]!.startsWith('mm_'))) continue;
    forms.push({ code, name, mnemonic: instruction.mnemonic, operands });
  }
  return forms;
}

/** The forms to record. */
export function provedForms(): Form[] {
  return allForms().filter(form => exemption(form.name) === undefined);
}
