import { expect, test } from 'vitest';
import type { Figure } from '../index.ts';
import { chart } from './chart.ts';
import { pairwise, spread } from './statistics.ts';

const bar = (name: string, value: number): Figure => ({
  name,
  value,
  unit: 'million instructions/s',
  versus: 'native',
  ratio: value / 5000,
  peers: [
    { name: 'native', value: 5000, ratio: value / 5000 },
    { name: 'Unicorn 2.0.1', value: 46.5, ratio: value / 46.5 },
  ],
});

test('the same figures make the same file, with every bar named and valued', () => {
  const other: Figure = { name: 'call and trap', value: 100, unit: 'ns', versus: null, ratio: null };
  const figures = [bar('a_alu', 4321), bar('d_fib', 750), other];
  const svg = chart(figures);
  expect(chart(figures)).toBe(svg);
  const texts = Array.from(svg.matchAll(/<text[^>]*>([^<]*)/g), match => match[1]);
  expect(texts).toEqual(
    expect.arrayContaining(['a_alu', 'd_fib', 'Irpwright', 'native', 'Unicorn 2.0.1', '4320', '750', '46.5']),
  );
  expect(texts).not.toContain('call and trap');
});

test('a machine that slows down for a while does not change a ratio of neighbours', () => {
  const speed = [1, 1, 10, 10, 1];
  const ours = speed.map(slow => 2 / slow);
  const theirs = speed.map(slow => 6 / slow);
  expect(pairwise(ours, theirs)).toBeCloseTo(1 / 3);
  expect(spread(ours)).toEqual({ value: 2, min: 0.2, max: 2 });
});
