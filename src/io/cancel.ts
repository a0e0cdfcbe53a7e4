/**
 * Cancelling.
 *
 * Whoever pends an IRP may leave a cancel routine in it. IoCancelIrp sets IRP.Cancel and takes the routine out, both
 * under the cancel spin lock, and calls the routine with the lock held: the routine releases it with Irp->CancelIrql.
 * Without a routine the flag is all that happens.
 */
import { call, type Routine } from '../ke/routine.ts';
import { type Address, fromAddress } from '../wdm/address.ts';
import { CANCEL_STATE_IN_COMPLETED_IRP } from '../wdm/bugcheck.ts';
import { KernelMode, NonPagedPoolNx } from '../wdm/constants.ts';
import { BugCheck } from '../wdm/failures.ts';
import type { IoEnvironment } from './environment.ts';
import { IoGetCurrentIrpStackLocation, IoSetCancelRoutine } from './inlines.ts';
import type { Irps } from './irp.ts';
import type { ThreadIrps } from './thread-irps.ts';

/** 10 ms. */
const CANCEL_POLL = -100_000n;

const TAG_LOCK = 0x6c43_6f49; // IoCl

export class Cancel {
  readonly #env: IoEnvironment;
  readonly #irps: Irps;
  readonly #threads: ThreadIrps;
  /** The cancel spin lock. */
  readonly #lock: Address;

  constructor(environment: IoEnvironment, irps: Irps, threads: ThreadIrps) {
    this.#env = environment;
    this.#irps = irps;
    this.#threads = threads;
    this.#lock = environment.pool.allocate(NonPagedPoolNx, 8, TAG_LOCK);
    environment.memory.writeU64(this.#lock, 0n);
  }

  /** Returns the IRQL to release it with. IRQL <= DISPATCH_LEVEL. */
  IoAcquireCancelSpinLock(): Routine<number> {
    return this.#env.ke.KeAcquireSpinLockRaiseToDpc(this.#lock);
  }

  IoReleaseCancelSpinLock(irql: number): Routine {
    return this.#env.ke.KeReleaseSpinLock(this.#lock, irql);
  }

  /** Returns whether there was a cancel routine. IRQL <= DISPATCH_LEVEL. */
  *IoCancelIrp(address: Address): Routine<boolean> {
    const { memory, trace } = this.#env;
    const irql = yield* this.IoAcquireCancelSpinLock();
    const irp = this.#irps.view(address);
    irp.Cancel = 1;
    const routine = IoSetCancelRoutine(memory, address, 0);
    if (trace.enabled) trace.emit({ type: 'cancel-called', irp: address, ...(routine === 0 ? {} : { routine }) });
    if (routine === 0) {
      yield* this.IoReleaseCancelSpinLock(irql);
      return false;
    }
    if (irp.CurrentLocation > irp.StackCount + 1) {
      throw new BugCheck(CANCEL_STATE_IN_COMPLETED_IRP, [fromAddress(address), fromAddress(routine), 0n, 0n]);
    }
    irp.CancelIrql = irql;
    yield* call(routine, IoGetCurrentIrpStackLocation(memory, address).DeviceObject, address);
    return true;
  }

  /**
   * Cancels what the current thread has under way, on one file or on all, and waits until it is gone. The drivers
   * decide how long that takes. PASSIVE_LEVEL. Returns whether there was anything.
   */
  *cancelThreadIo(file?: Address): Routine<boolean> {
    const { ke } = this.#env;
    const thread = ke.currentThread.object;
    const pending = (asked?: boolean) =>
      [...this.#threads.of(thread)].find(address => {
        const irp = this.#irps.view(address);
        if (file !== undefined && irp.Tail.Overlay.OriginalFileObject !== file) return false;
        return asked === undefined || (irp.Cancel !== 0) === asked;
      });
    const any = pending() !== undefined;
    for (let irp = pending(false); irp !== undefined; irp = pending(false)) yield* this.IoCancelIrp(irp);
    while (pending() !== undefined) yield* ke.KeDelayExecutionThread(KernelMode, false, CANCEL_POLL);
    return any;
  }
}
