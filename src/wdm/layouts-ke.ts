/**
 * The kernel's objects that live in driver memory: dispatcher objects, DPCs, APCs, device queues, locks.
 *
 * A driver allocates these itself (in its device extension, mostly) and hands us their addresses; macros of wdm.h read
 * some members without a call (KeReadStateEvent does not, IoGetCurrentIrpStackLocation does). Opaque members follow the
 * public symbols of 19041, since a driver's own copy of them may travel through here.
 */
import { KSYSTEM_TIME, LIST_ENTRY, SINGLE_LIST_ENTRY } from './layouts-basic.ts';
import { array, i16, i32, i64, nested, ptr, struct, u8, u16, u32, u64 } from './struct.ts';

/** What a thread can wait for starts with this. Type is one of the *Object constants; three bytes depend on it. */
export const DISPATCHER_HEADER = struct('DISPATCHER_HEADER', 0x18, {
  Lock: i32(0x00), // the first four bytes as one
  Type: u8(0x00),
  Signalling: u8(0x01), // an event's and a thread's
  Abandoned: u8(0x01), // a mutant's
  TimerControlFlags: u8(0x01), // a timer's; bit 0 Absolute
  Size: u8(0x02), // in units of 4 bytes
  Hand: u8(0x02), // a timer's
  TimerMiscFlags: u8(0x03), // a timer's; bit 6 Inserted, bit 7 Expired
  DebugActive: u8(0x03), // a thread's
  DpcActive: u8(0x03),
  SignalState: i32(0x04), // a mutant's is 1 when free
  WaitListHead: nested(0x08, LIST_ENTRY), // KWAIT_BLOCK.WaitListEntry
});

export const KEVENT = struct('KEVENT', 0x18, {
  Header: nested(0x00, DISPATCHER_HEADER),
});

export const KGATE = struct('KGATE', 0x18, {
  Header: nested(0x00, DISPATCHER_HEADER),
});

export const KSEMAPHORE = struct('KSEMAPHORE', 0x20, {
  Header: nested(0x00, DISPATCHER_HEADER),
  Limit: i32(0x18),
});

/** KMUTEX is another name of it. */
export const KMUTANT = struct('KMUTANT', 0x38, {
  Header: nested(0x00, DISPATCHER_HEADER),
  MutantListEntry: nested(0x18, LIST_ENTRY), // KTHREAD.MutantListHead
  OwnerThread: ptr(0x28),
  Abandoned: u8(0x30),
  ApcDisable: u8(0x31), // 1: owning it disables normal kernel APCs
});

export const KTIMER = struct('KTIMER', 0x40, {
  Header: nested(0x00, DISPATCHER_HEADER),
  DueTime: u64(0x18), // absolute, interrupt time
  TimerListEntry: nested(0x20, LIST_ENTRY),
  Dpc: ptr(0x30), // KDPC or NULL
  Processor: u16(0x38),
  TimerType: u16(0x3a),
  Period: u32(0x3c), // milliseconds; 0: once
});

export const KDPC = struct('KDPC', 0x40, {
  Type: u8(0x00),
  Importance: u8(0x01),
  Number: u16(0x02),
  DpcListEntry: nested(0x08, SINGLE_LIST_ENTRY),
  ProcessorHistory: u64(0x10),
  DeferredRoutine: ptr(0x18),
  DeferredContext: u64(0x20),
  SystemArgument1: u64(0x28),
  SystemArgument2: u64(0x30),
  DpcData: u64(0x38), // not NULL while queued
});

export const KAPC = struct('KAPC', 0x58, {
  Type: u8(0x00),
  SpareByte0: u8(0x01),
  Size: u8(0x02),
  SpareByte1: u8(0x03),
  SpareLong0: u32(0x04),
  Thread: ptr(0x08),
  ApcListEntry: nested(0x10, LIST_ENTRY),
  KernelRoutine: ptr(0x20),
  RundownRoutine: ptr(0x28),
  NormalRoutine: ptr(0x30), // NULL: a special kernel APC
  NormalContext: u64(0x38),
  SystemArgument1: u64(0x40),
  SystemArgument2: u64(0x48),
  ApcStateIndex: u8(0x50),
  ApcMode: u8(0x51),
  Inserted: u8(0x52),
});

export const KAPC_STATE = struct('KAPC_STATE', 0x30, {
  KernelApcListHead: nested(0x00, LIST_ENTRY), // ApcListHead[KernelMode]
  UserApcListHead: nested(0x10, LIST_ENTRY), // ApcListHead[UserMode]
  Process: ptr(0x20), // whose address space the thread is in
  InProgressFlags: u8(0x28),
  KernelApcPending: u8(0x29),
  UserApcPendingAll: u8(0x2a),
});

export const KWAIT_BLOCK = struct('KWAIT_BLOCK', 0x30, {
  WaitListEntry: nested(0x00, LIST_ENTRY), // DISPATCHER_HEADER.WaitListHead
  WaitType: u8(0x10),
  BlockState: u8(0x11),
  WaitKey: u16(0x12), // the status that ends the wait: STATUS_WAIT_0 + index
  SpareLong: i32(0x14),
  Thread: ptr(0x18),
  Object: ptr(0x20),
  SparePtr: ptr(0x28),
});

export const KDEVICE_QUEUE = struct('KDEVICE_QUEUE', 0x28, {
  Type: i16(0x00),
  Size: i16(0x02),
  DeviceListHead: nested(0x08, LIST_ENTRY),
  Lock: u64(0x18),
  Busy: u8(0x20),
});

export const KDEVICE_QUEUE_ENTRY = struct('KDEVICE_QUEUE_ENTRY', 0x18, {
  DeviceListEntry: nested(0x00, LIST_ENTRY),
  SortKey: u32(0x10),
  Inserted: u8(0x14),
});

export const KLOCK_QUEUE_HANDLE = struct('KLOCK_QUEUE_HANDLE', 0x18, {
  LockQueue: nested(
    0x00,
    struct('KSPIN_LOCK_QUEUE', 0x10, {
      Next: ptr(0x00),
      Lock: ptr(0x08),
    }),
  ),
  OldIrql: u8(0x10),
});

/** The page that user mode sees at 0x7FFE0000 and the kernel at 0xFFFFF78000000000. Drivers read it without a call. */
export const KUSER_SHARED_DATA = struct('KUSER_SHARED_DATA', 0x730, {
  TickCountLowDeprecated: u32(0x000),
  TickCountMultiplier: u32(0x004),
  InterruptTime: nested(0x008, KSYSTEM_TIME), // 100 ns since boot
  SystemTime: nested(0x014, KSYSTEM_TIME), // 100 ns since 1601, UTC
  TimeZoneBias: nested(0x020, KSYSTEM_TIME),
  ImageNumberLow: u16(0x02c), // 0x8664
  ImageNumberHigh: u16(0x02e),
  NtSystemRoot: array(0x030, 260, u16),
  MaxStackTraceDepth: u32(0x238),
  CryptoExponent: u32(0x23c),
  TimeZoneId: u32(0x240),
  LargePageMinimum: u32(0x244),
  NtBuildNumber: u32(0x260),
  NtProductType: u32(0x264), // 1 is a workstation
  ProductTypeIsValid: u8(0x268),
  NativeProcessorArchitecture: u16(0x26a), // 9 is AMD64
  NtMajorVersion: u32(0x26c),
  NtMinorVersion: u32(0x270),
  ProcessorFeatures: array(0x274, 64, u8), // PF_*
  TimeSlip: u32(0x2bc),
  SystemExpirationDate: i64(0x2c8),
  SuiteMask: u32(0x2d0),
  KdDebuggerEnabled: u8(0x2d4),
  NXSupportPolicy: u8(0x2d5), // the low bits of MitigationPolicies; RtlInit and ExInitializeDriverRuntime look here
  ActiveConsoleId: u32(0x2d8),
  DismountCount: u32(0x2dc),
  ComPlusPackage: u32(0x2e0),
  LastSystemRITEventTickCount: u32(0x2e4),
  NumberOfPhysicalPages: u32(0x2e8),
  SafeBootMode: u8(0x2ec),
  SharedDataFlags: u32(0x2f0),
  TestRetInstruction: u64(0x2f8),
  QpcFrequency: i64(0x300),
  SystemCall: u32(0x308),
  TickCount: nested(0x320, KSYSTEM_TIME),
  TickCountQuad: u64(0x320),
  Cookie: u32(0x330),
  InterruptTimeBias: u64(0x3b0),
  QpcBias: u64(0x3b8),
  ActiveProcessorCount: u32(0x3c0),
  ActiveGroupCount: u8(0x3c4),
  QpcData: u16(0x3c6),
  TimeZoneBiasEffectiveStart: i64(0x3c8),
  TimeZoneBiasEffectiveEnd: i64(0x3d0),
});
