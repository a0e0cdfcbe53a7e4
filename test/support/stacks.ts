/**
 * The stacks that the contract is proved over: whoever sends a request must not be able to tell them apart.
 */
import { readFileSync } from 'node:fs';
import * as decoder from 'iced-x86';
import filter from '../../drivers/filter.ts';
import transfer from '../../drivers/transfer.ts';
import { type DriverSource, Machine } from '../../src/index.ts';

const sample = (name: string): DriverSource => ({
  name,
  image: readFileSync(new URL(`../../samples/${name}/${name}.sys`, import.meta.url)),
});

export interface Stack {
  readonly name: string;
  /** Bottom first. */
  readonly drivers: () => readonly DriverSource[];
  /** Device objects above the application's request, the function driver's included. */
  readonly depth: number;
}

export const STACKS: readonly Stack[] = [
  { name: 'the TypeScript driver', drivers: () => [transfer()], depth: 1 },
  { name: 'transfer.sys', drivers: () => [sample('transfer')], depth: 1 },
  { name: 'filter.sys over the TypeScript driver', drivers: () => [transfer(), sample('filter')], depth: 2 },
  { name: 'a TypeScript filter over transfer.sys', drivers: () => [sample('transfer'), filter()], depth: 2 },
];

export function boot(stack: Stack, seed = 1): Machine {
  const machine = new Machine({ decoder, seed });
  for (const driver of stack.drivers()) {
    const { status } = machine.loadDriver(driver);
    if (status !== 0) throw new Error(`${driver.name} did not load: 0x${status.toString(16)}`);
  }
  return machine;
}
