/**
 * Irpwright: the Windows NT I/O manager, and the machine under it.
 *
 *     import { boot } from 'irpwright';
 *
 *     const machine = boot();
 *     const { driver } = machine.loadDriver(readFileSync('driver.sys'), 'driver.sys');
 *     const app = machine.createProcess('app.exe');
 *     const { handle } = app.CreateFile('\\\\.\\Device');
 *     const { status, bytes } = app.DeviceIoControl(handle, 0x222000, input, output);
 */
import * as decoder from 'iced-x86';
import { Machine, type MachineOptions } from './machine.ts';

export * from './etw/index.ts';
export * from './ke/routine.ts';
export { type Driver, type DriverLoad, Machine, type MachineOptions } from './machine.ts';
export type { Nt, TypeScriptDriver } from './ntoskrnl/typescript-driver.ts';
export * from './wdm/address.ts';
export * as wdm from './wdm/constants.ts';
export * from './wdm/failures.ts';
export * as layouts from './wdm/layouts.ts';
export { PageFault } from './wdm/memory.ts';
export * as ntstatus from './wdm/ntstatus.ts';
export * from './win32/index.ts';

/**
 * A machine with the decoder of the package `iced-x86`, and in Node with its file system. Elsewhere, hand `Machine`
 * another loading of the decoder.
 */
export function boot(options: Omit<MachineOptions, 'decoder'> = {}): Machine {
  return new Machine({ readFile, ...options, decoder });
}

/** What there is of Node, if this is Node: nothing here imports it. */
interface Host {
  readonly process?: { getBuiltinModule?(name: 'node:fs'): { readFileSync(path: string): Uint8Array } };
}

function readFile(path: string): Uint8Array {
  const files = (globalThis as Host).process?.getBuiltinModule?.('node:fs');
  if (files === undefined) throw new TypeError(`loadDriver('${path}'): read the file and give its bytes`);
  return files.readFileSync(path);
}
