/** The seh sample on a machine of its own: cases by IOCTL, and its exports for TypeScript drivers. */
import { readFileSync } from 'node:fs';
import { type Address, boot, type Machine, type Nt, type Routine } from '../../src/index.ts';

export const SEH = new Uint8Array(readFileSync(new URL('../../samples/seh/seh.sys', import.meta.url)));

export const FILE_DEVICE_SEH = 0x8002;
export const IOCTL_SEH_RUN = ((FILE_DEVICE_SEH << 16) >>> 0) | (0x800 << 2);

export function bootSeh(seed = 1): Machine {
  const machine = boot({ seed });
  const { status, message } = machine.loadDriver(SEH, 'seh.sys');
  if (status !== 0) throw new Error(message ?? `seh.sys: 0x${status.toString(16)}`);
  return machine;
}

/** Runs a case for an application; its log. */
export function runCase(machine: Machine, number: number): number[] {
  const app = machine.createProcess('app.exe');
  const { handle } = app.CreateFile('\\\\.\\Seh');
  const output = new Uint32Array(64);
  const bytes = new Uint8Array(output.buffer);
  const result = app.DeviceIoControl(handle, IOCTL_SEH_RUN, new Uint8Array(new Uint32Array([number]).buffer), bytes);
  if (!result.ok) throw new Error(`IOCTL_SEH_RUN: 0x${result.status.toString(16)}`);
  app.CloseHandle(handle);
  return [...output.subarray(0, result.bytes / 4)];
}

/** An exported routine of seh.sys. */
export function sehExport(machine: Machine, name: string): Address {
  const image = machine.images.findByName('seh.sys')!;
  return image.base + image.export(name)!.address;
}

/** Runs `body` as a TypeScript driver's DriverEntry. */
export function asDriver<T>(machine: Machine, body: (nt: Nt) => Routine<T>): T {
  let result: { readonly value: T } | undefined;
  machine.loadDriver({
    name: 'tester',
    *DriverEntry(nt) {
      result = { value: yield* body(nt) };
      return 0;
    },
  });
  if (!result) throw new Error('the body did not run to its end');
  return result.value;
}

/** A handler that just answers. */
// biome-ignore lint/correctness/useYield: it has nothing to wait for
export function* answer<T>(value: T): Routine<T> {
  return value;
}
