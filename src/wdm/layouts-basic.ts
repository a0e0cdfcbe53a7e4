/**
 * The small structures that all others are made of: strings, lists, times, identifiers.
 *
 * Like every layouts-*.ts: x64 Windows 10, build 19045; the first argument of a field is its offset. The C names are
 * kept, so that `dt` in a debugger and this table read alike. test/wdm-layouts.test.ts compares each field with the
 * DDK headers, or says why it cannot.
 */
import { array, i16, i32, i64, nested, ptr, struct, u8, u16, u32, u64 } from './struct.ts';

export const LARGE_INTEGER = struct('LARGE_INTEGER', 0x08, {
  QuadPart: i64(0x00),
  LowPart: u32(0x00),
  HighPart: i32(0x04),
});

/** Lengths are in bytes, without a terminator; Buffer need not be terminated. */
export const UNICODE_STRING = struct('UNICODE_STRING', 0x10, {
  Length: u16(0x00),
  MaximumLength: u16(0x02),
  Buffer: ptr(0x08),
});

/** ANSI_STRING and OEM_STRING, too. */
export const STRING = struct('STRING', 0x10, {
  Length: u16(0x00),
  MaximumLength: u16(0x02),
  Buffer: ptr(0x08),
});

export const LIST_ENTRY = struct('LIST_ENTRY', 0x10, {
  Flink: ptr(0x00),
  Blink: ptr(0x08),
});

export const SINGLE_LIST_ENTRY = struct('SINGLE_LIST_ENTRY', 0x08, {
  Next: ptr(0x00),
});

/** Aligned to 16 bytes and exchanged as a whole: depth and sequence in the first half, the list in the second. */
export const SLIST_HEADER = struct('SLIST_HEADER', 0x10, {
  Alignment: u64(0x00), // Depth: 16 bits, Sequence: 48 bits
  Region: u64(0x08), // Reserved: 4 bits, NextEntry >> 4: 60 bits
});

export const SLIST_ENTRY = struct('SLIST_ENTRY', 0x10, {
  Next: ptr(0x00),
});

export const CLIENT_ID = struct('CLIENT_ID', 0x10, {
  UniqueProcess: u64(0x00),
  UniqueThread: u64(0x08),
});

export const LUID = struct('LUID', 0x08, {
  LowPart: u32(0x00),
  HighPart: i32(0x04),
});

export const GUID = struct('GUID', 0x10, {
  Data1: u32(0x00),
  Data2: u16(0x04),
  Data3: u16(0x06),
  Data4: array(0x08, 8, u8),
});

export const TIME_FIELDS = struct('TIME_FIELDS', 0x10, {
  Year: i16(0x00), // 1601 …
  Month: i16(0x02), // 1 … 12
  Day: i16(0x04), // 1 … 31
  Hour: i16(0x06),
  Minute: i16(0x08),
  Second: i16(0x0a),
  Milliseconds: i16(0x0c),
  Weekday: i16(0x0e), // 0 is Sunday
});

/**
 * A 64-bit time that a reader without a lock gets whole: written High2Time, LowPart, High1Time; read until both high
 * parts agree.
 */
export const KSYSTEM_TIME = struct('KSYSTEM_TIME', 0x0c, {
  LowPart: u32(0x00),
  High1Time: i32(0x04),
  High2Time: i32(0x08),
});

export const OBJECT_ATTRIBUTES = struct('OBJECT_ATTRIBUTES', 0x30, {
  Length: u32(0x00),
  RootDirectory: u64(0x08),
  ObjectName: ptr(0x10), // UNICODE_STRING
  Attributes: u32(0x18), // OBJ_*
  SecurityDescriptor: ptr(0x20),
  SecurityQualityOfService: ptr(0x28),
});

export const OBJECT_NAME_INFORMATION = struct('OBJECT_NAME_INFORMATION', 0x10, {
  Name: nested(0x00, UNICODE_STRING),
});

export const OSVERSIONINFOEXW = struct('OSVERSIONINFOEXW', 0x11c, {
  dwOSVersionInfoSize: u32(0x00), // set by the caller; tells it from OSVERSIONINFOW, which ends at 0x114
  dwMajorVersion: u32(0x04),
  dwMinorVersion: u32(0x08),
  dwBuildNumber: u32(0x0c),
  dwPlatformId: u32(0x10),
  szCSDVersion: array(0x14, 128, u16),
  wServicePackMajor: u16(0x114),
  wServicePackMinor: u16(0x116),
  wSuiteMask: u16(0x118),
  wProductType: u8(0x11a),
  wReserved: u8(0x11b),
});

export const RTL_BITMAP = struct('RTL_BITMAP', 0x10, {
  SizeOfBitMap: u32(0x00), // in bits
  Buffer: ptr(0x08), // ULONGs
});
