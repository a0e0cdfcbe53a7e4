/**
 * Random instructions on the real processor and on ours, side by side, with nothing recorded.
 *
 *   npx jiti tools/vectors/fuzz.ts [--count N] [--seed S] [--form REGEX] [--sequences | --bytes] [--show N]
 *
 * Runs at least N cases (default 100,000) and prints every mismatch (at most --show of them, default 20; one a form).
 * Exit code 0: none.
 */
import { parseArgs } from 'node:util';
import { Code } from 'iced-x86';
import { Unsupported } from '../../src/wdm/failures.ts';
import { describeState, differences } from './compare.ts';
import { normalize } from './digest.ts';
import { provedForms } from './forms.ts';
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

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '100000' },
    seed: { type: 'string', default: 'fuzz' },
    form: { type: 'string', default: '.' },
    sequences: { type: 'boolean', default: false },
    bytes: { type: 'boolean', default: false },
    show: { type: 'string', default: '20' },
  },
});
const count = Number(values.count);
const chosen = new RegExp(values.form);
const forms = (values.sequences ? sequenceForms() : provedForms()).filter(form => chosen.test(form.name));
const proved = new Set(forms.map(form => form.code));
const show = Number(values.show);
using native = new NativeProcessor();

const mismatches = new Map<string, number>();
const unsupported = new Set<string>();
let cases = 0;

for (let round = 0; cases < count; round++) {
  const seed = `${values.seed}/${round}`;
  const entries = plan(seed);
  const ours = new TranslatedProcessor();
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
  ours.load(area);
  const outcomes = native.run(area, states);
  const skipped = new Set<number>();
  for (let i = states.length - 1; i >= 0; i--) {
    const state = states[i]!;
    const slot = owner[i]!;
    if (skipped.has(slot)) continue;
    const { name, code } = entries[slot]!;
    const instructions = decodeAll(code, slot);
    const real = normalize(outcomes[i]!, state, instructions);
    let mine: Uint8Array;
    try {
      mine = normalize(ours.run(state), state, instructions);
    } catch (error) {
      skipped.add(slot);
      if (error instanceof Unsupported) unsupported.add(values.sequences ? error.what : name);
      else report(name, `${instructions.map(String).join('; ')} [${hex(code)}]: ${error}`, state);
      continue;
    }
    const lines = differences(state, real, mine);
    if (lines.length > 0)
      report(name, `${instructions.map(String).join('; ')} [${hex(code)}]\n    ${lines.join('\n    ')}`, state);
  }
  const stray = ours.strayWrite();
  if (stray !== undefined) report('stray', `a write outside of the windows at ${stray.toString(16)}`, states[0]!);
  cases += states.length;
}

function plan(seed: string): Entry[] {
  const random = new Random(seed);
  const entries: Entry[] = [];
  if (values.sequences) {
    while (entries.length < 1000)
      entries.push({ name: 'sequence', code: planSequence(forms, random, entries.length), states: 10 });
    return entries;
  }
  if (values.bytes) {
    while (entries.length < 2000) {
      const code = planBytes(proved, random, entries.length);
      const [instruction] = decodeAll(code, entries.length);
      entries.push({ name: instruction!.isInvalid ? 'no instruction' : Code[instruction!.code]!, code, states: 6 });
    }
    return entries;
  }
  const list = [...forms].sort(() => 0.5 - random.below(2));
  for (const form of list) {
    if (entries.length > SLOTS - 8) break;
    entries.push(...planForm(form, seed, entries.length, 4).map(entry => ({ ...entry, states: 12 })));
  }
  return entries;
}

function report(name: string, text: string, state: Uint8Array): void {
  const seen = mismatches.get(name) ?? 0;
  mismatches.set(name, seen + 1);
  if ((seen === 0 || values.sequences) && mismatches.size <= show && seen < show) {
    console.log(`${name}: ${text}`);
    if (show === 1) console.log(`    ${describeState(state)}`);
  }
}

console.log(`${cases} cases, seed ${values.seed}: ${[...mismatches.values()].reduce((a, b) => a + b, 0)} mismatches`);
if (mismatches.size > 0)
  console.log(
    [...mismatches]
      .map(([name, times]) => `${name} ${times}`)
      .slice(0, 200)
      .join(', '),
  );
if (unsupported.size > 0) console.log(`not supported: ${[...unsupported].join(' ')}`);
process.exitCode = mismatches.size > 0 ? 1 : 0;
