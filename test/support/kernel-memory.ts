/**
 * A few pages of kernel memory with nothing mapped before and behind them, and text put there and read back: what the
 * run-time library's tests need of a machine.
 */
import { PageTables, PTE_PRESENT, PTE_WRITABLE } from '../../src/hw/page-tables.ts';
import { Ram } from '../../src/hw/ram.ts';
import { VirtualMemory } from '../../src/hw/virtual-memory.ts';
import { type Address, PAGE_SIZE } from '../../src/wdm/address.ts';
import { UNICODE_STRING } from '../../src/wdm/layouts.ts';

export const BASE: Address = -0x7000_0000_0000;

export class KernelMemory {
  readonly memory: VirtualMemory;
  /** One past the last mapped byte. */
  readonly end: Address;
  #next = BASE;

  constructor(pages = 4) {
    const ram = new Ram(4 << 20);
    let frame = 1;
    const tables = new PageTables(ram, { allocate: () => frame++, free: () => {} });
    const root = tables.createRoot();
    for (let i = 0; i < pages; i++) {
      tables.write(root, BASE + i * PAGE_SIZE, frame++, PTE_PRESENT | PTE_WRITABLE, true);
    }
    this.memory = new VirtualMemory(ram, tables, root, 'supervisor');
    this.end = BASE + pages * PAGE_SIZE;
  }

  /** Room for `bytes` bytes, with no bytes of others near. */
  room(bytes: number): Address {
    const address = this.#next;
    this.#next += Math.ceil((bytes + 16) / 16) * 16;
    if (this.#next > this.end) throw new RangeError('the test needs more pages');
    return address;
  }

  /** A terminated char string, Latin-1. */
  narrow(text: string): Address {
    return this.#put([...text, '\0'].map(c => c.charCodeAt(0)));
  }

  /** A terminated wchar_t string. */
  wide(text: string): Address {
    return this.#put([...utf16(`${text}\0`)]);
  }

  /** A UNICODE_STRING; `maximum` bytes of buffer, or as long as the text. */
  unicode(text: string, maximum = text.length * 2): Address {
    return this.#string([...utf16(text)], maximum);
  }

  /** An ANSI_STRING. */
  ansi(text: string, maximum = text.length): Address {
    return this.#string(
      [...text].map(c => c.charCodeAt(0)),
      maximum,
    );
  }

  #string(bytes: readonly number[], maximum: number): Address {
    const address = this.room(UNICODE_STRING.size);
    const view = UNICODE_STRING.at(this.memory, address);
    view.Buffer = this.room(Math.max(maximum, bytes.length));
    this.memory.writeBytes(view.Buffer, Uint8Array.from(bytes));
    view.Length = bytes.length;
    view.MaximumLength = maximum;
    return address;
  }

  #put(bytes: readonly number[]): Address {
    const address = this.room(bytes.length);
    this.memory.writeBytes(address, Uint8Array.from(bytes));
    return address;
  }

  textOf(string: Address): string {
    const { Length, Buffer } = UNICODE_STRING.at(this.memory, string);
    return String.fromCharCode(...Array.from({ length: Length >> 1 }, (_, i) => this.memory.readU16(Buffer + 2 * i)));
  }

  bytesOf(string: Address): string {
    const { Length, Buffer } = UNICODE_STRING.at(this.memory, string);
    return String.fromCharCode(...this.memory.readBytes(Buffer, Length));
  }

  /** What a terminated string says. */
  narrowAt(address: Address): string {
    let text = '';
    for (let at = address; this.memory.readU8(at) !== 0; at++) text += String.fromCharCode(this.memory.readU8(at));
    return text;
  }

  wideAt(address: Address): string {
    let text = '';
    for (let at = address; this.memory.readU16(at) !== 0; at += 2) text += String.fromCharCode(this.memory.readU16(at));
    return text;
  }
}

function utf16(text: string): Uint8Array {
  return Uint8Array.from({ length: text.length * 2 }, (_, i) => text.charCodeAt(i >> 1) >> (i & 1 ? 8 : 0));
}
