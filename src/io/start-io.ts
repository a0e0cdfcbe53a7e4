/**
 * StartIo: devices that serve one request at a time.
 *
 * IoStartPacket gives the IRP to the driver's StartIo routine if the device is free, and queues it otherwise;
 * IoStartNextPacket, usually from the driver's DPC, takes the next. StartIo runs at DISPATCH_LEVEL, with the IRP as
 * DEVICE_OBJECT.CurrentIrp. The cancel spin lock guards CurrentIrp for IRPs that can be cancelled.
 * Source: "Introduction to StartIo Routines" and the DDI pages.
 */
import type { DeviceQueues } from '../ke/device-queue.ts';
import { call, type Routine } from '../ke/routine.ts';
import type { Address } from '../wdm/address.ts';
import { DISPATCH_LEVEL } from '../wdm/constants.ts';
import { DEVICE_OBJECT, DRIVER_OBJECT, IRP } from '../wdm/layouts.ts';
import type { Cancel } from './cancel.ts';
import type { DeviceObjects } from './device-object.ts';
import type { IoEnvironment } from './environment.ts';

const DeviceQueueEntry = IRP.fields.Tail.offset;
/** DEVOBJ_EXTENSION.StartIoFlags. */
const DOE_STARTIO_DEFERRED = 1;
const DOE_STARTIO_NO_CANCEL = 2;
type Next = (queue: Address) => Address;

export class StartIo {
  readonly #env: IoEnvironment;
  readonly #devices: DeviceObjects;
  readonly #queues: DeviceQueues;
  readonly #cancel: Cancel;

  constructor(environment: IoEnvironment, devices: DeviceObjects, queues: DeviceQueues, cancel: Cancel) {
    this.#env = environment;
    this.#devices = devices;
    this.#queues = queues;
    this.#cancel = cancel;
  }

  /** @param key address of a ULONG, or 0. @param cancelRoutine 0: the IRP cannot be cancelled. IRQL <= DISPATCH_LEVEL. */
  *IoStartPacket(device: Address, irp: Address, key: Address, cancelRoutine: Address): Routine {
    const { ke, memory } = this.#env;
    const irql = ke.KeRaiseIrql(DISPATCH_LEVEL);
    const cancelIrql = cancelRoutine === 0 ? undefined : yield* this.#cancel.IoAcquireCancelSpinLock();
    const request = IRP.at(memory, irp);
    if (cancelRoutine !== 0) request.CancelRoutine = cancelRoutine;
    const view = DEVICE_OBJECT.at(memory, device);
    const queue = view.DeviceQueue.address;
    const entry = irp + DeviceQueueEntry;
    const queued =
      key === 0
        ? this.#queues.KeInsertDeviceQueue(queue, entry)
        : this.#queues.KeInsertByKeyDeviceQueue(queue, entry, memory.readU32(key));
    if (!queued) {
      view.CurrentIrp = irp;
      // With IoSetStartIoAttributes(NoCancel) StartIo never sees an IRP that can be cancelled.
      if (cancelRoutine !== 0 && this.#flags(device) & DOE_STARTIO_NO_CANCEL) request.CancelRoutine = 0;
      if (cancelIrql !== undefined) yield* this.#cancel.IoReleaseCancelSpinLock(cancelIrql);
      yield* this.#startIo(device, irp);
    } else if (cancelIrql !== undefined) {
      // Cancelled before it was here: its cancel routine has not been called, for there was none.
      if (request.Cancel !== 0 && request.CancelRoutine !== 0) {
        request.CancelRoutine = 0;
        request.CancelIrql = cancelIrql;
        yield* call(cancelRoutine, device, irp);
      } else yield* this.#cancel.IoReleaseCancelSpinLock(cancelIrql);
    }
    yield* ke.KeLowerIrql(irql);
  }

  /** DISPATCH_LEVEL. */
  IoStartNextPacket(device: Address, cancelable: boolean): Routine {
    return this.#startNext(device, cancelable, queue => this.#queues.KeRemoveDeviceQueue(queue));
  }

  IoStartNextPacketByKey(device: Address, cancelable: boolean, key: number): Routine {
    return this.#startNext(device, cancelable, queue => this.#queues.KeRemoveByKeyDeviceQueue(queue, key));
  }

  IoSetStartIoAttributes(device: Address, deferred: boolean, noCancel: boolean): void {
    const flags = (deferred ? DOE_STARTIO_DEFERRED : 0) | (noCancel ? DOE_STARTIO_NO_CANCEL : 0);
    this.#devices.extensionOf(device).StartIoFlags = flags;
  }

  #flags(device: Address): number {
    return this.#devices.extensionOf(device).StartIoFlags;
  }

  *#startNext(device: Address, cancelable: boolean, next: Next): Routine {
    const extension = this.#devices.extensionOf(device);
    if (!(extension.StartIoFlags & DOE_STARTIO_DEFERRED)) {
      yield* this.#startOne(device, cancelable, next);
      return;
    }
    // Deferred: StartIo is never entered again from within itself; whoever is in it goes round once more.
    extension.StartIoCount++;
    if (extension.StartIoCount > 1) return;
    while (extension.StartIoCount > 0) {
      yield* this.#startOne(device, cancelable, next);
      extension.StartIoCount--;
    }
  }

  *#startOne(device: Address, cancelable: boolean, next: Next): Routine {
    const { memory } = this.#env;
    const irql = cancelable ? yield* this.#cancel.IoAcquireCancelSpinLock() : 0;
    const view = DEVICE_OBJECT.at(memory, device);
    view.CurrentIrp = 0;
    const entry = next(view.DeviceQueue.address);
    const irp = entry === 0 ? 0 : entry - DeviceQueueEntry;
    if (irp !== 0) {
      view.CurrentIrp = irp;
      if (cancelable && this.#flags(device) & DOE_STARTIO_NO_CANCEL) IRP.at(memory, irp).CancelRoutine = 0;
    }
    if (cancelable) yield* this.#cancel.IoReleaseCancelSpinLock(irql);
    if (irp !== 0) yield* this.#startIo(device, irp);
  }

  *#startIo(device: Address, irp: Address): Routine {
    const { memory } = this.#env;
    const driver = DRIVER_OBJECT.at(memory, DEVICE_OBJECT.at(memory, device).DriverObject);
    yield* call(driver.DriverStartIo, device, irp);
  }
}
