/** A recorder that begins with which machine it was: in a trace of several, that is where the next one starts. */
import { Recorder, TRACE_VERSION } from '../etw/index.ts';
import { NT_BUILD_NUMBER } from '../ke/shared-user-data.ts';
import type { Machine } from '../machine.ts';

export function record(machine: Machine): Recorder {
  const recorder = new Recorder(machine.trace);
  machine.trace.emit({ type: 'machine-booted', version: TRACE_VERSION, seed: machine.seed, build: NT_BUILD_NUMBER });
  return recorder;
}
