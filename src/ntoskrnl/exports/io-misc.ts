/** Exports of the I/O manager that stand by themselves. */

import { checkEaBuffer } from '../../io/ea.ts';
import { settle } from '../../ke/routine.ts';
import type { Address } from '../../wdm/address.ts';
import * as wdm from '../../wdm/constants.ts';
import { ETHREAD, FILE_OBJECT } from '../../wdm/layouts.ts';
import { NT_SUCCESS, STATUS_BUFFER_TOO_SMALL, STATUS_SUCCESS } from '../../wdm/ntstatus.ts';
import { type IrqlRange, routine } from '../export.ts';
import type { Kernel } from '../kernel.ts';

const ANY: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.HIGH_LEVEL];
const PASSIVE: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.PASSIVE_LEVEL];
const DISPATCH: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.DISPATCH_LEVEL];

const thread = (k: Kernel) => ETHREAD.at(k.memory, k.ke.currentThread.object).Tcb;

export const stackExports = [
  routine('IoGetStackLimits', ['LowLimit: ptr', 'HighLimit: ptr'], 'void', DISPATCH, (k, low, high) => {
    k.memory.writePointer(low, thread(k).StackLimit);
    k.memory.writePointer(high, thread(k).StackBase);
  }),
  routine('IoGetInitialStack', [], 'ptr', ANY, k => thread(k).InitialStack),
  // Bytes between here and the stack's guard page.
  routine('IoGetRemainingStackSize', [], 'size', DISPATCH, k => k.ke.cpu.registers.rsp - thread(k).StackLimit),
  routine(
    'IoWithinStackLimits',
    ['RegionStart: ptr', 'RegionSize: size'],
    'bool',
    DISPATCH,
    (k, start, size) => start >= thread(k).StackLimit && start + size <= thread(k).StackBase,
  ),
] as const;

/** The version of WDM that Windows 10 says it has: 6.0. */
const WDM_MAJOR = 6;
const WDM_MINOR = 0;

export const questionExports = [
  routine(
    'IoIsWdmVersionAvailable',
    ['MajorVersion: u8', 'MinorVersion: u8'],
    'bool',
    ANY,
    (_k, major, minor) => major < WDM_MAJOR || (major === WDM_MAJOR && minor <= WDM_MINOR),
  ),
  routine(
    'IoIsSystemThread',
    ['Thread: ptr'],
    'bool',
    ANY,
    (k, object) => (ETHREAD.at(k.memory, object).CrossThreadFlags & 0x10) !== 0,
  ),
  routine('IoIsOperationSynchronous', ['Irp: ptr'], 'bool', DISPATCH, (k, irp) => {
    const { Flags, Tail } = k.io.irps.view(irp);
    const file = Tail.Overlay.OriginalFileObject;
    const isSynchronousFile = file !== 0 && (FILE_OBJECT.at(k.memory, file).Flags & wdm.FO_SYNCHRONOUS_IO) !== 0;
    const isPaging = (Flags & wdm.IRP_PAGING_IO) !== 0;
    const isSynchronousPaging = isPaging && (Flags & wdm.IRP_SYNCHRONOUS_PAGING_IO) !== 0;
    return isPaging ? isSynchronousPaging : isSynchronousFile || (Flags & wdm.IRP_SYNCHRONOUS_API) !== 0;
  }),
  routine(
    'IoCheckEaBufferValidity',
    ['EaBuffer: ptr', 'EaLength: u32', 'ErrorOffset: ptr'],
    'ntstatus',
    PASSIVE,
    function* (k, buffer, length, errorOffset) {
      yield* settle(k.mm.touch(buffer, length, 'read'));
      const { status, offset } = checkEaBuffer(k.memory.readBytes(buffer, length));
      k.memory.writeU32(errorOffset, NT_SUCCESS(status) ? 0 : offset);
      return status;
    },
  ),
  // The driver's devices, each referenced; the count of them all in any case.
  routine(
    'IoEnumerateDeviceObjectList',
    ['DriverObject: ptr', 'DeviceObjectList: ptr', 'DeviceObjectListSize: u32', 'ActualNumberDeviceObjects: ptr'],
    'ntstatus',
    DISPATCH,
    (k, driver, out, bytes, countAt) => {
      const devices = [...k.io.devices.ofDriver(driver)];
      k.memory.writeU32(countAt, devices.length);
      const room = out === 0 ? 0 : Math.floor(bytes / 8);
      devices.slice(0, room).forEach((device, index) => {
        k.ob.objects.ObfReferenceObject(device);
        k.memory.writePointer(out + index * 8, device);
      });
      return room < devices.length ? STATUS_BUFFER_TOO_SMALL : STATUS_SUCCESS;
    },
  ),
  // The bottom of the stack that the device is in, referenced.
  routine('IoGetDeviceAttachmentBaseRef', ['DeviceObject: ptr'], 'ptr', DISPATCH, (k, device): Address => {
    let base = device;
    for (let depth = 0; depth < 127; depth++) {
      const lower = k.io.devices.extensionOf(base).AttachedTo;
      if (lower === 0) break;
      base = lower;
    }
    k.ob.objects.ObfReferenceObject(base);
    return base;
  }),
] as const;

/** IRP_MJ_SHUTDOWN is never sent: this machine is not shut down, it is dropped. */
export const shutdownExports = [
  routine('IoRegisterShutdownNotification', ['DeviceObject: ptr'], 'ntstatus', PASSIVE, (k, device) => {
    k.io.devices.view(device).Flags |= wdm.DO_SHUTDOWN_REGISTERED;
    return STATUS_SUCCESS;
  }),
  routine('IoUnregisterShutdownNotification', ['DeviceObject: ptr'], 'void', PASSIVE, (k, device) => {
    k.io.devices.view(device).Flags &= ~wdm.DO_SHUTDOWN_REGISTERED;
  }),
] as const;
