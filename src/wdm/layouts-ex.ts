/**
 * The executive's objects that live in driver memory: fast mutexes, resources, lookaside lists, work items, and the
 * structures of security that a create request carries.
 */
import { LIST_ENTRY, LUID, SLIST_HEADER, UNICODE_STRING } from './layouts-basic.ts';
import { KEVENT, KGATE } from './layouts-ke.ts';
import { i16, i32, nested, ptr, struct, u8, u16, u32, u64 } from './struct.ts';

export const FAST_MUTEX = struct('FAST_MUTEX', 0x38, {
  Count: i32(0x00), // 1 when free
  Owner: ptr(0x08),
  Contention: u32(0x10),
  Event: nested(0x18, KEVENT),
  OldIrql: u32(0x30),
});

export const KGUARDED_MUTEX = struct('KGUARDED_MUTEX', 0x38, {
  Count: i32(0x00),
  Owner: ptr(0x08),
  Contention: u32(0x10),
  Gate: nested(0x18, KGATE),
  KernelApcDisable: i16(0x30),
  SpecialApcDisable: i16(0x32),
});

export const OWNER_ENTRY = struct('OWNER_ENTRY', 0x10, {
  OwnerThread: u64(0x00),
  TableSize: u32(0x08), // also two flag bits and OwnerCount: 30 bits
});

export const ERESOURCE = struct('ERESOURCE', 0x68, {
  SystemResourcesList: nested(0x00, LIST_ENTRY),
  OwnerTable: ptr(0x10),
  ActiveCount: i16(0x18),
  Flag: u16(0x1a),
  SharedWaiters: ptr(0x20), // a wake channel in 19041
  ExclusiveWaiters: ptr(0x28),
  OwnerEntry: nested(0x30, OWNER_ENTRY),
  ActiveEntries: u32(0x40),
  ContentionCount: u32(0x44),
  NumberOfSharedWaiters: u32(0x48),
  NumberOfExclusiveWaiters: u32(0x4c),
  Address: ptr(0x58),
  SpinLock: u64(0x60),
});

const lookaside = {
  ListHead: nested(0x00, SLIST_HEADER),
  Depth: u16(0x10),
  MaximumDepth: u16(0x12),
  TotalAllocates: u32(0x14),
  AllocateMisses: u32(0x18),
  TotalFrees: u32(0x1c),
  FreeMisses: u32(0x20),
  Type: u32(0x24), // POOL_TYPE
  Tag: u32(0x28),
  Size: u32(0x2c),
  Allocate: ptr(0x30), // called by ExAllocateFromNPagedLookasideList, which is inline in drivers
  AllocateEx: ptr(0x30),
  Free: ptr(0x38),
  FreeEx: ptr(0x38),
  ListEntry: nested(0x40, LIST_ENTRY),
  LastTotalAllocates: u32(0x50),
  LastAllocateMisses: u32(0x54),
};

/** Padded to two cache lines. */
export const GENERAL_LOOKASIDE = struct('GENERAL_LOOKASIDE', 0x80, lookaside);

export const GENERAL_LOOKASIDE_POOL = struct('GENERAL_LOOKASIDE_POOL', 0x60, lookaside);

export const NPAGED_LOOKASIDE_LIST = struct('NPAGED_LOOKASIDE_LIST', 0x80, {
  L: nested(0x00, GENERAL_LOOKASIDE),
});

export const PAGED_LOOKASIDE_LIST = struct('PAGED_LOOKASIDE_LIST', 0x80, {
  L: nested(0x00, GENERAL_LOOKASIDE),
});

/** ExInitializeLookasideListEx. */
export const LOOKASIDE_LIST_EX = struct('LOOKASIDE_LIST_EX', 0x60, {
  L: nested(0x00, GENERAL_LOOKASIDE_POOL),
});

export const WORK_QUEUE_ITEM = struct('WORK_QUEUE_ITEM', 0x20, {
  List: nested(0x00, LIST_ENTRY), // Flink is NULL while not queued
  WorkerRoutine: ptr(0x10),
  Parameter: ptr(0x18),
});

/** Opaque; its size is what IoSizeofWorkItem returns. */
export const IO_WORKITEM = struct('IO_WORKITEM', 0x58, {
  WorkItem: nested(0x00, WORK_QUEUE_ITEM),
  Routine: ptr(0x20),
  IoObject: ptr(0x28),
  Context: ptr(0x30),
  WorkOnBehalfThread: ptr(0x38),
  Type: u32(0x40),
});

export const SECURITY_SUBJECT_CONTEXT = struct('SECURITY_SUBJECT_CONTEXT', 0x20, {
  ClientToken: ptr(0x00),
  ImpersonationLevel: u32(0x08),
  PrimaryToken: ptr(0x10),
  ProcessAuditId: ptr(0x18),
});

export const ACCESS_STATE = struct('ACCESS_STATE', 0xa0, {
  OperationID: nested(0x00, LUID),
  SecurityEvaluated: u8(0x08),
  GenerateAudit: u8(0x09),
  GenerateOnClose: u8(0x0a),
  PrivilegesAllocated: u8(0x0b),
  Flags: u32(0x0c),
  RemainingDesiredAccess: u32(0x10),
  PreviouslyGrantedAccess: u32(0x14),
  OriginalDesiredAccess: u32(0x18),
  SubjectSecurityContext: nested(0x20, SECURITY_SUBJECT_CONTEXT),
  SecurityDescriptor: ptr(0x40),
  AuxData: ptr(0x48),
  AuditPrivileges: u8(0x7c),
  ObjectName: nested(0x80, UNICODE_STRING),
  ObjectTypeName: nested(0x90, UNICODE_STRING),
});

export const IO_SECURITY_CONTEXT = struct('IO_SECURITY_CONTEXT', 0x18, {
  SecurityQos: ptr(0x00),
  AccessState: ptr(0x08),
  DesiredAccess: u32(0x10),
  FullCreateOptions: u32(0x14),
});
