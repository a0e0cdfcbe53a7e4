/**
 * File objects: what an open handle means, and the three requests that frame its life.
 *
 *   IRP_MJ_CREATE   sent by the device's parse procedure, when a path leads to or through the device. A driver that
 *                   fails it never hears of that file again.
 *   IRP_MJ_CLEANUP  sent when the last *handle* is closed, in the context of the process that closed it.
 *   IRP_MJ_CLOSE    sent when the last *reference* is gone, in any thread: no request is under way any more.
 *
 * Requests go to the top of the device's stack (IoGetRelatedDeviceObject); FILE_OBJECT.DeviceObject is the device that
 * was opened. All three are synchronous: the I/O manager waits for them. Sources: "DispatchCreate, DispatchClose, and
 * DispatchCreateClose Routines", "DispatchCleanup Routines", "Specifying Exclusive Access to Device Objects".
 */
import type { Routine } from '../ke/routine.ts';
import {
  encodeUtf16,
  grantAccess,
  type ObjectType,
  type ParseRequest,
  type ParseResult,
  readUnicodeString,
} from '../ob/index.ts';
import type { Address } from '../wdm/address.ts';
import {
  APC_LEVEL,
  DO_DEVICE_INITIALIZING,
  DO_EXCLUSIVE,
  DOE_DELETE_PENDING,
  DOE_REMOVE_PENDING,
  DOE_REMOVE_PROCESSED,
  DOE_UNLOAD_PENDING,
  Executive,
  FILE_DELETE_ON_CLOSE,
  FILE_NO_INTERMEDIATE_BUFFERING,
  FILE_RANDOM_ACCESS,
  FILE_SEQUENTIAL_ONLY,
  FILE_SYNCHRONOUS_IO_ALERT,
  FILE_SYNCHRONOUS_IO_NONALERT,
  FILE_WRITE_THROUGH,
  FO_ALERTABLE_IO,
  FO_CLEANUP_COMPLETE,
  FO_DELETE_ON_CLOSE,
  FO_NO_INTERMEDIATE_BUFFERING,
  FO_OPENED_CASE_SENSITIVE,
  FO_RANDOM_ACCESS,
  FO_SEQUENTIAL_ONLY,
  FO_SYNCHRONOUS_IO,
  FO_WRITE_THROUGH,
  IO_TYPE_FILE,
  IRP_CLOSE_OPERATION,
  IRP_CREATE_OPERATION,
  IRP_DEFER_IO_COMPLETION,
  IRP_MJ_CLEANUP,
  IRP_MJ_CLOSE,
  IRP_MJ_CREATE,
  IRP_SYNCHRONOUS_API,
  KernelMode,
  NonPagedPoolNx,
  NotificationEvent,
  OBJ_CASE_INSENSITIVE,
  OBJ_FORCE_ACCESS_CHECK,
  PASSIVE_LEVEL,
  SL_CASE_SENSITIVE,
  SL_FORCE_ACCESS_CHECK,
  SynchronizationEvent,
} from '../wdm/constants.ts';
import { ACCESS_STATE, FILE_OBJECT, IO_SECURITY_CONTEXT, IO_STATUS_BLOCK, KEVENT } from '../wdm/layouts.ts';
import {
  NT_SUCCESS,
  STATUS_ACCESS_DENIED,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_NO_SUCH_DEVICE,
  STATUS_OBJECT_TYPE_MISMATCH,
  STATUS_PENDING,
  STATUS_REPARSE,
  STATUS_SUCCESS,
} from '../wdm/ntstatus.ts';
import type { ViewOf } from '../wdm/struct.ts';
import type { CallDriver } from './call-driver.ts';
import type { CompleteRequest } from './complete-request.ts';
import { type DeviceObjects, FILE_MAPPING } from './device-object.ts';
import type { IoEnvironment } from './environment.ts';
import { IoGetNextIrpStackLocation } from './inlines.ts';
import type { Irps } from './irp.ts';
import { list } from './list-entry.ts';
import type { ThreadIrps } from './thread-irps.ts';
import { traceIrpCreated } from './trace-irp.ts';
import type { Irp } from './transfer/index.ts';

export type FileObject = ViewOf<typeof FILE_OBJECT>;

const TAG_FILE = 0x656c_6946; // File
const TAG_NAME = 0x6d4e_6f49; // IoNm
const TAG_LOCAL = 0x6c4c_6f49; // IoLl

/** What the sender of a synchronous request keeps while it waits: status block, event, for CREATE the security context. */
const LOCAL_EVENT = IO_STATUS_BLOCK.size;
const LOCAL_SECURITY = LOCAL_EVENT + KEVENT.size;
const LOCAL_SIZE = LOCAL_SECURITY + IO_SECURITY_CONTEXT.size + ACCESS_STATE.size;

/** IoStatus.Information of a create that STATUS_REPARSE ends: look FileObject.FileName up instead. */
const IO_REPARSE = 0n;
const GONE = DOE_DELETE_PENDING | DOE_UNLOAD_PENDING | DOE_REMOVE_PENDING | DOE_REMOVE_PROCESSED;

const FLAGS_OF_OPTIONS: readonly (readonly [option: number, flag: number])[] = [
  [FILE_SYNCHRONOUS_IO_ALERT, FO_SYNCHRONOUS_IO | FO_ALERTABLE_IO],
  [FILE_SYNCHRONOUS_IO_NONALERT, FO_SYNCHRONOUS_IO],
  [FILE_NO_INTERMEDIATE_BUFFERING, FO_NO_INTERMEDIATE_BUFFERING],
  [FILE_WRITE_THROUGH, FO_WRITE_THROUGH],
  [FILE_SEQUENTIAL_ONLY, FO_SEQUENTIAL_ONLY],
  [FILE_RANDOM_ACCESS, FO_RANDOM_ACCESS],
  [FILE_DELETE_ON_CLOSE, FO_DELETE_ON_CLOSE],
];

/** What NtCreateFile hands to the parse procedure (OPEN_PACKET), and gets back through it. */
export class OpenPacket {
  readonly options: number;
  readonly disposition: number;
  readonly fileAttributes: number;
  readonly shareAccess: number;
  /** A copy in pool, or 0. */
  readonly eaBuffer: Address;
  readonly eaLength: number;
  readonly allocationSize: bigint;
  /** IoStatus.Information of the create: FILE_OPENED and its like. */
  information = 0n;
  /** The file object, once there is one. */
  file: Address = 0;

  constructor(
    open: Pick<OpenPacket, 'options' | 'disposition' | 'fileAttributes' | 'shareAccess'> & {
      eaBuffer?: Address;
      eaLength?: number;
      allocationSize?: bigint;
    },
  ) {
    this.options = open.options;
    this.disposition = open.disposition;
    this.fileAttributes = open.fileAttributes;
    this.shareAccess = open.shareAccess;
    this.eaBuffer = open.eaBuffer ?? 0;
    this.eaLength = open.eaLength ?? 0;
    this.allocationSize = open.allocationSize ?? 0n;
  }
}

/** The parts of the I/O manager that a file object's requests go through. */
export interface FileParts {
  readonly irps: Irps;
  readonly threads: ThreadIrps;
  readonly callDriver: CallDriver;
  readonly completion: CompleteRequest;
  readonly devices: DeviceObjects;
}

export class FileObjects {
  readonly type: ObjectType;
  readonly #env: IoEnvironment;
  readonly #parts: FileParts;
  readonly #locals = new Set<Address>();

  constructor(environment: IoEnvironment, parts: FileParts) {
    this.#env = environment;
    this.#parts = parts;
    this.type = environment.ob.objects.createType({
      name: 'File',
      mapping: FILE_MAPPING,
      tag: TAG_FILE,
      dispatcher: FILE_OBJECT.fields.Event.offset,
      procedures: {
        parse: (file, request) => this.parse(this.view(file).DeviceObject, request, file),
        close: (file, _process, handlesLeft) => (handlesLeft === 0 ? this.#cleanup(file) : undefined),
        delete: file => this.#close(file),
      },
    });
  }

  view(file: Address): FileObject {
    return FILE_OBJECT.at(this.#env.memory, file);
  }

  /** The device that requests on the file go to. IRQL <= DISPATCH_LEVEL. */
  IoGetRelatedDeviceObject(file: Address): Address {
    return this.#parts.devices.IoGetAttachedDevice(this.view(file).DeviceObject);
  }

  /**
   * IopParseDevice: a path leads to a device (or, below a file handle, to that file's device).
   * Without an OpenPacket somebody asks for the device object itself (ObReferenceObjectByName).
   */
  *parse(device: Address, request: ParseRequest, related: Address = 0): Routine<ParseResult> {
    const { context } = request;
    if (!(context instanceof OpenPacket)) {
      if (request.remainingName !== '' || related !== 0) return failed(STATUS_OBJECT_TYPE_MISMATCH);
      this.#env.ob.objects.ObfReferenceObject(device);
      return { kind: 'object', object: device };
    }
    const { devices } = this.#parts;
    const view = devices.view(device);
    if (view.Flags & DO_DEVICE_INITIALIZING || devices.extensionOf(device).ExtensionFlags & GONE) {
      return failed(STATUS_NO_SUCH_DEVICE);
    }
    if (view.Flags & DO_EXCLUSIVE && view.ReferenceCount !== 0 && related === 0) return failed(STATUS_ACCESS_DENIED);
    const file = this.#create(device, request, context, related);
    if (file === 0) return failed(STATUS_INSUFFICIENT_RESOURCES);
    view.ReferenceCount++;
    const grantedAccess = grantAccess(this.type, request.desiredAccess);
    const status = yield* this.#sendCreate(file, request, context, grantedAccess);
    const fileView = this.view(file);
    fileView.RelatedFileObject = 0;
    if (NT_SUCCESS(status) && status !== STATUS_REPARSE) {
      context.file = file;
      return { kind: 'object', object: file, grantedAccess, status };
    }
    const name = readUnicodeString(this.#env.memory, fileView.FileName.address);
    fileView.DeviceObject = 0; // no CLOSE for a file that was never opened
    yield* this.#env.ob.objects.ObfDereferenceObject(file);
    yield* devices.dropFile(device);
    if (status === STATUS_REPARSE && context.information === IO_REPARSE) return { kind: 'reparse', name };
    return failed(status);
  }

  /**
   * Waits until no other request is under way on a synchronous file. The caller gets a reference that `unlock` drops.
   * PASSIVE_LEVEL.
   */
  *lock(file: Address): Routine {
    const { ke, ob } = this.#env;
    const view = this.view(file);
    ob.objects.ObfReferenceObject(file);
    while (view.Busy !== 0) {
      view.Waiters++;
      yield* ke.KeWaitForSingleObject(view.Lock.address, Executive, KernelMode, false);
      view.Waiters--;
    }
    view.Busy = 1;
  }

  *unlock(file: Address): Routine {
    const { ke, ob } = this.#env;
    const view = this.view(file);
    view.Busy = 0;
    if (view.Waiters !== 0) yield* ke.KeSetEvent(view.Lock.address, 0, false);
    const deletion = ob.objects.dereference(file);
    if (deletion) yield* deletion;
  }

  #create(device: Address, request: ParseRequest, packet: OpenPacket, related: Address): Address {
    const { memory, ob, pool, ke } = this.#env;
    const name = encodeUtf16(request.remainingName);
    const buffer = name.length === 0 ? 0 : pool.allocate(NonPagedPoolNx, name.length, TAG_NAME);
    if (name.length > 0 && buffer === 0) return 0;
    const file = ob.objects.create(this.type, FILE_OBJECT.size);
    if (file === 0) {
      if (buffer !== 0) pool.free(buffer, TAG_NAME);
      return 0;
    }
    const view = this.view(file);
    view.Type = IO_TYPE_FILE;
    view.Size = FILE_OBJECT.size;
    view.DeviceObject = device;
    view.RelatedFileObject = related;
    view.Flags = FLAGS_OF_OPTIONS.reduce(
      (flags, [option, flag]) => (packet.options & option ? flags | flag : flags),
      0,
    );
    if (!(request.attributes & OBJ_CASE_INSENSITIVE)) view.Flags |= FO_OPENED_CASE_SENSITIVE;
    if (buffer !== 0) {
      memory.writeBytes(buffer, name);
      view.FileName.Length = name.length;
      view.FileName.MaximumLength = name.length;
      view.FileName.Buffer = buffer;
    }
    ke.KeInitializeEvent(view.Lock.address, SynchronizationEvent, false);
    ke.KeInitializeEvent(view.Event.address, NotificationEvent, false);
    list.initialize(memory, view.IrpList.address);
    return file;
  }

  *#sendCreate(file: Address, request: ParseRequest, packet: OpenPacket, grantedAccess: number): Routine<number> {
    const { memory, ke, ob } = this.#env;
    const { threads, callDriver, completion } = this.#parts;
    const device = this.IoGetRelatedDeviceObject(file);
    const irp = this.#newIrp(device, file);
    if (!irp) return STATUS_INSUFFICIENT_RESOURCES;
    irp.RequestorMode = request.accessMode;
    irp.Flags = IRP_CREATE_OPERATION | IRP_SYNCHRONOUS_API | IRP_DEFER_IO_COMPLETION;
    irp.AssociatedIrp.SystemBuffer = packet.eaBuffer;
    irp.Overlay.AllocationSize = packet.allocationSize;
    const local = irp.UserIosb;
    const event = irp.UserEvent;
    const stack = IoGetNextIrpStackLocation(memory, irp.address);
    stack.MajorFunction = IRP_MJ_CREATE;
    stack.FileObject = file;
    if (request.attributes & OBJ_FORCE_ACCESS_CHECK) stack.Flags |= SL_FORCE_ACCESS_CHECK;
    if (!(request.attributes & OBJ_CASE_INSENSITIVE)) stack.Flags |= SL_CASE_SENSITIVE;
    const parameters = stack.Parameters.Create;
    parameters.SecurityContext = this.#fillSecurityContext(local + LOCAL_SECURITY, request, packet, grantedAccess);
    parameters.Options = ((packet.disposition << 24) | (packet.options & 0xff_ffff)) >>> 0;
    parameters.FileAttributes = packet.fileAttributes;
    parameters.ShareAccess = packet.shareAccess;
    parameters.EaLength = packet.eaLength;
    traceIrpCreated(this.#env, irp, { major: IRP_MJ_CREATE, device, method: 'none' });
    ob.objects.ObfReferenceObject(file); // the IRP's own, dropped when it is finished
    threads.insert(irp);
    const status = yield* callDriver.IofCallDriver(device, irp.address);
    if (status === STATUS_PENDING) {
      yield* ke.KeWaitForSingleObject(event, Executive, KernelMode, false);
      const { Status, Information } = IO_STATUS_BLOCK.at(memory, local);
      packet.information = Information;
      this.#freeLocal(local);
      return Status;
    }
    packet.information = irp.IoStatus.Information;
    ke.KeRaiseIrql(APC_LEVEL);
    yield* completion.finish(irp);
    yield* ke.KeLowerIrql(PASSIVE_LEVEL);
    this.#freeLocal(local);
    return status;
  }

  /** IO_SECURITY_CONTEXT and the ACCESS_STATE behind it: what a driver may look at during CREATE. */
  #fillSecurityContext(address: Address, request: ParseRequest, packet: OpenPacket, grantedAccess: number): Address {
    const { memory } = this.#env;
    const context = IO_SECURITY_CONTEXT.at(memory, address);
    const state = ACCESS_STATE.at(memory, address + IO_SECURITY_CONTEXT.size);
    state.OriginalDesiredAccess = request.desiredAccess;
    state.PreviouslyGrantedAccess = grantedAccess;
    context.AccessState = state.address;
    context.DesiredAccess = grantedAccess;
    context.FullCreateOptions = packet.options;
    return address;
  }

  /** IopCloseFile. */
  *#cleanup(file: Address): Routine {
    const view = this.view(file);
    const isSynchronous = (view.Flags & FO_SYNCHRONOUS_IO) !== 0;
    if (isSynchronous) yield* this.lock(file);
    yield* this.#sendAndWait(file, IRP_MJ_CLEANUP);
    view.Flags |= FO_CLEANUP_COMPLETE;
    if (isSynchronous) yield* this.unlock(file);
  }

  /** IopDeleteFile. */
  *#close(file: Address): Routine {
    const view = this.view(file);
    const device = view.DeviceObject;
    if (device !== 0) yield* this.#sendAndWait(file, IRP_MJ_CLOSE);
    if (view.FileName.Buffer !== 0) this.#env.pool.free(view.FileName.Buffer, TAG_NAME);
    if (device !== 0) yield* this.#parts.devices.dropFile(device);
  }

  /** A request that cannot fail for want of memory and whose status nobody looks at. */
  *#sendAndWait(file: Address, major: number): Routine {
    const { memory, ke } = this.#env;
    const { callDriver, irps } = this.#parts;
    const device = this.IoGetRelatedDeviceObject(file);
    const irp = this.#newIrp(device, file) ?? this.#prepare(irps.allocateMustSucceed(this.#stackSize(device)), file);
    const local = irp.UserIosb;
    irp.Flags = IRP_CLOSE_OPERATION | IRP_SYNCHRONOUS_API;
    irp.RequestorMode = KernelMode;
    irp.Tail.Overlay.Thread = ke.currentThread.object;
    const event = irp.UserEvent;
    const stack = IoGetNextIrpStackLocation(memory, irp.address);
    stack.MajorFunction = major;
    stack.FileObject = file;
    traceIrpCreated(this.#env, irp, { major, device, method: 'none' });
    const status = yield* callDriver.IofCallDriver(device, irp.address);
    if (status === STATUS_PENDING) yield* ke.KeWaitForSingleObject(event, Executive, KernelMode, false);
    this.#freeLocal(local);
  }

  #newIrp(device: Address, file: Address): Irp | undefined {
    const address = this.#parts.irps.IoAllocateIrp(this.#stackSize(device), false);
    return address === 0 ? undefined : this.#prepare(address, file);
  }

  /** An IRP whose end its sender waits for, with the status block and the event for that. */
  #prepare(address: Address, file: Address): Irp {
    const { memory, ke, pool } = this.#env;
    const irp = this.#parts.irps.view(address);
    const allocated = pool.allocate(NonPagedPoolNx, LOCAL_SIZE, TAG_LOCAL);
    if (allocated !== 0) this.#locals.add(allocated);
    const local = allocated !== 0 ? allocated : ke.alloca(LOCAL_SIZE);
    memory.fill(local, LOCAL_SIZE, 0);
    ke.KeInitializeEvent(local + LOCAL_EVENT, SynchronizationEvent, false);
    irp.UserIosb = local;
    irp.UserEvent = local + LOCAL_EVENT;
    irp.Tail.Overlay.OriginalFileObject = file;
    return irp;
  }

  #freeLocal(local: Address): void {
    if (this.#locals.delete(local)) this.#env.pool.free(local, TAG_LOCAL);
  }

  #stackSize(device: Address): number {
    return this.#parts.devices.view(device).StackSize;
  }
}

function failed(status: number): ParseResult {
  return { kind: 'failed', status: status === STATUS_SUCCESS ? STATUS_NO_SUCH_DEVICE : status };
}
