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

export default async function cpu(): Promise<Figure[]> {
  return [...(await kernels()), roundTrip(), ...strings(), ...watching(), ...translation()];
}
