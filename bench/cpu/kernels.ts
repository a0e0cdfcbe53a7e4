/**
 * Small kernels (test/kernels; gcc -O2) in millions of guest instructions a second, beside the same bytes in the bare
 * processor and in Unicorn. All run in turns, with the same arguments.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromAddress } from '../../src/wdm/address.ts';
import { BareMachine, bytes, CODE, DATA } from '../../test/support/bare-machine.ts';
import type { Figure, Peer } from '../index.ts';
import { type Competitor, Contest, competitors } from './competitor.ts';
import { geometricMean, pairwise, seconds, spread } from './statistics.ts';

export const MEGABYTE = 1 << 20;
const ROUNDS = 7;
/** Until V8 has replaced the first code of a region. */
const WARM_UPS = 3;

/** An argument: a number, or an offset in the data. */
type Argument = bigint | { readonly offset: number };

const at = (offset: number): Argument => ({ offset });

const KERNELS: readonly { readonly name: string; readonly args: readonly Argument[] }[] = [
  { name: 'a_alu', args: [100_000_000n, 88172645463325252n] },
  { name: 'b_crc', args: [at(0), 1n << 20n, 8n] },
  { name: 'b2_crctab', args: [at(0), 1n << 20n, 40n, at(3 * MEGABYTE)] },
  { name: 'c_copy8', args: [at(2 * MEGABYTE), at(0), 1n << 17n, 200n] },
  { name: 'd_fib', args: [32n] },
  { name: 'e_sse', args: [at(2 * MEGABYTE), at(MEGABYTE), at(MEGABYTE + 0x8_0000), (100n << 32n) | (1n << 15n)] },
];

export function kernel(name: string): Uint8Array {
  return bytes(readFileSync(`test/kernels/${name}.hex`, 'utf8'));
}

/** A machine with the kernels' four megabytes of data. */
export function machine(): BareMachine {
  const m = new BareMachine(32);
  m.map(DATA, 4 * MEGABYTE);
  const { memory } = m.processor;
  memory.writeBytes(
    DATA,
    Uint8Array.from({ length: MEGABYTE }, (_, i) => Math.imul(i, 2654435761) >>> 24),
  );
  const floats = Float32Array.from({ length: MEGABYTE / 4 }, (_, i) => (i % 1000) * 0.5);
  memory.writeBytes(DATA + MEGABYTE, new Uint8Array(floats.buffer));
  const table = Uint32Array.from({ length: 256 }, (_, i) => {
    let crc = i;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    return crc;
  });
  memory.writeBytes(DATA + 3 * MEGABYTE, new Uint8Array(table.buffer));
  return m;
}

export async function kernels(): Promise<Figure[]> {
  const directory = mkdtempSync(join(tmpdir(), 'cpu-'));
  try {
    const others = competitors(directory);
    const figures: Figure[] = [];
    for (const { name, args } of KERNELS) figures.push(await measure(name, args, others, directory));
    return [...figures, mean(figures)];
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function measure(
  name: string,
  args: readonly Argument[],
  others: readonly Competitor[],
  directory: string,
): Promise<Figure> {
  const m = machine();
  m.load(kernel(name));
  const values = args.map(a => (typeof a === 'bigint' ? a : fromAddress(DATA + a.offset)));
  const before = m.processor.retired;
  const run = () => void m.call(CODE, ...values);
  run();
  const millions = (m.processor.retired - before) / 1e6;
  for (let n = 1; n < WARM_UPS; n++) run();

  const code = join(directory, `${name}.bin`);
  writeFileSync(code, kernel(name));
  const words = Array.from({ length: 4 }, (_, i) => args[i] ?? 0n).map(a =>
    typeof a === 'bigint' ? `${a}` : `@${a.offset}`,
  );
  const contests = others.map(other => new Contest(other, [code, ...words]));
  try {
    for (const contest of contests) await contest.run();
    const ours: number[] = [];
    const theirs: number[][] = contests.map(() => []);
    for (let round = 0; round < ROUNDS; round++) {
      ours.push(millions / seconds(run));
      for (const [n, contest] of contests.entries()) theirs[n]!.push(millions / (await contest.run()));
    }
    const peers = others.map(
      (other, n): Peer => ({ name: other.name, ...spread(theirs[n]!), ratio: pairwise(ours, theirs[n]!) }),
    );
    return figure(name, spread(ours), peers);
  } finally {
    for (const contest of contests) contest.end();
  }
}

/** Geometric means of the medians, and of the ratios. */
function mean(figures: readonly Figure[]): Figure {
  const names = figures[0]?.peers?.map(peer => peer.name) ?? [];
  const peers = names.map((name, n): Peer => {
    const own = figures.map(each => each.peers![n]!);
    return {
      name,
      value: geometricMean(own.map(peer => peer.value)),
      ratio: geometricMean(own.map(peer => peer.ratio)),
    };
  });
  return figure('geometric mean', { value: geometricMean(figures.map(each => each.value)) }, peers);
}

function figure(name: string, values: Pick<Figure, 'value' | 'min' | 'max'>, peers: readonly Peer[]): Figure {
  const [first] = peers;
  return {
    name,
    ...values,
    unit: 'million instructions/s',
    versus: first?.name ?? null,
    ratio: first?.ratio ?? null,
    peers,
  };
}
