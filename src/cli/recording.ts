/**
 * What a user's script sees as `irpwright` under `irpwright run`: the public API, whose machines are also recorded.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import * as decoder from 'iced-x86';
import type { Recorder } from '../etw/index.ts';
import * as api from '../index.ts';
import { record } from './record.ts';

export * from '../index.ts';

export interface RecordedMachine {
  readonly machine: api.Machine;
  readonly recorder: Recorder;
}

/** Machines that the script at hand has booted, in order. */
export const recording = new AsyncLocalStorage<RecordedMachine[]>();

/** As the public one; what its machines do goes into the report. */
export class Machine extends api.Machine {
  constructor(options: api.MachineOptions) {
    super(options);
    recording.getStore()?.push({ machine: this, recorder: record(this) });
  }
}

export function boot(options: Omit<api.MachineOptions, 'decoder'> = {}): Machine {
  return new Machine({ ...options, decoder });
}
