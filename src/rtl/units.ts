/**
 * Text in guest memory, as numbers: bytes of a narrow string or UTF-16 code units of a wide one.
 *
 * A terminated string is read unit by unit up to its terminator and never beyond, as C reads it: what lies behind it
 * may be unmapped, or watched. Everything may throw PageFault, before anything has been written.
 */
import type { Address } from '../wdm/address.ts';
import type { GuestMemory } from '../wdm/memory.ts';

/** Bytes of a unit: char or wchar_t. */
export type Width = 1 | 2;

export function readUnit(memory: GuestMemory, address: Address, width: Width): number {
  return width === 1 ? memory.readU8(address) : memory.readU16(address);
}

export function writeUnit(memory: GuestMemory, address: Address, width: Width, unit: number): void {
  if (width === 1) memory.writeU8(address, unit & 0xff);
  else memory.writeU16(address, unit & 0xffff);
}

/** `count` units; the address need not be aligned. */
export function readUnits(memory: GuestMemory, address: Address, width: Width, count: number): number[] {
  if (count === 0) return [];
  const bytes = memory.readBytes(address, count * width);
  if (width === 1) return [...bytes];
  return Array.from({ length: count }, (_, i) => bytes[2 * i]! | (bytes[2 * i + 1]! << 8));
}

export function writeUnits(memory: GuestMemory, address: Address, width: Width, units: readonly number[]): void {
  if (units.length === 0) return;
  const bytes = new Uint8Array(units.length * width);
  for (const [i, unit] of units.entries()) {
    bytes[i * width] = unit;
    if (width === 2) bytes[i * width + 1] = unit >> 8;
  }
  memory.writeBytes(address, bytes);
}

/** Units before the terminator; `limit` if there is none among the first `limit`. */
export function terminatedLength(memory: GuestMemory, address: Address, width: Width, limit = Infinity): number {
  let length = 0;
  while (length < limit && readUnit(memory, address + length * width, width) !== 0) length++;
  return length;
}

/** The units before the terminator, `limit` at most. */
export function readTerminated(memory: GuestMemory, address: Address, width: Width, limit = Infinity): number[] {
  const units: number[] = [];
  while (units.length < limit) {
    const unit = readUnit(memory, address + units.length * width, width);
    if (unit === 0) break;
    units.push(unit);
  }
  return units;
}
