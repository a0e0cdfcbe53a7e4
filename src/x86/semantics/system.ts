/**
 * System instructions: nearly all performed by system-helpers.ts; here stands which, and which end their block.
 */
import type { Instruction } from '../decode.ts';
import { type Emit, type Family, memoryOf } from '../emitter.ts';
import type { Helper } from '../helper.ts';
import * as helpers from './system-helpers.ts';

const stay =
  (helper: Helper): Emit =>
  e =>
    void e.help(helper);
const ending =
  (helper: Helper): Emit =>
  e =>
    void e.helpAndLeave(helper);
const nothing: Emit = () => {};
/** clflush: nothing but the fault that a load would take. */
const touch: Emit = (e, i) => void e.load(memoryOf(i.operands[0]!), 1).w.op('drop');

/** After these, RIP, the mapping, or what may interrupt is another. */
const ENDING: Family = {
  Popf: ending(helpers.popf),
  Popfq: ending(helpers.popf),
  Sti: ending(helpers.sti),
  Hlt: ending(helpers.halt),
  Int3: ending(helpers.int3),
  Int: ending(helpers.int),
  Int1: ending(helpers.int1),
  Iretq: ending(helpers.iret),
  Invlpg: ending(helpers.invlpg),
};

export const system: Family = {
  ...ENDING,
  Pushf: stay(helpers.pushf),
  Pushfq: stay(helpers.pushf),
  Cli: stay(helpers.cli),
  Cld: stay(helpers.cld),
  Std: stay(helpers.std),
  Cpuid: stay(helpers.cpuid),
  Rdmsr: stay(helpers.rdmsr),
  Wrmsr: stay(helpers.wrmsr),
  Rdtsc: stay(helpers.rdtsc),
  Rdtscp: stay(helpers.rdtscp),
  Xgetbv: stay(helpers.xgetbv),
  Rdrand: stay(helpers.random),
  Rdseed: stay(helpers.random),
  Swapgs: stay(helpers.swapgs),
  In: stay(helpers.input),
  Out: stay(helpers.output),
  Fninit: stay(helpers.fninit),
  Fnstcw: stay(helpers.fnstcw),
  Fldcw: stay(helpers.fldcw),
  Fxsave: stay(helpers.fxsave),
  Fxsave64: stay(helpers.fxsave),
  Fxrstor: stay(helpers.fxrstor),
  Fxrstor64: stay(helpers.fxrstor),
  Rdfsbase: stay(helpers.baseHelper),
  Rdgsbase: stay(helpers.baseHelper),
  Wrfsbase: stay(helpers.baseHelper),
  Wrgsbase: stay(helpers.baseHelper),
  Wbinvd: nothing,
  Wait: nothing,
  Lfence: nothing,
  Sfence: nothing,
  Mfence: nothing,
  Clflush: touch,
  Clflushopt: touch,
  Prefetchnta: nothing,
  Prefetcht0: nothing,
  Prefetcht1: nothing,
  Prefetcht2: nothing,
  Prefetchw: nothing,
  Prefetch: nothing,
  Prefetchwt1: nothing,
  Reservednop: nothing,
};

/** Whether the instruction is the last of its block although control flow does not say so. */
export function endsBlock(i: Instruction): boolean {
  return i.mnemonic in ENDING || helpers.movesToControl(i);
}
