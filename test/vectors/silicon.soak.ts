/**
 * Millions of random instructions on the processor at hand and on ours: where the recorded processor's kin (AMD, since
 * Zen 4's answers are what is asked for) and gcc are there.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { compareWithSilicon, type Material } from '../../tools/vectors/side-by-side.ts';

const SEED = 'soak';
const COUNTS: readonly (readonly [Material, number])[] = [
  ['forms', 4_000_000],
  ['sequences', 800_000],
  ['bytes', 200_000],
];

const info = existsSync('/proc/cpuinfo') ? readFileSync('/proc/cpuinfo', 'utf8') : '';
const here = process.arch === 'x64' && /AuthenticAMD/.test(info) && spawnSync('gcc', ['--version']).status === 0;

test.skipIf(!here).each(COUNTS)('%s: %i cases', (material, count) => {
  const { mismatches, unsupported } = compareWithSilicon({ material, count, seed: SEED });
  expect(mismatches.map(({ text }) => text)).toEqual([]);
  expect(unsupported).toEqual([]);
});
