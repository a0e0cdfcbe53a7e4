/** Exports of the I/O manager about requests: IRPs, the way down and up, cancelling. */
import { inlines } from '../../io/index.ts';
import type { Routine } from '../../ke/routine.ts';
import type { Address } from '../../wdm/address.ts';
import * as wdm from '../../wdm/constants.ts';
import { KEVENT } from '../../wdm/layouts.ts';
import { STATUS_PENDING } from '../../wdm/ntstatus.ts';
import { type IrqlRange, routine } from '../export.ts';
import type { Kernel } from '../kernel.ts';

const ANY: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.HIGH_LEVEL];
const PASSIVE: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.PASSIVE_LEVEL];
const APC: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.APC_LEVEL];
const DISPATCH: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.DISPATCH_LEVEL];
const AT_DISPATCH: IrqlRange = [wdm.DISPATCH_LEVEL, wdm.DISPATCH_LEVEL];

/** A PLARGE_INTEGER that may be NULL. */
const offsetAt = (k: Kernel, address: Address): bigint | undefined =>
  address === 0 ? undefined : BigInt.asIntN(64, k.memory.readU64(address));

export const irpExports = [
  routine('IoAllocateIrp', ['StackSize: u8', 'ChargeQuota: bool'], 'ptr', DISPATCH, (k, stackSize, quota) =>
    k.io.irps.IoAllocateIrp(stackSize, quota),
  ),
  routine(
    'IoAllocateIrpEx',
    ['DeviceObject: ptr', 'StackSize: u8', 'ChargeQuota: bool'],
    'ptr',
    DISPATCH,
    (k, _device, stackSize, quota) => k.io.irps.IoAllocateIrp(stackSize, quota),
  ),
  routine('IoFreeIrp', ['Irp: ptr'], 'void', DISPATCH, (k, irp) => k.io.irps.IoFreeIrp(irp)),
  routine('IoInitializeIrp', ['Irp: ptr', 'PacketSize: u16', 'StackSize: u8'], 'void', ANY, (k, irp, size, stackSize) =>
    k.io.irps.IoInitializeIrp(irp, size, stackSize),
  ),
  routine('IoReuseIrp', ['Irp: ptr', 'Status: u32'], 'void', DISPATCH, (k, irp, status) =>
    k.io.irps.IoReuseIrp(irp, status),
  ),
  routine('IoMakeAssociatedIrp', ['Irp: ptr', 'StackSize: u8'], 'ptr', DISPATCH, (k, irp, stackSize) =>
    k.io.build.IoMakeAssociatedIrp(irp, stackSize),
  ),
  routine(
    'IoBuildDeviceIoControlRequest',
    [
      'IoControlCode: u32',
      'DeviceObject: ptr',
      'InputBuffer: ptr',
      'InputBufferLength: u32',
      'OutputBuffer: ptr',
      'OutputBufferLength: u32',
      'InternalDeviceIoControl: bool',
      'Event: ptr',
      'IoStatusBlock: ptr',
    ],
    'ptr',
    APC,
    (k, code, device, input, inputLength, output, outputLength, internal, event, block) =>
      k.io.build.IoBuildDeviceIoControlRequest(
        code,
        device,
        input,
        inputLength,
        output,
        outputLength,
        internal,
        event,
        block,
      ),
  ),
  routine(
    'IoBuildSynchronousFsdRequest',
    [
      'MajorFunction: u32',
      'DeviceObject: ptr',
      'Buffer: ptr',
      'Length: u32',
      'StartingOffset: ptr',
      'Event: ptr',
      'IoStatusBlock: ptr',
    ],
    'ptr',
    PASSIVE,
    (k, major, device, buffer, length, offset, event, block) =>
      k.io.build.IoBuildSynchronousFsdRequest(major, device, buffer, length, offsetAt(k, offset), event, block),
  ),
  routine(
    'IoBuildAsynchronousFsdRequest',
    [
      'MajorFunction: u32',
      'DeviceObject: ptr',
      'Buffer: ptr',
      'Length: u32',
      'StartingOffset: ptr',
      'IoStatusBlock: ptr',
    ],
    'ptr',
    APC,
    (k, major, device, buffer, length, offset, block) =>
      k.io.build.IoBuildAsynchronousFsdRequest(major, device, buffer, length, offsetAt(k, offset), block),
  ),
] as const;

export const callExports = [
  routine('IofCallDriver', ['DeviceObject: ptr', 'Irp: ptr'], 'ntstatus', DISPATCH, (k, device, irp) =>
    k.io.callDriver.IofCallDriver(device, irp),
  ),
  routine('IoCallDriver', ['DeviceObject: ptr', 'Irp: ptr'], 'ntstatus', DISPATCH, (k, device, irp) =>
    k.io.callDriver.IofCallDriver(device, irp),
  ),
  // Since Windows Vista a power IRP goes down like any other.
  routine('PoCallDriver', ['DeviceObject: ptr', 'Irp: ptr'], 'ntstatus', DISPATCH, (k, device, irp) =>
    k.io.callDriver.IofCallDriver(device, irp),
  ),
  routine('PoStartNextPowerIrp', ['Irp: ptr'], 'void', DISPATCH, () => {}),
  routine('IofCompleteRequest', ['Irp: ptr', 'PriorityBoost: u8'], 'void', DISPATCH, (k, irp, boost) =>
    k.io.completion.IofCompleteRequest(irp, boost),
  ),
  routine('IoCompleteRequest', ['Irp: ptr', 'PriorityBoost: u8'], 'void', DISPATCH, (k, irp, boost) =>
    k.io.completion.IofCompleteRequest(irp, boost),
  ),
  routine(
    'IoSetCompletionRoutineEx',
    [
      'DeviceObject: ptr',
      'Irp: ptr',
      'CompletionRoutine: ptr',
      'Context: ptr',
      'InvokeOnSuccess: bool',
      'InvokeOnError: bool',
      'InvokeOnCancel: bool',
    ],
    'ntstatus',
    DISPATCH,
    (k, device, irp, done, context, success, error, cancel) =>
      k.io.unloadSafe.IoSetCompletionRoutineEx(device, irp, done, context, { success, error, cancel }),
  ),
  routine('IoForwardIrpSynchronously', ['DeviceObject: ptr', 'Irp: ptr'], 'bool', PASSIVE, forwardSynchronously),
] as const;

/** Copies the caller's location down, sends the IRP on and waits; FALSE if there is no location left. */
function* forwardSynchronously(k: Kernel, device: Address, irp: Address): Routine<boolean> {
  const { memory, ke, io } = k;
  if (io.irps.view(irp).CurrentLocation <= 1) return false;
  const event = ke.alloca(KEVENT.size);
  ke.objects.KeInitializeEvent(event, wdm.NotificationEvent, false);
  inlines.IoCopyCurrentIrpStackLocationToNext(memory, irp);
  inlines.IoSetCompletionRoutine(memory, irp, io.synchronousCompletion, event);
  const status = yield* io.callDriver.IofCallDriver(device, irp);
  if (status === STATUS_PENDING) yield* ke.KeWaitForSingleObject(event, wdm.Executive, wdm.KernelMode, false);
  return true;
}

export const cancelExports = [
  routine('IoCancelIrp', ['Irp: ptr'], 'bool', DISPATCH, (k, irp) => k.io.cancel.IoCancelIrp(irp)),
  routine('IoAcquireCancelSpinLock', ['Irql: ptr'], 'void', DISPATCH, function* (k, out) {
    k.memory.writeU8(out, yield* k.io.cancel.IoAcquireCancelSpinLock());
  }),
  routine('IoReleaseCancelSpinLock', ['Irql: u8'], 'void', AT_DISPATCH, (k, irql) =>
    k.io.cancel.IoReleaseCancelSpinLock(irql),
  ),
] as const;
