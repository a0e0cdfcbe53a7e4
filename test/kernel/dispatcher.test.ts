import { describe, expect, it } from 'vitest';
import { BugCheck, Hang, type Nt } from '../../src/index.ts';
import type { Routine } from '../../src/ke/routine.ts';
import * as wdm from '../../src/wdm/constants.ts';
import { KDPC, KEVENT, KMUTANT, KSEMAPHORE, KTIMER } from '../../src/wdm/layouts.ts';
import {
  STATUS_ABANDONED,
  STATUS_MUTANT_NOT_OWNED,
  STATUS_SEMAPHORE_LIMIT_EXCEEDED,
  STATUS_SUCCESS,
  STATUS_TIMEOUT,
} from '../../src/wdm/ntstatus.ts';
import { inDriver } from './in-driver.ts';

const { Executive, KernelMode } = wdm;
const MILLISECOND = 10_000n;

function newEvent(nt: Nt, type: number, state = false): number {
  const event = nt.alloca(KEVENT.size);
  nt.KeInitializeEvent(event, type, state);
  return event;
}

function timeout(nt: Nt, time: bigint): number {
  const at = nt.alloca(8);
  nt.memory.writeU64(at, BigInt.asUintN(64, time));
  return at;
}

/** A system thread that runs `body`. */
function* spawn(nt: Nt, name: string, body: () => Routine): Routine {
  const start = nt.routine(name, ['Context: ptr'], 'void', body);
  yield* nt.PsCreateSystemThread(nt.alloca(8), 0x1f_ffff, 0, 0, 0, start, 0n);
}

describe('events', () => {
  it('a notification event stays signalled, a synchronization event satisfies one wait', () => {
    const { result } = inDriver(function* (nt) {
      const zero = timeout(nt, 0n);
      const states: number[] = [];
      for (const type of [wdm.NotificationEvent, wdm.SynchronizationEvent]) {
        const event = newEvent(nt, type);
        states.push(yield* nt.KeSetEvent(event, 0, false));
        states.push(yield* nt.KeWaitForSingleObject(event, Executive, KernelMode, false, zero));
        states.push(yield* nt.KeWaitForSingleObject(event, Executive, KernelMode, false, zero));
      }
      return states;
    });
    expect(result).toEqual([0, STATUS_SUCCESS, STATUS_SUCCESS, 0, STATUS_SUCCESS, STATUS_TIMEOUT]);
  });

  it('setting an event wakes the thread that waits, and a wait with a timeout ends at its time', () => {
    const { result } = inDriver(function* (nt, machine) {
      const event = newEvent(nt, wdm.SynchronizationEvent);
      const order: string[] = [];
      yield* spawn(nt, 'Setter', function* () {
        order.push('setter');
        yield* nt.KeSetEvent(event, 0, false);
      });
      order.push('waits');
      yield* nt.KeWaitForSingleObject(event, Executive, KernelMode, false, 0);
      order.push('woken');
      const before = machine.kernel.ke.clock.now;
      const status = yield* nt.KeWaitForSingleObject(
        event,
        Executive,
        KernelMode,
        false,
        timeout(nt, -5n * MILLISECOND),
      );
      const elapsed = machine.kernel.ke.clock.now - before;
      return { order, status, elapsed };
    });
    expect(result.order).toEqual(['waits', 'setter', 'woken']);
    expect(result.status).toBe(STATUS_TIMEOUT);
    expect(result.elapsed).toBeGreaterThanOrEqual(5_000_000);
    expect(result.elapsed).toBeLessThan(5_100_000);
  });

  it('WaitAll takes all at once or nothing; WaitAny says which', () => {
    const { result } = inDriver(function* (nt) {
      const zero = timeout(nt, 0n);
      const events = [newEvent(nt, 1, true), newEvent(nt, 1, false)];
      const array = nt.alloca(16);
      events.forEach((event, i) => {
        nt.memory.writePointer(array + i * 8, event);
      });
      const wait = (type: number) => nt.KeWaitForMultipleObjects(2, array, type, Executive, KernelMode, false, zero, 0);
      const all = yield* wait(wdm.WaitAll);
      const kept = nt.KeReadStateEvent(events[0]!);
      yield* nt.KeSetEvent(events[1]!, 0, false);
      const both = yield* wait(wdm.WaitAll);
      yield* nt.KeSetEvent(events[1]!, 0, false);
      const any = yield* wait(wdm.WaitAny);
      return [all, kept, both, any];
    });
    expect(result).toEqual([STATUS_TIMEOUT, 1, STATUS_SUCCESS, 1]);
  });
});

describe('semaphores and mutexes', () => {
  it('a semaphore counts, and refuses to pass its limit by raising', () => {
    const { result } = inDriver(function* (nt) {
      const zero = timeout(nt, 0n);
      const semaphore = nt.alloca(KSEMAPHORE.size);
      nt.KeInitializeSemaphore(semaphore, 1, 2);
      const before = yield* nt.KeReleaseSemaphore(semaphore, 0, 1, false);
      const raised = yield* nt.tryExcept(
        () => nt.KeReleaseSemaphore(semaphore, 0, 1, false),
        () => 1,
        // biome-ignore lint/correctness/useYield: a handler is a routine
        function* ({ status }) {
          return status;
        },
      );
      const waits: number[] = [];
      for (let i = 0; i < 3; i++) {
        waits.push(yield* nt.KeWaitForSingleObject(semaphore, Executive, KernelMode, false, zero));
      }
      return { before, raised, waits };
    });
    expect(result).toEqual({
      before: 1,
      raised: STATUS_SEMAPHORE_LIMIT_EXCEEDED,
      waits: [STATUS_SUCCESS, STATUS_SUCCESS, STATUS_TIMEOUT],
    });
  });

  it('a mutex is recursive for its owner and nobody else can release it', () => {
    const { result } = inDriver(function* (nt) {
      const zero = timeout(nt, 0n);
      const mutex = nt.alloca(KMUTANT.size);
      nt.KeInitializeMutex(mutex, 0);
      const wait = () => nt.KeWaitForSingleObject(mutex, Executive, KernelMode, false, zero);
      const mine = [yield* wait(), yield* wait()];
      const done = newEvent(nt, 0);
      const theirs: number[] = [];
      yield* spawn(nt, 'Other', function* () {
        theirs.push(yield* wait());
        theirs.push(
          yield* nt.tryExcept(
            () => nt.KeReleaseMutex(mutex, false),
            () => 1,
            // biome-ignore lint/correctness/useYield: a handler is a routine
            function* ({ status }) {
              return status;
            },
          ),
        );
        yield* nt.KeSetEvent(done, 0, false);
      });
      yield* nt.KeWaitForSingleObject(done, Executive, KernelMode, false, 0);
      yield* nt.KeReleaseMutex(mutex, false);
      yield* nt.KeReleaseMutex(mutex, false);
      return { mine, theirs, state: nt.KeReadStateMutex(mutex) };
    });
    expect(result).toEqual({
      mine: [STATUS_SUCCESS, STATUS_SUCCESS],
      theirs: [STATUS_TIMEOUT, STATUS_MUTANT_NOT_OWNED],
      state: 1,
    });
    expect(STATUS_ABANDONED).toBe(0x80);
  });
});

describe('DPCs and timers', () => {
  it('a DPC runs at DISPATCH_LEVEL before KeLowerIrql returns, once however often it was queued', () => {
    const { result } = inDriver(function* (nt) {
      const log: string[] = [];
      const dpc = nt.alloca(KDPC.size);
      const routine = nt.routine(
        'Dpc',
        ['Dpc: ptr', 'Context: u64', 'Argument1: u64', 'Argument2: u64'],
        'void',
        (_dpc, context, a, b) => {
          log.push(`irql ${nt.KeGetCurrentIrql()} ${context} ${a} ${b}`);
        },
      );
      nt.KeInitializeDpc(dpc, routine, 7n);
      const old = nt.KfRaiseIrql(wdm.DISPATCH_LEVEL);
      log.push(`${yield* nt.KeInsertQueueDpc(dpc, 1n, 2n)}`, `${yield* nt.KeInsertQueueDpc(dpc, 3n, 4n)}`);
      log.push('lowers');
      yield* nt.KfLowerIrql(old);
      log.push('lowered');
      return log;
    });
    expect(result).toEqual(['true', 'false', 'lowers', 'irql 2 7 1 2', 'lowered']);
  });

  it('a periodic timer fires its DPC each period until it is cancelled', () => {
    const { result } = inDriver(function* (nt, machine) {
      const times: number[] = [];
      const timer = nt.alloca(KTIMER.size);
      const dpc = nt.alloca(KDPC.size);
      const parameters = ['Dpc: ptr', 'Context: u64', 'A: u64', 'B: u64'] as const;
      const routine = nt.routine('TimerDpc', parameters, 'void', () => {
        times.push(Math.round(machine.kernel.ke.clock.now / 1e6));
      });
      nt.KeInitializeDpc(dpc, routine, 0n);
      nt.KeInitializeTimer(timer);
      const start = Math.round(machine.kernel.ke.clock.now / 1e6);
      nt.KeSetTimerEx(timer, -10n * MILLISECOND, 20, dpc);
      yield* nt.KeDelayExecutionThread(KernelMode, false, timeout(nt, -65n * MILLISECOND));
      const cancelled = nt.KeCancelTimer(timer);
      yield* nt.KeDelayExecutionThread(KernelMode, false, timeout(nt, -50n * MILLISECOND));
      return { cancelled, times: times.map(time => time - start) };
    });
    expect(result).toEqual({ cancelled: true, times: [10, 30, 50] });
  });
});

describe('what Windows stops', () => {
  const limits = { processorTime: 50e6, elapsedTime: 5e9 };

  it('waiting at DISPATCH_LEVEL is IRQL_NOT_LESS_OR_EQUAL', () => {
    const run = () =>
      inDriver(function* (nt) {
        const event = newEvent(nt, 0);
        nt.KfRaiseIrql(wdm.DISPATCH_LEVEL);
        yield* nt.KeWaitForSingleObject(event, Executive, KernelMode, false, 0);
        return 0;
      });
    expect(run).toThrow(expect.objectContaining({ name: 'BugCheck', code: 0xa }));
  });

  it('a spin lock taken twice never ends: the watchdog stops it', () => {
    const run = () =>
      inDriver(
        function* (nt) {
          const lock = nt.alloca(8);
          nt.KeInitializeSpinLock(lock);
          yield* nt.KeAcquireSpinLockRaiseToDpc(lock);
          yield* nt.KeAcquireSpinLockAtDpcLevel(lock);
          return 0;
        },
        { limits },
      );
    expect(run).toThrow(BugCheck);
    expect(run).toThrow('0x00000133');
  });

  it('a wait that nobody will end is a hang, and the machine goes on', () => {
    const run = () =>
      inDriver(
        function* (nt) {
          yield* nt.KeWaitForSingleObject(newEvent(nt, 0), Executive, KernelMode, false, 0);
          return 0;
        },
        { limits },
      );
    expect(run).toThrow(Hang);
  });

  it('lowering IRQL upwards and raising it downwards', () => {
    const lower = () =>
      inDriver(function* (nt) {
        yield* nt.KfLowerIrql(2);
        return 0;
      });
    const raise = () =>
      // biome-ignore lint/correctness/useYield: the body of a routine
      inDriver(function* (nt) {
        nt.KfRaiseIrql(2);
        nt.KfRaiseIrql(1);
        return 0;
      });
    expect(lower).toThrow(expect.objectContaining({ code: 0xa }));
    expect(raise).toThrow(expect.objectContaining({ code: 0x9 }));
  });
});
