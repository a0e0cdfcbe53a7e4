/**
 * The stacks that the contract is proved over: whoever sends a request must not be able to tell them apart.
 */
import { readFileSync } from 'node:fs';
import filter from '../../drivers/filter.ts';
import transfer from '../../drivers/transfer.ts';
import { boot as bootMachine, type Machine, type TypeScriptDriver } from '../../src/index.ts';

/** What `loadDriver` takes. */
type Loadable = readonly [source: Uint8Array | TypeScriptDriver, name: string];

const sample = (name: string): Loadable => [
  readFileSync(new URL(`../../samples/${name}/${name}.sys`, import.meta.url)),
  `${name}.sys`,
];

export interface Stack {
  readonly name: string;
  /** Bottom first. */
  readonly drivers: () => readonly Loadable[];
  /** Device objects above the application's request, the function driver's included. */
  readonly depth: number;
}

export const STACKS: readonly Stack[] = [
  { name: 'the TypeScript driver', drivers: () => [[transfer(), 'transfer']], depth: 1 },
  { name: 'transfer.sys', drivers: () => [sample('transfer')], depth: 1 },
  {
    name: 'filter.sys over the TypeScript driver',
    drivers: () => [[transfer(), 'transfer'], sample('filter')],
    depth: 2,
  },
  {
    name: 'a TypeScript filter over transfer.sys',
    drivers: () => [sample('transfer'), [filter(), 'filter']],
    depth: 2,
  },
];

/** For `describe.each`: the name first. */
export const EACH_STACK = STACKS.map(stack => [stack.name, stack] as const);

export function boot(stack: Stack, seed = 1): Machine {
  const machine = bootMachine({ seed });
  for (const [source, name] of stack.drivers()) {
    const { status, message } = machine.loadDriver(source, name);
    if (status !== 0) throw new Error(`${name} did not load: ${message ?? `0x${status.toString(16)}`}`);
  }
  return machine;
}
