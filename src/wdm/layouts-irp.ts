/**
 * The request: IRP and IO_STACK_LOCATION.
 *
 * An IRP is followed by StackCount stack locations. The I/O manager starts with CurrentLocation = StackCount + 1 and
 * Tail.Overlay.CurrentStackLocation one past the last; IoCallDriver moves both down, IoCompleteRequest up, and drivers
 * move them themselves (IoSkipCurrentIrpStackLocation, IoSetNextIrpStackLocation are inline in wdm.h): these two
 * members are the only truth about how far a request has come. Which of the alternatives of a union holds is said by
 * the members around it; they are nested structures at one offset here.
 */
import { LIST_ENTRY } from './layouts-basic.ts';
import { KAPC, KDEVICE_QUEUE_ENTRY } from './layouts-ke.ts';
import { array, i16, i32, i64, nested, ptr, struct, u8, u16, u32, u64 } from './struct.ts';

export const IO_STATUS_BLOCK = struct('IO_STATUS_BLOCK', 0x10, {
  Status: u32(0x00),
  Pointer: ptr(0x00),
  Information: u64(0x08), // ULONG_PTR: bytes transferred, for most
});

const IRP_AssociatedIrp = struct('IRP.AssociatedIrp', 0x08, {
  MasterIrp: ptr(0x00), // with IRP_ASSOCIATED_IRP
  IrpCount: i32(0x00), // of a master
  SystemBuffer: ptr(0x00), // with IRP_BUFFERED_IO
});

const IRP_AsynchronousParameters = struct('IRP.Overlay.AsynchronousParameters', 0x10, {
  UserApcRoutine: ptr(0x00),
  IssuingProcess: ptr(0x00),
  UserApcContext: ptr(0x08),
});

const IRP_Overlay = struct('IRP.Overlay', 0x10, {
  AsynchronousParameters: nested(0x00, IRP_AsynchronousParameters),
  AllocationSize: i64(0x00), // IRP_MJ_CREATE
});

/** While a driver owns the request, DriverContext and ListEntry are its own. */
const IRP_Tail_Overlay = struct('IRP.Tail.Overlay', 0x58, {
  DeviceQueueEntry: nested(0x00, KDEVICE_QUEUE_ENTRY), // while in a device queue
  DriverContext: array(0x00, 4, u64),
  Thread: ptr(0x20), // ETHREAD of the requester
  AuxiliaryBuffer: ptr(0x28),
  ListEntry: nested(0x30, LIST_ENTRY),
  CurrentStackLocation: ptr(0x40),
  PacketType: u32(0x40), // in a completion port's queue
  OriginalFileObject: ptr(0x48),
  IrpExtension: ptr(0x50),
});

const IRP_Tail = struct('IRP.Tail', 0x58, {
  Overlay: nested(0x00, IRP_Tail_Overlay),
  Apc: nested(0x00, KAPC), // of the completion, in the requester's thread
  CompletionKey: ptr(0x00), // in a completion port's queue
});

export const IRP = struct('IRP', 0xd0, {
  Type: i16(0x00), // IO_TYPE_IRP
  Size: u16(0x02), // with its stack locations
  AllocationProcessorNumber: u16(0x04),
  MdlAddress: ptr(0x08), // direct I/O; NULL for zero length
  Flags: u32(0x10), // IRP_*; read-only for drivers
  AssociatedIrp: nested(0x18, IRP_AssociatedIrp),
  ThreadListEntry: nested(0x20, LIST_ENTRY),
  IoStatus: nested(0x30, IO_STATUS_BLOCK),
  RequestorMode: u8(0x40), // KPROCESSOR_MODE
  PendingReturned: u8(0x41), // the driver below returned STATUS_PENDING: valid in a completion routine
  StackCount: u8(0x42),
  CurrentLocation: u8(0x43), // StackCount + 1 before the first driver
  Cancel: u8(0x44),
  CancelIrql: u8(0x45), // for IoReleaseCancelSpinLock in a cancel routine
  ApcEnvironment: u8(0x46),
  AllocationFlags: u8(0x47),
  UserIosb: ptr(0x48),
  UserEvent: ptr(0x50),
  Overlay: nested(0x58, IRP_Overlay),
  CancelRoutine: ptr(0x68),
  UserBuffer: ptr(0x70), // the requester's output address, whatever the method
  Tail: nested(0x78, IRP_Tail),
});

// IO_STACK_LOCATION.Parameters, by MajorFunction. Most members are POINTER_ALIGNMENT: 8 bytes apart on x64.

const Parameters_Create = struct('IO_STACK_LOCATION.Parameters.Create', 0x20, {
  SecurityContext: ptr(0x00), // IO_SECURITY_CONTEXT
  Options: u32(0x08), // CreateOptions, CreateDisposition in the top byte
  FileAttributes: u16(0x10),
  ShareAccess: u16(0x12),
  EaLength: u32(0x18),
});

const Parameters_Read = struct('IO_STACK_LOCATION.Parameters.Read', 0x18, {
  Length: u32(0x00),
  Key: u32(0x08),
  ByteOffset: i64(0x10),
});

const Parameters_Write = struct('IO_STACK_LOCATION.Parameters.Write', 0x18, {
  Length: u32(0x00),
  Key: u32(0x08),
  ByteOffset: i64(0x10),
});

const Parameters_QueryDirectory = struct('IO_STACK_LOCATION.Parameters.QueryDirectory', 0x20, {
  Length: u32(0x00),
  FileName: ptr(0x08),
  FileInformationClass: u32(0x10),
  FileIndex: u32(0x18),
});

const Parameters_QueryFile = struct('IO_STACK_LOCATION.Parameters.QueryFile', 0x10, {
  Length: u32(0x00),
  FileInformationClass: u32(0x08),
});

const Parameters_SetFile = struct('IO_STACK_LOCATION.Parameters.SetFile', 0x20, {
  Length: u32(0x00),
  FileInformationClass: u32(0x08),
  FileObject: ptr(0x10),
  ReplaceIfExists: u8(0x18),
  AdvanceOnly: u8(0x19),
  ClusterCount: u32(0x18),
  DeleteHandle: u64(0x18),
});

const Parameters_QueryVolume = struct('IO_STACK_LOCATION.Parameters.QueryVolume', 0x10, {
  Length: u32(0x00),
  FsInformationClass: u32(0x08),
});

const Parameters_DeviceIoControl = struct('IO_STACK_LOCATION.Parameters.DeviceIoControl', 0x20, {
  OutputBufferLength: u32(0x00),
  InputBufferLength: u32(0x08),
  IoControlCode: u32(0x10),
  Type3InputBuffer: ptr(0x18), // METHOD_NEITHER: the requester's input address
});

const Parameters_FileSystemControl = struct('IO_STACK_LOCATION.Parameters.FileSystemControl', 0x20, {
  OutputBufferLength: u32(0x00),
  InputBufferLength: u32(0x08),
  FsControlCode: u32(0x10),
  Type3InputBuffer: ptr(0x18),
});

const Parameters_QuerySecurity = struct('IO_STACK_LOCATION.Parameters.QuerySecurity', 0x10, {
  SecurityInformation: u32(0x00),
  Length: u32(0x08),
});

const Parameters_SetSecurity = struct('IO_STACK_LOCATION.Parameters.SetSecurity', 0x10, {
  SecurityInformation: u32(0x00),
  SecurityDescriptor: ptr(0x08),
});

const Parameters_Scsi = struct('IO_STACK_LOCATION.Parameters.Scsi', 0x08, {
  Srb: ptr(0x00),
});

const Parameters_QueryDeviceRelations = struct('IO_STACK_LOCATION.Parameters.QueryDeviceRelations', 0x04, {
  Type: u32(0x00),
});

const Parameters_QueryInterface = struct('IO_STACK_LOCATION.Parameters.QueryInterface', 0x20, {
  InterfaceType: ptr(0x00),
  Size: u16(0x08),
  Version: u16(0x0a),
  Interface: ptr(0x10),
  InterfaceSpecificData: ptr(0x18),
});

const Parameters_DeviceCapabilities = struct('IO_STACK_LOCATION.Parameters.DeviceCapabilities', 0x08, {
  Capabilities: ptr(0x00),
});

const Parameters_QueryId = struct('IO_STACK_LOCATION.Parameters.QueryId', 0x04, {
  IdType: u32(0x00),
});

const Parameters_Power = struct('IO_STACK_LOCATION.Parameters.Power', 0x20, {
  SystemContext: u32(0x00),
  Type: u32(0x08), // POWER_STATE_TYPE
  State: u32(0x10), // POWER_STATE
  ShutdownType: u32(0x18),
});

const Parameters_StartDevice = struct('IO_STACK_LOCATION.Parameters.StartDevice', 0x10, {
  AllocatedResources: ptr(0x00),
  AllocatedResourcesTranslated: ptr(0x08),
});

const Parameters_WMI = struct('IO_STACK_LOCATION.Parameters.WMI', 0x20, {
  ProviderId: u64(0x00),
  DataPath: ptr(0x08),
  BufferSize: u32(0x10),
  Buffer: ptr(0x18),
});

const Parameters_Others = struct('IO_STACK_LOCATION.Parameters.Others', 0x20, {
  Argument1: ptr(0x00),
  Argument2: ptr(0x08),
  Argument3: ptr(0x10),
  Argument4: ptr(0x18),
});

const IO_STACK_LOCATION_Parameters = struct('IO_STACK_LOCATION.Parameters', 0x20, {
  Create: nested(0x00, Parameters_Create),
  Read: nested(0x00, Parameters_Read),
  Write: nested(0x00, Parameters_Write),
  QueryDirectory: nested(0x00, Parameters_QueryDirectory),
  QueryFile: nested(0x00, Parameters_QueryFile),
  SetFile: nested(0x00, Parameters_SetFile),
  QueryVolume: nested(0x00, Parameters_QueryVolume),
  DeviceIoControl: nested(0x00, Parameters_DeviceIoControl),
  FileSystemControl: nested(0x00, Parameters_FileSystemControl),
  QuerySecurity: nested(0x00, Parameters_QuerySecurity),
  SetSecurity: nested(0x00, Parameters_SetSecurity),
  Scsi: nested(0x00, Parameters_Scsi),
  QueryDeviceRelations: nested(0x00, Parameters_QueryDeviceRelations),
  QueryInterface: nested(0x00, Parameters_QueryInterface),
  DeviceCapabilities: nested(0x00, Parameters_DeviceCapabilities),
  QueryId: nested(0x00, Parameters_QueryId),
  Power: nested(0x00, Parameters_Power),
  StartDevice: nested(0x00, Parameters_StartDevice),
  WMI: nested(0x00, Parameters_WMI),
  Others: nested(0x00, Parameters_Others), // internal requests: whatever two drivers agree on
});

export const IO_STACK_LOCATION = struct('IO_STACK_LOCATION', 0x48, {
  MajorFunction: u8(0x00),
  MinorFunction: u8(0x01),
  Flags: u8(0x02), // SL_*, by MajorFunction
  Control: u8(0x03), // SL_PENDING_RETURNED, SL_INVOKE_ON_*
  Parameters: nested(0x08, IO_STACK_LOCATION_Parameters),
  DeviceObject: ptr(0x28), // set by IoCallDriver
  FileObject: ptr(0x30),
  CompletionRoutine: ptr(0x38), // of the driver *above* this location
  Context: ptr(0x40),
});
