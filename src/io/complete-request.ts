/**
 * IofCompleteRequest: the way up.
 *
 * The stack locations are unwound from the last driver's to the first. At each, the driver *above* may have left a
 * completion routine; it is called if the conditions that it was set with hold, and takes the IRP back by returning
 * STATUS_MORE_PROCESSING_REQUIRED. When no location is left, the request is over, in two steps:
 *
 *   1. here, in whatever context the driver completed it, IRQL <= DISPATCH_LEVEL: the caller's pages are unlocked;
 *   2. in the requester's thread, at APC_LEVEL (`finish`): data is copied back, the status block written, the event or
 *      the file object signalled, and everything freed. A special kernel APC takes it there. Where the service itself
 *      is still on its way (IRP_DEFER_IO_COMPLETION and nobody pended), it does step 2 when the driver returns.
 *
 * Sources: "Implementing an IoCompletion Routine", "Completing IRPs", "Using Buffered I/O" step 6, "Using MDLs".
 */
import { call32, isRoutine, type Routine } from '../ke/routine.ts';
import { type Address, fromAddress } from '../wdm/address.ts';
import { MULTIPLE_IRP_COMPLETE_REQUESTS } from '../wdm/bugcheck.ts';
import {
  APC_LEVEL,
  FO_SYNCHRONOUS_IO,
  IO_TYPE_IRP,
  IRP_ASSOCIATED_IRP,
  IRP_CLOSE_OPERATION,
  IRP_DEFER_IO_COMPLETION,
  IRP_PAGING_IO,
  IRP_SYNCHRONOUS_API,
  PASSIVE_LEVEL,
  SL_ERROR_RETURNED,
  SL_INVOKE_ON_CANCEL,
  SL_INVOKE_ON_ERROR,
  SL_INVOKE_ON_SUCCESS,
  SL_PENDING_RETURNED,
} from '../wdm/constants.ts';
import { BugCheck } from '../wdm/failures.ts';
import { FILE_OBJECT, IO_STACK_LOCATION, IO_STATUS_BLOCK } from '../wdm/layouts.ts';
import { NT_ERROR, NT_SUCCESS, STATUS_MORE_PROCESSING_REQUIRED } from '../wdm/ntstatus.ts';
import type { CallDriver } from './call-driver.ts';
import type { IoEnvironment } from './environment.ts';
import { exceptionStatus } from './exception-status.ts';
import type { Irps } from './irp.ts';
import { list } from './list-entry.ts';
import type { IoStackLocation, Irp, Transfers } from './transfer/index.ts';

const { Parameters } = IO_STACK_LOCATION.fields;

export class CompleteRequest {
  readonly #env: IoEnvironment;
  readonly #irps: Irps;
  readonly #transfers: Transfers;
  readonly #callDriver: CallDriver;

  constructor(environment: IoEnvironment, irps: Irps, transfers: Transfers, callDriver: CallDriver) {
    this.#env = environment;
    this.#irps = irps;
    this.#transfers = transfers;
    this.#callDriver = callDriver;
  }

  /** IRQL <= DISPATCH_LEVEL. The IRP is no longer the caller's, and may be gone, when it returns. */
  *IofCompleteRequest(address: Address, priorityBoost: number): Routine {
    const irp = this.#irps.view(address);
    if (irp.Type !== IO_TYPE_IRP || irp.CurrentLocation > irp.StackCount + 1) {
      throw new BugCheck(MULTIPLE_IRP_COMPLETE_REQUESTS, [fromAddress(address), 0n, 0n, 0n]);
    }
    this.#traceCompleted(irp, priorityBoost);
    if (yield* this.#unwindStack(irp)) return;
    if (irp.Flags & IRP_ASSOCIATED_IRP) {
      yield* this.#completeAssociated(irp);
      return;
    }
    if (irp.Flags & (IRP_PAGING_IO | IRP_CLOSE_OPERATION)) {
      yield* this.#completeForSystem(irp);
      return;
    }
    this.#transfers.direct.unlockPages(irp);
    if (irp.Flags & IRP_DEFER_IO_COMPLETION && !irp.PendingReturned) return;
    yield* this.#finishInRequester(irp);
  }

  /**
   * Step 2. Requester's thread, APC_LEVEL; `irp` is gone afterwards.
   * Returns the request's status: that of the driver, or why the caller's buffer could not be written.
   */
  *finish(irp: Irp): Routine<number> {
    const { buffered, direct } = this.#transfers;
    const status = yield* buffered.copyBack(irp);
    if (status !== irp.IoStatus.Status) irp.IoStatus.Status = status;
    buffered.release(irp);
    direct.release(irp);
    yield* this.#report(irp, status);
    list.remove(this.#env.memory, irp.ThreadListEntry.address);
    const file = irp.Tail.Overlay.OriginalFileObject;
    const event = irp.UserEvent;
    const isOwnEvent = (irp.Flags & IRP_SYNCHRONOUS_API) !== 0;
    const { ob } = this.#env;
    this.#irps.IoFreeIrp(irp.address);
    if (file !== 0) {
      if (event !== 0 && !isOwnEvent) yield* ob.objects.ObfDereferenceObject(event);
      const deletion = ob.objects.dereference(file);
      if (deletion) yield* deletion;
    }
    return status;
  }

  /** Calls the completion routines, from the current location upwards. True: one of them took the IRP back. */
  *#unwindStack(irp: Irp): Routine<boolean> {
    const { memory, trace } = this.#env;
    let stackAddress = irp.Tail.Overlay.CurrentStackLocation;
    irp.CurrentLocation++;
    irp.Tail.Overlay.CurrentStackLocation += IO_STACK_LOCATION.size;
    while (irp.CurrentLocation <= irp.StackCount + 1) {
      const stack = IO_STACK_LOCATION.at(memory, stackAddress);
      const { Control } = stack;
      const pended = (Control & SL_PENDING_RETURNED) !== 0;
      irp.PendingReturned = pended ? 1 : 0;
      const isFirst = irp.CurrentLocation === irp.StackCount + 1;
      const above = isFirst ? undefined : IO_STACK_LOCATION.at(memory, irp.Tail.Overlay.CurrentStackLocation);
      if (isWanted(Control, irp)) {
        const routine = stack.CompletionRoutine;
        const context = stack.Context;
        zeroStackLocation(stack);
        const device = above?.DeviceObject ?? 0;
        const driver = trace.enabled && device !== 0 ? this.#callDriver.driverName(device) : undefined;
        const location = irp.CurrentLocation;
        const result = yield* call32(routine, device, irp.address, context);
        if (trace.enabled) {
          const by = driver === undefined ? {} : { driver };
          trace.emit({ type: 'completion-routine', irp: irp.address, ...by, routine, location, result });
        }
        if (result === STATUS_MORE_PROCESSING_REQUIRED) return true;
      } else {
        if (pended && above) above.Control |= SL_PENDING_RETURNED;
        zeroStackLocation(stack);
      }
      stackAddress = irp.Tail.Overlay.CurrentStackLocation;
      irp.CurrentLocation++;
      irp.Tail.Overlay.CurrentStackLocation += IO_STACK_LOCATION.size;
    }
    return false;
  }

  /** The last associated IRP completes its master, with the master's own IoStatus. */
  *#completeAssociated(irp: Irp): Routine {
    const master = this.#irps.view(irp.AssociatedIrp.MasterIrp);
    const left = master.AssociatedIrp.IrpCount - 1;
    master.AssociatedIrp.IrpCount = left;
    this.#transfers.direct.unlockPages(irp);
    this.#transfers.direct.release(irp);
    this.#irps.IoFreeIrp(irp.address);
    if (left === 0) yield* this.IofCompleteRequest(master.address, 0);
  }

  /** Requests that the system makes for itself and waits for: CLEANUP, CLOSE, paging. No thread is involved. */
  *#completeForSystem(irp: Irp): Routine {
    const { memory, ke } = this.#env;
    const block = IO_STATUS_BLOCK.at(memory, irp.UserIosb);
    block.Status = irp.IoStatus.Status;
    block.Information = irp.IoStatus.Information;
    const event = irp.UserEvent;
    if (irp.Flags & IRP_CLOSE_OPERATION) this.#irps.IoFreeIrp(irp.address);
    if (event !== 0) yield* ke.KeSetEvent(event, 0, false);
  }

  *#finishInRequester(irp: Irp): Routine {
    const { ke } = this.#env;
    const thread = irp.Tail.Overlay.Thread;
    if (thread === 0) return;
    const { object, apcsHeldOff } = ke.currentThread;
    if (thread === object && ke.irql === PASSIVE_LEVEL && !apcsHeldOff) {
      ke.KeRaiseIrql(APC_LEVEL);
      yield* this.finish(irp);
      yield* ke.KeLowerIrql(PASSIVE_LEVEL);
      return;
    }
    const finish = this.finish.bind(this);
    ke.queueSpecialApc(thread, function* () {
      yield* finish(irp);
    });
  }

  /**
   * Tells the caller: status block, event or file object. A request that failed before anybody pended it says so by the
   * service's return value alone: nothing is written and nothing signalled ("IO_STATUS_BLOCK": trust the return value
   * unless it is STATUS_PENDING). Nor is more than the file object, when a synchronous file's request failed later: the
   * service waits for that, and returns the status.
   */
  *#report(irp: Irp, status: number): Routine {
    const { memory } = this.#env;
    const address = irp.Tail.Overlay.OriginalFileObject;
    const file = address === 0 ? undefined : FILE_OBJECT.at(memory, address);
    const isSynchronousApi = (irp.Flags & IRP_SYNCHRONOUS_API) !== 0;
    const isSynchronousFile = file !== undefined && (file.Flags & FO_SYNCHRONOUS_IO) !== 0;
    const pended = irp.PendingReturned !== 0;
    if (NT_ERROR(status) && !pended) return;
    if (!NT_ERROR(status) || isSynchronousApi || !isSynchronousFile) {
      yield* this.#writeStatusBlock(irp.UserIosb, status, irp.IoStatus.Information);
      if (irp.UserEvent !== 0) yield* this.#env.ke.KeSetEvent(irp.UserEvent, 0, false);
    }
    const isFileWaitedFor = irp.UserEvent === 0 || (isSynchronousFile && !isSynchronousApi);
    if (file !== undefined && isFileWaitedFor) {
      file.FinalStatus = status;
      yield* this.#env.ke.KeSetEvent(file.Event.address, 0, false);
    }
  }

  /** A status block that the caller has meanwhile freed is not an error of the request. */
  *#writeStatusBlock(address: Address, status: number, information: bigint): Routine {
    if (address === 0) return;
    const { memory, mm } = this.#env;
    try {
      const touching = mm.touch(address, IO_STATUS_BLOCK.size, 'write');
      if (isRoutine(touching)) yield* touching;
      const block = IO_STATUS_BLOCK.at(memory, address);
      block.Information = information;
      block.Status = status;
    } catch (error) {
      exceptionStatus(error);
    }
  }

  #traceCompleted(irp: Irp, priorityBoost: number): void {
    const { memory, trace } = this.#env;
    if (!trace.enabled) return;
    const isInDriver = irp.CurrentLocation <= irp.StackCount;
    const stack = IO_STACK_LOCATION.at(memory, irp.Tail.Overlay.CurrentStackLocation);
    const device = isInDriver ? stack.DeviceObject : 0;
    trace.emit({
      type: 'completed',
      irp: irp.address,
      ...(device !== 0 ? { driver: this.#callDriver.driverName(device) } : {}),
      status: irp.IoStatus.Status,
      information: irp.IoStatus.Information,
      priorityBoost,
    });
  }
}

/** Whether the routine set with these conditions is called. */
function isWanted(control: number, irp: Irp): boolean {
  if (NT_SUCCESS(irp.IoStatus.Status) ? control & SL_INVOKE_ON_SUCCESS : control & SL_INVOKE_ON_ERROR) return true;
  return irp.Cancel !== 0 && (control & SL_INVOKE_ON_CANCEL) !== 0;
}

/** What the driver below had in its location is not for the driver above. Its major code and device stay readable. */
function zeroStackLocation(stack: IoStackLocation): void {
  stack.MinorFunction = 0;
  stack.Flags = 0;
  stack.Control &= SL_ERROR_RETURNED;
  stack.memory.fill(stack.address + Parameters.offset, Parameters.size, 0);
  stack.FileObject = 0;
}
