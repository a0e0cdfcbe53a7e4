/**
 * `npm run bench -- NAME [--json FILE] [--chart FILE]`: runs bench/NAME.ts and prints its figures.
 *
 * A benchmark is a module whose default export returns its figures; a new file here is a new benchmark (what several
 * files of it share is in a folder). The JSON file is the array of figures, so that runs on one machine can be compared.
 * The chart is an SVG file, where the module exports how to draw one.
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
  /** The extremes of the runs that `value` is the median of. */
  readonly min?: number;
  readonly max?: number;
  /** Everything that was measured beside it in the same run; the first is what `versus` and `ratio` are of. */
  readonly peers?: readonly Peer[];
}

/** What another does at the same task, in the figure's unit; `ratio` is the figure divided by that. */
export interface Peer {
  readonly name: string;
  readonly value: number;
  readonly ratio: number;
  readonly min?: number;
  readonly max?: number;
}

export type Benchmark = () => Figure[] | Promise<Figure[]>;
export type Chart = (figures: readonly Figure[]) => string;

const here = fileURLToPath(new URL('.', import.meta.url));
const names = readdirSync(here)
  .filter(file => file.endsWith('.js') && !/^index\.|\.test\./.test(file))
  .map(file => file.slice(0, -3));

function usage(problem: string): never {
  console.error(`${problem}\nusage: npm run bench -- ${names.join('|')} [--json FILE] [--chart FILE]`);
  process.exit(2);
}

const args = process.argv.slice(2);

/** Takes an option and its value out of the arguments. */
function fileOf(option: string): string | undefined {
  const at = args.indexOf(option);
  if (at < 0) return undefined;
  const [, file] = args.splice(at, 2);
  return file ?? usage(`${option} needs a file`);
}

const json = fileOf('--json');
const svg = fileOf('--chart');
const [name] = args;
if (name === undefined || !names.includes(name))
  usage(name === undefined ? 'which benchmark?' : `no benchmark ${name}`);

const { default: benchmark, chart } = (await import(`./${name}.js`)) as { default: Benchmark; chart?: Chart };
if (svg !== undefined && !chart) usage(`${name} has no chart`);
const figures = await benchmark();
const width = Math.max(...figures.map(figure => figure.name.length));
const number = (value: number) => value.toLocaleString('en-US', { maximumFractionDigits: value < 100 ? 2 : 0 });
for (const { name, value, unit, min, max, versus, ratio, peers } of figures) {
  const range = min === undefined || max === undefined ? '' : ` (${number(min)} to ${number(max)})`;
  const others = peers ?? (ratio === null || versus === null ? [] : [{ name: versus, ratio }]);
  const ratios = others.map(peer => `${peer.ratio.toFixed(2)} x ${peer.name}`).join(', ');
  console.log(`${name.padEnd(width)}  ${number(value).padStart(12)} ${unit}${range}${ratios && `   ${ratios}`}`);
}
if (json !== undefined) writeFileSync(json, `${JSON.stringify(figures, undefined, 2)}\n`);
if (svg !== undefined && chart) writeFileSync(svg, chart(figures));
