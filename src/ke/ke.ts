/**
 * The kernel's kernel: IRQL, threads and waiting, spin locks, DPCs, APCs, traps.
 *
 * `Ke` puts the parts of this room together and is what the rooms above hold on to. On this one-processor machine IRQL
 * is a register (CR8), and raising it to DISPATCH_LEVEL is all that a spin lock needs; the lock word is kept
 * nevertheless, because drivers and debuggers look at it, and because a lock that is taken twice must hang as it would.
 */
import type { Trace } from '../etw/trace.ts';
import { type Address, fromAddress } from '../wdm/address.ts';
import { IRQL_NOT_GREATER_OR_EQUAL, IRQL_NOT_LESS_OR_EQUAL } from '../wdm/bugcheck-codes.ts';
import { APC_LEVEL, DISPATCH_LEVEL, WaitAll } from '../wdm/constants-ke.ts';
import { BugCheck, type GuestException } from '../wdm/failures.ts';
import type { GuestMemory, PageFault } from '../wdm/memory.ts';
import { STATUS_INVALID_PARAMETER, STATUS_SUCCESS, STATUS_TIMEOUT } from '../wdm/ntstatus.ts';
import type { Activation } from './activation.ts';
import { Clock } from './clock.ts';
import type { Cpu } from './cpu.ts';
import { DeviceQueues } from './device-queue.ts';
import { DispatcherObjects } from './dispatcher-objects.ts';
import { DpcQueue } from './dpc.ts';
import type { ReturnAddresses } from './guest-stack.ts';
import { checkpoint, type Routine } from './routine.ts';
import { Scheduler, type SchedulerLimits, type SeededChoice } from './scheduler.ts';
import type { SpecialApc, Thread, Wait } from './thread.ts';
import type { TrapTable } from './traps.ts';
import { type ExceptionFilter, tryExcept } from './try-except.ts';
import { WAIT_INTERRUPTED, WaitLists } from './wait.ts';

export const MAXIMUM_WAIT_OBJECTS = 64;

export class Ke {
  readonly cpu: Cpu;
  readonly memory: GuestMemory;
  readonly clock: Clock;
  readonly traps: TrapTable;
  readonly scheduler: Scheduler;
  readonly waits: WaitLists;
  readonly dpcs: DpcQueue;
  readonly objects: DispatcherObjects;
  readonly deviceQueues: DeviceQueues;

  constructor(
    cpu: Cpu,
    traps: TrapTable,
    trace: Trace,
    options: { limits: SchedulerLimits; returns: ReturnAddresses; choose: SeededChoice; bootTime: bigint },
  ) {
    this.cpu = cpu;
    this.memory = cpu.memory;
    this.traps = traps;
    this.clock = new Clock(cpu, options.bootTime);
    this.scheduler = new Scheduler(cpu, traps, this.clock, options);
    this.waits = new WaitLists(this.memory, (thread, status) => this.#wake(thread, status));
    this.dpcs = new DpcQueue(this.memory, this.scheduler.dpcs, trace);
    this.objects = new DispatcherObjects(this);
    this.deviceQueues = new DeviceQueues(this.memory);
  }

  // --- Where we are

  get irql(): number {
    return this.cpu.registers.irql;
  }

  get currentThread(): Thread {
    const thread = this.scheduler.current;
    if (!thread) throw new Error('no thread is running: this can only be called from kernel code');
    return thread;
  }

  /** The innermost TypeScript routine on the current thread that is a generator. */
  get activation(): Activation {
    const { top } = this.currentThread;
    if (!top) throw new Error('no routine is running');
    return top;
  }

  /** Locals on the guest's kernel stack until the running routine returns; 16-byte aligned, not zeroed. */
  alloca(bytes: number): Address {
    return this.scheduler.stack.alloca(this.currentThread.top, bytes);
  }

  /** `__try { body } __except (filter) { handler }` for a TypeScript routine. */
  tryExcept<T>(
    body: () => Routine<T>,
    filter: ExceptionFilter,
    handler: (exception: GuestException) => Routine<T>,
  ): Routine<T> {
    return tryExcept(this.activation, fault => this.exceptionOfFault(fault), body, filter, handler);
  }

  /** Told at boot by the room that knows what a fault of TypeScript's own touch becomes. */
  exceptionOfFault: (fault: PageFault) => GuestException = fault => {
    throw fault;
  };

  // --- IRQL

  /** Returns the old IRQL. Lowering with it is IRQL_NOT_GREATER_OR_EQUAL. */
  KeRaiseIrql(irql: number): number {
    const old = this.irql;
    if (irql < old) throw new BugCheck(IRQL_NOT_GREATER_OR_EQUAL, [BigInt(old), BigInt(irql), 0n, 0n]);
    this.cpu.registers.irql = irql;
    return old;
  }

  /** What became due while IRQL was higher (DPCs, APCs, another thread) runs before this returns. */
  *KeLowerIrql(irql: number): Routine {
    if (irql > this.irql) throw new BugCheck(IRQL_NOT_LESS_OR_EQUAL, [BigInt(this.irql), BigInt(irql), 0n, 0n]);
    this.cpu.registers.irql = irql;
    if (irql < DISPATCH_LEVEL && this.scheduler.isCheckpointDue) yield* checkpoint();
  }

  // --- Spin locks

  KeInitializeSpinLock(lock: Address): void {
    this.memory.writeU64(lock, 0n);
  }

  /** Returns the old IRQL, which KeReleaseSpinLock takes. IRQL <= DISPATCH_LEVEL. */
  *KeAcquireSpinLockRaiseToDpc(lock: Address): Routine<number> {
    const old = this.KeRaiseIrql(Math.max(this.irql, DISPATCH_LEVEL));
    if (!this.KeTryToAcquireSpinLockAtDpcLevel(lock)) yield* this.acquire(lock);
    return old;
  }

  *KeReleaseSpinLock(lock: Address, irql: number): Routine {
    this.memory.writeU64(lock, 0n);
    yield* this.KeLowerIrql(irql);
  }

  /** Takes the lock at the current IRQL. On one processor a lock that is taken stays so: this spins, and is found. */
  *acquire(lock: Address): Routine {
    while (!this.KeTryToAcquireSpinLockAtDpcLevel(lock)) {
      this.clock.advance(1000);
      yield* checkpoint();
    }
  }

  KeTryToAcquireSpinLockAtDpcLevel(lock: Address): boolean {
    if (this.memory.readU64(lock) !== 0n) return false;
    this.memory.writeU64(lock, fromAddress(this.currentThread.object) | 1n);
    return true;
  }

  // --- Waiting

  /**
   * Waits for one dispatcher object. IRQL <= APC_LEVEL, or DISPATCH_LEVEL with a timeout of zero.
   * @param timeout 100 ns units, negative from now, zero to test only, undefined to wait without end
   * @returns STATUS_SUCCESS, STATUS_TIMEOUT, STATUS_ABANDONED, STATUS_ALERTED or STATUS_USER_APC
   */
  KeWaitForSingleObject(
    object: Address,
    reason: number,
    mode: number,
    alertable: boolean,
    timeout?: bigint,
  ): Routine<number> {
    return this.KeWaitForMultipleObjects([object], 1 - WaitAll, reason, mode, alertable, timeout);
  }

  /** @param type WaitAll or WaitAny. Returns STATUS_WAIT_0 + the index of the object that ended a WaitAny. */
  *KeWaitForMultipleObjects(
    objects: readonly Address[],
    type: number,
    _reason: number,
    _mode: number,
    alertable: boolean,
    timeout?: bigint,
  ): Routine<number> {
    if (objects.length > MAXIMUM_WAIT_OBJECTS) return STATUS_INVALID_PARAMETER;
    const thread = this.currentThread;
    const all = type === WaitAll;
    const due = timeout === undefined ? undefined : this.clock.dueTime(timeout);
    for (;;) {
      const status = this.waits.trySatisfy(thread, objects, all);
      if (status !== undefined) return status;
      if (timeout === 0n || (due !== undefined && due <= this.clock.now)) return STATUS_TIMEOUT;
      if (this.irql > APC_LEVEL) this.#waitTooHigh(objects[0]!);
      const ended = yield* this.#block({ thread, objects, all, alertable, irql: this.irql, timeout: undefined }, due);
      if (ended !== WAIT_INTERRUPTED) return ended;
    }
  }

  /** @param interval 100 ns units, negative from now */
  *KeDelayExecutionThread(_mode: number, alertable: boolean, interval: bigint): Routine<number> {
    const thread = this.currentThread;
    const due = this.clock.dueTime(interval);
    while (due > this.clock.now) {
      if (this.irql > APC_LEVEL) this.#waitTooHigh(0);
      yield* this.#block({ thread, objects: [], all: true, alertable, irql: this.irql, timeout: undefined }, due);
    }
    yield* checkpoint();
    return STATUS_SUCCESS;
  }

  *#block(wait: Wait, due: number | undefined): Routine<number> {
    const { thread } = wait;
    if (due !== undefined) {
      wait.timeout = this.clock.at(due, () => {
        this.waits.remove(wait);
        wait.timeout = undefined;
        this.#wake(thread, STATUS_TIMEOUT);
      });
    }
    this.waits.add(wait);
    thread.state = 'waiting';
    const status = Number(yield { kind: 'wait' });
    if (wait.timeout) this.clock.cancel(wait.timeout);
    return status;
  }

  /** Waiting at DISPATCH_LEVEL cannot end: Windows stops with IRQL_NOT_LESS_OR_EQUAL in the dispatcher. */
  #waitTooHigh(object: Address): never {
    const { rip } = this.cpu.registers;
    throw new BugCheck(
      IRQL_NOT_LESS_OR_EQUAL,
      [fromAddress(object), BigInt(this.irql), 1n, fromAddress(rip)],
      'waits at raised IRQL',
    );
  }

  readonly #parked = new Map<Address, Thread[]>();

  /** Waits until `ready` holds. It is looked at again whenever somebody calls `unpark(key)`. Not alertable. */
  *park(key: Address, ready: () => boolean): Routine {
    const thread = this.currentThread;
    while (!ready()) {
      if (this.irql > APC_LEVEL) this.#waitTooHigh(key);
      this.#parked.set(key, [...(this.#parked.get(key) ?? []), thread]);
      thread.state = 'waiting';
      yield { kind: 'wait' };
    }
  }

  /** Lets those parked at `key` look again. */
  *unpark(key: Address): Routine {
    if (this.wakeParked(key)) yield* checkpoint();
  }

  /** As `unpark`, without giving them the processor. Returns whether there were any. */
  wakeParked(key: Address): boolean {
    const threads = this.#parked.get(key);
    this.#parked.delete(key);
    for (const thread of threads ?? []) this.#wake(thread, 0);
    return threads !== undefined;
  }

  #wake(thread: Thread, status: number): void {
    if (thread.state === 'waiting') this.scheduler.makeReady(thread, status);
  }

  // --- APCs

  /** @param all special kernel APCs, too: KeAreAllApcsDisabled */
  areApcsDisabled(all: boolean): boolean {
    const { KernelApcDisable, SpecialApcDisable } = this.currentThread.view;
    if (SpecialApcDisable !== 0) return true;
    return all ? this.irql >= APC_LEVEL : KernelApcDisable !== 0 || this.irql >= APC_LEVEL;
  }

  /** Entering a critical or guarded region makes the thread's counter more negative. */
  adjustApcDisable(counter: 'KernelApcDisable' | 'SpecialApcDisable', by: number): void {
    const { view } = this.currentThread;
    view[counter] += by;
  }

  /** Leaving one; what was held off runs before this returns. */
  *leaveRegion(counter: 'KernelApcDisable' | 'SpecialApcDisable'): Routine {
    this.adjustApcDisable(counter, 1);
    if (this.currentThread.view[counter] === 0) yield* checkpoint();
  }

  /**
   * Queues a special kernel APC of the kernel's own: runs in the thread, at APC_LEVEL, as soon as the thread's IRQL is
   * below; a wait of the thread is interrupted for it and goes on afterwards. IRQL <= DISPATCH_LEVEL.
   */
  queueSpecialApc(thread: Thread, apc: SpecialApc): void {
    thread.specialApcs.push(apc);
    const { wait } = thread;
    if (thread.state === 'waiting' && wait && wait.irql < APC_LEVEL) {
      this.waits.remove(wait);
      this.#wake(thread, WAIT_INTERRUPTED);
    }
    this.scheduler.visit(thread);
  }
}
