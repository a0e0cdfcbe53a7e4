/**
 * What the file services have in common: from a handle to an IRP, and from the sent IRP to the service's return.
 *
 *   begin    handle -> FILE_OBJECT with its access checked; the status block probed; the caller's event referenced;
 *            a synchronous file locked, so that requests on it go one at a time
 *   build    an IRP for the top of the device's stack
 *   send     the way down; then, for a request that nobody pended and whose completion was deferred, step 2 of its
 *            completion at once; then, on a synchronous file, the wait
 *   fail     for a request that is not sent
 */
import { isRoutine, type MaybeRoutine, type Routine, settle } from '../../ke/routine.ts';
import type { Address } from '../../wdm/address.ts';
import {
  APC_LEVEL,
  EVENT_MODIFY_STATE,
  Executive,
  FO_ALERTABLE_IO,
  FO_SYNCHRONOUS_IO,
  IRP_DEFER_IO_COMPLETION,
  IRP_SYNCHRONOUS_API,
  KernelMode,
  NonPagedPoolNx,
  PASSIVE_LEVEL,
  SynchronizationEvent,
} from '../../wdm/constants.ts';
import { GuestException, Unsupported } from '../../wdm/failures.ts';
import { IO_STATUS_BLOCK, KEVENT } from '../../wdm/layouts.ts';
import {
  NT_ERROR,
  NT_SUCCESS,
  STATUS_ACCESS_DENIED,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_PENDING,
} from '../../wdm/ntstatus.ts';
import type { CallDriver } from '../call-driver.ts';
import type { CompleteRequest } from '../complete-request.ts';
import type { DeviceObjects } from '../device-object.ts';
import type { IoEnvironment } from '../environment.ts';
import { exceptionStatus } from '../exception-status.ts';
import type { FileObject, FileObjects } from '../file-object.ts';
import { IoGetNextIrpStackLocation } from '../inlines.ts';
import type { Irps } from '../irp.ts';
import type { ThreadIrps } from '../thread-irps.ts';
import type { IoStackLocation, Irp, Transfers } from '../transfer/index.ts';

const TAG_LOCAL = 0x6c4c_6f49; // IoLl

/** The parts of the I/O manager that services put together. */
export interface ServiceParts {
  readonly irps: Irps;
  readonly transfers: Transfers;
  readonly threads: ThreadIrps;
  readonly callDriver: CallDriver;
  readonly completion: CompleteRequest;
  readonly devices: DeviceObjects;
  readonly files: FileObjects;
  /** POBJECT_TYPE of events. */
  readonly eventType: Address;
}

/** The arguments that most file services begin with. */
export interface Call {
  readonly handle: number;
  /** 0 for none. */
  readonly event: number;
  readonly apcRoutine: Address;
  readonly apcContext: Address;
  readonly statusBlock: Address;
}

export interface Request {
  readonly call: Call;
  readonly file: Address;
  readonly fileView: FileObject;
  readonly grantedAccess: number;
  /** The top of the device's stack. */
  readonly device: Address;
  /** PreviousMode: KernelMode or UserMode. */
  readonly mode: number;
  readonly isSynchronous: boolean;
  readonly event: Address;
}

/** What a service must have been granted: all of the bits, or any of them. */
export interface RequiredAccess {
  readonly all?: number;
  readonly any?: number;
}

export class Requests {
  readonly environment: IoEnvironment;
  readonly parts: ServiceParts;

  constructor(environment: IoEnvironment, parts: ServiceParts) {
    this.environment = environment;
    this.parts = parts;
  }

  /** Returns the failure's status, or the request; its references are given back by `send` or `fail`. */
  *begin(call: Call, access: RequiredAccess): Routine<Request | number> {
    if (call.apcRoutine !== 0) throw new Unsupported('an APC routine for a file operation');
    const { ob, ke } = this.environment;
    const { files, eventType } = this.parts;
    const mode = ke.currentThread.previousMode;
    const referenced = ob.handles.ObReferenceObjectByHandle(call.handle, access.all ?? 0, files.type.address, mode);
    if (!NT_SUCCESS(referenced.status)) return referenced.status;
    const file = referenced.object;
    const { grantedAccess } = referenced;
    if (mode !== KernelMode && access.any !== undefined && (grantedAccess & access.any) === 0) {
      return yield* this.#release(file, STATUS_ACCESS_DENIED);
    }
    try {
      const probing = this.probeForWrite(call.statusBlock, IO_STATUS_BLOCK.size, 4, mode);
      if (isRoutine(probing)) yield* probing;
    } catch (error) {
      return yield* this.#release(file, exceptionStatus(error));
    }
    let event = 0;
    if (call.event !== 0) {
      const found = ob.handles.ObReferenceObjectByHandle(call.event, EVENT_MODIFY_STATE, eventType, mode);
      if (!NT_SUCCESS(found.status)) return yield* this.#release(file, found.status);
      event = found.object;
      ke.KeClearEvent(event);
    }
    const fileView = files.view(file);
    const isSynchronous = (fileView.Flags & FO_SYNCHRONOUS_IO) !== 0;
    if (isSynchronous) yield* files.lock(file);
    ke.KeClearEvent(fileView.Event.address);
    const device = files.IoGetRelatedDeviceObject(file);
    return { call, file, fileView, grantedAccess, device, mode, isSynchronous, event };
  }

  *#release(file: Address, status: number): Routine<number> {
    yield* this.environment.ob.objects.ObfDereferenceObject(file);
    return status;
  }

  /** An IRP with its first stack location. Raises STATUS_INSUFFICIENT_RESOURCES. */
  build(request: Request, major: number): { irp: Irp; stack: IoStackLocation } {
    const { memory, ke } = this.environment;
    const { irps, devices } = this.parts;
    const address = irps.IoAllocateIrp(devices.view(request.device).StackSize, true);
    if (address === 0) throw new GuestException(STATUS_INSUFFICIENT_RESOURCES);
    const irp = irps.view(address);
    const overlay = irp.Tail.Overlay;
    overlay.OriginalFileObject = request.file;
    overlay.Thread = ke.currentThread.object;
    irp.RequestorMode = request.mode;
    irp.UserEvent = request.event;
    irp.UserIosb = request.call.statusBlock;
    const asynchronous = irp.Overlay.AsynchronousParameters;
    asynchronous.UserApcRoutine = request.call.apcRoutine;
    asynchronous.UserApcContext = request.call.apcContext;
    const stack = IoGetNextIrpStackLocation(memory, address);
    stack.MajorFunction = major;
    stack.FileObject = request.file;
    return { irp, stack };
  }

  /** IopSynchronousServiceTail. Returns what the service returns. */
  *send(request: Request, irp: Irp): Routine<number> {
    const { ke } = this.environment;
    const { threads, callDriver, completion, files } = this.parts;
    const isDeferred = (irp.Flags & IRP_DEFER_IO_COMPLETION) !== 0;
    const { file, fileView, isSynchronous } = request;
    threads.insert(irp);
    const status = yield* callDriver.IofCallDriver(request.device, irp.address);
    if (isDeferred && status !== STATUS_PENDING) {
      ke.KeRaiseIrql(APC_LEVEL);
      yield* completion.finish(irp);
      yield* ke.KeLowerIrql(PASSIVE_LEVEL);
    }
    if (!isSynchronous) return status;
    let result = status;
    if (status === STATUS_PENDING) {
      const alertable = (fileView.Flags & FO_ALERTABLE_IO) !== 0;
      const event = fileView.Event.address;
      while (!NT_SUCCESS(yield* ke.KeWaitForSingleObject(event, Executive, request.mode, alertable))) {}
      result = fileView.FinalStatus;
    }
    yield* files.unlock(file);
    return result;
  }

  /**
   * For the services that are synchronous whatever the file is: the request gets an event and a status block of its
   * own, and the caller's status block is written when it is over.
   */
  *sendSynchronously(request: Request, irp: Irp): Routine<number> {
    const { ke, memory, pool } = this.environment;
    const { threads, callDriver, completion, files } = this.parts;
    const local = pool.allocate(NonPagedPoolNx, IO_STATUS_BLOCK.size + KEVENT.size, TAG_LOCAL);
    if (local === 0) return yield* this.fail(request, irp, STATUS_INSUFFICIENT_RESOURCES);
    const event = local + IO_STATUS_BLOCK.size;
    ke.KeInitializeEvent(event, SynchronizationEvent, false);
    irp.UserIosb = local;
    irp.UserEvent = event;
    irp.Flags |= IRP_SYNCHRONOUS_API | IRP_DEFER_IO_COMPLETION;
    threads.insert(irp);
    let status = yield* callDriver.IofCallDriver(request.device, irp.address);
    const pended = status === STATUS_PENDING;
    if (pended) {
      yield* ke.KeWaitForSingleObject(event, Executive, KernelMode, false);
      status = IO_STATUS_BLOCK.at(memory, local).Status;
    } else {
      ke.KeRaiseIrql(APC_LEVEL);
      yield* completion.finish(irp);
      yield* ke.KeLowerIrql(PASSIVE_LEVEL);
    }
    if (pended || !NT_ERROR(status)) {
      const { Information } = IO_STATUS_BLOCK.at(memory, local);
      yield* this.attempt(() => this.writeStatusBlock(request.call.statusBlock, status, Information));
    }
    pool.free(local, TAG_LOCAL);
    if (request.isSynchronous) yield* files.unlock(request.file);
    return status;
  }

  /** Raises an exception if it cannot be written. */
  *writeStatusBlock(address: Address, status: number, information: bigint): Routine {
    yield* settle(this.environment.mm.touch(address, IO_STATUS_BLOCK.size, 'write'));
    const block = IO_STATUS_BLOCK.at(this.environment.memory, address);
    block.Status = status;
    block.Information = information;
  }

  /** Gives back what `begin` took, and the IRP if there is one. */
  *fail(request: Request, irp: Irp | undefined, status: number): Routine<number> {
    const { ob } = this.environment;
    const { transfers, irps, files } = this.parts;
    if (irp) {
      transfers.abandon(irp);
      irps.IoFreeIrp(irp.address);
    }
    if (request.isSynchronous) yield* files.unlock(request.file);
    if (request.event !== 0) yield* ob.objects.ObfDereferenceObject(request.event);
    yield* ob.objects.ObfDereferenceObject(request.file);
    return status;
  }

  /** `__try { body } __except (EXCEPTION_EXECUTE_HANDLER) { return GetExceptionCode(); }`; 0 if nothing was raised. */
  *attempt(body: () => MaybeRoutine<void>): Routine<number> {
    try {
      const raised = body();
      if (isRoutine(raised)) yield* raised;
      return 0;
    } catch (error) {
      return exceptionStatus(error);
    }
  }

  /** A caller in kernel mode is trusted. */
  probeForWrite(address: Address, length: number, alignment: number, mode: number): MaybeRoutine<void> {
    const { mm } = this.environment;
    return mode !== KernelMode ? mm.ProbeForWrite(address, length, alignment) : mm.touch(address, length, 'write');
  }

  *probeForRead(address: Address, length: number, alignment: number, mode: number): Routine {
    const { mm } = this.environment;
    if (mode !== KernelMode) yield* settle(mm.ProbeForRead(address, length, alignment));
    yield* settle(mm.touch(address, length, 'read'));
  }
}
