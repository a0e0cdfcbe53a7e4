/**
 * Dispatcher objects: events, semaphores, mutexes, timers, threads, processes, and waiting for them.
 *
 * An object's state is its DISPATCHER_HEADER in guest memory (Type, SignalState); who waits for it is the scheduler's
 * business and is kept here. `signal` is called by whoever made SignalState positive; it satisfies waits in the order in
 * which they began, each taking from the object what its type says: a synchronization event or timer goes back to not
 * signalled, a semaphore goes down by one, a mutex gets an owner.
 *
 * Rules: "Introduction to Kernel Dispatcher Objects" and the DDI pages of KeWaitForSingleObject and
 * KeWaitForMultipleObjects.
 */
import type { Address } from '../wdm/address.ts';
import {
  EventSynchronizationObject,
  MutantObject,
  SemaphoreObject,
  TimerSynchronizationObject,
} from '../wdm/constants-ke.ts';
import { DISPATCHER_HEADER, KMUTANT } from '../wdm/layouts.ts';
import type { GuestMemory } from '../wdm/memory.ts';
import { STATUS_ABANDONED_WAIT_0, STATUS_WAIT_0 } from '../wdm/ntstatus.ts';
import type { Thread, Wait } from './thread.ts';

/** Resumes a wait that must be tried again: an APC ran in between. Never seen outside the kernel. */
export const WAIT_INTERRUPTED = 0x0000_0100;

export class WaitLists {
  readonly #memory: GuestMemory;
  readonly #waits = new Map<Address, Wait[]>();
  readonly #wake: (thread: Thread, status: number) => void;

  /** @param wake makes a waiting thread ready; its wait returns `status` */
  constructor(memory: GuestMemory, wake: (thread: Thread, status: number) => void) {
    this.#memory = memory;
    this.#wake = wake;
  }

  /** Takes what the wait needs and returns its status, if the objects' states allow it now. */
  trySatisfy(thread: Thread, objects: readonly Address[], all: boolean): number | undefined {
    if (all) {
      if (!objects.every(object => this.#isSignaled(object, thread))) return undefined;
      const abandoned = objects.map(object => this.#take(object, thread)).some(Boolean);
      return abandoned ? STATUS_ABANDONED_WAIT_0 : STATUS_WAIT_0;
    }
    const index = objects.findIndex(object => this.#isSignaled(object, thread));
    if (index < 0) return undefined;
    return (this.#take(objects[index]!, thread) ? STATUS_ABANDONED_WAIT_0 : STATUS_WAIT_0) + index;
  }

  add(wait: Wait): void {
    wait.thread.wait = wait;
    for (const object of new Set(wait.objects)) {
      const list = this.#waits.get(object);
      if (list) list.push(wait);
      else this.#waits.set(object, [wait]);
    }
  }

  /** Ends a thread's wait, without waking it. */
  remove(wait: Wait): void {
    wait.thread.wait = undefined;
    for (const object of wait.objects) {
      const list = this.#waits.get(object)?.filter(other => other !== wait);
      if (list?.length) this.#waits.set(object, list);
      else this.#waits.delete(object);
    }
  }

  /** The object's SignalState went up: satisfies the waits that it can. */
  signal(object: Address): void {
    for (const wait of this.#waits.get(object)?.slice() ?? []) {
      if (wait.thread.wait !== wait) continue;
      const status = this.trySatisfy(wait.thread, wait.objects, wait.all);
      if (status === undefined) continue;
      this.remove(wait);
      this.#wake(wait.thread, status);
    }
  }

  hasWaiters(object: Address): boolean {
    return this.#waits.has(object);
  }

  #isSignaled(object: Address, thread: Thread): boolean {
    const header = DISPATCHER_HEADER.at(this.#memory, object);
    if (header.SignalState > 0) return true;
    return header.Type === MutantObject && KMUTANT.at(this.#memory, object).OwnerThread === thread.object;
  }

  /** Returns whether a mutex was taken that its last owner had abandoned. */
  #take(object: Address, thread: Thread): boolean {
    const header = DISPATCHER_HEADER.at(this.#memory, object);
    switch (header.Type) {
      case EventSynchronizationObject:
      case TimerSynchronizationObject:
        header.SignalState = 0;
        return false;
      case SemaphoreObject:
        header.SignalState -= 1;
        return false;
      case MutantObject: {
        const mutant = KMUTANT.at(this.#memory, object);
        header.SignalState -= 1;
        if (header.SignalState !== 0) return false;
        mutant.OwnerThread = thread.object;
        const abandoned = mutant.Abandoned !== 0;
        mutant.Abandoned = 0;
        return abandoned;
      }
      default:
        return false;
    }
  }
}
