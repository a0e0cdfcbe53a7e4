/** Exports for drivers that put requests off: StartIo and device queues, cancel-safe queues, work items, timers. */

import * as wdm from '../../wdm/constants.ts';
import { IO_WORKITEM } from '../../wdm/layouts.ts';
import { type IrqlRange, routine } from '../export.ts';

const PASSIVE: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.PASSIVE_LEVEL];
const DISPATCH: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.DISPATCH_LEVEL];
const AT_DISPATCH: IrqlRange = [wdm.DISPATCH_LEVEL, wdm.DISPATCH_LEVEL];

export const startIoExports = [
  routine(
    'IoStartPacket',
    ['DeviceObject: ptr', 'Irp: ptr', 'Key: ptr', 'CancelFunction: ptr'],
    'void',
    DISPATCH,
    (k, device, irp, key, cancel) => k.io.startIo.IoStartPacket(device, irp, key, cancel),
  ),
  routine(
    'IoStartNextPacket',
    ['DeviceObject: ptr', 'Cancelable: bool'],
    'void',
    AT_DISPATCH,
    (k, device, cancelable) => k.io.startIo.IoStartNextPacket(device, cancelable),
  ),
  routine(
    'IoStartNextPacketByKey',
    ['DeviceObject: ptr', 'Cancelable: bool', 'Key: u32'],
    'void',
    AT_DISPATCH,
    (k, device, cancelable, key) => k.io.startIo.IoStartNextPacketByKey(device, cancelable, key),
  ),
  routine(
    'IoSetStartIoAttributes',
    ['DeviceObject: ptr', 'DeferredStartIo: bool', 'NonCancelable: bool'],
    'void',
    DISPATCH,
    (k, device, deferred, noCancel) => k.io.startIo.IoSetStartIoAttributes(device, deferred, noCancel),
  ),
] as const;

export const deviceQueueExports = [
  routine('KeInitializeDeviceQueue', ['DeviceQueue: ptr'], 'void', DISPATCH, (k, queue) =>
    k.ke.deviceQueues.KeInitializeDeviceQueue(queue),
  ),
  routine('KeInsertDeviceQueue', ['DeviceQueue: ptr', 'Entry: ptr'], 'bool', AT_DISPATCH, (k, queue, entry) =>
    k.ke.deviceQueues.KeInsertDeviceQueue(queue, entry),
  ),
  routine(
    'KeInsertByKeyDeviceQueue',
    ['DeviceQueue: ptr', 'Entry: ptr', 'SortKey: u32'],
    'bool',
    AT_DISPATCH,
    (k, queue, entry, key) => k.ke.deviceQueues.KeInsertByKeyDeviceQueue(queue, entry, key),
  ),
  routine('KeRemoveDeviceQueue', ['DeviceQueue: ptr'], 'ptr', AT_DISPATCH, (k, queue) =>
    k.ke.deviceQueues.KeRemoveDeviceQueue(queue),
  ),
  routine('KeRemoveByKeyDeviceQueue', ['DeviceQueue: ptr', 'SortKey: u32'], 'ptr', AT_DISPATCH, (k, queue, key) =>
    k.ke.deviceQueues.KeRemoveByKeyDeviceQueue(queue, key),
  ),
  routine('KeRemoveEntryDeviceQueue', ['DeviceQueue: ptr', 'Entry: ptr'], 'bool', DISPATCH, (k, queue, entry) =>
    k.ke.deviceQueues.KeRemoveEntryDeviceQueue(queue, entry),
  ),
] as const;

const CSQ_CALLBACKS = [
  'Csq: ptr',
  'InsertIrp: ptr',
  'RemoveIrp: ptr',
  'PeekNextIrp: ptr',
  'AcquireLock: ptr',
  'ReleaseLock: ptr',
  'CompleteCanceledIrp: ptr',
] as const;

const initializeCsq = <const N extends string>(name: N, extended: boolean) =>
  routine(
    name,
    CSQ_CALLBACKS,
    'ntstatus',
    DISPATCH,
    (k, csq, insert, remove, peekNext, acquireLock, releaseLock, completeCanceled) => {
      const callbacks = { insert, remove, peekNext, acquireLock, releaseLock, completeCanceled };
      return k.io.cancelSafeQueues.IoCsqInitialize(csq, callbacks, extended);
    },
  );

export const cancelSafeQueueExports = [
  initializeCsq('IoCsqInitialize', false),
  initializeCsq('IoCsqInitializeEx', true),
  routine(
    'IoCsqInsertIrp',
    ['Csq: ptr', 'Irp: ptr', 'Context: ptr'],
    'void',
    DISPATCH,
    function* (k, csq, irp, context) {
      yield* k.io.cancelSafeQueues.IoCsqInsertIrpEx(csq, irp, context, 0n);
    },
  ),
  routine(
    'IoCsqInsertIrpEx',
    ['Csq: ptr', 'Irp: ptr', 'Context: ptr', 'InsertContext: u64'],
    'ntstatus',
    DISPATCH,
    (k, csq, irp, context, insertContext) => k.io.cancelSafeQueues.IoCsqInsertIrpEx(csq, irp, context, insertContext),
  ),
  routine('IoCsqRemoveIrp', ['Csq: ptr', 'Context: ptr'], 'ptr', DISPATCH, (k, csq, context) =>
    k.io.cancelSafeQueues.IoCsqRemoveIrp(csq, context),
  ),
  routine('IoCsqRemoveNextIrp', ['Csq: ptr', 'PeekContext: u64'], 'ptr', DISPATCH, (k, csq, context) =>
    k.io.cancelSafeQueues.IoCsqRemoveNextIrp(csq, context),
  ),
] as const;

export const ioWorkItemExports = [
  routine('IoAllocateWorkItem', ['DeviceObject: ptr'], 'ptr', DISPATCH, (k, device) =>
    k.io.workItems.IoAllocateWorkItem(device),
  ),
  routine('IoFreeWorkItem', ['IoWorkItem: ptr'], 'void', DISPATCH, (k, item) => k.io.workItems.IoFreeWorkItem(item)),
  routine('IoSizeofWorkItem', [], 'u32', [wdm.PASSIVE_LEVEL, wdm.HIGH_LEVEL], () => IO_WORKITEM.size),
  routine('IoInitializeWorkItem', ['IoObject: ptr', 'IoWorkItem: ptr'], 'void', DISPATCH, (k, object, item) =>
    k.io.workItems.IoInitializeWorkItem(object, item),
  ),
  routine('IoUninitializeWorkItem', ['IoWorkItem: ptr'], 'void', DISPATCH, (k, item) =>
    k.io.workItems.IoUninitializeWorkItem(item),
  ),
  routine(
    'IoQueueWorkItem',
    ['IoWorkItem: ptr', 'WorkerRoutine: ptr', 'QueueType: u32', 'Context: u64'],
    'void',
    DISPATCH,
    (k, item, code, queue, context) => k.io.workItems.IoQueueWorkItem(item, code, queue, context, 'plain'),
  ),
  routine(
    'IoQueueWorkItemEx',
    ['IoWorkItem: ptr', 'WorkerRoutine: ptr', 'QueueType: u32', 'Context: u64'],
    'void',
    DISPATCH,
    (k, item, code, queue, context) => k.io.workItems.IoQueueWorkItem(item, code, queue, context, 'with work item'),
  ),
] as const;

export const ioTimerExports = [
  routine(
    'IoInitializeTimer',
    ['DeviceObject: ptr', 'TimerRoutine: ptr', 'Context: u64'],
    'ntstatus',
    PASSIVE,
    (k, device, code, context) => k.io.timers.IoInitializeTimer(device, code, context),
  ),
  routine('IoStartTimer', ['DeviceObject: ptr'], 'void', DISPATCH, (k, device) => k.io.timers.IoStartTimer(device)),
  routine('IoStopTimer', ['DeviceObject: ptr'], 'void', DISPATCH, (k, device) => k.io.timers.IoStopTimer(device)),
] as const;
