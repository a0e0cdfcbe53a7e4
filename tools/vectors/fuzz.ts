/**
 * Compares with the real processor at hand, with nothing recorded: x86-64 Linux with gcc.
 *
 *   npx jiti tools/vectors/fuzz.ts [--count N] [--seed S] [--form REGEX] [--sequences | --bytes] [--show N]
 *
 * Runs at least N cases (default 100,000) and prints mismatches (one a form, at most --show of them, default 20; with
 * --show 1 the state before, too). Exit code 0: there is none.
 */
import { parseArgs } from 'node:util';
import { compareWithSilicon } from './side-by-side.ts';

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
const show = Number(values.show);
const { cases, mismatches, unsupported } = compareWithSilicon({
  material: values.sequences ? 'sequences' : values.bytes ? 'bytes' : 'forms',
  count: Number(values.count),
  seed: values.seed,
  form: new RegExp(values.form),
});
const times = new Map<string, number>();
for (const { name, text, state } of mismatches) {
  const seen = times.get(name) ?? 0;
  times.set(name, seen + 1);
  if (times.size > show || (values.sequences ? seen >= show : seen > 0)) continue;
  console.log(text);
  if (show === 1) console.log(`    ${state}`);
}
console.log(`${cases} cases, seed ${values.seed}: ${mismatches.length} mismatches`);
if (times.size > 0) console.log([...times].map(([name, n]) => `${name} ${n}`).join(', '));
if (unsupported.length > 0) console.log(`not supported: ${unsupported.join(' ')}`);
process.exitCode = mismatches.length > 0 ? 1 : 0;
