/**
 * The C runtime's strings, for char and wchar_t at once: `width` is 1 or 2.
 *
 * The locale is C's: only A to Z and a to z have cases. Comparisons answer -1, 0 or 1. A routine reads what it needs
 * and writes once, so that it can be run again after a page has been brought in. Any IRQL, if the memory is resident.
 * Source: Universal C runtime routines by category; the *_s forms fail as documented there, with an invalid-parameter
 * handler that returns.
 */
import type { Address } from '../wdm/address.ts';
import type { GuestMemory } from '../wdm/memory.ts';
import { readTerminated, readUnit, terminatedLength, type Width, writeUnit, writeUnits } from './units.ts';
import { RtlUpperChar } from './upcase.ts';

export const EINVAL = 22;
export const ERANGE = 34;
export const STRUNCATE = 80;

/** The count that asks a *_s routine to truncate. */
export const _TRUNCATE = 0xffff_ffff_ffff_ffffn;

export const asciiLower = (unit: number): number => (unit >= 0x41 && unit <= 0x5a ? unit + 0x20 : unit);
export const asciiUpper = RtlUpperChar;

const same = (unit: number) => unit;

function compare(
  memory: GuestMemory,
  width: Width,
  a: Address,
  b: Address,
  limit: number,
  fold: (unit: number) => number,
): number {
  for (let i = 0; i < limit; i++) {
    const x = fold(readUnit(memory, a + i * width, width));
    const y = fold(readUnit(memory, b + i * width, width));
    if (x !== y) return x < y ? -1 : 1;
    if (x === 0) return 0;
  }
  return 0;
}

export const strcmp = (memory: GuestMemory, width: Width, a: Address, b: Address): number =>
  compare(memory, width, a, b, Infinity, same);

export const strncmp = (memory: GuestMemory, width: Width, a: Address, b: Address, count: number): number =>
  compare(memory, width, a, b, count, same);

export const stricmp = (memory: GuestMemory, width: Width, a: Address, b: Address): number =>
  compare(memory, width, a, b, Infinity, asciiLower);

export const strnicmp = (memory: GuestMemory, width: Width, a: Address, b: Address, count: number): number =>
  compare(memory, width, a, b, count, asciiLower);

export function strcpy(memory: GuestMemory, width: Width, to: Address, from: Address): Address {
  writeUnits(memory, to, width, [...readTerminated(memory, from, width), 0]);
  return to;
}

/** Pads with zeros up to `count`; no terminator if there is no room. */
export function strncpy(memory: GuestMemory, width: Width, to: Address, from: Address, count: number): Address {
  const units = readTerminated(memory, from, width, count);
  // Written separately: count may be far more than memory has.
  const end = to + units.length * width;
  const padding = (count - units.length) * width;
  if (padding > 0) memory.fill(end, padding, 0);
  writeUnits(memory, to, width, units);
  return to;
}

export function strcat(memory: GuestMemory, width: Width, to: Address, from: Address): Address {
  strcpy(memory, width, to + terminatedLength(memory, to, width) * width, from);
  return to;
}

export function strncat(memory: GuestMemory, width: Width, to: Address, from: Address, count: number): Address {
  const end = to + terminatedLength(memory, to, width) * width;
  writeUnits(memory, end, width, [...readTerminated(memory, from, width, count), 0]);
  return to;
}

/** The first occurrence, the terminator included; 0 if there is none. */
export function strchr(memory: GuestMemory, width: Width, text: Address, unit: number): Address {
  for (let at = text; ; at += width) {
    const found = readUnit(memory, at, width);
    if (found === unit) return at;
    if (found === 0) return 0;
  }
}

export function strrchr(memory: GuestMemory, width: Width, text: Address, unit: number): Address {
  let last = 0;
  for (let at = text; ; at += width) {
    const found = readUnit(memory, at, width);
    if (found === unit) last = at;
    if (found === 0) return last;
  }
}

export function strstr(memory: GuestMemory, width: Width, text: Address, wanted: Address): Address {
  const needle = readTerminated(memory, wanted, width);
  const haystack = readTerminated(memory, text, width);
  for (let i = 0; i + needle.length <= haystack.length; i++) {
    if (needle.every((unit, j) => haystack[i + j] === unit)) return text + i * width;
  }
  return 0;
}

/** Units before the first that is (`member`) or is not (`!member`) in the set. */
export function strspn(memory: GuestMemory, width: Width, text: Address, set: Address, member: boolean): number {
  const units = new Set(readTerminated(memory, set, width));
  for (let i = 0; ; i++) {
    const unit = readUnit(memory, text + i * width, width);
    if (unit === 0 || units.has(unit) !== member) return i;
  }
}

export function strpbrk(memory: GuestMemory, width: Width, text: Address, set: Address): Address {
  const at = text + strspn(memory, width, text, set, false) * width;
  return readUnit(memory, at, width) === 0 ? 0 : at;
}

/** _strlwr, _strupr and their like. */
export function strmap(memory: GuestMemory, width: Width, text: Address, map: (unit: number) => number): Address {
  writeUnits(memory, text, width, readTerminated(memory, text, width).map(map));
  return text;
}

export function strset(memory: GuestMemory, width: Width, text: Address, unit: number, count = Infinity): Address {
  const length = terminatedLength(memory, text, width, count);
  writeUnits(memory, text, width, new Array<number>(length).fill(unit));
  return text;
}

export function strrev(memory: GuestMemory, width: Width, text: Address): Address {
  writeUnits(memory, text, width, readTerminated(memory, text, width).reverse());
  return text;
}

/** strcpy_s and strncpy_s: `count` units at most, _TRUNCATE to cut off. */
export function strncpy_s(
  memory: GuestMemory,
  width: Width,
  to: Address,
  size: number,
  from: Address,
  count: bigint,
): number {
  return store(memory, width, to, 0, size, from, count);
}

/** strcat_s and strncat_s. */
export function strncat_s(
  memory: GuestMemory,
  width: Width,
  to: Address,
  size: number,
  from: Address,
  count: bigint,
): number {
  if (to === 0 || size === 0) return EINVAL;
  const used = terminatedLength(memory, to, width, size);
  if (used === size) {
    writeUnit(memory, to, width, 0);
    return EINVAL; // not terminated
  }
  return store(memory, width, to, used, size, from, count);
}

function store(
  memory: GuestMemory,
  width: Width,
  to: Address,
  used: number,
  size: number,
  from: Address,
  count: bigint,
): number {
  if (to === 0 || size === 0) return EINVAL;
  if (from === 0) {
    writeUnit(memory, to, width, 0);
    return EINVAL;
  }
  const room = size - used;
  const wanted = count < BigInt(room) ? Number(count) : room;
  const units = readTerminated(memory, from, width, wanted);
  const fits = units.length < room;
  if (!fits && count !== _TRUNCATE) {
    writeUnit(memory, to, width, 0);
    return ERANGE;
  }
  writeUnits(memory, to + used * width, width, [...units.slice(0, room - 1), 0]);
  return fits ? 0 : STRUNCATE;
}

const isSpace = (unit: number) => unit === 0x20 || (unit >= 0x09 && unit <= 0x0d);

export interface ParsedNumber {
  /** Not clamped. */
  readonly value: bigint;
  /** Where it ends; the start of the text if there are no digits. */
  readonly end: Address;
}

/** White space, a sign, a prefix that `base` allows (0: any), digits. */
export function parseNumber(memory: GuestMemory, width: Width, text: Address, base: number): ParsedNumber {
  const unit = (at: Address) => readUnit(memory, at, width);
  const digit = (at: Address, radix: number) => {
    const value = Number.parseInt(String.fromCharCode(unit(at)), 36);
    return value < radix ? value : -1;
  };
  let at = text;
  while (isSpace(unit(at))) at += width;
  const negative = unit(at) === 0x2d;
  if (negative || unit(at) === 0x2b) at += width;
  let radix = base;
  if (unit(at) === 0x30 && (base === 0 || base === 16)) {
    const x = asciiLower(unit(at + width)) === 0x78;
    if (x && digit(at + 2 * width, 16) >= 0) {
      radix = 16;
      at += 2 * width;
    } else if (base === 0) radix = 8;
  } else if (base === 0) radix = 10;
  const start = at;
  let value = 0n;
  for (let d = digit(at, radix); d >= 0; d = digit(at, radix)) {
    // More digits than 64 bits can hold change nothing but that it is too large.
    if (value < 1n << 80n) value = value * BigInt(radix) + BigInt(d);
    at += width;
  }
  return { value: negative ? -value : value, end: at === start ? text : at };
}
