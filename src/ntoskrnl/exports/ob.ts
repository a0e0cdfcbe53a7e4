/** Exports of the object manager: references, handles, names; and events as objects. */

import { exceptionStatus } from '../../io/index.ts';
import { type Routine, settle } from '../../ke/routine.ts';
import { readUnicodeString, waitForHandle } from '../../ob/index.ts';
import type { Address } from '../../wdm/address.ts';
import * as wdm from '../../wdm/constants.ts';
import { OBJECT_ATTRIBUTES, UNICODE_STRING } from '../../wdm/layouts.ts';
import { NT_SUCCESS, STATUS_INFO_LENGTH_MISMATCH, STATUS_SUCCESS } from '../../wdm/ntstatus.ts';
import { type IrqlRange, routine, variable } from '../export.ts';
import type { Kernel } from '../kernel.ts';
import { zw } from '../services.ts';

const PASSIVE: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.PASSIVE_LEVEL];
const APC: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.APC_LEVEL];
const DISPATCH: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.DISPATCH_LEVEL];

const handleFlags = (attributes: number) => attributes & wdm.OBJ_INHERIT;

export const referenceExports = [
  routine('ObfReferenceObject', ['Object: ptr'], 'i64', DISPATCH, (k, object) =>
    BigInt(k.ob.objects.ObfReferenceObject(object)),
  ),
  routine('ObfReferenceObjectWithTag', ['Object: ptr', 'Tag: u32'], 'i64', DISPATCH, (k, object) =>
    BigInt(k.ob.objects.ObfReferenceObject(object)),
  ),
  routine('ObfDereferenceObject', ['Object: ptr'], 'i64', DISPATCH, function* (k, object) {
    return BigInt(yield* k.ob.objects.ObfDereferenceObject(object));
  }),
  routine('ObfDereferenceObjectWithTag', ['Object: ptr', 'Tag: u32'], 'i64', DISPATCH, function* (k, object) {
    return BigInt(yield* k.ob.objects.ObfDereferenceObject(object));
  }),
  routine('ObDereferenceObjectDeferDelete', ['Object: ptr'], 'void', DISPATCH, (k, object) => {
    const { objects } = k.ob;
    objects.context.defer(function* () {
      yield* objects.ObfDereferenceObject(object);
    });
  }),
  routine(
    'ObReferenceObjectByHandle',
    [
      'Handle: handle',
      'DesiredAccess: u32',
      'ObjectType: ptr',
      'AccessMode: u8',
      'Object: ptr',
      'HandleInformation: ptr',
    ],
    'ntstatus',
    PASSIVE,
    (k, handle, access, type, mode, out, information) => {
      const found = k.ob.handles.ObReferenceObjectByHandle(handle, access, type, mode);
      k.memory.writePointer(out, found.object);
      if (information !== 0 && NT_SUCCESS(found.status)) {
        k.memory.writeU32(information, handleFlags(found.handleAttributes));
        k.memory.writeU32(information + 4, found.grantedAccess);
      }
      return found.status;
    },
  ),
  routine(
    'ObReferenceObjectByPointer',
    ['Object: ptr', 'DesiredAccess: u32', 'ObjectType: ptr', 'AccessMode: u8'],
    'ntstatus',
    DISPATCH,
    (k, object, access, type, mode) => k.ob.handles.ObReferenceObjectByPointer(object, access, type, mode),
  ),
  routine(
    'ObReferenceObjectByName',
    [
      'ObjectName: ptr',
      'Attributes: u32',
      'AccessState: ptr',
      'DesiredAccess: u32',
      'ObjectType: ptr',
      'AccessMode: u8',
      'ParseContext: ptr',
      'Object: ptr',
    ],
    'ntstatus',
    PASSIVE,
    function* (k, name, attributes, _state, access, type, mode, _context, out) {
      const text = readUnicodeString(k.memory, name);
      const found = yield* k.ob.handles.ObReferenceObjectByName(text, attributes, access, type, mode);
      if (NT_SUCCESS(found.status)) k.memory.writePointer(out, found.object);
      return found.status;
    },
  ),
  routine(
    'ObOpenObjectByPointer',
    [
      'Object: ptr',
      'HandleAttributes: u32',
      'PassedAccessState: ptr',
      'DesiredAccess: u32',
      'ObjectType: ptr',
      'AccessMode: u8',
      'Handle: ptr',
    ],
    'ntstatus',
    PASSIVE,
    (k, object, attributes, _state, access, type, mode, out) => {
      const opened = k.ob.handles.ObOpenObjectByPointer(object, attributes, access, type, mode);
      if (NT_SUCCESS(opened.status)) k.memory.writePointer(out, opened.handle);
      return opened.status;
    },
  ),
  routine('ObCloseHandle', ['Handle: handle', 'PreviousMode: u8'], 'ntstatus', PASSIVE, (k, handle, mode) =>
    k.ob.handles.ObCloseHandle(handle, mode),
  ),
  routine('ObGetObjectType', ['Object: ptr'], 'ptr', DISPATCH, (k, object) => k.ob.objects.ObGetObjectType(object)),
  routine('ObMakeTemporaryObject', ['Object: ptr'], 'void', APC, (k, object) =>
    k.ob.namespace.ObMakeTemporaryObject(object),
  ),
  // OBJECT_NAME_INFORMATION, then the characters and a zero.
  routine(
    'ObQueryNameString',
    ['Object: ptr', 'ObjectNameInfo: ptr', 'Length: u32', 'ReturnLength: ptr'],
    'ntstatus',
    PASSIVE,
    (k, object, info, length, returnLength) => {
      const path = k.ob.namespace.pathOf(object);
      const needed = UNICODE_STRING.size + (path === '' ? 0 : (path.length + 1) * 2);
      k.memory.writeU32(returnLength, needed);
      if (length < needed) return STATUS_INFO_LENGTH_MISMATCH;
      const name = UNICODE_STRING.at(k.memory, info);
      name.Length = path.length * 2;
      name.MaximumLength = path === '' ? 0 : (path.length + 1) * 2;
      name.Buffer = path === '' ? 0 : info + UNICODE_STRING.size;
      [...path, ...(path === '' ? [] : ['\0'])].forEach((unit, i) => {
        k.memory.writeU16(info + UNICODE_STRING.size + i * 2, unit.charCodeAt(0));
      });
      return STATUS_SUCCESS;
    },
  ),
] as const;

/** What a service's caller asks for by OBJECT_ATTRIBUTES; absent ones mean an object without a name. */
function namedBy(k: Kernel, address: Address): { name: string; attributes: number } {
  if (address === 0) return { name: '', attributes: 0 };
  const { ObjectName, Attributes } = OBJECT_ATTRIBUTES.at(k.memory, address);
  return { name: ObjectName === 0 ? '' : readUnicodeString(k.memory, ObjectName), attributes: Attributes };
}

/** Touches and probes a result's place; the status if that raised an exception. */
function* probed(k: Kernel, address: Address, bytes: number): Routine<number> {
  try {
    if (k.ke.currentThread.previousMode === wdm.UserMode) yield* settle(k.mm.ProbeForWrite(address, bytes, 4));
    return STATUS_SUCCESS;
  } catch (error) {
    return exceptionStatus(error);
  }
}

const NtClose = routine('NtClose', ['Handle: handle'], 'ntstatus', PASSIVE, (k, handle) => k.io.create.NtClose(handle));

const NtCreateEvent = routine(
  'NtCreateEvent',
  ['EventHandle: ptr', 'DesiredAccess: u32', 'ObjectAttributes: ptr', 'EventType: u32', 'InitialState: bool'],
  'ntstatus',
  PASSIVE,
  function* (k, out, desiredAccess, attributesAt, eventType, initialState) {
    const status = yield* probed(k, out, 8);
    if (!NT_SUCCESS(status)) return status;
    try {
      const accessMode = k.ke.currentThread.previousMode;
      if (attributesAt !== 0) yield* settle(k.mm.touch(attributesAt, OBJECT_ATTRIBUTES.size, 'read'));
      const named = namedBy(k, attributesAt);
      const opened = yield* k.io.events.create({ ...named, desiredAccess, eventType, initialState, accessMode });
      if (NT_SUCCESS(opened.status)) k.memory.writePointer(out, opened.handle);
      return opened.status;
    } catch (error) {
      return exceptionStatus(error);
    }
  },
);

/** NtSetEvent, NtResetEvent: the previous state goes to an optional LONG. */
function* changeEvent(k: Kernel, handle: number, previous: Address, set: boolean): Routine<number> {
  const mode = k.ke.currentThread.previousMode;
  if (previous !== 0) {
    const status = yield* probed(k, previous, 4);
    if (!NT_SUCCESS(status)) return status;
  }
  const type = k.io.events.type.address;
  const found = k.ob.handles.ObReferenceObjectByHandle(handle, wdm.EVENT_MODIFY_STATE, type, mode);
  if (!NT_SUCCESS(found.status)) return found.status;
  const { objects } = k.ke;
  const before = set ? yield* objects.KeSetEvent(found.object, 0, false) : objects.KeResetEvent(found.object);
  yield* k.ob.objects.ObfDereferenceObject(found.object);
  try {
    if (previous !== 0) k.memory.writeU32(previous, before);
  } catch (error) {
    return exceptionStatus(error);
  }
  return STATUS_SUCCESS;
}

const NtSetEvent = routine(
  'NtSetEvent',
  ['EventHandle: handle', 'PreviousState: ptr'],
  'ntstatus',
  PASSIVE,
  (k, handle, previous) => changeEvent(k, handle, previous, true),
);
const NtResetEvent = routine(
  'NtResetEvent',
  ['EventHandle: handle', 'PreviousState: ptr'],
  'ntstatus',
  PASSIVE,
  (k, handle, previous) => changeEvent(k, handle, previous, false),
);
const NtClearEvent = routine('NtClearEvent', ['EventHandle: handle'], 'ntstatus', PASSIVE, (k, handle) =>
  changeEvent(k, handle, 0, false),
);

const NtWaitForSingleObject = routine(
  'NtWaitForSingleObject',
  ['Handle: handle', 'Alertable: bool', 'Timeout: ptr'],
  'ntstatus',
  PASSIVE,
  function* (k, handle, alertable, timeoutAt) {
    const mode = k.ke.currentThread.previousMode;
    let timeout: bigint | undefined;
    try {
      if (timeoutAt !== 0) {
        if (mode === wdm.UserMode) k.mm.ProbeForRead(timeoutAt, 8, 4);
        yield* settle(k.mm.touch(timeoutAt, 8, 'read'));
        timeout = BigInt.asIntN(64, k.memory.readU64(timeoutAt));
      }
    } catch (error) {
      return exceptionStatus(error);
    }
    return yield* waitForHandle(k.ob.objects, k.ob.handles, k.ke, { handle, alertable, timeout, mode });
  },
);

export const handleServices = [
  NtClose,
  zw(NtClose),
  NtCreateEvent,
  zw(NtCreateEvent),
  NtSetEvent,
  zw(NtSetEvent),
  NtResetEvent,
  zw(NtResetEvent),
  NtClearEvent,
  zw(NtClearEvent),
  NtWaitForSingleObject,
  zw(NtWaitForSingleObject),
] as const;

export const objectTypeVariables = [
  variable('IoFileObjectType', 8, (k, address) => k.memory.writePointer(address, k.io.files.type.address)),
  variable('IoDeviceObjectType', 8, (k, address) => k.memory.writePointer(address, k.io.devices.type.address)),
  variable('IoDriverObjectType', 8, (k, address) => k.memory.writePointer(address, k.io.drivers.type.address)),
  variable('ExEventObjectType', 8, (k, address) => k.memory.writePointer(address, k.io.events.type.address)),
] as const;
