/** All the bad-input runs: 10,000 damaged drivers, and 10,000 hostile requests over each kind of stack. */
import { expect, test } from 'vitest';
import { EACH_STACK } from '../support/stacks.ts';
import { loadDamagedImages } from './damaged-images.ts';
import { sendHostileRequests } from './hostile-requests.ts';

const PART = 1000;

test.each(Array.from({ length: 10 }, (_, part) => part * PART))('damaged drivers, seeds %i and 999 more', first => {
  const tally = loadDamagedImages(first, PART);
  expect(tally.total).toBe(PART);
  console.log(`damaged drivers, seeds ${first} to ${first + PART - 1}: ${tally}`);
});

test.each(EACH_STACK)('10,000 hostile requests over %s, seeds 0 to 9999', (_name, stack) => {
  const tally = sendHostileRequests(stack, 0, 10_000);
  expect(tally.counts.status).toBe(10_000);
  console.log(`hostile requests over ${stack.name}, seeds 0 to 9999: ${tally}`);
});
