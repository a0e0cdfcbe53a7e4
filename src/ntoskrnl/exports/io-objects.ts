/** Exports of the I/O manager about its objects: drivers, devices and their stacks, links, files, share access. */
import { type Routine, settle } from '../../ke/routine.ts';
import { readUnicodeString } from '../../ob/index.ts';
import type { Address } from '../../wdm/address.ts';
import * as wdm from '../../wdm/constants.ts';
import { EPROCESS, ETHREAD, UNICODE_STRING } from '../../wdm/layouts.ts';
import { NT_SUCCESS } from '../../wdm/ntstatus.ts';
import { type IrqlRange, routine } from '../export.ts';
import type { Kernel } from '../kernel.ts';

const ANY: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.HIGH_LEVEL];
const PASSIVE: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.PASSIVE_LEVEL];
const APC: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.APC_LEVEL];
const DISPATCH: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.DISPATCH_LEVEL];

/** The string that a driver passes; it may be pageable. */
function* nameAt(k: Kernel, address: Address): Routine<string> {
  yield* settle(k.mm.touch(address, UNICODE_STRING.size, 'read'));
  const { Length, Buffer } = UNICODE_STRING.at(k.memory, address);
  yield* settle(k.mm.touch(Buffer, Length, 'read'));
  return readUnicodeString(k.memory, address);
}

export const deviceExports = [
  routine(
    'IoCreateDevice',
    [
      'DriverObject: ptr',
      'DeviceExtensionSize: u32',
      'DeviceName: ptr',
      'DeviceType: u32',
      'DeviceCharacteristics: u32',
      'Exclusive: bool',
      'DeviceObject: ptr',
    ],
    'ntstatus',
    APC,
    function* (k, driver, extensionSize, nameAddress, type, characteristics, exclusive, out) {
      const name = nameAddress === 0 ? undefined : yield* nameAt(k, nameAddress);
      const created = k.io.devices.IoCreateDevice(driver, extensionSize, name, type, characteristics, exclusive);
      k.memory.writePointer(out, created.device);
      return created.status;
    },
  ),
  routine('IoDeleteDevice', ['DeviceObject: ptr'], 'void', APC, (k, device) => k.io.devices.IoDeleteDevice(device)),
  routine(
    'IoAttachDeviceToDeviceStack',
    ['SourceDevice: ptr', 'TargetDevice: ptr'],
    'ptr',
    DISPATCH,
    (k, source, target) => k.io.devices.IoAttachDeviceToDeviceStack(source, target),
  ),
  routine(
    'IoAttachDeviceToDeviceStackSafe',
    ['SourceDevice: ptr', 'TargetDevice: ptr', 'AttachedToDeviceObject: ptr'],
    'ntstatus',
    DISPATCH,
    (k, source, target, out) => k.io.devices.IoAttachDeviceToDeviceStackSafe(source, target, out),
  ),
  routine(
    'IoAttachDevice',
    ['SourceDevice: ptr', 'TargetDevice: ptr', 'AttachedDevice: ptr'],
    'ntstatus',
    PASSIVE,
    function* (k, source, target, out) {
      const name = yield* nameAt(k, target);
      const opened = yield* k.io.create.IoGetDeviceObjectPointer(name, wdm.FILE_READ_ATTRIBUTES);
      if (!NT_SUCCESS(opened.status)) return opened.status;
      const status = k.io.devices.IoAttachDeviceToDeviceStackSafe(source, opened.device, out);
      yield* k.ob.objects.ObfDereferenceObject(opened.file);
      return status;
    },
  ),
  routine('IoDetachDevice', ['TargetDevice: ptr'], 'void', PASSIVE, (k, device) => k.io.devices.IoDetachDevice(device)),
  routine('IoGetAttachedDevice', ['DeviceObject: ptr'], 'ptr', DISPATCH, (k, device) =>
    k.io.devices.IoGetAttachedDevice(device),
  ),
  routine('IoGetAttachedDeviceReference', ['DeviceObject: ptr'], 'ptr', DISPATCH, (k, device) =>
    k.io.devices.IoGetAttachedDeviceReference(device),
  ),
  routine('IoGetLowerDeviceObject', ['DeviceObject: ptr'], 'ptr', DISPATCH, (k, device) =>
    k.io.devices.IoGetLowerDeviceObject(device),
  ),
  routine('IoGetRelatedDeviceObject', ['FileObject: ptr'], 'ptr', DISPATCH, (k, file) =>
    k.io.files.IoGetRelatedDeviceObject(file),
  ),
  routine(
    'IoGetDeviceObjectPointer',
    ['ObjectName: ptr', 'DesiredAccess: u32', 'FileObject: ptr', 'DeviceObject: ptr'],
    'ntstatus',
    PASSIVE,
    function* (k, nameAddress, access, fileOut, deviceOut) {
      const opened = yield* k.io.create.IoGetDeviceObjectPointer(yield* nameAt(k, nameAddress), access);
      if (NT_SUCCESS(opened.status)) {
        k.memory.writePointer(fileOut, opened.file);
        k.memory.writePointer(deviceOut, opened.device);
      }
      return opened.status;
    },
  ),
] as const;

const createLink = function* (k: Kernel, link: Address, target: Address): Routine<number> {
  const name = yield* nameAt(k, link);
  return k.io.IoCreateSymbolicLink(name, yield* nameAt(k, target));
};

export const linkExports = [
  routine('IoCreateSymbolicLink', ['SymbolicLinkName: ptr', 'DeviceName: ptr'], 'ntstatus', PASSIVE, createLink),
  routine(
    'IoCreateUnprotectedSymbolicLink',
    ['SymbolicLinkName: ptr', 'DeviceName: ptr'],
    'ntstatus',
    PASSIVE,
    createLink,
  ),
  routine('IoDeleteSymbolicLink', ['SymbolicLinkName: ptr'], 'ntstatus', PASSIVE, function* (k, link) {
    return yield* k.io.IoDeleteSymbolicLink(yield* nameAt(k, link));
  }),
] as const;

export const driverObjectExports = [
  routine(
    'IoRegisterDriverReinitialization',
    ['DriverObject: ptr', 'DriverReinitializationRoutine: ptr', 'Context: ptr'],
    'void',
    PASSIVE,
    (k, driver, reinitialize, context) => k.io.drivers.IoRegisterDriverReinitialization(driver, reinitialize, context),
  ),
  routine(
    'IoAllocateDriverObjectExtension',
    [
      'DriverObject: ptr',
      'ClientIdentificationAddress: ptr',
      'DriverObjectExtensionSize: u32',
      'DriverObjectExtension: ptr',
    ],
    'ntstatus',
    PASSIVE,
    (k, driver, id, bytes, out) => {
      const { status, extension } = k.io.drivers.IoAllocateDriverObjectExtension(driver, id, bytes);
      k.memory.writePointer(out, extension);
      return status;
    },
  ),
  routine(
    'IoGetDriverObjectExtension',
    ['DriverObject: ptr', 'ClientIdentificationAddress: ptr'],
    'ptr',
    DISPATCH,
    (k, driver, id) => k.io.drivers.IoGetDriverObjectExtension(driver, id),
  ),
] as const;

export const shareAccessExports = [
  routine(
    'IoCheckShareAccess',
    ['DesiredAccess: u32', 'DesiredShareAccess: u32', 'FileObject: ptr', 'ShareAccess: ptr', 'Update: bool'],
    'ntstatus',
    PASSIVE,
    (k, access, share, file, counts, update) =>
      k.io.shareAccess.IoCheckShareAccess(access, share, file, counts, update),
  ),
  routine(
    'IoSetShareAccess',
    ['DesiredAccess: u32', 'DesiredShareAccess: u32', 'FileObject: ptr', 'ShareAccess: ptr'],
    'void',
    PASSIVE,
    (k, access, share, file, counts) => k.io.shareAccess.IoSetShareAccess(access, share, file, counts),
  ),
  routine('IoUpdateShareAccess', ['FileObject: ptr', 'ShareAccess: ptr'], 'void', PASSIVE, (k, file, counts) =>
    k.io.shareAccess.IoUpdateShareAccess(file, counts),
  ),
  routine('IoRemoveShareAccess', ['FileObject: ptr', 'ShareAccess: ptr'], 'void', PASSIVE, (k, file, counts) =>
    k.io.shareAccess.IoRemoveShareAccess(file, counts),
  ),
] as const;

export const requestorExports = [
  routine('IoGetTopLevelIrp', [], 'u64', ANY, k => ETHREAD.at(k.memory, k.ke.currentThread.object).TopLevelIrp),
  routine('IoSetTopLevelIrp', ['Irp: u64'], 'void', ANY, (k, irp) => {
    ETHREAD.at(k.memory, k.ke.currentThread.object).TopLevelIrp = irp;
  }),
  routine('IoGetRequestorProcess', ['Irp: ptr'], 'ptr', ANY, (k, irp) => requestorOf(k, irp)),
  routine('IoGetRequestorProcessId', ['Irp: ptr'], 'u32', ANY, (k, irp) => {
    const process = requestorOf(k, irp);
    return process === 0 ? 0 : Number(EPROCESS.at(k.memory, process).UniqueProcessId);
  }),
  // Every process here is a 64-bit one.
  routine('IoIs32bitProcess', ['Irp: ptr'], 'bool', ANY, (k, irp) => {
    const process = irp === 0 ? k.ke.currentThread.process.object : requestorOf(k, irp);
    return process !== 0 && EPROCESS.at(k.memory, process).WoW64Process !== 0;
  }),
] as const;

function requestorOf(k: Kernel, irp: Address): Address {
  const thread = k.io.irps.view(irp).Tail.Overlay.Thread;
  return thread === 0 ? 0 : ETHREAD.at(k.memory, thread).Tcb.Process;
}
