import { expect, it } from 'vitest';
import { RangeMap } from './range-map.ts';

it('says what a plain map of pages would say, after any series of changes', () => {
  const map = new RangeMap<number>();
  const plain = new Map<number, number>();
  let x = 7;
  for (let round = 0; round < 2000; round++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    const start = (x >>> 8) % 60;
    const end = start + ((x >>> 16) % 12);
    const value = x % 4 === 0 ? undefined : x % 4;
    map.set(start, end, value);
    for (let page = start; page < end; page++) {
      if (value === undefined) plain.delete(page);
      else plain.set(page, value);
    }
    for (let page = 0; page < 75; page++) expect(map.at(page)?.value).toBe(plain.get(page));
    const ranges = map.within(0, 100);
    expect(map.count(0, 100)).toBe(plain.size);
    for (let i = 1; i < ranges.length; i++) {
      const [a, b] = [ranges[i - 1]!, ranges[i]!];
      expect(a.end < b.start || (a.end === b.start && a.value !== b.value)).toBe(true);
    }
  }
});
