/**
 * One machine of a check: booted, drivers loaded, an application that sends what it is told.
 *
 * A machine that a driver has stopped cannot go on. Every step therefore ends either with a value or with the reason
 * why this machine is over; whoever drives the session then makes the next one, with the same configuration.
 */
import * as iced from 'iced-x86';
import type { Recorder, TraceEvent } from '../../etw/index.ts';
import { type Driver, type DriverLoad, Machine } from '../../machine.ts';
import type { Address } from '../../wdm/address.ts';
import { BugCheck, Hang, Unsupported } from '../../wdm/failures.ts';
import { DEVICE_OBJECT, DRIVER_EXTENSION, DRIVER_OBJECT } from '../../wdm/layouts.ts';
import { NT_SUCCESS, STATUS_PENDING } from '../../wdm/ntstatus.ts';
import { FILE_FLAG_OVERLAPPED, OVERLAPPED, type Process, WAIT_OBJECT_0 } from '../../win32/index.ts';
import { type DeviceLink, devicesOf, linksOf } from '../devices.ts';
import type { InputFile } from '../files.ts';
import { record } from '../record.ts';
import type { DeviceReport } from '../report/model.ts';
import { inputBytes, type PlannedRequest } from './plan.ts';

/** How long, in the machine's time, a request may stay pending before it is cancelled, and after it was. */
const PATIENCE_MILLISECONDS = 1000;

export type Stop = BugCheck | Hang | Unsupported;
export type Outcome<T> = { readonly value: T; readonly stop?: never } | { readonly stop: Stop };

export interface Sent {
  /** How the call ended, or the request if it was pending meanwhile. */
  readonly status: number;
  /** Neither completed in time nor when it was cancelled: the application cannot go on with it, nor end. */
  readonly unfinished: boolean;
}

export class Session {
  readonly number: number;
  readonly machine: Machine;
  readonly #app: Process;
  readonly #recorder: Recorder;
  readonly #handles = new Map<string, { readonly handle: number; readonly status: number }>();
  #overlapped: { readonly address: Address; readonly event: number } | undefined;

  /** @param number of this machine within the check, from 1 */
  constructor(number: number, seed: number, processorTime: number) {
    this.number = number;
    this.machine = new Machine({ decoder: iced, seed, limits: { processorTime } });
    this.#recorder = record(this.machine);
    this.#app = this.machine.createProcess('check.exe');
  }

  get events(): readonly TraceEvent[] {
    return this.#recorder.events;
  }

  /** The value, or why the machine is over. Anything else that is thrown is a mistake of ours. */
  attempt<T>(work: () => T): Outcome<T> {
    try {
      return { value: work() };
    } catch (error) {
      if (error instanceof BugCheck || error instanceof Hang || error instanceof Unsupported) return { stop: error };
      throw error;
    }
  }

  load({ name, bytes }: InputFile): Outcome<DriverLoad> {
    return this.attempt(() => this.machine.loadDriver(bytes, `${name}.sys`));
  }

  /** A driver for Plug and Play: it makes its devices when one is found, in AddDevice. */
  hasAddDevice({ object }: Driver): boolean {
    const { memory } = this.machine;
    return DRIVER_EXTENSION.at(memory, DRIVER_OBJECT.at(memory, object).DriverExtension).AddDevice !== 0;
  }

  hasUnload({ object }: Driver): boolean {
    return DRIVER_OBJECT.at(this.machine.memory, object).DriverUnload !== 0;
  }

  devices(): DeviceReport[] {
    return devicesOf(this.machine, this.#recorder);
  }

  links(): DeviceLink[] {
    return linksOf(this.#recorder);
  }

  /** A request to this device passes a device of `driver`: its own, or one that is attached above it. */
  isReachedThrough(device: DeviceReport, driver: string): boolean {
    const { memory } = this.machine;
    const owners = new Map(this.devices().map(({ address, driver: owner }) => [address, owner]));
    for (let at = device.address; at !== 0; at = DEVICE_OBJECT.at(memory, at).AttachedDevice) {
      if (owners.get(at) === driver) return true;
    }
    return false;
  }

  /** Opens the device once for asynchronous requests. Returns the status of the first try. */
  open(device: DeviceReport): Outcome<number> {
    return this.attempt(() => {
      const name = device.name ?? '';
      const known = this.#handles.get(name);
      if (known) return known.status;
      const path = device.links[0] ?? `\\\\?\\GLOBALROOT${name}`;
      const { status, handle } = this.#app.CreateFile(path, { flags: FILE_FLAG_OVERLAPPED });
      this.#handles.set(name, { handle, status });
      return status;
    });
  }

  /** The device must be open. */
  send(request: PlannedRequest): Outcome<Sent> {
    return this.attempt(() => {
      const app = this.#app;
      const { handle } = this.#handles.get(request.device) ?? { handle: -1 };
      const { address: overlapped, event } = this.#newOverlapped();
      const [input, output] = sizesOf(request);
      const from = input > 0 ? app.allocBytes(inputBytes(input)) : 0;
      const to = output > 0 ? app.alloc(output) : 0;
      const calls = {
        read: () => app.ReadFile(handle, to, output, overlapped),
        write: () => app.WriteFile(handle, from, input, overlapped),
        ioctl: () =>
          app.DeviceIoControl(handle, request.kind === 'ioctl' ? request.code : 0, from, input, to, output, overlapped),
      };
      const { status } = calls[request.kind]();
      const end = status === STATUS_PENDING ? this.#waitFor(handle, event, overlapped) : status;
      // The driver may still write there.
      if (end === undefined) return { status, unfinished: true };
      for (const buffer of [from, to]) if (buffer !== 0) app.VirtualFree(buffer);
      this.#overlapped = { address: overlapped, event };
      return { status: end, unfinished: false };
    });
  }

  close(device: string): Outcome<void> {
    return this.attempt(() => {
      const open = this.#handles.get(device);
      if (open && NT_SUCCESS(open.status)) this.#app.CloseHandle(open.handle);
      this.#handles.delete(device);
    });
  }

  unload(driver: Driver): Outcome<number> {
    return this.attempt(() => this.machine.unloadDriver(driver));
  }

  /** The request's status once it is complete; undefined if it does not even heed its cancellation. */
  #waitFor(handle: number, event: number, overlapped: Address): number | undefined {
    const app = this.#app;
    if (app.WaitForSingleObject(event, PATIENCE_MILLISECONDS) !== WAIT_OBJECT_0) {
      try {
        app.CancelIo(handle);
      } catch (error) {
        // CancelIo waits for what it has cancelled.
        if (error instanceof Hang && error.reason === 'waiting') return undefined;
        throw error;
      }
      if (app.WaitForSingleObject(event, PATIENCE_MILLISECONDS) !== WAIT_OBJECT_0) return undefined;
    }
    return Number(OVERLAPPED.at(app.memory, overlapped).Internal & 0xffff_ffffn);
  }

  #newOverlapped(): { readonly address: Address; readonly event: number } {
    const app = this.#app;
    const made = this.#overlapped ?? {
      address: app.alloc(OVERLAPPED.size),
      event: app.CreateEvent(true, false).handle,
    };
    this.#overlapped = undefined;
    app.memory.fill(made.address, OVERLAPPED.size, 0);
    OVERLAPPED.at(app.memory, made.address).hEvent = made.event;
    return made;
  }
}

function sizesOf(request: PlannedRequest): [input: number, output: number] {
  if (request.kind === 'ioctl') return [request.input, request.output];
  return request.kind === 'read' ? [0, request.bytes] : [request.bytes, 0];
}
