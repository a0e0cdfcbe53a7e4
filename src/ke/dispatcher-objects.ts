/**
 * Events, semaphores, mutexes and timers: the routines that make them and change their state.
 *
 * Each works on the object in guest memory; `WaitLists` knows who waits. A routine that can make a thread ready is a
 * generator, because on Windows it lowers IRQL from the dispatcher lock on its way out: the thread may run before the
 * routine returns.
 */
import { type Address, fromAddress } from '../wdm/address.ts';
import { THREAD_NOT_MUTEX_OWNER } from '../wdm/bugcheck-codes.ts';
import {
  EventNotificationObject,
  MutantObject,
  SemaphoreObject,
  TimerNotificationObject,
} from '../wdm/constants-ke.ts';
import { BugCheck, GuestException } from '../wdm/failures.ts';
import { DISPATCHER_HEADER, KEVENT, KMUTANT, KSEMAPHORE, KTIMER } from '../wdm/layouts.ts';
import type { GuestMemory } from '../wdm/memory.ts';
import { STATUS_ABANDONED, STATUS_MUTANT_NOT_OWNED, STATUS_SEMAPHORE_LIMIT_EXCEEDED } from '../wdm/ntstatus.ts';
import type { Alarm, Clock } from './clock.ts';
import type { DpcQueue } from './dpc.ts';
import { checkpoint, type Routine } from './routine.ts';
import type { Thread } from './thread.ts';
import type { WaitLists } from './wait.ts';

export interface DispatcherContext {
  readonly memory: GuestMemory;
  readonly waits: WaitLists;
  readonly clock: Clock;
  readonly dpcs: DpcQueue;
  readonly currentThread: Thread;
}

export class DispatcherObjects {
  readonly #context: DispatcherContext;
  readonly #timers = new Map<Address, Alarm>();

  constructor(context: DispatcherContext) {
    this.#context = context;
  }

  #initializeHeader(object: Address, type: number, bytes: number, state: number): void {
    const header = DISPATCHER_HEADER.at(this.#context.memory, object);
    this.#context.memory.writeU32(object, 0);
    header.Type = type;
    header.Size = bytes / 4;
    header.SignalState = state;
    header.WaitListHead.Flink = header.WaitListHead.address;
    header.WaitListHead.Blink = header.WaitListHead.address;
  }

  /** Sets the state; returns what it was. Wakes waiters when it became positive. */
  *#set(object: Address, state: number): Routine<number> {
    const header = DISPATCHER_HEADER.at(this.#context.memory, object);
    const before = header.SignalState;
    header.SignalState = state;
    if (before <= 0 && state > 0 && this.#context.waits.hasWaiters(object)) {
      this.#context.waits.signal(object);
      yield* checkpoint();
    }
    return before;
  }

  // --- Events. IRQL <= DISPATCH_LEVEL.

  /** @param type NotificationEvent or SynchronizationEvent */
  KeInitializeEvent(event: Address, type: number, state: boolean): void {
    this.#initializeHeader(event, EventNotificationObject + (type & 1), KEVENT.size, state ? 1 : 0);
  }

  /** Returns the previous state. The priority increment has no effect here: threads are not boosted. */
  KeSetEvent(event: Address, _increment: number, _wait: boolean): Routine<number> {
    return this.#set(event, 1);
  }

  /** Satisfies the waits of the moment, then the event is not signalled. */
  *KePulseEvent(event: Address): Routine<number> {
    const before = yield* this.#set(event, 1);
    DISPATCHER_HEADER.at(this.#context.memory, event).SignalState = 0;
    return before;
  }

  KeResetEvent(event: Address): number {
    const header = DISPATCHER_HEADER.at(this.#context.memory, event);
    const before = header.SignalState;
    header.SignalState = 0;
    return before;
  }

  /** SignalState of any dispatcher object: KeReadStateEvent and its kin. */
  readState(object: Address): number {
    return DISPATCHER_HEADER.at(this.#context.memory, object).SignalState;
  }

  // --- Semaphores. IRQL <= DISPATCH_LEVEL.

  KeInitializeSemaphore(semaphore: Address, count: number, limit: number): void {
    this.#initializeHeader(semaphore, SemaphoreObject, KSEMAPHORE.size, count);
    KSEMAPHORE.at(this.#context.memory, semaphore).Limit = limit;
  }

  /** Returns the previous count. Raises STATUS_SEMAPHORE_LIMIT_EXCEEDED when the limit would be passed. */
  *KeReleaseSemaphore(semaphore: Address, adjustment: number): Routine<number> {
    const { Header, Limit } = KSEMAPHORE.at(this.#context.memory, semaphore);
    const before = Header.SignalState;
    if (adjustment <= 0 || before + adjustment > Limit) throw new GuestException(STATUS_SEMAPHORE_LIMIT_EXCEEDED);
    yield* this.#set(semaphore, before + adjustment);
    return before;
  }

  // --- Mutexes. Released at IRQL <= DISPATCH_LEVEL by the owner.

  KeInitializeMutex(mutex: Address): void {
    this.#initializeHeader(mutex, MutantObject, KMUTANT.size, 1);
    const mutant = KMUTANT.at(this.#context.memory, mutex);
    mutant.OwnerThread = 0;
    mutant.Abandoned = 0;
    mutant.ApcDisable = 1;
  }

  /** Returns the previous state. Raises STATUS_MUTANT_NOT_OWNED, or STATUS_ABANDONED for one that was abandoned. */
  *KeReleaseMutex(mutex: Address): Routine<number> {
    const { memory, currentThread } = this.#context;
    const mutant = KMUTANT.at(memory, mutex);
    if (mutant.OwnerThread !== currentThread.object) {
      throw new GuestException(mutant.Abandoned ? STATUS_ABANDONED : STATUS_MUTANT_NOT_OWNED);
    }
    const before = mutant.Header.SignalState;
    if (before >= 1)
      throw new BugCheck(THREAD_NOT_MUTEX_OWNER, [fromAddress(currentThread.object), fromAddress(mutex), 0n, 0n]);
    if (before === 0) mutant.OwnerThread = 0;
    yield* this.#set(mutex, before + 1);
    return before;
  }

  // --- Timers. IRQL <= DISPATCH_LEVEL.

  KeInitializeTimerEx(timer: Address, type: number): void {
    this.#cancelAlarm(timer);
    this.#initializeHeader(timer, TimerNotificationObject + (type & 1), KTIMER.size, 0);
    const view = KTIMER.at(this.#context.memory, timer);
    view.DueTime = 0n;
    view.Period = 0;
    view.Dpc = 0;
  }

  /**
   * Starts the timer; one that was running starts anew. Returns whether it was.
   * @param due 100 ns units: negative from now, positive absolute system time
   * @param period milliseconds between further expirations; 0 for none
   */
  KeSetTimerEx(timer: Address, due: bigint, period: number, dpc: Address): boolean {
    const { memory, clock } = this.#context;
    const wasSet = this.#cancelAlarm(timer);
    const view = KTIMER.at(memory, timer);
    const at = clock.dueTime(due);
    view.Header.SignalState = 0;
    view.Dpc = dpc;
    view.Period = period;
    view.DueTime = clock.interruptTimeAt(at);
    this.#arm(timer, at);
    return wasSet;
  }

  /** Returns whether the timer was running. */
  KeCancelTimer(timer: Address): boolean {
    return this.#cancelAlarm(timer);
  }

  #arm(timer: Address, at: number): void {
    this.#timers.set(
      timer,
      this.#context.clock.at(at, () => this.#expire(timer, at)),
    );
  }

  #expire(timer: Address, at: number): void {
    const { memory, waits, dpcs } = this.#context;
    this.#timers.delete(timer);
    const view = KTIMER.at(memory, timer);
    view.Header.SignalState = 1;
    waits.signal(timer);
    if (view.Period > 0) this.#arm(timer, at + view.Period * 1_000_000);
    if (view.Dpc !== 0) dpcs.KeInsertQueueDpc(view.Dpc, 0n, 0n);
  }

  #cancelAlarm(timer: Address): boolean {
    const alarm = this.#timers.get(timer);
    this.#timers.delete(timer);
    return alarm !== undefined && this.#context.clock.cancel(alarm);
  }
}
