/**
 * Numbers and GUIDs as counted strings.
 *
 * Source: "RtlIntegerToUnicodeString function", "RtlUnicodeStringToInteger function", "RtlGUIDFromString function".
 */
import type { Address } from '../wdm/address.ts';
import { GUID } from '../wdm/layouts.ts';
import type { GuestMemory } from '../wdm/memory.ts';
import { STATUS_INVALID_PARAMETER, STATUS_SUCCESS } from '../wdm/ntstatus.ts';
import { type Allocate, deliver, unicodeUnits } from './unicode-string.ts';
import { readTerminated } from './units.ts';

const RADIXES: Readonly<Record<number, number>> = { 0: 10, 2: 2, 8: 8, 10: 10, 16: 16 };

const unitsOf = (text: string) => Array.from(text, c => c.charCodeAt(0));

/** RtlIntegerToUnicodeString (32 bits), RtlInt64ToUnicodeString (64): unsigned, digits beyond 9 in upper case. */
export function integerToUnicodeString(memory: GuestMemory, value: bigint, base: number, string: Address): number {
  const radix = RADIXES[base];
  if (radix === undefined) return STATUS_INVALID_PARAMETER;
  const units = unitsOf(value.toString(radix).toUpperCase());
  // Terminated where there is room: tried with, then without.
  const status = deliver(memory, string, units, 2, undefined, 2);
  return status === STATUS_SUCCESS ? status : deliver(memory, string, units, 2, undefined, 0);
}

const PREFIXES: Readonly<Record<string, number>> = { x: 16, o: 8, b: 2 };

/**
 * The number at the start of a text, modulo 2^32: blanks, a sign, with base 0 a prefix 0x, 0o or 0b, digits up to the
 * first unit that is none. Undefined for a base that there is not.
 */
function integer(units: readonly number[], base: number): number | undefined {
  let radix = RADIXES[base];
  if (radix === undefined) return undefined;
  let at = 0;
  while (at < units.length && units[at]! <= 0x20) at++;
  const negative = units[at] === 0x2d;
  if (negative || units[at] === 0x2b) at++;
  const prefix = PREFIXES[String.fromCharCode(units[at + 1] ?? 0)];
  if (base === 0 && units[at] === 0x30 && prefix !== undefined) {
    radix = prefix;
    at += 2;
  }
  let value = 0;
  for (; at < units.length; at++) {
    const digit = Number.parseInt(String.fromCharCode(units[at]!), 36);
    if (!(digit < radix)) break;
    value = (Math.imul(value, radix) + digit) >>> 0;
  }
  return negative ? -value >>> 0 : value;
}

export function RtlUnicodeStringToInteger(memory: GuestMemory, string: Address, base: number, result: Address): number {
  const value = integer(unicodeUnits(memory, string), base);
  if (value === undefined) return STATUS_INVALID_PARAMETER;
  memory.writeU32(result, value);
  return STATUS_SUCCESS;
}

/** As above, of a terminated char string. */
export function RtlCharToInteger(memory: GuestMemory, text: Address, base: number, result: Address): number {
  const value = integer(readTerminated(memory, text, 1), base);
  if (value === undefined) return STATUS_INVALID_PARAMETER;
  memory.writeU32(result, value);
  return STATUS_SUCCESS;
}

const GUID_TEXT = /^\{([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})\}/i;

/** {XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX}; what follows the brace is not looked at. */
export function RtlGUIDFromString(memory: GuestMemory, string: Address, guid: Address): number {
  const parts = GUID_TEXT.exec(String.fromCharCode(...unicodeUnits(memory, string).slice(0, 38)));
  if (!parts) return STATUS_INVALID_PARAMETER;
  const view = GUID.at(memory, guid);
  view.Data1 = Number.parseInt(parts[1]!, 16);
  view.Data2 = Number.parseInt(parts[2]!, 16);
  view.Data3 = Number.parseInt(parts[3]!, 16);
  const tail = parts[4]! + parts[5]!;
  for (let i = 0; i < 8; i++) view.Data4.set(i, Number.parseInt(tail.slice(2 * i, 2 * i + 2), 16));
  return STATUS_SUCCESS;
}

/** In new memory, terminated, upper case. */
export function RtlStringFromGUID(memory: GuestMemory, guid: Address, string: Address, allocate: Allocate): number {
  const { Data1, Data2, Data3, Data4 } = GUID.at(memory, guid);
  const hex = (value: number, digits: number) => value.toString(16).toUpperCase().padStart(digits, '0');
  const tail = Array.from({ length: 8 }, (_, i) => hex(Data4.at(i), 2)).join('');
  const text = `{${hex(Data1, 8)}-${hex(Data2, 4)}-${hex(Data3, 4)}-${tail.slice(0, 4)}-${tail.slice(4)}}`;
  return deliver(memory, string, unitsOf(text), 2, allocate, 2);
}
