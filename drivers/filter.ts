/**
 * filter, as a TypeScript driver: what samples/filter does, whose header says it. It attaches a device above each of
 * transfer's, passes every request down, and counts.
 */
import type { Nt, TypeScriptDriver } from '../src/index.ts';
import { isRoutine, type Routine } from '../src/ke/routine.ts';
import type { Address } from '../src/wdm/address.ts';
import * as wdm from '../src/wdm/constants.ts';
import { DEVICE_OBJECT, DRIVER_OBJECT, IRP } from '../src/wdm/layouts.ts';
import * as nt from '../src/wdm/ntstatus.ts';
import { FILTER_COUNTS, IOCTL_FILTER_GET_COUNTS } from './filter-interface.ts';

const TARGETS = ['TransferBuffered', 'TransferDirect', 'TransferNeither'] as const;

/** What a lower device decides and its filter takes over. */
const INHERITED_FLAGS = wdm.DO_BUFFERED_IO | wdm.DO_DIRECT_IO | wdm.DO_POWER_PAGABLE | wdm.DO_POWER_INRUSH;

const IO_NO_INCREMENT = 0;

interface Counts {
  reads: number;
  writes: number;
  controls: number;
  completions: number;
  bytes: bigint;
}

interface FilterDevice {
  readonly lower: Address;
  readonly counts: Counts;
}

class FilterDriver {
  readonly #nt: Nt;
  readonly #devices = new Map<Address, FilterDevice>();
  #completed: Address = 0;

  constructor(kernel: Nt) {
    this.#nt = kernel;
  }

  *DriverEntry(driverObject: Address): Routine<number> {
    const driver = DRIVER_OBJECT.at(this.#nt.memory, driverObject);
    const dispatch = (name: string, body: (device: Address, irp: Address) => Routine<number>) =>
      this.#nt.routine(name, ['DeviceObject: ptr', 'Irp: ptr'], 'ntstatus', body);
    const skip = dispatch('FilterSkip', (device, irp) => this.#skip(device, irp));
    for (let major = 0; major <= wdm.IRP_MJ_MAXIMUM_FUNCTION; major++) driver.MajorFunction.set(major, skip);
    const readWrite = dispatch('FilterReadWrite', (device, irp) => this.#readWrite(device, irp));
    driver.MajorFunction.set(wdm.IRP_MJ_READ, readWrite);
    driver.MajorFunction.set(wdm.IRP_MJ_WRITE, readWrite);
    driver.MajorFunction.set(
      wdm.IRP_MJ_DEVICE_CONTROL,
      dispatch('FilterControl', (d, irp) => this.#control(d, irp)),
    );
    driver.DriverUnload = this.#nt.routine('FilterUnload', ['DriverObject: ptr'], 'void', () => this.#unload());
    this.#completed = this.#nt.routine(
      'FilterCompleted',
      ['DeviceObject: ptr', 'Irp: ptr', 'Context: ptr'],
      'ntstatus',
      (device, irp) => this.#onCompletion(device, irp),
    );
    for (const target of TARGETS) {
      const status = yield* this.#attach(driverObject, `\\Device\\${target}`);
      if (nt.NT_SUCCESS(status) || status === nt.STATUS_OBJECT_NAME_NOT_FOUND) continue;
      yield* this.#unload();
      return status;
    }
    return this.#devices.size > 0 ? nt.STATUS_SUCCESS : nt.STATUS_OBJECT_NAME_NOT_FOUND;
  }

  *#attach(driverObject: Address, name: string): Routine<number> {
    const { memory } = this.#nt;
    const fileOut = this.#nt.alloca(8);
    const deviceOut = this.#nt.alloca(8);
    const string = this.#nt.unicodeString(name);
    let status = yield* this.#nt.IoGetDeviceObjectPointer(string, wdm.FILE_READ_ATTRIBUTES, fileOut, deviceOut);
    if (!nt.NT_SUCCESS(status)) return status;
    const file = memory.readPointer(fileOut);
    const target = DEVICE_OBJECT.at(memory, memory.readPointer(deviceOut));
    status = yield* this.#nt.IoCreateDevice(
      driverObject,
      0,
      0,
      target.DeviceType,
      target.Characteristics,
      false,
      deviceOut,
    );
    if (nt.NT_SUCCESS(status)) {
      const device = memory.readPointer(deviceOut);
      const lower = this.#nt.IoAttachDeviceToDeviceStack(device, target.address);
      if (lower === 0) {
        yield* this.#nt.IoDeleteDevice(device);
        status = nt.STATUS_NO_SUCH_DEVICE;
      } else {
        const below = DEVICE_OBJECT.at(memory, lower);
        const filter = DEVICE_OBJECT.at(memory, device);
        filter.AlignmentRequirement = below.AlignmentRequirement;
        filter.Flags = (filter.Flags | (below.Flags & INHERITED_FLAGS)) & ~wdm.DO_DEVICE_INITIALIZING;
        const counts = { reads: 0, writes: 0, controls: 0, completions: 0, bytes: 0n };
        this.#devices.set(device, { lower, counts });
      }
    }
    // Attached, our device holds the one below; the file was only the way to find it.
    yield* this.#nt.ObfDereferenceObject(file);
    return status;
  }

  *#unload(): Routine {
    for (const [device, { lower }] of this.#devices) {
      const detached = this.#nt.IoDetachDevice(lower);
      if (isRoutine(detached)) yield* detached;
      yield* this.#nt.IoDeleteDevice(device);
    }
    this.#devices.clear();
  }

  // ----- Dispatch

  *#skip(device: Address, irp: Address): Routine<number> {
    this.#nt.IoSkipCurrentIrpStackLocation(irp);
    return yield* this.#nt.IofCallDriver(this.#devices.get(device)!.lower, irp);
  }

  *#readWrite(device: Address, irp: Address): Routine<number> {
    const { lower, counts } = this.#devices.get(device)!;
    if (this.#nt.IoGetCurrentIrpStackLocation(irp).MajorFunction === wdm.IRP_MJ_READ) counts.reads++;
    else counts.writes++;
    this.#nt.IoCopyCurrentIrpStackLocationToNext(irp);
    this.#nt.IoSetCompletionRoutine(irp, this.#completed, device);
    return yield* this.#nt.IofCallDriver(lower, irp);
  }

  *#control(device: Address, irp: Address): Routine<number> {
    const { counts } = this.#devices.get(device)!;
    const { IoControlCode, OutputBufferLength } = this.#nt.IoGetCurrentIrpStackLocation(irp).Parameters.DeviceIoControl;
    if (IoControlCode !== IOCTL_FILTER_GET_COUNTS) {
      counts.controls++;
      return yield* this.#skip(device, irp);
    }
    const request = IRP.at(this.#nt.memory, irp);
    const fits = OutputBufferLength >= FILTER_COUNTS.size;
    if (fits) {
      const output = FILTER_COUNTS.at(this.#nt.memory, request.AssociatedIrp.SystemBuffer);
      output.Reads = counts.reads;
      output.Writes = counts.writes;
      output.Controls = counts.controls;
      output.Completions = counts.completions;
      output.Bytes = counts.bytes;
    }
    const status = fits ? nt.STATUS_SUCCESS : nt.STATUS_BUFFER_TOO_SMALL;
    request.IoStatus.Status = status;
    request.IoStatus.Information = fits ? BigInt(FILTER_COUNTS.size) : 0n;
    yield* this.#nt.IofCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
  }

  /** IO_COMPLETION_ROUTINE of READ and WRITE: at IRQL <= DISPATCH_LEVEL, in any thread. */
  #onCompletion(device: Address, irp: Address): number {
    const request = IRP.at(this.#nt.memory, irp);
    if (request.PendingReturned) this.#nt.IoMarkIrpPending(irp);
    const { counts } = this.#devices.get(device)!;
    counts.completions++;
    if (nt.NT_SUCCESS(request.IoStatus.Status)) counts.bytes += request.IoStatus.Information;
    return nt.STATUS_SUCCESS;
  }
}

/** The driver, for `machine.loadDriver(filter())`. */
export default function filter(): TypeScriptDriver {
  return {
    name: 'filter',
    DriverEntry: (kernel, driverObject) => new FilterDriver(kernel).DriverEntry(driverObject),
  };
}
