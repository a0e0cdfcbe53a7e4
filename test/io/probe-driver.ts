/**
 * Drivers whose routines a test writes, and kernel code of its own to call them from.
 */
import { boot, type Machine, type Nt, type TypeScriptDriver } from '../../src/index.ts';
import type { MaybeRoutine, Routine } from '../../src/ke/routine.ts';
import { isRoutine } from '../../src/ke/routine.ts';
import type { Address } from '../../src/wdm/address.ts';
import * as wdm from '../../src/wdm/constants.ts';
import { DEVICE_OBJECT, DRIVER_OBJECT, type IO_STACK_LOCATION, IRP } from '../../src/wdm/layouts.ts';
import { STATUS_SUCCESS } from '../../src/wdm/ntstatus.ts';
import type { ViewOf } from '../../src/wdm/struct.ts';

/** What a dispatch routine is given. */
export interface Dispatched {
  readonly nt: Nt;
  readonly device: Address;
  readonly irp: Address;
  readonly view: ViewOf<typeof IRP>;
  readonly stack: ViewOf<typeof IO_STACK_LOCATION>;
}

export type Dispatch = (request: Dispatched) => MaybeRoutine<number | undefined>;

export interface Probe {
  readonly name: string;
  /** Under \Device, with a link under \??. */
  readonly devices?: readonly { readonly name: string; readonly flags?: number; readonly exclusive?: boolean }[];
  /** By major function; others are completed with STATUS_SUCCESS. `undefined` completes so, too. */
  readonly dispatch?: Readonly<Record<number, Dispatch>>;
  /** Runs in DriverEntry, after the devices have been made; its status is DriverEntry's. */
  readonly entry?: (nt: Nt, driver: Address, devices: readonly Address[]) => Routine<number>;
  /** Without it the driver has no DriverUnload. */
  readonly unload?: boolean;
}

/** A driver that writes down what it is sent. */
export function probe(options: Probe, log: string[] = []): TypeScriptDriver {
  return {
    name: options.name,
    *DriverEntry(nt, object) {
      const { memory } = nt;
      const driver = DRIVER_OBJECT.at(memory, object);
      const devices: Address[] = [];
      for (const { name, flags = 0, exclusive = false } of options.devices ?? []) {
        const out = nt.alloca(8);
        const path = nt.unicodeString(`\\Device\\${name}`);
        const status = yield* nt.IoCreateDevice(object, 0x10, path, wdm.FILE_DEVICE_UNKNOWN, 0, exclusive, out);
        if (status !== STATUS_SUCCESS) return status;
        const device = memory.readPointer(out);
        DEVICE_OBJECT.at(memory, device).Flags |= flags;
        devices.push(device);
        yield* nt.IoCreateSymbolicLink(nt.unicodeString(`\\??\\${name}`), path);
      }
      const dispatch = nt.routine('Dispatch', ['Device: ptr', 'Irp: ptr'], 'ntstatus', function* (device, irp) {
        const stack = nt.IoGetCurrentIrpStackLocation(irp);
        const major = stack.MajorFunction;
        log.push(`${options.name}:${MAJORS[major] ?? major}`);
        const handled = options.dispatch?.[major]?.({ nt, device, irp, view: IRP.at(memory, irp), stack });
        const status = isRoutine(handled) ? yield* handled : handled;
        return status ?? (yield* complete(nt, irp, STATUS_SUCCESS));
      });
      for (let major = 0; major <= wdm.IRP_MJ_MAXIMUM_FUNCTION; major++) driver.MajorFunction.set(major, dispatch);
      if (options.unload !== false) {
        driver.DriverUnload = nt.routine('Unload', ['Driver: ptr'], 'void', function* () {
          log.push(`${options.name}:UNLOAD`);
          for (const [index, device] of devices.entries()) {
            yield* nt.IoDeleteSymbolicLink(nt.unicodeString(`\\??\\${options.devices![index]!.name}`));
            yield* nt.IoDeleteDevice(device);
          }
        });
      }
      return options.entry ? yield* options.entry(nt, object, devices) : STATUS_SUCCESS;
    },
  };
}

export function* complete(nt: Nt, irp: Address, status: number, information = 0): Routine<number> {
  const { IoStatus } = IRP.at(nt.memory, irp);
  IoStatus.Status = status;
  IoStatus.Information = BigInt(information);
  yield* nt.IofCompleteRequest(irp, 0);
  return status;
}

const MAJORS: Readonly<Record<number, string>> = {
  [wdm.IRP_MJ_CREATE]: 'CREATE',
  [wdm.IRP_MJ_CLOSE]: 'CLOSE',
  [wdm.IRP_MJ_READ]: 'READ',
  [wdm.IRP_MJ_WRITE]: 'WRITE',
  [wdm.IRP_MJ_CLEANUP]: 'CLEANUP',
  [wdm.IRP_MJ_DEVICE_CONTROL]: 'CONTROL',
  [wdm.IRP_MJ_INTERNAL_DEVICE_CONTROL]: 'INTERNAL',
  [wdm.IRP_MJ_FLUSH_BUFFERS]: 'FLUSH',
  [wdm.IRP_MJ_QUERY_INFORMATION]: 'QUERY',
  [wdm.IRP_MJ_SET_INFORMATION]: 'SET',
};

/** Runs kernel code in a driver of its own that is gone afterwards. */
export function inKernel<T>(machine: Machine, body: (nt: Nt, driver: Address) => Routine<T>): T {
  let outcome: { value: T } | undefined;
  machine.loadDriver({
    name: 'kernelcode',
    *DriverEntry(nt, driver) {
      outcome = { value: yield* body(nt, driver) };
      return 0xc000_0001;
    },
  });
  if (!outcome) throw new Error('the kernel code did not run to its end');
  return outcome.value;
}

/** A machine with these drivers, loaded in order. */
export function bootWith(...drivers: TypeScriptDriver[]): Machine {
  const machine = boot();
  for (const driver of drivers) {
    const { status } = machine.loadDriver(driver);
    if (status !== STATUS_SUCCESS) throw new Error(`${driver.name} did not load: 0x${status.toString(16)}`);
  }
  return machine;
}

/** Opens a device by name as a driver does; the file object must be dereferenced. */
export function* openDevice(nt: Nt, name: string): Routine<{ status: number; file: Address; device: Address }> {
  const out = nt.alloca(16);
  const status = yield* nt.IoGetDeviceObjectPointer(
    nt.unicodeString(`\\Device\\${name}`),
    wdm.FILE_READ_DATA,
    out,
    out + 8,
  );
  return { status, file: nt.memory.readPointer(out), device: nt.memory.readPointer(out + 8) };
}
