/**
 * Bounded reading of a file that nobody vouches for.
 *
 * Every read checks its range and throws `BadImage` when it does not lie inside; so a parser above may follow whatever
 * offset it finds. Offsets and lengths are doubles and never wrap.
 */

/** A reason why an image cannot be loaded: the NTSTATUS for the caller and one sentence for the reader. */
export interface Refusal {
  readonly status: number;
  /** A whole sentence without its subject: "is a 32-bit (x86) driver; …". */
  readonly message: string;
}

/** How a parser gives up. Never leaves src/pe: `parsePe` and its like turn it into a Refusal. */
export class BadImage extends Error implements Refusal {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'BadImage';
    this.status = status;
  }
}

export class Bytes {
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly #view: DataView;
  readonly #outside: (offset: number, length: number) => BadImage;

  /** @param outside makes the error for a range that is not inside the bytes */
  constructor(bytes: Uint8Array, outside: (offset: number, length: number) => BadImage) {
    this.bytes = bytes;
    this.length = bytes.length;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#outside = outside;
  }

  has(offset: number, length: number): boolean {
    return offset >= 0 && length >= 0 && offset + length <= this.length;
  }
  u8(offset: number): number {
    return this.#view.getUint8(this.#check(offset, 1));
  }
  u16(offset: number): number {
    return this.#view.getUint16(this.#check(offset, 2), true);
  }
  u32(offset: number): number {
    return this.#view.getUint32(this.#check(offset, 4), true);
  }
  u64(offset: number): bigint {
    return this.#view.getBigUint64(this.#check(offset, 8), true);
  }
  /** The bytes themselves, not a copy. */
  slice(offset: number, length: number): Uint8Array {
    this.#check(offset, length);
    return this.bytes.subarray(offset, offset + length);
  }
  /** A NUL-terminated string of at most `limit` characters, one a byte. */
  cString(offset: number, limit = 4096): string {
    let end = offset;
    while (this.u8(end) !== 0) {
      if (end - offset >= limit) throw this.#outside(offset, limit);
      end++;
    }
    return latin1(this.bytes.subarray(offset, end));
  }

  #check(offset: number, length: number): number {
    if (!this.has(offset, length)) throw this.#outside(offset, length);
    return offset;
  }
}

/** Bytes as text, one character a byte, up to a NUL. */
export function latin1(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    if (byte === 0) break;
    text += String.fromCharCode(byte);
  }
  return text;
}

/** Text from a file, fit to be printed: control characters and bytes beyond ASCII become '?', long names are cut. */
export function printable(text: string, limit = 64): string {
  const clean = text.replace(/[^\x20-\x7e]/g, '?');
  return clean.length > limit ? `${clean.slice(0, limit)}…` : clean;
}

export function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}
