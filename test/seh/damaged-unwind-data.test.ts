/**
 * Unwind data and scope tables that lie: the bytes that the unwinder and __C_specific_handler believe are damaged, and
 * the cases run all the same. Each must come back, or stop the machine with a bug check or a named instruction.
 */
import { expect, test } from 'vitest';
import { BugCheck, boot, Hang, Unsupported } from '../../src/index.ts';
import { type PeImage, parsePe } from '../../src/pe/index.ts';
import { Random } from '../support/random.ts';
import { runCase, SEH } from './machine.ts';

const CASES = 20;
const RUNS = 50;

/** The file range that holds every UNWIND_INFO and scope table. */
function unwindData(): { readonly offset: number; readonly size: number } {
  const image = parsePe(SEH) as PeImage;
  const addresses = [...image.functionTable].filter((_, i) => i % 3 === 2);
  const [first, last] = [Math.min(...addresses), Math.max(...addresses)];
  const section = image.sections.find(({ name }) => name === '.rdata')!;
  return { offset: section.rawOffset + first - section.address, size: last - first + 0x20 };
}

function damaged(seed: number): Uint8Array {
  const random = new Random(seed);
  const copy = SEH.slice();
  const { offset, size } = unwindData();
  for (let n = 0; n < 12; n++) {
    const at = offset + random.below(size);
    copy[at] = random.oneIn(2) ? random.below(256) : copy[at]! ^ (1 << random.below(8));
  }
  return copy;
}

test(`${RUNS} damaged images end in an answer, a bug check or a name`, () => {
  const tally = { answered: 0, refused: 0, stopped: 0 };
  for (let seed = 0; seed < RUNS; seed++) {
    const machine = boot({ seed: 1, memory: 0x100_0000, limits: { processorTime: 2e7 } });
    try {
      const { status } = machine.loadDriver(damaged(seed), 'seh.sys');
      if (status !== 0) tally.refused++;
      else {
        for (let i = 0; i < 3; i++) runCase(machine, (seed * 7 + i) % CASES);
        tally.answered++;
      }
    } catch (error) {
      const declared = error instanceof BugCheck || error instanceof Unsupported || error instanceof Hang;
      if (!declared && !/^IOCTL_SEH_RUN: 0x/.test(String((error as Error).message))) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
      tally.stopped++;
    }
  }
  expect(tally.answered + tally.refused + tally.stopped).toBe(RUNS);
  expect(tally.stopped).toBeGreaterThan(5);
  expect(tally.answered, JSON.stringify(tally)).toBeGreaterThan(10);
}, 240_000);
