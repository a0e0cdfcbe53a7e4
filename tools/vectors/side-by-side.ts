/**
 * Random code on the real processor and on ours, side by side, with nothing recorded.
 */
import { Code } from 'iced-x86';
import { Unsupported } from '../../src/wdm/failures.ts';
import { describeState, differences } from './compare.ts';
import { normalize } from './digest.ts';
import { type Form, provedForms } from './forms.ts';
import { SLOTS } from './layout.ts';
import { NativeProcessor } from './native.ts';
import {
  codeArea,
  decodeAll,
  type Entry,
  hex,
  planBytes,
  planForm,
  planSequence,
  sequenceForms,
  statesRandom,
} from './plan.ts';
import { Random } from './random.ts';
import { StateGenerator } from './state.ts';
import { TranslatedProcessor } from './translated.ts';

/** What a round is made of: encodings of each form; sequences of instructions; bytes that may be no instruction. */
export type Material = 'forms' | 'sequences' | 'bytes';

export interface Options {
  readonly material: Material;
  /** At least so many cases. */
  readonly count: number;
  readonly seed: string;
  /** Only forms with such names. */
  readonly form?: RegExp;
}

export interface Mismatch {
  readonly name: string;
  readonly text: string;
  /** The state before, in words. */
  readonly state: string;
}

export interface Result {
  readonly cases: number;
  readonly mismatches: readonly Mismatch[];
  /** Forms, or instructions of sequences, that are not translated. */
  readonly unsupported: readonly string[];
}

export function compareWithSilicon({ material, count, seed, form = /./ }: Options): Result {
  using native = new NativeProcessor();
  const forms = (material === 'sequences' ? sequenceForms() : provedForms()).filter(({ name }) => form.test(name));
  const mismatches: Mismatch[] = [];
  const unsupported = new Set<string>();
  let cases = 0;
  for (let round = 0; cases < count; round++) {
    const name = `${seed}/${round}`;
    cases += compareRound(native, planRound(material, forms, name), name, mismatches, unsupported);
  }
  return { cases, mismatches, unsupported: [...unsupported] };
}

function planRound(material: Material, forms: readonly Form[], seed: string): Entry[] {
  const random = new Random(seed);
  const entries: Entry[] = [];
  if (material === 'sequences') {
    while (entries.length < 1000)
      entries.push({ name: 'sequence', code: planSequence(forms, random, entries.length), states: 10 });
  } else if (material === 'bytes') {
    const proved = new Set(forms.map(({ code }) => code));
    while (entries.length < 2000) {
      const code = planBytes(proved, random, entries.length);
      const [instruction] = decodeAll(code, entries.length);
      entries.push({ name: instruction!.isInvalid ? 'no instruction' : Code[instruction!.code]!, code, states: 6 });
    }
  } else {
    for (const form of forms) {
      if (entries.length > SLOTS - 8) break;
      entries.push(...planForm(form, seed, entries.length, 4).map(entry => ({ ...entry, states: 12 })));
    }
  }
  return entries;
}

/** Returns the number of cases. */
function compareRound(
  native: NativeProcessor,
  entries: readonly Entry[],
  seed: string,
  mismatches: Mismatch[],
  unsupported: Set<string>,
): number {
  const area = codeArea(entries.map(({ code }) => code));
  const states: Uint8Array[] = [];
  const owner: number[] = [];
  entries.forEach(({ code, states: each }, slot) => {
    const generator = new StateGenerator(code, slot);
    const random = statesRandom(seed, slot, code);
    for (let i = 0; i < each; i++) {
      states.push(generator.next(random));
      owner.push(slot);
    }
  });
  const outcomes = native.run(area, states);
  const ours = new TranslatedProcessor();
  ours.load(area);
  const skipped = new Set<number>();
  for (let i = states.length - 1; i >= 0; i--) {
    const state = states[i]!;
    const slot = owner[i]!;
    if (skipped.has(slot)) continue;
    const { name, code } = entries[slot]!;
    const instructions = decodeAll(code, slot);
    const what = `${name}: ${instructions.map(String).join('; ')} [${hex(code)}]`;
    const real = normalize(outcomes[i]!, state, instructions);
    try {
      const lines = differences(state, real, normalize(ours.run(state), state, instructions));
      if (lines.length > 0)
        mismatches.push({ name, text: [what, ...lines].join('\n    '), state: describeState(state) });
    } catch (error) {
      skipped.add(slot);
      if (error instanceof Unsupported) unsupported.add(name === 'sequence' ? error.what : name);
      else mismatches.push({ name, text: `${what}: ${error}`, state: describeState(state) });
    }
    for (const instruction of instructions) instruction.free();
  }
  const stray = ours.strayWrite();
  if (stray !== undefined)
    mismatches.push({ name: 'stray', text: `a write outside of the windows at ${stray.toString(16)}`, state: '' });
  return states.length;
}
