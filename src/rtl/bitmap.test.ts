import { describe, expect, test } from 'vitest';
import { KernelMemory } from '../../test/support/kernel-memory.ts';
import { Random } from '../../test/support/random.ts';
import { RTL_BITMAP } from '../wdm/layouts.ts';
import { PageFault } from '../wdm/memory.ts';
import * as bits from './bitmap.ts';

function setUp(size: number) {
  const kernel = new KernelMemory(1);
  const { memory } = kernel;
  const bitmap = kernel.room(RTL_BITMAP.size);
  const view = RTL_BITMAP.at(memory, bitmap);
  view.SizeOfBitMap = size;
  view.Buffer = kernel.room(Math.ceil(size / 32) * 4);
  bits.fillBits(memory, bitmap, false);
  const text = () => Array.from({ length: size }, (_, i) => (bits.RtlTestBit(memory, bitmap, i) ? '1' : '0')).join('');
  return { kernel, memory, bitmap, view, text };
}

describe('one bitmap against a text of zeros and ones', () => {
  const SIZE = 100;
  const random = new Random(1);
  const { memory, bitmap, text } = setUp(SIZE);

  test.each(Array.from({ length: 200 }, (_, i) => [i]))('step %i', () => {
    const start = random.below(SIZE);
    const count = random.below(SIZE - start + 1);
    const before = text();
    const set = random.oneIn(2);
    (set ? bits.RtlSetBits : bits.RtlClearBits)(memory, bitmap, start, count);
    const now = before.slice(0, start) + (set ? '1' : '0').repeat(count) + before.slice(start + count);
    expect(text()).toBe(now);

    expect(bits.countBits(memory, bitmap, true)).toBe(now.replaceAll('0', '').length);
    expect(bits.countBits(memory, bitmap, false)).toBe(now.replaceAll('1', '').length);
    const from = random.below(SIZE);
    const wanted = 1 + random.below(40);
    const range = now.slice(from, from + wanted);
    expect(bits.areBits(memory, bitmap, from, wanted, false)).toBe(range === '0'.repeat(wanted));
    const behind = now.indexOf('0'.repeat(wanted), from);
    const found = behind >= 0 ? behind : now.indexOf('0'.repeat(wanted));
    expect(bits.findBits(memory, bitmap, wanted, from, false)).toBe(found >= 0 ? found : bits.NOT_FOUND);

    const runs = [...now.matchAll(/0+/g)].map(m => ({ start: m.index, length: m[0].length }));
    const longest = runs.reduce((a, b) => (b.length > a.length ? b : a), { start: 0, length: 0 });
    expect(bits.longestClearRun(memory, bitmap)).toEqual(longest);
    expect(bits.nextClearRun(memory, bitmap, 0)).toEqual(runs[0] ?? { start: SIZE, length: 0 });
  });
});

test('taking bits changes them', () => {
  const { memory, bitmap, text } = setUp(8);
  expect(bits.takeBits(memory, bitmap, 3, 2, false)).toBe(2);
  expect(text()).toBe('00111000');
  expect(bits.takeBits(memory, bitmap, 4, 0, false)).toBe(bits.NOT_FOUND);
  expect(bits.takeBits(memory, bitmap, 2, 0, true)).toBe(2);
  expect(text()).toBe('00001000');
});

test('a size beyond memory is a fault, not a wait', () => {
  const { memory, bitmap, view } = setUp(64);
  view.SizeOfBitMap = 0xffff_ffff;
  expect(() => bits.countBits(memory, bitmap, true)).toThrow(PageFault);
  expect(() => bits.fillBits(memory, bitmap, true)).toThrow(PageFault);
  expect(() => bits.RtlSetBits(memory, bitmap, 0xffff_fff0, 0xffff_ffff)).toThrow(PageFault);
});
