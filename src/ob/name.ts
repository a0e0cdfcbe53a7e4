/**
 * Names: UNICODE_STRINGs read from and written to guest memory, and how two of them compare.
 *
 * In TypeScript a name is a string of UTF-16 code units, exactly those of the guest; the namespace compares them
 * without regard to case, unit by unit, as RtlUpcaseUnicodeChar does.
 */
import type { Address } from '../wdm/address.ts';
import type { GuestMemory } from '../wdm/memory.ts';

/** The string that a UNICODE_STRING describes; an odd trailing byte is ignored. May throw PageFault. */
export function readUnicodeString(memory: GuestMemory, address: Address): string {
  const length = memory.readU16(address) & ~1;
  return length === 0 ? '' : decodeUtf16(memory.readBytes(memory.readPointer(address + 8), length));
}

export function decodeUtf16(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i + 1 < bytes.length; i += 2) text += String.fromCharCode(bytes[i]! | (bytes[i + 1]! << 8));
  return text;
}

export function encodeUtf16(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 2);
  for (let i = 0; i < text.length; i++) {
    bytes[2 * i] = text.charCodeAt(i);
    bytes[2 * i + 1] = text.charCodeAt(i) >> 8;
  }
  return bytes;
}

/** Fills in the UNICODE_STRING at `address` for the characters at `buffer`, which the caller has written. */
export function writeUnicodeString(memory: GuestMemory, address: Address, buffer: Address, bytes: number): void {
  memory.writeU16(address, bytes);
  memory.writeU16(address + 2, bytes);
  memory.writePointer(address + 8, buffer);
}

/** The key under which a name is found: upper case, one unit for one unit. */
export function upcase(name: string): string {
  let key = '';
  for (const unit of name.split('')) {
    const upper = unit.toUpperCase();
    key += upper.length === 1 ? upper : unit;
  }
  return key;
}
