/**
 * Drivers, devices and files.
 *
 * DEVICE_OBJECT is followed by the device extension and then, in an allocation of its own here as in Windows, by the
 * I/O manager's DEVOBJ_EXTENSION, which drivers see only through DeviceObjectExtension.
 */
import { LARGE_INTEGER, LIST_ENTRY, UNICODE_STRING } from './layouts-basic.ts';
import { KDEVICE_QUEUE, KDEVICE_QUEUE_ENTRY, KDPC, KEVENT } from './layouts-ke.ts';
import { array, i16, i32, i64, nested, ptr, struct, u8, u16, u32, u64 } from './struct.ts';

export const WAIT_CONTEXT_BLOCK = struct('WAIT_CONTEXT_BLOCK', 0x48, {
  WaitQueueEntry: nested(0x00, KDEVICE_QUEUE_ENTRY),
  DeviceRoutine: ptr(0x18),
  DeviceContext: ptr(0x20),
  NumberOfMapRegisters: u32(0x28),
  DeviceObject: ptr(0x30),
  CurrentIrp: ptr(0x38),
  BufferChainingDpc: ptr(0x40),
});

const DEVICE_OBJECT_Queue = struct('DEVICE_OBJECT.Queue', 0x48, {
  ListEntry: nested(0x00, LIST_ENTRY), // in a file system's queue of devices
  Wcb: nested(0x00, WAIT_CONTEXT_BLOCK),
});

export const DEVICE_OBJECT = struct('DEVICE_OBJECT', 0x150, {
  Type: i16(0x000), // IO_TYPE_DEVICE
  Size: u16(0x002), // with the device extension
  ReferenceCount: i32(0x004), // open handles
  DriverObject: ptr(0x008),
  NextDevice: ptr(0x010), // of the same driver
  AttachedDevice: ptr(0x018), // the one above
  CurrentIrp: ptr(0x020), // of IoStartPacket
  Timer: ptr(0x028),
  Flags: u32(0x030), // DO_*; a filter copies those of the device below
  Characteristics: u32(0x034), // FILE_*
  Vpb: ptr(0x038),
  DeviceExtension: ptr(0x040),
  DeviceType: u32(0x048), // FILE_DEVICE_*
  StackSize: u8(0x04c), // stack locations that a request to it needs
  Queue: nested(0x050, DEVICE_OBJECT_Queue),
  AlignmentRequirement: u32(0x098), // a mask: 0 is bytes, 3 is ULONGs
  DeviceQueue: nested(0x0a0, KDEVICE_QUEUE),
  Dpc: nested(0x0c8, KDPC), // IoInitializeDpcRequest
  ActiveThreadCount: u32(0x108),
  SecurityDescriptor: ptr(0x110),
  DeviceLock: nested(0x118, KEVENT),
  SectorSize: u16(0x130),
  Spare1: u16(0x132),
  DeviceObjectExtension: ptr(0x138),
  Reserved: ptr(0x140),
});

/** The public members, then those of the symbols of 19041. */
export const DEVOBJ_EXTENSION = struct('DEVOBJ_EXTENSION', 0x70, {
  Type: i16(0x00), // IO_TYPE_DEVICE_OBJECT_EXTENSION
  Size: u16(0x02),
  DeviceObject: ptr(0x08),
  PowerFlags: u32(0x10),
  Dope: ptr(0x18),
  ExtensionFlags: u32(0x20), // DOE_*
  DeviceNode: ptr(0x28),
  AttachedTo: ptr(0x30), // the device below
  StartIoCount: i32(0x38),
  StartIoKey: i32(0x3c),
  StartIoFlags: u32(0x40),
  Vpb: ptr(0x48),
});

export const DRIVER_OBJECT = struct('DRIVER_OBJECT', 0x150, {
  Type: i16(0x00), // IO_TYPE_DRIVER
  Size: i16(0x02),
  DeviceObject: ptr(0x08), // the latest, linked by NextDevice
  Flags: u32(0x10), // DRVO_*
  DriverStart: ptr(0x18), // the image
  DriverSize: u32(0x20),
  DriverSection: ptr(0x28), // KLDR_DATA_TABLE_ENTRY
  DriverExtension: ptr(0x30),
  DriverName: nested(0x38, UNICODE_STRING), // \Driver\name
  HardwareDatabase: ptr(0x48), // UNICODE_STRING
  FastIoDispatch: ptr(0x50),
  DriverInit: ptr(0x58),
  DriverStartIo: ptr(0x60),
  DriverUnload: ptr(0x68), // NULL: cannot be unloaded
  MajorFunction: array(0x70, 28, ptr),
});

export const DRIVER_EXTENSION = struct('DRIVER_EXTENSION', 0x50, {
  DriverObject: ptr(0x00),
  AddDevice: ptr(0x08),
  Count: u32(0x10), // calls of the reinitialization routine
  ServiceKeyName: nested(0x18, UNICODE_STRING),
  ClientDriverExtension: ptr(0x28), // IoAllocateDriverObjectExtension
  FsFilterCallbacks: ptr(0x30),
});

export const FAST_IO_DISPATCH = struct('FAST_IO_DISPATCH', 0xe0, {
  SizeOfFastIoDispatch: u32(0x00),
  FastIoCheckIfPossible: ptr(0x08),
  FastIoRead: ptr(0x10),
  FastIoWrite: ptr(0x18),
  FastIoQueryBasicInfo: ptr(0x20),
  FastIoQueryStandardInfo: ptr(0x28),
  FastIoLock: ptr(0x30),
  FastIoUnlockSingle: ptr(0x38),
  FastIoUnlockAll: ptr(0x40),
  FastIoUnlockAllByKey: ptr(0x48),
  FastIoDeviceControl: ptr(0x50),
  AcquireFileForNtCreateSection: ptr(0x58),
  ReleaseFileForNtCreateSection: ptr(0x60),
  FastIoDetachDevice: ptr(0x68),
  FastIoQueryNetworkOpenInfo: ptr(0x70),
  AcquireForModWrite: ptr(0x78),
  MdlRead: ptr(0x80),
  MdlReadComplete: ptr(0x88),
  PrepareMdlWrite: ptr(0x90),
  MdlWriteComplete: ptr(0x98),
  FastIoReadCompressed: ptr(0xa0),
  FastIoWriteCompressed: ptr(0xa8),
  MdlReadCompleteCompressed: ptr(0xb0),
  MdlWriteCompleteCompressed: ptr(0xb8),
  FastIoQueryOpen: ptr(0xc0),
  ReleaseForModWrite: ptr(0xc8),
  AcquireForCcFlush: ptr(0xd0),
  ReleaseForCcFlush: ptr(0xd8),
});

export const FILE_OBJECT = struct('FILE_OBJECT', 0xd8, {
  Type: i16(0x00), // IO_TYPE_FILE
  Size: i16(0x02),
  DeviceObject: ptr(0x08), // the one that was opened, not the top of its stack
  Vpb: ptr(0x10),
  FsContext: ptr(0x18), // the driver's own
  FsContext2: ptr(0x20), // the driver's own
  SectionObjectPointer: ptr(0x28),
  PrivateCacheMap: ptr(0x30),
  FinalStatus: u32(0x38),
  RelatedFileObject: ptr(0x40), // valid during IRP_MJ_CREATE only
  LockOperation: u8(0x48),
  DeletePending: u8(0x49),
  ReadAccess: u8(0x4a),
  WriteAccess: u8(0x4b),
  DeleteAccess: u8(0x4c),
  SharedRead: u8(0x4d),
  SharedWrite: u8(0x4e),
  SharedDelete: u8(0x4f),
  Flags: u32(0x50), // FO_*
  FileName: nested(0x58, UNICODE_STRING), // what follows the device's name; valid during IRP_MJ_CREATE only
  CurrentByteOffset: i64(0x68), // synchronous files
  Waiters: u32(0x70),
  Busy: u32(0x74),
  LastLock: ptr(0x78),
  Lock: nested(0x80, KEVENT), // synchronous files: one request at a time
  Event: nested(0x98, KEVENT), // signalled when a request without an event of its own completes
  CompletionContext: ptr(0xb0), // IO_COMPLETION_CONTEXT
  IrpListLock: u64(0xb8),
  IrpList: nested(0xc0, LIST_ENTRY),
  FileObjectExtension: ptr(0xd0),
});

export const IO_COMPLETION_CONTEXT = struct('IO_COMPLETION_CONTEXT', 0x10, {
  Port: ptr(0x00),
  Key: ptr(0x08),
});

export const VPB = struct('VPB', 0x60, {
  Type: i16(0x00), // IO_TYPE_VPB
  Size: i16(0x02),
  Flags: u16(0x04),
  VolumeLabelLength: u16(0x06), // in bytes
  DeviceObject: ptr(0x08), // the file system's
  RealDevice: ptr(0x10),
  SerialNumber: u32(0x18),
  ReferenceCount: u32(0x1c),
  VolumeLabel: array(0x20, 32, u16),
});

const IO_REMOVE_LOCK_COMMON_BLOCK = struct('IO_REMOVE_LOCK_COMMON_BLOCK', 0x20, {
  Removed: u8(0x00),
  IoCount: i32(0x04), // one more than the acquisitions
  RemoveEvent: nested(0x08, KEVENT),
});

/** The free build's; a driver built with DBG has a debugging block behind it and says so by its size. */
export const IO_REMOVE_LOCK = struct('IO_REMOVE_LOCK', 0x20, {
  Common: nested(0x00, IO_REMOVE_LOCK_COMMON_BLOCK),
});

/** Opaque: DEVICE_OBJECT.Timer. */
export const IO_TIMER = struct('IO_TIMER', 0x30, {
  Type: i16(0x00), // IO_TYPE_TIMER
  TimerFlag: i16(0x02), // 1: started
  TimerList: nested(0x08, LIST_ENTRY),
  TimerRoutine: ptr(0x18),
  Context: u64(0x20),
  DeviceObject: ptr(0x28),
});

export const FILE_BASIC_INFORMATION = struct('FILE_BASIC_INFORMATION', 0x28, {
  CreationTime: i64(0x00),
  LastAccessTime: i64(0x08),
  LastWriteTime: i64(0x10),
  ChangeTime: i64(0x18),
  FileAttributes: u32(0x20),
});

export const FILE_STANDARD_INFORMATION = struct('FILE_STANDARD_INFORMATION', 0x18, {
  AllocationSize: i64(0x00),
  EndOfFile: i64(0x08),
  NumberOfLinks: u32(0x10),
  DeletePending: u8(0x14),
  Directory: u8(0x15),
});

export const FILE_POSITION_INFORMATION = struct('FILE_POSITION_INFORMATION', 0x08, {
  CurrentByteOffset: nested(0x00, LARGE_INTEGER),
});

export const FILE_FS_DEVICE_INFORMATION = struct('FILE_FS_DEVICE_INFORMATION', 0x08, {
  DeviceType: u32(0x00),
  Characteristics: u32(0x04),
});
