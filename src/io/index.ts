/**
 * The I/O manager, put together.
 *
 *   transfer/           how a request's buffer gets to the driver and back: begin here
 *   irp, thread-irps    packets; who issued them
 *   call-driver         the way down
 *   complete-request    the way up
 *   build-irp, cancel   IRPs of drivers' own; cancelling
 *   device-object, driver-object, file-object, share-access
 *   start-io, cancel-safe-queue, work-item, io-timer: requests put off
 *   services/           NtCreateFile, NtReadFile, NtWriteFile, NtDeviceIoControlFile and their kin
 *
 * Nothing here knows whether a driver is machine code or TypeScript: both are guest addresses in a DRIVER_OBJECT.
 */
import type { Trace } from '../etw/index.ts';
import type { WorkQueues } from '../ex/work-queue.ts';
import type { Ke } from '../ke/ke.ts';
import type { Routine } from '../ke/routine.ts';
import type { Thread } from '../ke/thread.ts';
import type { TrapBody } from '../ke/traps.ts';
import type { MemoryManager } from '../mm/index.ts';
import { Events, type Ob } from '../ob/index.ts';
import type { Address } from '../wdm/address.ts';
import {
  NT_SUCCESS,
  STATUS_INVALID_DEVICE_REQUEST,
  STATUS_MORE_PROCESSING_REQUIRED,
  STATUS_SUCCESS,
} from '../wdm/ntstatus.ts';
import { BuildIrp } from './build-irp.ts';
import { CallDriver } from './call-driver.ts';
import { Cancel } from './cancel.ts';
import { CancelSafeQueues } from './cancel-safe-queue.ts';
import { CompleteRequest } from './complete-request.ts';
import { DeviceObjects } from './device-object.ts';
import { DriverObjects } from './driver-object.ts';
import type { IoEnvironment, IoKe } from './environment.ts';
import { FileObjects } from './file-object.ts';
import { IoTimers } from './io-timer.ts';
import { Irps } from './irp.ts';
import { CancelIo } from './services/cancel-io.ts';
import { Create } from './services/create.ts';
import { DeviceControl } from './services/device-control.ts';
import { Information } from './services/information.ts';
import { ReadWrite } from './services/read-write.ts';
import { Requests } from './services/request.ts';
import { ShareAccess } from './share-access.ts';
import { StartIo } from './start-io.ts';
import { ThreadIrps } from './thread-irps.ts';
import { Transfers } from './transfer/index.ts';
import { UnloadSafeCompletion } from './unload-safe-completion.ts';
import { WorkItems } from './work-item.ts';

export { type DriverImage, DriverObjects, type LoadedDriver } from './driver-object.ts';
export { exceptionStatus } from './exception-status.ts';
export * as inlines from './inlines.ts';

export interface IoOptions {
  readonly ke: Ke;
  readonly mm: MemoryManager;
  readonly ob: Ob;
  readonly trace: Trace;
  readonly workQueues: WorkQueues;
  /** The thread whose KTHREAD is at an address; undefined for one that has ended. */
  threadAt(object: Address): Thread | undefined;
  /** Gives a routine of the kernel's own an address in ntoskrnl. */
  register(name: string, body: TrapBody): Address;
}

export class Io {
  readonly irps: Irps;
  readonly transfers: Transfers;
  readonly threads: ThreadIrps;
  readonly callDriver: CallDriver;
  readonly completion: CompleteRequest;
  readonly build: BuildIrp;
  readonly cancel: Cancel;
  readonly devices: DeviceObjects;
  readonly drivers: DriverObjects;
  readonly files: FileObjects;
  readonly shareAccess: ShareAccess;
  readonly events: Events;
  readonly create: Create;
  readonly readWrite: ReadWrite;
  readonly deviceControl: DeviceControl;
  readonly information: Information;
  readonly cancelIo: CancelIo;
  readonly cancelSafeQueues: CancelSafeQueues;
  readonly startIo: StartIo;
  readonly timers: IoTimers;
  readonly workItems: WorkItems;
  readonly unloadSafe: UnloadSafeCompletion;
  /** Address of a completion routine whose context is an event to set. */
  readonly synchronousCompletion: Address;
  readonly #env: IoEnvironment;

  constructor(options: IoOptions) {
    const { ke, mm, ob, trace } = options;
    const environment: IoEnvironment = {
      memory: ke.memory,
      pool: mm.pool,
      ke: ioKernel(ke, address => options.threadAt(address)),
      mm,
      ob,
      trace,
    };
    this.#env = environment;
    this.irps = new Irps(environment);
    this.transfers = new Transfers(environment);
    this.threads = new ThreadIrps(environment);
    this.callDriver = new CallDriver(environment);
    this.completion = new CompleteRequest(environment, this.irps, this.transfers, this.callDriver);
    this.build = new BuildIrp(environment, this.irps, this.transfers, this.threads);
    this.cancel = new Cancel(environment, this.irps, this.threads);
    this.devices = new DeviceObjects(environment, this.callDriver, {
      parse: (device, request) => this.files.parse(device, request),
      idle: driver => this.drivers.unloadIfIdle(driver),
      deleted: device => this.timers.forget(device),
    });
    this.drivers = new DriverObjects(
      environment,
      this.devices,
      options.register('IopInvalidDeviceRequest', args => this.#invalidDeviceRequest(args.address(1))),
    );
    this.unloadSafe = new UnloadSafeCompletion(environment, options.register);
    this.synchronousCompletion = options.register('IopWakeForwarder', args => this.#wakeForwarder(args.address(2)));
    this.files = new FileObjects(environment, this);
    this.shareAccess = new ShareAccess(environment.memory);
    this.events = new Events(ob.objects, ob.namespace, ob.handles, ke.objects);
    const requests = new Requests(environment, {
      irps: this.irps,
      transfers: this.transfers,
      threads: this.threads,
      callDriver: this.callDriver,
      completion: this.completion,
      devices: this.devices,
      files: this.files,
      eventType: this.events.type.address,
    });
    this.create = new Create(requests);
    this.readWrite = new ReadWrite(requests);
    this.deviceControl = new DeviceControl(requests);
    this.information = new Information(requests);
    this.cancelIo = new CancelIo(requests, this.cancel);
    this.cancelSafeQueues = new CancelSafeQueues(environment, this.cancel, options.register);
    this.startIo = new StartIo(environment, this.devices, ke.deviceQueues, this.cancel);
    this.timers = new IoTimers(environment, ke.clock, run => void ke.scheduler.dpcs.push({ object: 0, run }));
    this.workItems = new WorkItems(environment, options.workQueues);
  }

  /** A process ends: what its thread has under way is cancelled, its handles are closed. Runs in that thread. */
  *closeProcess(process: Address): Routine {
    yield* this.cancel.cancelThreadIo();
    yield* this.#env.ob.handles.closeAll(process);
  }

  /** IoCreateSymbolicLink. PASSIVE_LEVEL. */
  IoCreateSymbolicLink(link: string, target: string): number {
    const { ob, trace } = this.#env;
    const status = ob.namespace.createSymbolicLink(link, target);
    if (trace.enabled && NT_SUCCESS(status)) trace.emit({ type: 'symbolic-link-created', link, target });
    return status;
  }

  /** IoDeleteSymbolicLink. PASSIVE_LEVEL. */
  *IoDeleteSymbolicLink(link: string): Routine<number> {
    const { ob, trace } = this.#env;
    const type = ob.namespace.SymbolicLink;
    const lookup = { name: link, attributes: 0, accessMode: 0, desiredAccess: 0, context: undefined, type };
    const { status, object } = yield* ob.namespace.lookup(lookup);
    if (!NT_SUCCESS(status)) return status;
    yield* ob.namespace.ObMakeTemporaryObject(object);
    yield* ob.objects.ObfDereferenceObject(object);
    if (trace.enabled) trace.emit({ type: 'symbolic-link-deleted', link });
    return STATUS_SUCCESS;
  }

  /** The completion routine of IoForwardIrpSynchronously: wakes the forwarder, who gets the IRP back. */
  *#wakeForwarder(event: Address): Routine<number> {
    yield* this.#env.ke.KeSetEvent(event, 0, false);
    return STATUS_MORE_PROCESSING_REQUIRED;
  }

  /** What every MajorFunction slot holds that the driver does not fill. */
  *#invalidDeviceRequest(irp: Address): Routine<number> {
    this.irps.view(irp).IoStatus.Status = STATUS_INVALID_DEVICE_REQUEST;
    yield* this.completion.IofCompleteRequest(irp, 0);
    return STATUS_INVALID_DEVICE_REQUEST;
  }
}

export function createIo(options: IoOptions): Io {
  return new Io(options);
}

function ioKernel(ke: Ke, threadAt: (object: Address) => Thread | undefined): IoKe {
  const { objects } = ke;
  return {
    get irql() {
      return ke.irql;
    },
    get currentThread() {
      return ke.currentThread;
    },
    KeRaiseIrql: irql => ke.KeRaiseIrql(irql),
    KeLowerIrql: irql => ke.KeLowerIrql(irql),
    KeInitializeEvent: (event, type, state) => objects.KeInitializeEvent(event, type, state),
    KeSetEvent: (event, increment, wait) => objects.KeSetEvent(event, increment, wait),
    KeClearEvent: event => void objects.KeResetEvent(event),
    KeWaitForSingleObject: (object, reason, mode, alertable, timeout) =>
      ke.KeWaitForSingleObject(object, reason, mode, alertable, timeout),
    KeDelayExecutionThread: (mode, alertable, interval) => ke.KeDelayExecutionThread(mode, alertable, interval),
    KeAcquireSpinLockRaiseToDpc: lock => ke.KeAcquireSpinLockRaiseToDpc(lock),
    KeReleaseSpinLock: (lock, irql) => ke.KeReleaseSpinLock(lock, irql),
    queueSpecialApc: (address, apc) => {
      const thread = threadAt(address);
      if (thread) ke.queueSpecialApc(thread, apc);
    },
    alloca: bytes => ke.alloca(bytes),
  };
}
