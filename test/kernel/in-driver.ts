/** Runs a body where a driver's code runs: in DriverEntry, at PASSIVE_LEVEL, in a System thread. */
import { boot, type Machine, type MachineOptions, type Nt } from '../../src/index.ts';
import type { Routine } from '../../src/ke/routine.ts';

export interface Ran<T> {
  readonly machine: Machine;
  readonly result: T;
}

export function inDriver<T>(
  body: (nt: Nt, machine: Machine) => Routine<T>,
  options: Omit<MachineOptions, 'decoder'> = {},
): Ran<T> {
  const machine = boot(options);
  let outcome: { result: T } | undefined;
  machine.loadDriver({
    name: 'test',
    *DriverEntry(nt) {
      outcome = { result: yield* body(nt, machine) };
      return 0;
    },
  });
  return { machine, result: outcome!.result };
}
