/**
 * Random bytes as code. Whatever comes ends in an exit or Unsupported, the host's own errors never show, and a second
 * machine that observes every instruction comes to the same state at the same count.
 */
import { expect, test } from 'vitest';
import { BareMachine, CODE, DATA, STACK_TOP } from '../../test/support/bare-machine.ts';
import { Random } from '../../test/support/random.ts';
import { Unsupported } from '../wdm/failures.ts';

/** Bytes that begin common instructions, so that more of the noise is code. */
const LIKELY = [0x48, 0x0f, 0x66, 0xf3, 0x8b, 0x89, 0x01, 0xff, 0x83, 0x74, 0xeb, 0xe8, 0xc3, 0xa4, 0x41];
const AREA = 0x4000;
const PATIENCE = 5000;

function machine(): BareMachine {
  const m = new BareMachine(8);
  m.map(CODE, AREA);
  m.map(DATA, AREA);
  return m;
}

function value(random: Random): bigint {
  const address = (base: number) => BigInt.asUintN(64, BigInt(base + random.below(AREA)));
  return random.pick([
    () => BigInt(random.u32()),
    () => BigInt(random.below(100)),
    () => (BigInt(random.u32()) << 32n) | BigInt(random.u32()),
    () => address(DATA),
    () => address(CODE),
    () => address(STACK_TOP - 0x8000),
  ])();
}

interface Noise {
  readonly code: Uint8Array;
  readonly start: number;
  readonly gprs: readonly bigint[];
}

function noise(random: Random): Noise {
  const code = Uint8Array.from({ length: 256 }, () => random.below(256));
  for (let at = 0; at < code.length; at += 4 + random.below(8)) code[at] = random.pick(LIKELY);
  const gprs = Array.from({ length: 16 }, () => value(random));
  gprs[4] = BigInt.asUintN(64, BigInt(STACK_TOP - 0x1000 - 8 * random.below(64)));
  return { code, start: CODE + random.below(AREA - 256), gprs };
}

/** How it ends, and the state then, in words. */
function run({ processor }: BareMachine, { code, start, gprs }: Noise): string {
  const { registers } = processor;
  processor.memory.writeBytes(start, code);
  gprs.forEach((gpr, n) => {
    registers.setGpr(n, gpr);
  });
  registers.rflags = 0x2;
  registers.rip = start;
  const before = processor.retired;
  processor.deadline = before + PATIENCE;
  let end: string;
  try {
    let exit = processor.run();
    while (exit.kind === 'window' || exit.kind === 'halt') exit = processor.run();
    end = JSON.stringify(exit);
  } catch (error) {
    if (!(error instanceof Unsupported)) throw error;
    end = error.message;
  }
  // Forward code is looked at no sooner than its next branch back, call or return.
  expect(processor.retired - before).toBeLessThan(PATIENCE + AREA);
  const words = Array.from({ length: 16 }, (_, n) => registers.gpr(n).toString(16));
  return `${end} after ${processor.retired - before} at ${registers.rip} flags ${registers.rflags.toString(16)} ${words}`;
}

test.each([1, 2, 3, 4])('seed %i', { timeout: 60_000 }, seed => {
  const random = new Random(seed);
  for (let round = 0; round < 5; round++) {
    const [plain, observed] = [machine(), machine()];
    observed.processor.observer = { before: () => {} };
    for (let n = 0; n < 40; n++) {
      const case_ = noise(random);
      const words = run(plain, case_);
      expect(run(observed, case_), Buffer.from(case_.code).toString('hex')).toBe(words);
      expect(observed.processor.retired).toBe(plain.processor.retired);
    }
    for (const base of [CODE, DATA, STACK_TOP - AREA]) {
      const [a, b] = [plain, observed].map(m => m.processor.memory.readBytes(base, AREA));
      expect(a!.findIndex((byte, at) => byte !== b![at])).toBe(-1);
    }
  }
});
