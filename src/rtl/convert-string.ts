/**
 * Between Unicode and the code pages, and UTF-8: RtlAnsiStringToUnicodeString and its many relations.
 *
 * The …N routines convert what fits and say how many bytes they wrote; the string routines terminate what they make and
 * refuse what does not fit. Source: the routines' pages in the driver reference.
 */
import type { Address } from '../wdm/address.ts';
import { STRING, UNICODE_STRING } from '../wdm/layouts.ts';
import type { GuestMemory } from '../wdm/memory.ts';
import {
  STATUS_BUFFER_OVERFLOW,
  STATUS_BUFFER_TOO_SMALL,
  STATUS_INVALID_PARAMETER_2,
  STATUS_SOME_NOT_MAPPED,
  STATUS_SUCCESS,
} from '../wdm/ntstatus.ts';
import type { CodePage } from './code-page.ts';
import { type Allocate, ansiUnits, deliver, unicodeUnits } from './unicode-string.ts';
import { readUnits, writeUnits } from './units.ts';
import { RtlUpcaseUnicodeChar } from './upcase.ts';

/** Bytes for a terminated Unicode copy of an ANSI_STRING: RtlxAnsiStringToUnicodeSize. */
export function unicodeSize(memory: GuestMemory, source: Address): number {
  return (STRING.at(memory, source).Length + 1) * 2;
}

/** Bytes for a terminated copy in a one-byte code page: RtlxUnicodeStringToAnsiSize. */
export function ansiSize(memory: GuestMemory, source: Address): number {
  return (UNICODE_STRING.at(memory, source).Length >> 1) + 1;
}

/** RtlAnsiStringToUnicodeString, RtlOemStringToUnicodeString. The result is terminated behind its Length. */
export function toUnicodeString(
  memory: GuestMemory,
  page: CodePage,
  destination: Address,
  source: Address,
  allocate?: Allocate,
): number {
  const units = ansiUnits(memory, source).map(byte => page.toUnicode[byte]!);
  return deliver(memory, destination, units, 2, allocate, 2);
}

/**
 * RtlUnicodeStringToAnsiString, RtlUnicodeStringToOemString. Without memory of its own the result is cut off to fit,
 * with STATUS_BUFFER_OVERFLOW.
 */
export function fromUnicodeString(
  memory: GuestMemory,
  page: CodePage,
  destination: Address,
  source: Address,
  allocate?: Allocate,
): number {
  const bytes = unicodeUnits(memory, source).map(unit => page.fromUnicode(unit));
  const { MaximumLength } = STRING.at(memory, destination);
  if (!allocate && bytes.length + 1 > MaximumLength) {
    if (MaximumLength > 0) deliver(memory, destination, bytes.slice(0, MaximumLength - 1), 1, undefined, 1);
    return STATUS_BUFFER_OVERFLOW;
  }
  return deliver(memory, destination, bytes, 1, allocate, 1);
}

/** RtlOemStringToCountedUnicodeString: not terminated, and an empty string gets no buffer. */
export function toCountedUnicodeString(
  memory: GuestMemory,
  page: CodePage,
  destination: Address,
  source: Address,
  allocate?: Allocate,
): number {
  const units = ansiUnits(memory, source).map(byte => page.toUnicode[byte]!);
  return deliverCounted(memory, destination, units, 2, allocate);
}

/** RtlUnicodeStringToCountedOemString, and with `upcase` RtlUpcaseUnicodeStringToCountedOemString. */
export function fromUnicodeStringCounted(
  memory: GuestMemory,
  page: CodePage,
  destination: Address,
  source: Address,
  upcase: boolean,
  allocate?: Allocate,
): number {
  const units = unicodeUnits(memory, source);
  const bytes = (upcase ? units.map(RtlUpcaseUnicodeChar) : units).map(unit => page.fromUnicode(unit));
  return deliverCounted(memory, destination, bytes, 1, allocate);
}

function deliverCounted(
  memory: GuestMemory,
  destination: Address,
  units: readonly number[],
  width: 1 | 2,
  allocate: Allocate | undefined,
): number {
  if (units.length > 0) return deliver(memory, destination, units, width, allocate, 0);
  const view = UNICODE_STRING.at(memory, destination);
  view.Length = 0;
  if (allocate) {
    view.MaximumLength = 0;
    view.Buffer = 0;
  }
  return STATUS_SUCCESS;
}

/** RtlMultiByteToUnicodeN, RtlOemToUnicodeN. `written` may be NULL. */
export function toUnicodeN(
  memory: GuestMemory,
  page: CodePage,
  destination: Address,
  maximum: number,
  written: Address,
  source: Address,
  bytes: number,
): number {
  const units = readUnits(memory, source, 1, Math.min(bytes, Math.floor(maximum / 2)));
  writeUnits(
    memory,
    destination,
    2,
    units.map(byte => page.toUnicode[byte]!),
  );
  if (written !== 0) memory.writeU32(written, units.length * 2);
  return bytes > units.length ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

/** RtlUnicodeToMultiByteN, RtlUnicodeToOemN; with `upcase` RtlUpcaseUnicodeToMultiByteN. */
export function fromUnicodeN(
  memory: GuestMemory,
  page: CodePage,
  destination: Address,
  maximum: number,
  written: Address,
  source: Address,
  bytes: number,
  upcase = false,
): number {
  const all = Math.floor(bytes / 2);
  const units = readUnits(memory, source, 2, Math.min(all, maximum));
  const turned = upcase ? units.map(RtlUpcaseUnicodeChar) : units;
  writeUnits(
    memory,
    destination,
    1,
    turned.map(unit => page.fromUnicode(unit)),
  );
  if (written !== 0) memory.writeU32(written, units.length);
  return all > units.length ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

/** A lone surrogate has no UTF-8: U+FFFD and STATUS_SOME_NOT_MAPPED. A NULL destination asks for the size. */
export function RtlUnicodeToUTF8N(
  memory: GuestMemory,
  destination: Address,
  maximum: number,
  written: Address,
  source: Address,
  bytes: number,
): number {
  if (source === 0) return STATUS_INVALID_PARAMETER_2;
  const units = readUnits(memory, source, 2, Math.floor(bytes / 2));
  let status: number = STATUS_SUCCESS;
  const out: number[] = [];
  for (let i = 0; i < units.length; i++) {
    let point = units[i]!;
    if (point >= 0xd800 && point < 0xe000) {
      const low = units[i + 1] ?? 0;
      if (point < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
        point = 0x1_0000 + ((point - 0xd800) << 10) + (low - 0xdc00);
        i++;
      } else {
        point = 0xfffd;
        status = STATUS_SOME_NOT_MAPPED;
      }
    }
    const encoded = utf8(point);
    if (destination !== 0 && out.length + encoded.length > maximum) {
      status = STATUS_BUFFER_TOO_SMALL;
      break;
    }
    out.push(...encoded);
  }
  if (destination !== 0) writeUnits(memory, destination, 1, out);
  if (written !== 0) memory.writeU32(written, out.length);
  return status;
}

function utf8(point: number): number[] {
  const tail = (shift: number) => 0x80 | ((point >> shift) & 0x3f);
  if (point < 0x80) return [point];
  if (point < 0x800) return [0xc0 | (point >> 6), tail(0)];
  if (point < 0x1_0000) return [0xe0 | (point >> 12), tail(6), tail(0)];
  return [0xf0 | (point >> 18), tail(12), tail(6), tail(0)];
}

/** Bytes that are no UTF-8 become U+FFFD, with STATUS_SOME_NOT_MAPPED. A NULL destination asks for the size. */
export function RtlUTF8ToUnicodeN(
  memory: GuestMemory,
  destination: Address,
  maximum: number,
  written: Address,
  source: Address,
  bytes: number,
): number {
  if (source === 0) return STATUS_INVALID_PARAMETER_2;
  const input = readUnits(memory, source, 1, bytes);
  let status: number = STATUS_SUCCESS;
  const out: number[] = [];
  for (let i = 0; i < input.length; ) {
    const { point, length } = decodeUtf8(input, i);
    if (point < 0) status = STATUS_SOME_NOT_MAPPED;
    const units =
      point < 0
        ? [0xfffd]
        : point < 0x1_0000
          ? [point]
          : [0xd800 + ((point - 0x1_0000) >> 10), 0xdc00 + ((point - 0x1_0000) & 0x3ff)];
    if (destination !== 0 && (out.length + units.length) * 2 > maximum) {
      status = STATUS_BUFFER_TOO_SMALL;
      break;
    }
    out.push(...units);
    i += length;
  }
  if (destination !== 0) writeUnits(memory, destination, 2, out);
  if (written !== 0) memory.writeU32(written, out.length * 2);
  return status;
}

/** One character; a point of -1 for a byte, or the start of a sequence, that is none. */
function decodeUtf8(input: readonly number[], at: number): { point: number; length: number } {
  const first = input[at]!;
  if (first < 0x80) return { point: first, length: 1 };
  const following = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
  if (first < 0xc2 || first > 0xf4) return { point: -1, length: 1 };
  let point = first & (0x3f >> following);
  for (let i = 1; i <= following; i++) {
    const next = input[at + i] ?? 0;
    if ((next & 0xc0) !== 0x80) return { point: -1, length: i };
    point = (point << 6) | (next & 0x3f);
    // The second byte tells overlong forms, surrogates and what is beyond Unicode.
    if (i === 1 && following === 2 && (point < 0x20 || (point >= 0x360 && point < 0x380)))
      return { point: -1, length: 1 };
    if (i === 1 && following === 3 && (point < 0x10 || point >= 0x110)) return { point: -1, length: 1 };
  }
  return { point, length: following + 1 };
}
