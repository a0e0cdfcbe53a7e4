/**
 * Virtual memory as TypeScript code reads and writes it: the page tables of one address space, walked in plain code.
 *
 * Invariants: an access checks every page that it touches before it moves a byte, so a PageFault leaves memory as it
 * was; a supervisor may not write a read-only page (CR0.WP is set), a user may touch only pages with PTE_USER.
 */
import { type Address, addressFromHalves, NON_CANONICAL, PAGE_SIZE, pageOf } from '../wdm/address.ts';
import { type Access, type GuestMemory, PageFault } from '../wdm/memory.ts';
import { type PageTables, PTE_PRESENT, PTE_USER, PTE_WRITABLE } from './page-tables.ts';
import { RAM_BASE, type Ram } from './ram.ts';

export class VirtualMemory implements GuestMemory {
  /** The frame of the page-table root in use (CR3). */
  root: number;
  readonly #ram: Ram;
  readonly #tables: PageTables;
  readonly #user: boolean;

  constructor(ram: Ram, tables: PageTables, root: number, mode: 'user' | 'supervisor') {
    this.#ram = ram;
    this.#tables = tables;
    this.root = root;
    this.#user = mode === 'user';
  }

  /** Byte offset in the WebAssembly memory of the byte at `address`. Throws PageFault. */
  translate(address: Address, access: Access): number {
    const fault = (present: boolean) => new PageFault(address, access, present);
    if (!(address >= -NON_CANONICAL && address < NON_CANONICAL)) throw fault(false);
    const index = this.#tables.entryIndex(this.root, address);
    const { u32 } = this.#ram;
    const low = index < 0 ? 0 : u32[index]!;
    if (!(low & PTE_PRESENT)) throw fault(false);
    const refused =
      (access === 'write' && !(low & PTE_WRITABLE)) ||
      (this.#user && !(low & PTE_USER)) ||
      (access === 'execute' && u32[index + 1]! & 0x8000_0000);
    if (refused) throw fault(true);
    const frame = (low >>> 12) | ((u32[index + 1]! & 0xfff) << 20);
    return RAM_BASE + frame * PAGE_SIZE + (address - pageOf(address));
  }

  /** Whether every byte of the range allows the access. */
  allows(address: Address, length: number, access: Access): boolean {
    try {
      this.#pieces(address, length, access);
      return true;
    } catch (error) {
      if (error instanceof PageFault) return false;
      throw error;
    }
  }

  readU8(address: Address): number {
    return this.#ram.u8[this.translate(address, 'read')]!;
  }
  readU16(address: Address): number {
    return inPage(address, 2)
      ? this.#ram.view.getUint16(this.translate(address, 'read'), true)
      : this.#straddling(address, 2).getUint16(0, true);
  }
  readU32(address: Address): number {
    return inPage(address, 4)
      ? this.#ram.view.getUint32(this.translate(address, 'read'), true)
      : this.#straddling(address, 4).getUint32(0, true);
  }
  readU64(address: Address): bigint {
    return inPage(address, 8)
      ? this.#ram.view.getBigUint64(this.translate(address, 'read'), true)
      : this.#straddling(address, 8).getBigUint64(0, true);
  }
  readPointer(address: Address): Address {
    if (inPage(address, 8)) {
      const at = this.translate(address, 'read');
      return addressFromHalves(this.#ram.view.getUint32(at, true), this.#ram.view.getInt32(at + 4, true));
    }
    const view = this.#straddling(address, 8);
    return addressFromHalves(view.getUint32(0, true), view.getInt32(4, true));
  }

  writeU8(address: Address, value: number): void {
    this.#ram.u8[this.translate(address, 'write')] = value;
  }
  writeU16(address: Address, value: number): void {
    if (inPage(address, 2)) this.#ram.view.setUint16(this.translate(address, 'write'), value, true);
    else this.writeBytes(address, new Uint8Array([value, value >> 8]));
  }
  writeU32(address: Address, value: number): void {
    if (inPage(address, 4)) this.#ram.view.setUint32(this.translate(address, 'write'), value, true);
    else this.writeBytes(address, new Uint8Array(new Uint32Array([value]).buffer));
  }
  writeU64(address: Address, value: bigint): void {
    if (inPage(address, 8)) this.#ram.view.setBigUint64(this.translate(address, 'write'), BigInt.asUintN(64, value), true);
    else this.writeBytes(address, new Uint8Array(new BigUint64Array([value]).buffer));
  }
  writePointer(address: Address, value: Address): void {
    if (inPage(address, 8)) {
      const at = this.translate(address, 'write');
      this.#ram.view.setUint32(at, value % 0x1_0000_0000, true);
      this.#ram.view.setInt32(at + 4, Math.floor(value / 0x1_0000_0000), true);
    } else this.writeU64(address, BigInt(value));
  }

  readBytes(address: Address, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let done = 0;
    for (const [at, size] of this.#pieces(address, length, 'read')) {
      bytes.set(this.#ram.u8.subarray(at, at + size), done);
      done += size;
    }
    return bytes;
  }
  writeBytes(address: Address, bytes: Uint8Array): void {
    let done = 0;
    for (const [at, size] of this.#pieces(address, bytes.length, 'write')) {
      this.#ram.u8.set(bytes.subarray(done, done + size), at);
      done += size;
    }
  }
  fill(address: Address, length: number, value: number): void {
    for (const [at, size] of this.#pieces(address, length, 'write')) this.#ram.u8.fill(value, at, at + size);
  }
  copy(destination: Address, source: Address, length: number): void {
    this.writeBytes(destination, this.readBytes(source, length));
  }

  /** The range as runs within pages, [offset in the WebAssembly memory, bytes]; every page checked before the first is returned. */
  #pieces(address: Address, length: number, access: Access): [number, number][] {
    const pieces: [number, number][] = [];
    for (let at = address; at < address + length; ) {
      const size = Math.min(PAGE_SIZE - (at - pageOf(at)), address + length - at);
      pieces.push([this.translate(at, access), size]);
      at += size;
    }
    return pieces;
  }

  #straddling(address: Address, size: number): DataView {
    return new DataView(this.readBytes(address, size).buffer);
  }
}

function inPage(address: Address, size: number): boolean {
  return address - pageOf(address) <= PAGE_SIZE - size;
}
