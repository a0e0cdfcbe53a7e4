/** The first half of the recorded forms: integer instructions, in the main. */
import { expect, test } from 'vitest';
import { chunks } from '../../tools/vectors/file.ts';
import { read, replay } from './replay.ts';

const file = read('forms.json');
const list = [...chunks(file)].filter((_, i) => i < 2);

test.each(list.map((_, i) => i))('chunk %i is as on silicon', { timeout: 300_000 }, i => {
  expect(replay(file.seed, list[i]!)).toEqual([]);
});
