/**
 * Our processor against a real one: every recorded case is run again, and every register, flag and byte must be as the
 * silicon left it (docs/proof.md). The tests are several files so that they can run side by side.
 */
import { readFileSync } from 'node:fs';
import * as iced from 'iced-x86';
import { expect } from 'vitest';
import { InstructionDecoder } from '../../src/x86/decode.ts';
import { emitFor } from '../../src/x86/families.ts';
import { normalize } from '../../tools/vectors/digest.ts';
import { Digests, type RecordedEntry, type VectorFile } from '../../tools/vectors/file.ts';
import { CODE, SLOT_BYTES, SLOT_ENTRY } from '../../tools/vectors/layout.ts';
import { codeArea, decodeAll, hex, statesRandom } from '../../tools/vectors/plan.ts';
import { StateGenerator } from '../../tools/vectors/state.ts';
import { TranslatedProcessor } from '../../tools/vectors/translated.ts';

export const decoder = new InstructionDecoder(iced);

export function read(name: string): VectorFile {
  return JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8')) as VectorFile;
}

/** Whether all instructions of some code are translated. */
function accepted(code: Uint8Array, slot: number): boolean {
  const start = CODE + slot * SLOT_BYTES + SLOT_ENTRY;
  for (let at = 0; at < code.length; ) {
    const instruction = decoder.decode(code.subarray(at), start + at);
    if (!instruction || !emitFor(instruction)) return false;
    at += instruction.length;
  }
  return true;
}

/** Runs a chunk; returns a line for each entry that differs. */
export function replay(seed: string, entries: readonly RecordedEntry[]): string[] {
  const processor = new TranslatedProcessor();
  processor.load(codeArea(entries.map(({ code }) => code)));
  const wrong: string[] = [];
  for (const { name, slot, code, digests } of [...entries].reverse()) {
    const instructions = decodeAll(code, slot);
    const what = () => `${name}: ${instructions.map(String).join('; ')} [${hex(code)}]`;
    if (!accepted(code, slot)) {
      wrong.push(`${what()} is not translated`);
      continue;
    }
    const generator = new StateGenerator(code, slot);
    const random = statesRandom(seed, slot, code);
    const outcomes: Uint8Array[] = [];
    for (let i = 0; i < digests.bytes.length; i++) {
      const state = generator.next(random);
      outcomes.push(normalize(processor.run(state), state, instructions));
    }
    const mine = Digests.of(outcomes);
    if (mine.total !== digests.total)
      wrong.push(`${what()} differs at state ${mine.bytes.findIndex((byte, i) => byte !== digests.bytes[i])}`);
    for (const instruction of instructions) instruction.free();
  }
  expect(processor.strayWrite()).toBeUndefined();
  return wrong;
}
