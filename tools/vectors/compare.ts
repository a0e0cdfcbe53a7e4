/** Two outcomes of one state, side by side, in words. */
import { OUTCOME, STATE, windowsOf } from './layout.ts';

const NAMES = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');

interface Field {
  readonly name: string;
  readonly at: number;
  readonly bytes: number;
  /** Where the state has it, too. */
  readonly before?: number;
}

function fieldsOf(state: Uint8Array): Field[] {
  const fields: Field[] = [
    { name: 'vector', at: OUTCOME.vector, bytes: 4 },
    { name: 'error', at: OUTCOME.error, bytes: 4 },
    { name: 'cr2', at: OUTCOME.cr2, bytes: 8 },
    { name: 'rip', at: OUTCOME.rip, bytes: 8, before: STATE.rip },
    { name: 'rflags', at: OUTCOME.rflags, bytes: 8, before: STATE.rflags },
    { name: 'mxcsr', at: OUTCOME.mxcsr, bytes: 4, before: STATE.mxcsr },
    ...NAMES.map((name, i) => ({ name, at: OUTCOME.gpr + 8 * i, bytes: 8, before: STATE.gpr + 8 * i })),
    ...NAMES.map((_, i) => ({ name: `xmm${i}`, at: OUTCOME.xmm + 16 * i, bytes: 16, before: STATE.xmm + 16 * i })),
  ];
  let at: number = OUTCOME.size;
  for (const window of windowsOf(state)) {
    for (let k = 0; k < window.length; k += 8) {
      fields.push({ name: `[${(window.address + k).toString(16)}]`, at: at + k, bytes: 8, before: window.at + k });
    }
    at += window.length;
  }
  return fields;
}

function text(bytes: Uint8Array, at: number, length: number): string {
  return Buffer.from(bytes.subarray(at, at + length))
    .reverse()
    .toString('hex');
}

/** One line for each field that differs. */
export function differences(state: Uint8Array, real: Uint8Array, ours: Uint8Array): string[] {
  return fieldsOf(state)
    .filter(({ at, bytes }) => text(real, at, bytes) !== text(ours, at, bytes))
    .map(({ name, at, bytes, before }) => {
      const was = before === undefined ? '' : ` (was ${text(state, before, bytes)})`;
      return `${name}: real ${text(real, at, bytes)}, ours ${text(ours, at, bytes)}${was}`;
    });
}

/** The state's registers, for reading. */
export function describeState(state: Uint8Array): string {
  return fieldsOf(state)
    .filter(({ before }) => before !== undefined)
    .map(({ name, bytes, before }) => `${name}=${text(state, before!, bytes)}`)
    .join(' ');
}
