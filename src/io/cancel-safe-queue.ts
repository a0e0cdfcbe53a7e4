/**
 * Cancel-safe queues (IO_CSQ): the driver keeps the list and the lock, we keep cancelling right.
 *
 * The driver gives six callbacks. Everything that touches its list is called between its CsqAcquireLock and
 * CsqReleaseLock. An IRP in the queue has our cancel routine, and IRP.Tail.Overlay.DriverContext[3] leads from it to
 * the queue (or to the caller's IO_CSQ_IRP_CONTEXT, which leads to both). Taking the cancel routine out decides, with an
 * exchange, who has the IRP: a remover or the canceller, never both. Source: "Cancel-Safe IRP Queues", csq.h.
 */
import { call, call32, type Routine } from '../ke/routine.ts';
import type { TrapBody, TrapResult } from '../ke/traps.ts';
import { type Address, toAddress } from '../wdm/address.ts';
import { IRP } from '../wdm/layouts.ts';
import { STATUS_SUCCESS } from '../wdm/ntstatus.ts';
import { ptr, struct, u32 } from '../wdm/struct.ts';
import type { Cancel } from './cancel.ts';
import type { IoEnvironment } from './environment.ts';
import { IoMarkIrpPending, IoSetCancelRoutine } from './inlines.ts';

/** csq.h */
export const IO_CSQ = struct('IO_CSQ', 0x40, {
  Type: u32(0x00), // IO_TYPE_CSQ or IO_TYPE_CSQ_EX
  CsqInsertIrp: ptr(0x08),
  CsqRemoveIrp: ptr(0x10),
  CsqPeekNextIrp: ptr(0x18),
  CsqAcquireLock: ptr(0x20),
  CsqReleaseLock: ptr(0x28),
  CsqCompleteCanceledIrp: ptr(0x30),
  ReservePointer: ptr(0x38),
});

export const IO_CSQ_IRP_CONTEXT = struct('IO_CSQ_IRP_CONTEXT', 0x18, {
  Type: u32(0x00), // IO_TYPE_CSQ_IRP_CONTEXT
  Irp: ptr(0x08),
  Csq: ptr(0x10),
});

const IO_TYPE_CSQ_IRP_CONTEXT = 1;
const IO_TYPE_CSQ = 2;
const IO_TYPE_CSQ_EX = 3;
const CSQ_SLOT = 3;

export interface CsqCallbacks {
  readonly insert: Address;
  readonly remove: Address;
  readonly peekNext: Address;
  readonly acquireLock: Address;
  readonly releaseLock: Address;
  readonly completeCanceled: Address;
}

export class CancelSafeQueues {
  readonly #env: IoEnvironment;
  readonly #cancel: Cancel;
  readonly #cancelRoutine: Address;

  constructor(environment: IoEnvironment, cancel: Cancel, register: (name: string, body: TrapBody) => Address) {
    this.#env = environment;
    this.#cancel = cancel;
    this.#cancelRoutine = register('IopCsqCancelRoutine', args => this.#onCancel(args.address(1)));
  }

  /** @param extended CsqInsertIrp takes a context and returns a status */
  IoCsqInitialize(csq: Address, callbacks: CsqCallbacks, extended: boolean): number {
    const view = IO_CSQ.at(this.#env.memory, csq);
    view.Type = extended ? IO_TYPE_CSQ_EX : IO_TYPE_CSQ;
    view.CsqInsertIrp = callbacks.insert;
    view.CsqRemoveIrp = callbacks.remove;
    view.CsqPeekNextIrp = callbacks.peekNext;
    view.CsqAcquireLock = callbacks.acquireLock;
    view.CsqReleaseLock = callbacks.releaseLock;
    view.CsqCompleteCanceledIrp = callbacks.completeCanceled;
    view.ReservePointer = 0;
    return STATUS_SUCCESS;
  }

  /** @param context IO_CSQ_IRP_CONTEXT or 0. Returns CsqInsertIrp's status for an extended queue. */
  *IoCsqInsertIrpEx(csq: Address, irp: Address, context: Address, insertContext: bigint): Routine<number> {
    const { memory } = this.#env;
    const queue = IO_CSQ.at(memory, csq);
    const request = IRP.at(memory, irp);
    const irql = yield* this.#lock(csq);
    let status = STATUS_SUCCESS;
    if (context !== 0) {
      const view = IO_CSQ_IRP_CONTEXT.at(memory, context);
      view.Type = IO_TYPE_CSQ_IRP_CONTEXT;
      view.Irp = irp;
      view.Csq = csq;
    }
    this.#slot(irp, context === 0 ? csq : context);
    IoMarkIrpPending(memory, irp);
    if (queue.Type === IO_TYPE_CSQ_EX) status = yield* call32(queue.CsqInsertIrp, csq, irp, insertContext);
    else yield* call(queue.CsqInsertIrp, csq, irp);
    if (status >= 0x8000_0000) {
      this.#slot(irp, 0);
      if (context !== 0) IO_CSQ_IRP_CONTEXT.at(memory, context).Irp = 0;
      yield* this.#unlock(csq, irql);
      return status;
    }
    IoSetCancelRoutine(memory, irp, this.#cancelRoutine);
    if (request.Cancel !== 0 && IoSetCancelRoutine(memory, irp, 0) !== 0) {
      // Cancelled already, and nobody will call the cancel routine: it is taken out again here.
      yield* call(queue.CsqRemoveIrp, csq, irp);
      this.#forget(irp, context);
      yield* this.#unlock(csq, irql);
      yield* call(queue.CsqCompleteCanceledIrp, csq, irp);
      return status;
    }
    yield* this.#unlock(csq, irql);
    return status;
  }

  /** The IRP that was inserted with the context; 0 if it has been cancelled or removed. */
  *IoCsqRemoveIrp(csq: Address, context: Address): Routine<Address> {
    const { memory } = this.#env;
    const irql = yield* this.#lock(csq);
    let irp = IO_CSQ_IRP_CONTEXT.at(memory, context).Irp;
    if (irp !== 0 && IoSetCancelRoutine(memory, irp, 0) !== 0) {
      yield* call(IO_CSQ.at(memory, csq).CsqRemoveIrp, csq, irp);
      this.#forget(irp, context);
    } else irp = 0;
    yield* this.#unlock(csq, irql);
    return irp;
  }

  /** The next IRP that CsqPeekNextIrp finds for `peekContext` and nobody is cancelling; 0 if there is none. */
  *IoCsqRemoveNextIrp(csq: Address, peekContext: bigint): Routine<Address> {
    const { memory } = this.#env;
    const queue = IO_CSQ.at(memory, csq);
    const irql = yield* this.#lock(csq);
    let irp = toAddress(yield* call(queue.CsqPeekNextIrp, csq, 0, peekContext));
    while (irp !== 0 && IoSetCancelRoutine(memory, irp, 0) === 0) {
      irp = toAddress(yield* call(queue.CsqPeekNextIrp, csq, irp, peekContext));
    }
    if (irp !== 0) {
      yield* call(queue.CsqRemoveIrp, csq, irp);
      const { context } = this.#queueOf(irp);
      this.#forget(irp, context);
    }
    yield* this.#unlock(csq, irql);
    return irp;
  }

  /** The cancel routine of every IRP in a queue. The cancel spin lock is held. */
  *#onCancel(irp: Address): Routine<TrapResult> {
    const { memory } = this.#env;
    yield* this.#cancel.IoReleaseCancelSpinLock(IRP.at(memory, irp).CancelIrql);
    const { csq, context } = this.#queueOf(irp);
    const irql = yield* this.#lock(csq);
    yield* call(IO_CSQ.at(memory, csq).CsqRemoveIrp, csq, irp);
    this.#forget(irp, context);
    yield* this.#unlock(csq, irql);
    yield* call(IO_CSQ.at(memory, csq).CsqCompleteCanceledIrp, csq, irp);
    return undefined;
  }

  #queueOf(irp: Address): { csq: Address; context: Address } {
    const { memory } = this.#env;
    const at = memory.readPointer(IRP.at(memory, irp).Tail.Overlay.DriverContext.address + CSQ_SLOT * 8);
    const view = IO_CSQ_IRP_CONTEXT.at(memory, at);
    return view.Type === IO_TYPE_CSQ_IRP_CONTEXT ? { csq: view.Csq, context: at } : { csq: at, context: 0 };
  }

  #slot(irp: Address, value: Address): void {
    const { memory } = this.#env;
    memory.writePointer(IRP.at(memory, irp).Tail.Overlay.DriverContext.address + CSQ_SLOT * 8, value);
  }

  #forget(irp: Address, context: Address): void {
    if (context !== 0) IO_CSQ_IRP_CONTEXT.at(this.#env.memory, context).Irp = 0;
    this.#slot(irp, 0);
  }

  /** CsqAcquireLock stores the old IRQL where it is told to. */
  *#lock(csq: Address): Routine<number> {
    const { memory, ke } = this.#env;
    const irql = ke.alloca(16);
    memory.writeU8(irql, 0);
    yield* call(IO_CSQ.at(memory, csq).CsqAcquireLock, csq, irql);
    return memory.readU8(irql);
  }

  *#unlock(csq: Address, irql: number): Routine {
    yield* call(IO_CSQ.at(this.#env.memory, csq).CsqReleaseLock, csq, irql);
  }
}
