/** Sequences of instructions within one translation. */
import { expect, test } from 'vitest';
import { chunks } from '../../tools/vectors/file.ts';
import { read, replay } from './replay.ts';

const file = read('sequences.json');
const list = [...chunks(file)];

test.each(list.map((_, i) => i))('chunk %i is as on silicon', { timeout: 300_000 }, i => {
  expect(replay(file.seed, list[i]!)).toEqual([]);
});
