/** 10,000 damaged drivers. */
import { expect, test } from 'vitest';
import { loadDamagedImages } from './damaged-images.ts';

const PART = 1000;

test.each(Array.from({ length: 10 }, (_, part) => part * PART))('damaged drivers, seeds %i and 999 more', first => {
  const tally = loadDamagedImages(first, PART);
  console.log(`damaged drivers, seeds ${first} to ${first + PART - 1}: ${tally}`);
  expect(tally.total).toBe(PART);
});
