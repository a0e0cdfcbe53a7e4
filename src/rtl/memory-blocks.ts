/**
 * Blocks of bytes: RtlCompareMemory, memcmp, memchr.
 *
 * Compared page by page, so that nothing is read behind a page in which the answer already lies.
 */
import { type Address, PAGE_SIZE, pageOffset } from '../wdm/address.ts';
import type { GuestMemory } from '../wdm/memory.ts';

/** Bytes from the address to the end of its page. */
const inPage = (address: Address) => PAGE_SIZE - pageOffset(address);

/** How many bytes at the start are equal. */
export function RtlCompareMemory(memory: GuestMemory, a: Address, b: Address, length: number): number {
  for (let done = 0; done < length; ) {
    const size = Math.min(length - done, inPage(a + done), inPage(b + done));
    const x = memory.readBytes(a + done, size);
    const y = memory.readBytes(b + done, size);
    for (let i = 0; i < size; i++) if (x[i] !== y[i]) return done + i;
    done += size;
  }
  return length;
}

/** -1, 0 or 1. */
export function memcmp(memory: GuestMemory, a: Address, b: Address, length: number): number {
  const equal = RtlCompareMemory(memory, a, b, length);
  if (equal === length) return 0;
  return memory.readU8(a + equal) < memory.readU8(b + equal) ? -1 : 1;
}

/** The first byte with that value, or 0. */
export function memchr(memory: GuestMemory, block: Address, value: number, length: number): Address {
  for (let done = 0; done < length; ) {
    const size = Math.min(length - done, inPage(block + done));
    const found = memory.readBytes(block + done, size).indexOf(value & 0xff);
    if (found >= 0) return block + done + found;
    done += size;
  }
  return 0;
}

/** Bytes at the start that repeat a ULONG; both address and length are taken as multiples of 4. */
export function RtlCompareMemoryUlong(memory: GuestMemory, block: Address, length: number, pattern: number): number {
  const end = length - (length % 4);
  for (let done = 0; done < end; done += 4) if (memory.readU32(block + done) !== pattern) return done;
  return end;
}

/** RtlFillMemoryUlong. */
export function RtlFillMemoryUlong(memory: GuestMemory, block: Address, length: number, pattern: number): void {
  for (let done = 0; done + 4 <= length; done += 4) memory.writeU32(block + done, pattern);
}
