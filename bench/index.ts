/**
 * `npm run bench -- NAME [--json FILE]`: runs bench/NAME.ts and prints its figures.
 *
 * A benchmark is a module whose default export returns its figures; a new file here is a new benchmark. The JSON file
 * is the array of figures, so that runs on one machine can be compared.
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What the figure is compared with, in words, and value divided by that; null where there is nothing to compare. */
  readonly versus: string | null;
  readonly ratio: number | null;
}

export type Benchmark = () => Figure[] | Promise<Figure[]>;

const here = fileURLToPath(new URL('.', import.meta.url));
const names = readdirSync(here)
  .filter(file => file.endsWith('.js') && !/^index\.|\.test\./.test(file))
  .map(file => file.slice(0, -3));

function usage(problem: string): never {
  console.error(`${problem}\nusage: npm run bench -- ${names.join('|')} [--json FILE]`);
  process.exit(2);
}

const args = process.argv.slice(2);
const json = args.indexOf('--json');
const [, file] = json < 0 ? [] : args.splice(json, 2);
if (json >= 0 && file === undefined) usage('--json needs a file');
const [name] = args;
if (name === undefined || !names.includes(name))
  usage(name === undefined ? 'which benchmark?' : `no benchmark ${name}`);

const { default: benchmark } = (await import(`./${name}.js`)) as { default: Benchmark };
const figures = await benchmark();
const width = Math.max(...figures.map(figure => figure.name.length));
for (const figure of figures) {
  const value = figure.value.toLocaleString('en-US', { maximumFractionDigits: figure.value < 100 ? 2 : 0 });
  const ratio = figure.ratio === null ? '' : `   ${figure.ratio.toFixed(2)} x ${figure.versus}`;
  console.log(`${figure.name.padEnd(width)}  ${value.padStart(12)} ${figure.unit}${ratio}`);
}
if (file !== undefined) writeFileSync(file, `${JSON.stringify(figures, undefined, 2)}\n`);
