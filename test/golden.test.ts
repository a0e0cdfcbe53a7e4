/**
 * The code that the translator makes, in golden files: a change in its quality shows in review as a difference here.
 *
 * `npx vitest run test/golden.test.ts -u` writes the files anew.
 */
import * as iced from 'iced-x86';
import { expect, test } from 'vitest';
import { type Instruction, InstructionDecoder } from '../src/x86/decode.ts';
import { discover } from '../src/x86/discover.ts';
import type { Family } from '../src/x86/emitter.ts';
import { emitFor, FAMILIES } from '../src/x86/families.ts';
import { translate } from '../src/x86/region.ts';
import { endsBlock } from '../src/x86/semantics/system.ts';
import { bytes, CODE } from './support/bare-machine.ts';
import { EMITTED, type Sequence } from './support/emitted-sequences.ts';
import { wasmText } from './support/wasm-text.ts';

const decoder = new InstructionDecoder(iced);

/** A sequence's instructions as comments, and what becomes of them. */
async function section([shows, hex]: Sequence): Promise<{ text: string; instructions: readonly Instruction[] }> {
  const code = bytes(hex);
  const window = decoder.window(code, CODE);
  const instructions: Instruction[] = [];
  const comments = [`;; ${shows}`];
  for (let at = CODE; at < CODE + code.length; at = instructions.at(-1)!.next) {
    const instruction = window.decode(at)!;
    instructions.push(instruction);
    const own = code.subarray(at - CODE, instruction.next - CODE);
    const digits = Array.from(own, byte => byte.toString(16).padStart(2, '0')).join('');
    comments.push(`;;   +${at - CODE}  ${digits.padEnd(20)} ${decoder.format(own, at)}`);
  }
  const blocks = discover(CODE, {
    decode: address => (address < CODE + code.length ? window.decode(address) : undefined),
    ends: i => endsBlock(i) || !emitFor(i),
  });
  window.free();
  const { bytes: module } = translate(blocks, 0, false);
  const text = await wasmText(module, CODE, code.length);
  return { text: `${comments.join('\n')}\n${text}\n`, instructions };
}

test.each(Object.keys(FAMILIES) as (keyof typeof FAMILIES)[])('%s', async name => {
  const family: Family = FAMILIES[name];
  const sections = await Promise.all(EMITTED[name].map(section));
  for (const { text, instructions } of sections) {
    const own = instructions.some(i => (family[i.code] ?? family[i.mnemonic]) === emitFor(i));
    expect(own, `an instruction of this family in\n${text}`).toBe(true);
  }
  const file = name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`);
  await expect(sections.map(({ text }) => text).join('\n')).toMatchFileSnapshot(`golden/${file}.txt`);
});
