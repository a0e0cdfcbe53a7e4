/**
 * IofCallDriver: the way down.
 *
 * The IRP moves to its next stack location, and the driver of `device` gets it: MajorFunction is indexed by the code
 * that the caller wrote into that location. What the slot holds is a guest address; whether machine code or TypeScript
 * stands behind it, nobody here can tell.
 */
import { call32, type Routine } from '../ke/routine.ts';
import { readUnicodeString } from '../ob/index.ts';
import { type Address, formatAddress, fromAddress } from '../wdm/address.ts';
import { NO_MORE_IRP_STACK_LOCATIONS } from '../wdm/bugcheck.ts';
import { IRP_MJ_DEVICE_CONTROL, IRP_MJ_FILE_SYSTEM_CONTROL } from '../wdm/constants.ts';
import { BugCheck } from '../wdm/failures.ts';
import { DEVICE_OBJECT, DRIVER_OBJECT, IO_STACK_LOCATION, IRP } from '../wdm/layouts.ts';
import { PageFault } from '../wdm/memory.ts';
import { STATUS_PENDING } from '../wdm/ntstatus.ts';
import type { IoEnvironment } from './environment.ts';

const METHOD_MASK = 3;
const { MajorFunction } = DRIVER_OBJECT.fields;

export class CallDriver {
  readonly #env: IoEnvironment;

  constructor(environment: IoEnvironment) {
    this.#env = environment;
  }

  /** IRQL <= DISPATCH_LEVEL. The IRP may be gone when it returns. */
  *IofCallDriver(device: Address, irp: Address): Routine<number> {
    const { memory, trace } = this.#env;
    const view = IRP.at(memory, irp);
    const location = view.CurrentLocation - 1;
    view.CurrentLocation = location;
    if (location <= 0) throw new BugCheck(NO_MORE_IRP_STACK_LOCATIONS, [fromAddress(irp), 0n, 0n, 0n]);
    const overlay = view.Tail.Overlay;
    const stackAddress = overlay.CurrentStackLocation - IO_STACK_LOCATION.size;
    overlay.CurrentStackLocation = stackAddress;
    const stack = IO_STACK_LOCATION.at(memory, stackAddress);
    stack.DeviceObject = device;
    const driver = DEVICE_OBJECT.at(memory, device).DriverObject;
    const routine = memory.readPointer(driver + MajorFunction.offset + stack.MajorFunction * 8);
    if (!trace.enabled) return yield* call32(routine, device, irp);
    const name = this.driverName(device);
    this.#dispatched(irp, device, name, routine);
    const serial = trace.requestOf(irp);
    const request = serial === undefined ? {} : { request: serial };
    const status = yield* call32(routine, device, irp);
    if (status === STATUS_PENDING) trace.emit({ type: 'pended', irp, ...request, driver: name });
    trace.emit({ type: 'returned', irp, ...request, driver: name, device, status });
    return status;
  }

  /** DRIVER_OBJECT.DriverName of the device's driver, for events: a driver that has spoilt it is named by its address. */
  driverName(device: Address): string {
    const { memory } = this.#env;
    try {
      const driver = DRIVER_OBJECT.at(memory, DEVICE_OBJECT.at(memory, device).DriverObject);
      return readUnicodeString(memory, driver.DriverName.address);
    } catch (error) {
      if (!(error instanceof PageFault)) throw error;
      return `(device ${formatAddress(device)})`;
    }
  }

  #dispatched(irp: Address, device: Address, driver: string, routine: Address): void {
    const { memory, trace } = this.#env;
    const view = IRP.at(memory, irp);
    const stack = IO_STACK_LOCATION.at(memory, view.Tail.Overlay.CurrentStackLocation);
    const major = stack.MajorFunction;
    const isControl = major === IRP_MJ_DEVICE_CONTROL || major === IRP_MJ_FILE_SYSTEM_CONTROL;
    const { IoControlCode, Type3InputBuffer } = stack.Parameters.DeviceIoControl;
    const systemBuffer = view.AssociatedIrp.SystemBuffer;
    trace.emit({
      type: 'dispatched',
      irp,
      driver,
      device,
      routine,
      major,
      minor: stack.MinorFunction,
      location: view.CurrentLocation,
      ...(systemBuffer ? { systemBuffer } : {}),
      ...(view.MdlAddress ? { mdl: view.MdlAddress } : {}),
      ...(view.UserBuffer ? { userBuffer: view.UserBuffer } : {}),
      ...(isControl && (IoControlCode & METHOD_MASK) === METHOD_MASK && Type3InputBuffer
        ? { type3InputBuffer: Type3InputBuffer }
        : {}),
    });
  }
}
