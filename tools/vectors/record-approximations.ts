/**
 * Records what RCPPS and RSQRTPS answer on this machine's processor, as src/x86/soft/approximations.ts keeps it.
 *
 *   npx jiti tools/vectors/record-approximations.ts
 *
 * That file's form fits an AMD processor (12 bits in, 12 bits out); on another this stops and says so.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { CODE, CODE_BYTES, OUTCOME, SLOT_ENTRY, STATE } from './layout.ts';
import { NativeProcessor } from './native.ts';

const ENTRIES = 4096;
const RCPPS = [0x0f, 0x53, 0xc1];
const RSQRTPS = [0x0f, 0x52, 0xc1];
const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const LINE = 110;

using native = new NativeProcessor();

/** The results, as bits, for the arguments `exponentBits | index << 11`, four a case. */
function answers(opcode: readonly number[], exponentBits: number): number[] {
  const code = new Uint8Array(CODE_BYTES).fill(0xcc);
  code.set(opcode, SLOT_ENTRY);
  const states: Uint8Array[] = [];
  for (let index = 0; index < ENTRIES; index += 4) {
    const state = new Uint8Array(STATE.size);
    const view = new DataView(state.buffer);
    view.setBigUint64(STATE.rip, BigInt(CODE + SLOT_ENTRY), true);
    view.setBigUint64(STATE.rflags, 0x202n, true);
    view.setUint32(STATE.mxcsr, 0x1f80, true);
    for (let k = 0; k < 4; k++) view.setUint32(STATE.xmm + 16 + 4 * k, exponentBits | ((index + k) << 11), true);
    states.push(state);
  }
  return native.run(code, states).flatMap(outcome => {
    const view = new DataView(outcome.buffer);
    return [0, 1, 2, 3].map(k => view.getUint32(OUTCOME.xmm + 4 * k, true));
  });
}

const ONE = 0x3f80_0000;
const TWO = 0x4000_0000;
/** Results lie in (1/2, 1]. */
const HALF = 0x3f00_0000;

const tables: readonly [opcode: readonly number[], argument: number, exactly: (x: number) => number][] = [
  [RCPPS, ONE, x => 1 / x],
  [RSQRTPS, ONE, x => 1 / Math.sqrt(x)],
  [RSQRTPS, TWO, x => 1 / Math.sqrt(2 * x)],
];
const digits = tables.flatMap(([opcode, argument, exactly]) =>
  answers(opcode, argument).map((bits, index) => {
    const near = Math.floor((exactly(1 + (index + 0.5) / ENTRIES) * 2 - 1) * ENTRIES);
    const digit = ((bits - HALF) >> 11) - near + 1;
    if (bits & 0x7ff || digit < 0 || digit > 3) throw new Error('this processor approximates in another way');
    return digit;
  }),
);
let text = '';
for (let i = 0; i < digits.length; i += 3) text += BASE64[digits[i]! | (digits[i + 1]! << 2) | (digits[i + 2]! << 4)];
const lines = Array.from(
  { length: Math.ceil(text.length / LINE) },
  (_, i) => `  '${text.slice(i * LINE, (i + 1) * LINE)}'`,
);
const info = readFileSync('/proc/cpuinfo', 'utf8');
const field = (name: string) => new RegExp(`^${name}\\s*: (.*)$`, 'm').exec(info)?.[1] ?? '?';
writeFileSync(
  new URL('../../src/x86/soft/approximations.g.ts', import.meta.url),
  `/**
 * Recorded by tools/vectors/record-approximations.ts; approximations.ts says what it means.
 * ${field('model name')} (family ${field('cpu family')}, model ${field('model')}).
 */
export const APPROXIMATION_DIGITS =
${lines.join(' +\n')};
`,
);
