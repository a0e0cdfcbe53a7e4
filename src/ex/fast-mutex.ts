/**
 * Fast mutexes: exclusive ownership at APC_LEVEL, not recursive.
 *
 * FAST_MUTEX.Count is 1 when free and goes down by one for each thread that wants it; whoever finds it below 1 waits on
 * the event, which its releaser sets. The "unsafe" forms do the same in the IRQL (or critical region) of the caller.
 * Guarded mutexes have the same layout since Windows 8 and are these.
 */
import type { Ke } from '../ke/ke.ts';
import type { Routine } from '../ke/routine.ts';
import type { Address } from '../wdm/address.ts';
import { APC_LEVEL, Executive, KernelMode, SynchronizationEvent } from '../wdm/constants-ke.ts';
import { FAST_MUTEX } from '../wdm/layouts.ts';

export class FastMutexes {
  readonly #ke: Ke;

  constructor(ke: Ke) {
    this.#ke = ke;
  }

  /** What ExInitializeFastMutex, an inline of wdm.h, does. */
  initialize(mutex: Address): void {
    const view = FAST_MUTEX.at(this.#ke.memory, mutex);
    view.Count = 1;
    view.Owner = 0;
    view.Contention = 0;
    this.#ke.objects.KeInitializeEvent(view.Event.address, SynchronizationEvent, false);
  }

  /** IRQL <= APC_LEVEL; returns at APC_LEVEL. */
  *ExAcquireFastMutex(mutex: Address): Routine {
    const old = this.#ke.KeRaiseIrql(APC_LEVEL);
    yield* this.ExAcquireFastMutexUnsafe(mutex);
    FAST_MUTEX.at(this.#ke.memory, mutex).OldIrql = old;
  }

  *ExAcquireFastMutexUnsafe(mutex: Address): Routine {
    const view = FAST_MUTEX.at(this.#ke.memory, mutex);
    view.Count -= 1;
    if (view.Count < 0) {
      view.Contention += 1;
      yield* this.#ke.KeWaitForSingleObject(view.Event.address, Executive, KernelMode, false);
    }
    view.Owner = this.#ke.currentThread.object;
  }

  /** Returns whether it was free and is now taken; IRQL is APC_LEVEL then. */
  ExTryToAcquireFastMutex(mutex: Address): boolean {
    const view = FAST_MUTEX.at(this.#ke.memory, mutex);
    if (view.Count !== 1) return false;
    const old = this.#ke.KeRaiseIrql(APC_LEVEL);
    view.Count = 0;
    view.Owner = this.#ke.currentThread.object;
    view.OldIrql = old;
    return true;
  }

  *ExReleaseFastMutex(mutex: Address): Routine {
    const { OldIrql } = FAST_MUTEX.at(this.#ke.memory, mutex);
    yield* this.ExReleaseFastMutexUnsafe(mutex);
    yield* this.#ke.KeLowerIrql(OldIrql);
  }

  *ExReleaseFastMutexUnsafe(mutex: Address): Routine {
    const view = FAST_MUTEX.at(this.#ke.memory, mutex);
    view.Owner = 0;
    view.Count += 1;
    if (view.Count <= 0) yield* this.#ke.objects.KeSetEvent(view.Event.address, 0, false);
  }
}
