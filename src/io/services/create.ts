/**
 * NtCreateFile, NtOpenFile, NtClose, and IoGetDeviceObjectPointer on top of them.
 *
 * The I/O manager checks the parameters against each other, takes copies of everything that a user-mode caller could
 * change meanwhile (name, extended attributes), and asks the object manager to open the name; the rest happens in the
 * device's parse procedure (file-object.ts). Source: "ZwCreateFile" in the DDI reference.
 */
import { type Routine, settle } from '../../ke/routine.ts';
import { readUnicodeString } from '../../ob/index.ts';
import type { Address } from '../../wdm/address.ts';
import {
  DELETE,
  FILE_APPEND_DATA,
  FILE_CREATE,
  FILE_DELETE_ON_CLOSE,
  FILE_DIRECTORY_FILE,
  FILE_NO_INTERMEDIATE_BUFFERING,
  FILE_NON_DIRECTORY_FILE,
  FILE_OPEN,
  FILE_OPEN_IF,
  FILE_OVERWRITE_IF,
  FILE_SHARE_DELETE,
  FILE_SHARE_READ,
  FILE_SHARE_WRITE,
  FILE_SYNCHRONOUS_IO_ALERT,
  FILE_SYNCHRONOUS_IO_NONALERT,
  FO_HANDLE_CREATED,
  KernelMode,
  NonPagedPoolNx,
  OBJ_CASE_INSENSITIVE,
  OBJ_KERNEL_HANDLE,
  SYNCHRONIZE,
} from '../../wdm/constants.ts';
import { GuestException } from '../../wdm/failures.ts';
import { IO_STATUS_BLOCK, OBJECT_ATTRIBUTES, UNICODE_STRING } from '../../wdm/layouts.ts';
import {
  NT_SUCCESS,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_PARAMETER,
  STATUS_OBJECT_NAME_INVALID,
  STATUS_SUCCESS,
} from '../../wdm/ntstatus.ts';
import { checkEaBuffer } from '../ea.ts';
import { OpenPacket } from '../file-object.ts';
import type { Requests } from './request.ts';

const TAG_EA = 0x6145_6f49; // IoEa
const HANDLE_SIZE = 8;
const VALID_OPTIONS = 0x00ff_ffff;
const VALID_ATTRIBUTES = 0x0000_7fb7;
const SYNCHRONOUS = FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT;
/** What FILE_DIRECTORY_FILE may be combined with. */
const DIRECTORY_OPTIONS =
  FILE_DIRECTORY_FILE | SYNCHRONOUS | 0x2 | 0x80 | 0x100 | 0x400 | 0x2000 | 0x4000 | FILE_DELETE_ON_CLOSE | 0xe0_0000;

export interface CreateCall {
  /** Where the handle goes. */
  readonly handleAt: Address;
  readonly desiredAccess: number;
  readonly objectAttributes: Address;
  readonly statusBlock: Address;
  /** Of a LARGE_INTEGER; 0 for none. */
  readonly allocationSize: Address;
  readonly fileAttributes: number;
  readonly shareAccess: number;
  readonly disposition: number;
  readonly options: number;
  readonly eaBuffer: Address;
  readonly eaLength: number;
}

interface Name {
  readonly name: string;
  readonly rootDirectory: number;
  readonly attributes: number;
}

export class Create {
  readonly #requests: Requests;

  constructor(requests: Requests) {
    this.#requests = requests;
  }

  *NtCreateFile(call: CreateCall): Routine<number> {
    if (!areParametersValid(call)) return STATUS_INVALID_PARAMETER;
    const { memory, ke, ob, pool, trace } = this.#requests.environment;
    const { files } = this.#requests.parts;
    const mode = ke.currentThread.previousMode;
    let packet: OpenPacket | undefined;
    let captured: Name | undefined;
    let invalid = STATUS_SUCCESS;
    const requests = this.#requests;
    const capture = this.#captureName.bind(this);
    const captureEa = this.#captureEa.bind(this);
    const raised = yield* requests.attempt(function* () {
      yield* settle(requests.probeForWrite(call.handleAt, HANDLE_SIZE, 4, mode));
      yield* settle(requests.probeForWrite(call.statusBlock, IO_STATUS_BLOCK.size, 4, mode));
      let allocationSize = 0n;
      if (call.allocationSize !== 0) {
        yield* requests.probeForRead(call.allocationSize, 8, 4, mode);
        allocationSize = BigInt.asIntN(64, memory.readU64(call.allocationSize));
        if (allocationSize < 0n) throw new GuestException(STATUS_INVALID_PARAMETER);
      }
      captured = yield* capture(call.objectAttributes, mode);
      const eaBuffer = yield* captureEa(call, mode);
      packet = new OpenPacket({ ...call, eaBuffer, allocationSize });
      if (eaBuffer === 0) return;
      const ea = checkEaBuffer(memory.readBytes(eaBuffer, call.eaLength));
      invalid = ea.status;
      if (!NT_SUCCESS(ea.status)) yield* requests.writeStatusBlock(call.statusBlock, ea.status, BigInt(ea.offset));
    });
    const status = raised !== STATUS_SUCCESS ? raised : invalid;
    if (status !== STATUS_SUCCESS || !packet || !captured) {
      if (packet?.eaBuffer) pool.free(packet.eaBuffer, TAG_EA);
      return status;
    }
    const opened = yield* ob.handles.ObOpenObjectByName({
      ...captured,
      type: files.type,
      accessMode: mode,
      desiredAccess: call.desiredAccess,
      context: packet,
    });
    if (packet.eaBuffer !== 0) pool.free(packet.eaBuffer, TAG_EA);
    if (!NT_SUCCESS(opened.status)) return opened.status;
    const { file, information } = packet;
    files.view(file).Flags |= FO_HANDLE_CREATED;
    if (trace.enabled) {
      const { DeviceObject: device } = files.view(file);
      trace.emit({ type: 'handle-opened', handle: opened.handle, file, device, name: captured.name });
    }
    yield* requests.attempt(function* () {
      memory.writePointer(call.handleAt, opened.handle);
      yield* requests.writeStatusBlock(call.statusBlock, opened.status, information);
    });
    return opened.status;
  }

  NtOpenFile(
    call: Pick<
      CreateCall,
      'handleAt' | 'desiredAccess' | 'objectAttributes' | 'statusBlock' | 'shareAccess' | 'options'
    >,
  ): Routine<number> {
    const none = { allocationSize: 0, fileAttributes: 0, eaBuffer: 0, eaLength: 0 };
    return this.NtCreateFile({ ...call, ...none, disposition: FILE_OPEN });
  }

  *NtClose(handle: number): Routine<number> {
    const { ke, ob, trace } = this.#requests.environment;
    const status = yield* ob.handles.ObCloseHandle(handle, ke.currentThread.previousMode);
    if (trace.enabled && NT_SUCCESS(status)) trace.emit({ type: 'handle-closed', handle });
    return status;
  }

  /**
   * IoGetDeviceObjectPointer: opens the name, keeps the file object (referenced for the caller) and closes the handle,
   * so that the driver sees CREATE and CLEANUP, and CLOSE when the caller dereferences the file. PASSIVE_LEVEL.
   */
  *IoGetDeviceObjectPointer(
    name: string,
    desiredAccess: number,
  ): Routine<{ status: number; file: Address; device: Address }> {
    const { ob } = this.#requests.environment;
    const { files } = this.#requests.parts;
    const packet = new OpenPacket({ options: 0x40, disposition: FILE_OPEN, fileAttributes: 0, shareAccess: 0 });
    const opened = yield* ob.handles.ObOpenObjectByName({
      name,
      rootDirectory: 0,
      attributes: OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE,
      type: files.type,
      accessMode: KernelMode,
      desiredAccess,
      context: packet,
    });
    if (!NT_SUCCESS(opened.status)) return { status: opened.status, file: 0, device: 0 };
    const { file } = packet;
    files.view(file).Flags |= FO_HANDLE_CREATED;
    ob.objects.ObfReferenceObject(file);
    const device = files.IoGetRelatedDeviceObject(file);
    yield* ob.handles.ObCloseHandle(opened.handle, KernelMode);
    return { status: opened.status, file, device };
  }

  /** OBJECT_ATTRIBUTES of either mode, copied. Raises an exception for a bad pointer or a bad structure. */
  *#captureName(address: Address, mode: number): Routine<Name> {
    const { memory } = this.#requests.environment;
    if (address === 0) throw new GuestException(STATUS_INVALID_PARAMETER);
    yield* this.#requests.probeForRead(address, OBJECT_ATTRIBUTES.size, 4, mode);
    const { Length, RootDirectory, ObjectName, Attributes } = OBJECT_ATTRIBUTES.at(memory, address);
    if (Length !== OBJECT_ATTRIBUTES.size) throw new GuestException(STATUS_INVALID_PARAMETER);
    let name = '';
    if (ObjectName !== 0) {
      yield* this.#requests.probeForRead(ObjectName, UNICODE_STRING.size, 4, mode);
      const string = UNICODE_STRING.at(memory, ObjectName);
      if (string.Length % 2 !== 0) throw new GuestException(STATUS_OBJECT_NAME_INVALID);
      if (string.Length > 0) yield* this.#requests.probeForRead(string.Buffer, string.Length, 2, mode);
      name = readUnicodeString(memory, ObjectName);
    }
    const rootDirectory = Number(BigInt.asIntN(64, RootDirectory));
    return { name, rootDirectory, attributes: Attributes };
  }

  /** A copy of the extended attributes in pool; 0 if there are none. */
  *#captureEa(call: CreateCall, mode: number): Routine<Address> {
    const { eaBuffer, eaLength } = call;
    if (eaBuffer === 0 || eaLength === 0) return 0;
    const { memory, pool } = this.#requests.environment;
    yield* this.#requests.probeForRead(eaBuffer, eaLength, 4, mode);
    const copy = pool.allocate(NonPagedPoolNx, eaLength, TAG_EA);
    if (copy === 0) throw new GuestException(STATUS_INSUFFICIENT_RESOURCES);
    memory.copy(copy, eaBuffer, eaLength);
    return copy;
  }
}

/** What the I/O manager refuses before it looks anything up. */
function areParametersValid(call: CreateCall): boolean {
  const { desiredAccess, fileAttributes, shareAccess, disposition, options } = call;
  const has = (bits: number) => (options & bits) !== 0;
  if (fileAttributes & ~VALID_ATTRIBUTES || options & ~VALID_OPTIONS) return false;
  if (shareAccess & ~(FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)) return false;
  if (disposition > FILE_OVERWRITE_IF) return false;
  if (has(SYNCHRONOUS) && !(desiredAccess & SYNCHRONIZE)) return false;
  if ((options & SYNCHRONOUS) === SYNCHRONOUS) return false;
  if (has(FILE_DELETE_ON_CLOSE) && !(desiredAccess & DELETE)) return false;
  if (has(FILE_NO_INTERMEDIATE_BUFFERING) && desiredAccess & FILE_APPEND_DATA) return false;
  if (has(FILE_DIRECTORY_FILE)) {
    if (has(FILE_NON_DIRECTORY_FILE) || options & ~DIRECTORY_OPTIONS) return false;
    if (disposition !== FILE_CREATE && disposition !== FILE_OPEN && disposition !== FILE_OPEN_IF) return false;
  }
  return true;
}
