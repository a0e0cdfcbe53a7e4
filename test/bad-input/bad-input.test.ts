/** A tenth of the bad-input runs; bad-input.soak.ts does them all. */
import { expect, test } from 'vitest';
import { EACH_STACK } from '../support/stacks.ts';
import { loadDamagedImages } from './damaged-images.ts';
import { sendHostileRequests } from './hostile-requests.ts';

test('1,000 damaged drivers, seeds 0 to 999', () => {
  const tally = loadDamagedImages(0, 1000);
  expect(tally.total).toBe(1000);
  console.log(`damaged drivers: ${tally}`);
}, 240_000);

test.each(EACH_STACK)('250 hostile requests over %s, seeds 0 to 249', (_name, stack) => {
  expect(sendHostileRequests(stack, 0, 250).counts.status).toBe(250);
});
