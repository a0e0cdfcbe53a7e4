/** A tenth of the damaged drivers; damaged-images.soak.ts loads them all. */
import { expect, test } from 'vitest';
import { loadDamagedImages } from './damaged-images.ts';

test('1,000 damaged drivers, seeds 0 to 999', () => {
  const tally = loadDamagedImages(0, 1000);
  console.log(`damaged drivers, seeds 0 to 999: ${tally}`);
  expect(tally.total).toBe(1000);
}, 600_000);
