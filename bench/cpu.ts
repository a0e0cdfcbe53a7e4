/**
 * The processor: kernels beside the bare processor and Unicorn, string instructions beside the host's copy and fill,
 * watched pages, translation, and what a way out to TypeScript and back costs.
 */
import { CODE, TRAP } from '../test/support/bare-machine.ts';
import { kernel, kernels, machine } from './cpu/kernels.ts';
import { seconds, spread } from './cpu/statistics.ts';
import { strings } from './cpu/strings.ts';
import { translation } from './cpu/translation.ts';
import { watching } from './cpu/watching.ts';
import type { Figure } from './index.ts';

export { chart } from './cpu/chart.ts';

/** From `run` to a trap address and back in: what a call of a kernel export costs the processor. */
function roundTrip(): Figure {
  const m = machine();
  m.load(kernel('f_ret'));
  const { registers, memory } = m.processor;
  const stack = registers.rsp;
  const calls = 300_000;
  const times = Array.from({ length: 6 }, () =>
    seconds(() => {
      for (let n = 0; n < calls; n++) {
        registers.rsp = stack;
        memory.writePointer(stack, TRAP);
        registers.rip = CODE;
        m.processor.run();
      }
    }),
  );
  const nanoseconds = times.slice(1).map(time => (time / calls) * 1e9);
  return { name: 'call and trap', ...spread(nanoseconds), unit: 'ns', versus: null, ratio: null };
}

/**
 * A loop that runs for long from its first instruction on. V8 does not replace the code of a running function, so this
 * is fast only if loops are left, and entered again, while the better code becomes ready.
 */
function longLoop(): Figure {
  const m = machine();
  // Not where the others are: V8 would find the same bytes in its cache, compiled well already.
  const entry = m.load(kernel('a_alu'), CODE + 0x10_0000);
  const before = m.processor.retired;
  const run = () => seconds(() => void m.call(entry, 200_000_000n, 88172645463325252n));
  const first = run();
  const millions = (m.processor.retired - before) / 1e6;
  run();
  const later = run();
  return {
    name: 'a_alu, one long loop from cold',
    value: millions / first,
    unit: 'million instructions/s',
    versus: 'its third run',
    ratio: later / first,
  };
}

export default async function cpu(): Promise<Figure[]> {
  return [...(await kernels()), longLoop(), roundTrip(), ...strings(), ...watching(), ...translation()];
}
