/** Exports of the kernel proper: IRQL, spin locks, events and their kin, waits, DPCs, timers, time. */
import { checkpoint } from '../../ke/routine.ts';
import type { Address } from '../../wdm/address.ts';
import * as wdm from '../../wdm/constants.ts';
import { BugCheck } from '../../wdm/failures.ts';
import { KMUTANT } from '../../wdm/layouts.ts';
import { STATUS_INVALID_PARAMETER } from '../../wdm/ntstatus.ts';
import { type IrqlRange, routine } from '../export.ts';
import type { Kernel } from '../kernel.ts';

const ANY: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.HIGH_LEVEL];
const DISPATCH: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.DISPATCH_LEVEL];
const AT_DISPATCH: IrqlRange = [wdm.DISPATCH_LEVEL, wdm.DISPATCH_LEVEL];
const APC: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.APC_LEVEL];
const PASSIVE: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.PASSIVE_LEVEL];

/** A PLARGE_INTEGER timeout: absent means for ever. */
function timeoutAt(k: Kernel, timeout: Address): bigint | undefined {
  return timeout === 0 ? undefined : BigInt.asIntN(64, k.memory.readU64(timeout));
}

export const irqlExports = [
  routine('KeGetCurrentIrql', [], 'u8', ANY, k => k.ke.irql),
  routine('KfRaiseIrql', ['NewIrql: u8'], 'u8', ANY, (k, irql) => k.ke.KeRaiseIrql(irql)),
  routine('KfLowerIrql', ['NewIrql: u8'], 'void', ANY, (k, irql) => k.ke.KeLowerIrql(irql)),
  routine('KeRaiseIrqlToDpcLevel', [], 'u8', DISPATCH, k => k.ke.KeRaiseIrql(wdm.DISPATCH_LEVEL)),
  routine('KeLowerIrql', ['NewIrql: u8'], 'void', ANY, (k, irql) => k.ke.KeLowerIrql(irql)),
  routine('KeAreApcsDisabled', [], 'bool', DISPATCH, k => k.ke.areApcsDisabled(false)),
  routine('KeAreAllApcsDisabled', [], 'bool', DISPATCH, k => k.ke.areApcsDisabled(true)),
  routine('KeEnterCriticalRegion', [], 'void', APC, k => k.ke.adjustApcDisable('KernelApcDisable', -1)),
  routine('KeLeaveCriticalRegion', [], 'void', APC, k => k.ke.leaveRegion('KernelApcDisable')),
  routine('KeEnterGuardedRegion', [], 'void', APC, k => k.ke.adjustApcDisable('SpecialApcDisable', -1)),
  routine('KeLeaveGuardedRegion', [], 'void', APC, k => k.ke.leaveRegion('SpecialApcDisable')),
] as const;

export const spinLockExports = [
  routine('KeInitializeSpinLock', ['SpinLock: ptr'], 'void', ANY, (k, lock) => k.ke.KeInitializeSpinLock(lock)),
  routine('KeAcquireSpinLockRaiseToDpc', ['SpinLock: ptr'], 'u8', DISPATCH, (k, lock) =>
    k.ke.KeAcquireSpinLockRaiseToDpc(lock),
  ),
  routine('KeReleaseSpinLock', ['SpinLock: ptr', 'NewIrql: u8'], 'void', AT_DISPATCH, (k, lock, irql) =>
    k.ke.KeReleaseSpinLock(lock, irql),
  ),
  routine('KeAcquireSpinLockAtDpcLevel', ['SpinLock: ptr'], 'void', ANY, (k, lock) => k.ke.acquire(lock)),
  routine('KeReleaseSpinLockFromDpcLevel', ['SpinLock: ptr'], 'void', ANY, (k, lock) => k.memory.writeU64(lock, 0n)),
  routine('KeTryToAcquireSpinLockAtDpcLevel', ['SpinLock: ptr'], 'bool', ANY, (k, lock) =>
    k.ke.KeTryToAcquireSpinLockAtDpcLevel(lock),
  ),
  routine('KeTestSpinLock', ['SpinLock: ptr'], 'bool', ANY, (k, lock) => k.memory.readU64(lock) === 0n),
  // KLOCK_QUEUE_HANDLE: { Next, Lock }, OldIrql at 0x10.
  routine(
    'KeAcquireInStackQueuedSpinLock',
    ['SpinLock: ptr', 'LockHandle: ptr'],
    'void',
    DISPATCH,
    function* (k, lock, handle) {
      k.memory.writeU64(handle, 0n);
      k.memory.writePointer(handle + 8, lock);
      const old = yield* k.ke.KeAcquireSpinLockRaiseToDpc(lock);
      k.memory.writeU8(handle + 0x10, old);
    },
  ),
  routine('KeReleaseInStackQueuedSpinLock', ['LockHandle: ptr'], 'void', AT_DISPATCH, (k, handle) =>
    k.ke.KeReleaseSpinLock(k.memory.readPointer(handle + 8), k.memory.readU8(handle + 0x10)),
  ),
  routine(
    'KeAcquireInStackQueuedSpinLockAtDpcLevel',
    ['SpinLock: ptr', 'LockHandle: ptr'],
    'void',
    ANY,
    function* (k, lock, handle) {
      k.memory.writeU64(handle, 0n);
      k.memory.writePointer(handle + 8, lock);
      yield* k.ke.acquire(lock);
    },
  ),
  routine('KeReleaseInStackQueuedSpinLockFromDpcLevel', ['LockHandle: ptr'], 'void', ANY, (k, handle) =>
    k.memory.writeU64(k.memory.readPointer(handle + 8), 0n),
  ),
] as const;

export const dispatcherExports = [
  routine('KeInitializeEvent', ['Event: ptr', 'Type: u32', 'State: bool'], 'void', ANY, (k, event, type, state) =>
    k.ke.objects.KeInitializeEvent(event, type, state),
  ),
  routine('KeSetEvent', ['Event: ptr', 'Increment: i32', 'Wait: bool'], 'i32', DISPATCH, (k, event, increment, wait) =>
    k.ke.objects.KeSetEvent(event, increment, wait),
  ),
  routine('KePulseEvent', ['Event: ptr', 'Increment: i32', 'Wait: bool'], 'i32', DISPATCH, (k, event) =>
    k.ke.objects.KePulseEvent(event),
  ),
  routine('KeClearEvent', ['Event: ptr'], 'void', DISPATCH, (k, event) => {
    k.ke.objects.KeResetEvent(event);
  }),
  routine('KeResetEvent', ['Event: ptr'], 'i32', DISPATCH, (k, event) => k.ke.objects.KeResetEvent(event)),
  routine('KeReadStateEvent', ['Event: ptr'], 'i32', DISPATCH, (k, event) => k.ke.objects.readState(event)),
  routine(
    'KeInitializeSemaphore',
    ['Semaphore: ptr', 'Count: i32', 'Limit: i32'],
    'void',
    ANY,
    (k, semaphore, count, limit) => k.ke.objects.KeInitializeSemaphore(semaphore, count, limit),
  ),
  routine(
    'KeReleaseSemaphore',
    ['Semaphore: ptr', 'Increment: i32', 'Adjustment: i32', 'Wait: bool'],
    'i32',
    DISPATCH,
    (k, semaphore, _increment, adjustment) => k.ke.objects.KeReleaseSemaphore(semaphore, adjustment),
  ),
  routine('KeReadStateSemaphore', ['Semaphore: ptr'], 'i32', DISPATCH, (k, object) => k.ke.objects.readState(object)),
  routine('KeInitializeMutex', ['Mutex: ptr', 'Level: u32'], 'void', ANY, (k, mutex) =>
    k.ke.objects.KeInitializeMutex(mutex),
  ),
  routine('KeReleaseMutex', ['Mutex: ptr', 'Wait: bool'], 'i32', DISPATCH, (k, mutex) =>
    k.ke.objects.KeReleaseMutex(mutex),
  ),
  routine(
    'KeReadStateMutex',
    ['Mutex: ptr'],
    'i32',
    DISPATCH,
    (k, mutex) => KMUTANT.at(k.memory, mutex).Header.SignalState,
  ),
  routine('KeInitializeTimer', ['Timer: ptr'], 'void', ANY, (k, timer) => k.ke.objects.KeInitializeTimerEx(timer, 0)),
  routine('KeInitializeTimerEx', ['Timer: ptr', 'Type: u32'], 'void', ANY, (k, timer, type) =>
    k.ke.objects.KeInitializeTimerEx(timer, type),
  ),
  routine('KeSetTimer', ['Timer: ptr', 'DueTime: i64', 'Dpc: ptr'], 'bool', DISPATCH, (k, timer, due, dpc) =>
    k.ke.objects.KeSetTimerEx(timer, due, 0, dpc),
  ),
  routine(
    'KeSetTimerEx',
    ['Timer: ptr', 'DueTime: i64', 'Period: u32', 'Dpc: ptr'],
    'bool',
    DISPATCH,
    (k, timer, due, period, dpc) => k.ke.objects.KeSetTimerEx(timer, due, period, dpc),
  ),
  routine('KeCancelTimer', ['Timer: ptr'], 'bool', DISPATCH, (k, timer) => k.ke.objects.KeCancelTimer(timer)),
  routine('KeReadStateTimer', ['Timer: ptr'], 'bool', DISPATCH, (k, timer) => k.ke.objects.readState(timer) > 0),
  routine('KeInitializeDpc', ['Dpc: ptr', 'Routine: ptr', 'Context: u64'], 'void', ANY, (k, dpc, code, context) =>
    k.ke.dpcs.KeInitializeDpc(dpc, code, context),
  ),
  routine('KeInsertQueueDpc', ['Dpc: ptr', 'Argument1: u64', 'Argument2: u64'], 'bool', ANY, function* (k, dpc, a, b) {
    const queued = k.ke.dpcs.KeInsertQueueDpc(dpc, a, b);
    yield* checkpoint();
    return queued;
  }),
  routine('KeRemoveQueueDpc', ['Dpc: ptr'], 'bool', ANY, (k, dpc) => k.ke.dpcs.KeRemoveQueueDpc(dpc)),
  routine('KeSetImportanceDpc', ['Dpc: ptr', 'Importance: u32'], 'void', ANY, (k, dpc, importance) =>
    k.ke.dpcs.KeSetImportanceDpc(dpc, importance),
  ),
  routine('KeFlushQueuedDpcs', [], 'void', PASSIVE, function* () {
    yield* checkpoint();
  }),
] as const;

export const waitExports = [
  routine(
    'KeWaitForSingleObject',
    ['Object: ptr', 'WaitReason: u32', 'WaitMode: u8', 'Alertable: bool', 'Timeout: ptr'],
    'ntstatus',
    DISPATCH,
    (k, object, reason, mode, alertable, timeout) =>
      k.ke.KeWaitForSingleObject(object, reason, mode, alertable, timeoutAt(k, timeout)),
  ),
  routine(
    'KeWaitForMutexObject',
    ['Object: ptr', 'WaitReason: u32', 'WaitMode: u8', 'Alertable: bool', 'Timeout: ptr'],
    'ntstatus',
    DISPATCH,
    (k, object, reason, mode, alertable, timeout) =>
      k.ke.KeWaitForSingleObject(object, reason, mode, alertable, timeoutAt(k, timeout)),
  ),
  routine(
    'KeWaitForMultipleObjects',
    [
      'Count: u32',
      'Object: ptr',
      'WaitType: u32',
      'WaitReason: u32',
      'WaitMode: u8',
      'Alertable: bool',
      'Timeout: ptr',
      'WaitBlockArray: ptr',
    ],
    'ntstatus',
    DISPATCH,
    function* (k, count, array, type, reason, mode, alertable, timeout) {
      if (count > 64) return STATUS_INVALID_PARAMETER;
      const objects = Array.from({ length: count }, (_, i) => k.memory.readPointer(array + i * 8));
      return yield* k.ke.KeWaitForMultipleObjects(objects, type, reason, mode, alertable, timeoutAt(k, timeout));
    },
  ),
  routine(
    'KeDelayExecutionThread',
    ['WaitMode: u8', 'Alertable: bool', 'Interval: ptr'],
    'ntstatus',
    APC,
    (k, mode, alertable, interval) =>
      k.ke.KeDelayExecutionThread(mode, alertable, BigInt.asIntN(64, k.memory.readU64(interval))),
  ),
] as const;

export const timeExports = [
  routine('KeQuerySystemTimePrecise', ['CurrentTime: ptr'], 'void', ANY, (k, time) =>
    k.memory.writeU64(time, k.ke.clock.systemTime),
  ),
  routine('KeQueryInterruptTime', [], 'u64', ANY, k => k.ke.clock.tickInterruptTime),
  routine('KeQueryInterruptTimePrecise', ['QpcTimeStamp: ptr'], 'u64', ANY, (k, stamp) => {
    if (stamp !== 0) k.memory.writeU64(stamp, k.ke.clock.interruptTime);
    return k.ke.clock.interruptTime;
  }),
  routine('KeQueryTimeIncrement', [], 'u32', ANY, () => 156_250),
  // The performance counter runs at 10 MHz, as it does on machines whose time stamp counter is invariant.
  routine('KeQueryPerformanceCounter', ['Frequency: ptr'], 'u64', ANY, (k, frequency) => {
    if (frequency !== 0) k.memory.writeU64(frequency, 10_000_000n);
    return k.ke.clock.interruptTime;
  }),
  routine('KeStallExecutionProcessor', ['MicroSeconds: u32'], 'void', ANY, (k, microseconds) =>
    k.ke.clock.advance(microseconds * 1000),
  ),
] as const;

export const bugCheckExports = [
  routine(
    'KeBugCheckEx',
    ['BugCheckCode: u32', 'Parameter1: u64', 'Parameter2: u64', 'Parameter3: u64', 'Parameter4: u64'],
    'void',
    ANY,
    (_k, code, p1, p2, p3, p4): void => {
      throw new BugCheck(code, [p1, p2, p3, p4]);
    },
  ),
  routine('KeBugCheck', ['BugCheckCode: u32'], 'void', ANY, (_k, code): void => {
    throw new BugCheck(code);
  }),
] as const;
