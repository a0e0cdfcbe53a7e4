/**
 * The constants of CreateFile, of OVERLAPPED and of waiting, spelt as in winbase.h and fileapi.h. What the kernel has a
 * name for, too (GENERIC_READ, FILE_SHARE_READ, MEM_COMMIT, PAGE_READWRITE), is in wdm/constants.ts.
 */
import { ptr, struct, u32, u64 } from '../wdm/struct.ts';

// dwCreationDisposition
export const CREATE_NEW = 1;
export const CREATE_ALWAYS = 2;
export const OPEN_EXISTING = 3;
export const OPEN_ALWAYS = 4;
export const TRUNCATE_EXISTING = 5;

// dwFlagsAndAttributes
export const FILE_FLAG_WRITE_THROUGH = 0x80000000;
export const FILE_FLAG_OVERLAPPED = 0x40000000;
export const FILE_FLAG_NO_BUFFERING = 0x20000000;
export const FILE_FLAG_RANDOM_ACCESS = 0x10000000;
export const FILE_FLAG_SEQUENTIAL_SCAN = 0x08000000;
export const FILE_FLAG_DELETE_ON_CLOSE = 0x04000000;
export const FILE_FLAG_BACKUP_SEMANTICS = 0x02000000;
export const FILE_FLAG_OPEN_REPARSE_POINT = 0x00200000;
export const FILE_FLAG_OPEN_NO_RECALL = 0x00100000;

export const INVALID_HANDLE_VALUE = -1;

export const INFINITE = 0xffffffff;
export const WAIT_OBJECT_0 = 0;
export const WAIT_FAILED = 0xffffffff;

/** The first two members are the request's IO_STATUS_BLOCK. */
export const OVERLAPPED = struct('OVERLAPPED', 0x20, {
  Internal: u64(0x00), //     STATUS_PENDING until the request is complete, then its status
  InternalHigh: u64(0x08), // IoStatus.Information
  Offset: u32(0x10),
  OffsetHigh: u32(0x14),
  hEvent: ptr(0x18),
});
