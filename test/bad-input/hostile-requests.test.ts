/** A tenth of the hostile requests, over all stacks; hostile-requests.soak.ts sends them all, over each. */
import { expect, test } from 'vitest';
import { EACH_STACK } from '../support/stacks.ts';
import { sendHostileRequests } from './hostile-requests.ts';

test.each(EACH_STACK)('250 hostile requests over %s, seeds 0 to 249', (_name, stack) => {
  expect(sendHostileRequests(stack, 0, 250).counts.status).toBe(250);
});
