/** 10,000 hostile requests over each kind of stack. */
import { expect, test } from 'vitest';
import { EACH_STACK } from '../support/stacks.ts';
import { sendHostileRequests } from './hostile-requests.ts';

test.each(EACH_STACK)('10,000 hostile requests over %s, seeds 0 to 9999', (name, stack) => {
  const tally = sendHostileRequests(stack, 0, 10_000);
  console.log(`hostile requests over ${name}, seeds 0 to 9999: ${tally}`);
  expect(tally.counts.status).toBe(10_000);
});
