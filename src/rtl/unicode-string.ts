/**
 * Counted strings: UNICODE_STRING and ANSI_STRING.
 *
 * Lengths are bytes and need not be even; an odd last byte is no character. Nothing is terminated unless there is room.
 * Routines that allocate take an `Allocate`: paged pool in Windows, so they are for PASSIVE_LEVEL; the others run at any
 * IRQL if the strings are resident. All read first and write last, so that a routine can be run again after a page has
 * been brought in. Source: the routines' pages in the driver reference ("RtlCopyUnicodeString function" and so on).
 */
import type { Address } from '../wdm/address.ts';
import { STRING, UNICODE_STRING } from '../wdm/layouts.ts';
import type { GuestMemory } from '../wdm/memory.ts';
import {
  STATUS_BUFFER_OVERFLOW,
  STATUS_BUFFER_TOO_SMALL,
  STATUS_INVALID_PARAMETER,
  STATUS_INVALID_PARAMETER_2,
  STATUS_NAME_TOO_LONG,
  STATUS_NO_MEMORY,
  STATUS_SUCCESS,
} from '../wdm/ntstatus.ts';
import { readUnits, terminatedLength, type Width, writeUnit, writeUnits } from './units.ts';
import { RtlDowncaseUnicodeChar, RtlUpcaseUnicodeChar, RtlUpperChar } from './upcase.ts';

/** Paged pool for strings; 0 when there is none. */
export type Allocate = (bytes: number) => Address;

/** The longest Length that leaves room for a terminator in MaximumLength. */
const MAXIMUM_BYTES = 0xfffc;
const MAXIMUM_ANSI_BYTES = 0xfffe;

/** Code units of a UNICODE_STRING. */
export function unicodeUnits(memory: GuestMemory, string: Address): number[] {
  const { Length, Buffer } = UNICODE_STRING.at(memory, string);
  return readUnits(memory, Buffer, 2, Length >> 1);
}

/** Bytes of an ANSI_STRING. */
export function ansiUnits(memory: GuestMemory, string: Address): number[] {
  const { Length, Buffer } = STRING.at(memory, string);
  return readUnits(memory, Buffer, 1, Length);
}

function set(memory: GuestMemory, string: Address, length: number, maximum: number, buffer: Address): void {
  const view = UNICODE_STRING.at(memory, string);
  view.Length = length;
  view.MaximumLength = maximum;
  view.Buffer = buffer;
}

/** RtlInitUnicodeString and RtlInitAnsiString: describes a terminated string; one that is too long is cut off. */
export function initString(memory: GuestMemory, string: Address, source: Address, width: Width): void {
  if (source === 0) {
    set(memory, string, 0, 0, 0);
    return;
  }
  const longest = width === 2 ? MAXIMUM_BYTES : MAXIMUM_ANSI_BYTES;
  const length = terminatedLength(memory, source, width, longest / width) * width;
  set(memory, string, length, length + width, source);
}

/** RtlInitUnicodeStringEx: refuses what is too long, and leaves the string alone. */
export function initStringEx(memory: GuestMemory, string: Address, source: Address, width: Width): number {
  const longest = width === 2 ? MAXIMUM_BYTES : MAXIMUM_ANSI_BYTES;
  if (source !== 0 && terminatedLength(memory, source, width, longest / width + 1) * width > longest) {
    return STATUS_NAME_TOO_LONG;
  }
  initString(memory, string, source, width);
  return STATUS_SUCCESS;
}

/** Copies as much as fits; a NULL source empties the destination. Terminated if there is room (Unicode only). */
export function copyString(memory: GuestMemory, destination: Address, source: Address, width: Width): void {
  const to = UNICODE_STRING.at(memory, destination);
  if (source === 0) {
    to.Length = 0;
    return;
  }
  const from = UNICODE_STRING.at(memory, source);
  const length = Math.min(from.Length, to.MaximumLength);
  const { Buffer, MaximumLength } = to;
  if (length > 0) memory.copy(Buffer, from.Buffer, length);
  if (width === 2 && length + 2 <= MaximumLength) writeUnit(memory, Buffer + length, 2, 0);
  to.Length = length;
}

function append(memory: GuestMemory, destination: Address, source: Address, bytes: number, width: Width): number {
  const { Length, MaximumLength, Buffer } = UNICODE_STRING.at(memory, destination);
  if (Length + bytes > MaximumLength) return STATUS_BUFFER_TOO_SMALL;
  if (bytes > 0) memory.copy(Buffer + Length, source, bytes);
  if (width === 2 && Length + bytes + 2 <= MaximumLength) writeUnit(memory, Buffer + Length + bytes, 2, 0);
  UNICODE_STRING.at(memory, destination).Length = Length + bytes;
  return STATUS_SUCCESS;
}

/** RtlAppendUnicodeStringToString, RtlAppendStringToString. */
export function appendString(memory: GuestMemory, destination: Address, source: Address, width: Width): number {
  const { Length, Buffer } = UNICODE_STRING.at(memory, source);
  return append(memory, destination, Buffer, Length, width);
}

/** RtlAppendUnicodeToString, RtlAppendAsciizToString: a terminated string; NULL appends nothing. */
export function appendTerminated(memory: GuestMemory, destination: Address, source: Address, width: Width): number {
  if (source === 0) return STATUS_SUCCESS;
  const longest = 0x1_0000 / width;
  return append(memory, destination, source, terminatedLength(memory, source, width, longest) * width, width);
}

function compareUnits(a: readonly number[], b: readonly number[]): number {
  const common = Math.min(a.length, b.length);
  for (let i = 0; i < common; i++) {
    if (a[i] !== b[i]) return a[i]! - b[i]!;
  }
  return a.length - b.length;
}

const folded = (units: number[], width: Width, ignoreCase: boolean) =>
  ignoreCase ? units.map(width === 2 ? RtlUpcaseUnicodeChar : RtlUpperChar) : units;

const read = (memory: GuestMemory, string: Address, width: Width, ignoreCase: boolean) =>
  folded(width === 2 ? unicodeUnits(memory, string) : ansiUnits(memory, string), width, ignoreCase);

/** RtlCompareUnicodeString, RtlCompareString: the difference of the first units that differ, or of the lengths. */
export function compareStrings(memory: GuestMemory, a: Address, b: Address, ignoreCase: boolean, width: Width): number {
  return compareUnits(read(memory, a, width, ignoreCase), read(memory, b, width, ignoreCase));
}

/** RtlCompareUnicodeStrings: counted in units, no descriptors. */
export function RtlCompareUnicodeStrings(
  memory: GuestMemory,
  a: Address,
  lengthA: number,
  b: Address,
  lengthB: number,
  ignoreCase: boolean,
): number {
  const units = (address: Address, length: number) => folded(readUnits(memory, address, 2, length), 2, ignoreCase);
  return compareUnits(units(a, lengthA), units(b, lengthB));
}

/** RtlEqualUnicodeString, RtlEqualString. */
export function equalStrings(memory: GuestMemory, a: Address, b: Address, ignoreCase: boolean, width: Width): boolean {
  if (UNICODE_STRING.at(memory, a).Length !== UNICODE_STRING.at(memory, b).Length) return false;
  return compareStrings(memory, a, b, ignoreCase, width) === 0;
}

/** RtlPrefixUnicodeString, RtlPrefixString: whether `a` begins `b`. */
export function prefixString(memory: GuestMemory, a: Address, b: Address, ignoreCase: boolean, width: Width): boolean {
  const prefix = read(memory, a, width, ignoreCase);
  const whole = read(memory, b, width, ignoreCase);
  return prefix.length <= whole.length && prefix.every((unit, i) => unit === whole[i]);
}

/** RtlSuffixUnicodeString. */
export function suffixString(memory: GuestMemory, a: Address, b: Address, ignoreCase: boolean): boolean {
  const suffix = read(memory, a, 2, ignoreCase);
  const whole = read(memory, b, 2, ignoreCase);
  const start = whole.length - suffix.length;
  return start >= 0 && suffix.every((unit, i) => unit === whole[start + i]);
}

function mapString(
  memory: GuestMemory,
  destination: Address,
  source: Address,
  allocate: Allocate | undefined,
  map: (unit: number) => number,
): number {
  const { Length } = UNICODE_STRING.at(memory, source);
  const units = unicodeUnits(memory, source).map(map);
  if (!allocate) {
    const { MaximumLength, Buffer } = UNICODE_STRING.at(memory, destination);
    if (Length > MaximumLength) return STATUS_BUFFER_OVERFLOW;
    writeUnits(memory, Buffer, 2, units);
    UNICODE_STRING.at(memory, destination).Length = Length;
    return STATUS_SUCCESS;
  }
  return deliver(memory, destination, units, 2, allocate, 0);
}

export function RtlUpcaseUnicodeString(
  memory: GuestMemory,
  destination: Address,
  source: Address,
  allocate?: Allocate,
): number {
  return mapString(memory, destination, source, allocate, RtlUpcaseUnicodeChar);
}

export function RtlDowncaseUnicodeString(
  memory: GuestMemory,
  destination: Address,
  source: Address,
  allocate?: Allocate,
): number {
  return mapString(memory, destination, source, allocate, RtlDowncaseUnicodeChar);
}

/** RtlUpperString: ANSI, as much as fits. */
export function RtlUpperString(memory: GuestMemory, destination: Address, source: Address): void {
  const to = STRING.at(memory, destination);
  const units = ansiUnits(memory, source).slice(0, to.MaximumLength).map(RtlUpperChar);
  writeUnits(memory, to.Buffer, 1, units);
  to.Length = units.length;
}

/**
 * Puts units, and a terminator of `terminator` bytes, into a string: into its buffer, or into a new one of exactly the
 * right size when there is an `allocate`.
 */
export function deliver(
  memory: GuestMemory,
  destination: Address,
  units: readonly number[],
  width: Width,
  allocate: Allocate | undefined,
  terminator: number,
): number {
  const length = units.length * width;
  const needed = length + terminator;
  if (needed > 0xffff) return STATUS_INVALID_PARAMETER_2;
  let { Buffer, MaximumLength } = UNICODE_STRING.at(memory, destination);
  if (allocate) {
    // Written to before memory is taken: if the page is missing it is missed now, and not with memory in hand.
    memory.writeU16(destination, memory.readU16(destination));
    Buffer = allocate(needed);
    if (Buffer === 0) return STATUS_NO_MEMORY;
    MaximumLength = needed;
  } else if (needed > MaximumLength) {
    return STATUS_BUFFER_OVERFLOW;
  }
  const end = terminator > 0 ? [...units, 0] : units;
  writeUnits(memory, Buffer, width, end);
  set(memory, destination, length, MaximumLength, Buffer);
  return STATUS_SUCCESS;
}

/** Of a terminated source; FALSE if there is no memory or it is too long. The buffer is the caller's to free. */
export function RtlCreateUnicodeString(
  memory: GuestMemory,
  destination: Address,
  source: Address,
  allocate: Allocate,
): boolean {
  const length = terminatedLength(memory, source, 2, MAXIMUM_BYTES / 2 + 1);
  if (length * 2 > MAXIMUM_BYTES) return false;
  return deliver(memory, destination, readUnits(memory, source, 2, length), 2, allocate, 2) === STATUS_SUCCESS;
}

const DUPLICATE_NULL_TERMINATE = 1;
const DUPLICATE_ALLOCATE_NULL_STRING = 2;

/** A copy in new memory. An empty string gets no buffer unless both flags ask for one. */
export function RtlDuplicateUnicodeString(
  memory: GuestMemory,
  flags: number,
  source: Address,
  destination: Address,
  allocate: Allocate,
): number {
  if (flags & ~3 || flags === DUPLICATE_ALLOCATE_NULL_STRING || source === 0 || destination === 0) {
    return STATUS_INVALID_PARAMETER;
  }
  const units = unicodeUnits(memory, source);
  if (units.length === 0 && !(flags & DUPLICATE_ALLOCATE_NULL_STRING)) {
    set(memory, destination, 0, 0, 0);
    return STATUS_SUCCESS;
  }
  const terminator = flags & DUPLICATE_NULL_TERMINATE ? 2 : 0;
  return deliver(memory, destination, units, 2, allocate, terminator);
}

/** HASH_STRING_ALGORITHM_DEFAULT (0) and X65599 (1) are the same function. */
export function RtlHashUnicodeString(
  memory: GuestMemory,
  string: Address,
  ignoreCase: boolean,
  algorithm: number,
  hash: Address,
): number {
  if (string === 0 || hash === 0 || algorithm > 1) return STATUS_INVALID_PARAMETER;
  let value = 0;
  for (const unit of read(memory, string, 2, ignoreCase)) value = (Math.imul(value, 65599) + unit) >>> 0;
  memory.writeU32(hash, value);
  return STATUS_SUCCESS;
}

/** Empties a string whose buffer has been freed. */
export function clearString(memory: GuestMemory, string: Address): void {
  set(memory, string, 0, 0, 0);
}
