/**
 * Virtual memory as TypeScript code reads and writes it: one address space, with a supervisor's or a user's rights.
 *
 * Invariants: an access checks every page that it touches before it moves a byte, so a PageFault leaves memory as it
 * was; a supervisor may not write a read-only page (CR0.WP is set), a user may touch only pages with PTE_USER. Observers
 * of watched pages (watch.ts) see TypeScript's accesses as they see translated code's: one call an operation.
 *
 * With a TLB the address space is the processor's current one; without, the one that `root` names.
 */
import { type Address, addressFromHalves, PAGE_SHIFT, PAGE_SIZE, pageOf } from '../wdm/address.ts';
import { type Access, type GuestMemory, PageFault } from '../wdm/memory.ts';
import type { PageTables } from './page-tables.ts';
import { RAM_BASE, type Ram } from './ram.ts';
import { type Tlb, walkPageTables } from './tlb.ts';
import { type DeviceRegisters, Notices } from './watch.ts';

/** Bytes that lie together: in guest memory, or behind a device's registers. */
interface Piece {
  /** Offset in the WebAssembly memory. */
  readonly at: number;
  readonly address: Address;
  readonly size: number;
  readonly device: DeviceRegisters | undefined;
}

export class VirtualMemory implements GuestMemory {
  readonly #ram: Ram;
  readonly #tlb: Tlb | undefined;
  readonly #tables: PageTables;
  readonly #user: boolean;
  #root: number;
  /** Asked before a page fault is thrown: may make the page present, and says whether it did. */
  onFault: ((address: Address, access: Access) => boolean) | undefined;

  constructor(ram: Ram, tables: PageTables, root: number, mode: 'user' | 'supervisor', tlb?: Tlb) {
    this.#ram = ram;
    this.#tlb = mode === 'supervisor' ? tlb : undefined;
    this.#tables = tables;
    this.#root = root;
    this.#user = mode === 'user';
  }

  /** The frame of the page-table root in use (CR3). */
  get root(): number {
    return this.#tlb ? this.#tlb.root : this.#root;
  }
  set root(root: number) {
    if (this.#tlb) this.#tlb.setRoot(root);
    this.#root = root;
  }

  /** Byte offset in the WebAssembly memory of the byte at `address`. Throws PageFault. Tells no observer. */
  translate(address: Address, access: Access): number {
    if (this.#tlb && access !== 'execute') {
      const hit = this.#tlb.lookup(address, 1, access === 'write');
      if (hit >= 0) return hit;
    }
    return this.#walk(address, access);
  }

  #walk(address: Address, access: Access): number {
    try {
      return this.#walkOnce(address, access);
    } catch (error) {
      if (!(error instanceof PageFault) || !this.onFault?.(address, access)) throw error;
      return this.#walkOnce(address, access);
    }
  }

  #walkOnce(address: Address, access: Access): number {
    if (this.#tlb) return this.#tlb.walk(address, access);
    return walkPageTables(this.#ram, this.#tables, this.#root, address, access, this.#user);
  }

  /** Whether every byte of the range allows the access. */
  allows(address: Address, length: number, access: Access): boolean {
    try {
      for (let at = address; at < address + length; at = pageOf(at) + PAGE_SIZE) this.translate(at, access);
      return true;
    } catch (error) {
      if (error instanceof PageFault) return false;
      throw error;
    }
  }

  readU8(address: Address): number {
    const at = this.#direct(address, 1, false);
    return at >= 0 ? this.#ram.u8[at]! : Number(this.#readSlowly(address, 1));
  }
  readU16(address: Address): number {
    const at = this.#direct(address, 2, false);
    return at >= 0 ? this.#ram.view.getUint16(at, true) : Number(this.#readSlowly(address, 2));
  }
  readU32(address: Address): number {
    const at = this.#direct(address, 4, false);
    return at >= 0 ? this.#ram.view.getUint32(at, true) : Number(this.#readSlowly(address, 4));
  }
  readU64(address: Address): bigint {
    const at = this.#direct(address, 8, false);
    return at >= 0 ? this.#ram.view.getBigUint64(at, true) : this.#readSlowly(address, 8);
  }
  readPointer(address: Address): Address {
    const at = this.#direct(address, 8, false);
    if (at >= 0) return addressFromHalves(this.#ram.view.getUint32(at, true), this.#ram.view.getInt32(at + 4, true));
    const value = this.#readSlowly(address, 8);
    return addressFromHalves(Number(value & 0xffff_ffffn), Number(BigInt.asIntN(32, value >> 32n)));
  }

  writeU8(address: Address, value: number): void {
    const at = this.#direct(address, 1, true);
    if (at >= 0) this.#ram.u8[at] = value;
    else this.#writeSlowly(address, 1, BigInt(value));
  }
  writeU16(address: Address, value: number): void {
    const at = this.#direct(address, 2, true);
    if (at >= 0) this.#ram.view.setUint16(at, value, true);
    else this.#writeSlowly(address, 2, BigInt(value));
  }
  writeU32(address: Address, value: number): void {
    const at = this.#direct(address, 4, true);
    if (at >= 0) this.#ram.view.setUint32(at, value, true);
    else this.#writeSlowly(address, 4, BigInt(value));
  }
  writeU64(address: Address, value: bigint): void {
    const at = this.#direct(address, 8, true);
    if (at >= 0) this.#ram.view.setBigUint64(at, BigInt.asUintN(64, value), true);
    else this.#writeSlowly(address, 8, value);
  }
  writePointer(address: Address, value: Address): void {
    const at = this.#direct(address, 8, true);
    if (at >= 0) {
      this.#ram.view.setUint32(at, value % 0x1_0000_0000, true);
      this.#ram.view.setInt32(at + 4, Math.floor(value / 0x1_0000_0000), true);
    } else this.#writeSlowly(address, 8, BigInt(value));
  }

  readBytes(address: Address, length: number): Uint8Array {
    const within = this.#within(address, length, false);
    if (within >= 0) return this.#ram.u8.slice(within, within + length);
    const pieces = this.#pieces(address, length, 'read');
    const bytes = new Uint8Array(length);
    let done = 0;
    for (const { at, address: from, size, device } of pieces) {
      if (device) for (let n = 0; n < size; n++) bytes[done + n] = Number(device.read(from + n, 1));
      else bytes.set(this.#ram.u8.subarray(at, at + size), done);
      done += size;
    }
    return bytes;
  }
  writeBytes(address: Address, bytes: Uint8Array): void {
    const within = this.#within(address, bytes.length, true);
    if (within >= 0) {
      this.#ram.u8.set(bytes, within);
      return;
    }
    let done = 0;
    for (const { at, address: to, size, device } of this.#pieces(address, bytes.length, 'write')) {
      if (device) for (let n = 0; n < size; n++) device.write(to + n, 1, BigInt(bytes[done + n]!));
      else this.#ram.u8.set(bytes.subarray(done, done + size), at);
      done += size;
    }
  }
  fill(address: Address, length: number, value: number): void {
    const within = this.#within(address, length, true);
    if (within >= 0) {
      this.#ram.u8.fill(value, within, within + length);
      return;
    }
    for (const { at, address: to, size, device } of this.#pieces(address, length, 'write')) {
      if (device) for (let n = 0; n < size; n++) device.write(to + n, 1, BigInt(value & 0xff));
      else this.#ram.u8.fill(value, at, at + size);
    }
  }
  copy(destination: Address, source: Address, length: number): void {
    const from = this.#within(source, length, false);
    const to = from >= 0 ? this.#within(destination, length, true) : -1;
    if (to >= 0) this.#ram.u8.copyWithin(to, from, from + length);
    else this.writeBytes(destination, this.readBytes(source, length));
  }

  /** As #direct, for a range that may be of any length. */
  #within(address: Address, length: number, write: boolean): number {
    return length > 0 && length <= PAGE_SIZE ? this.#direct(address, length, write) : -1;
  }

  /** The offset of an access that the TLB knows or now learns; -1 if it crosses pages, is watched or writes code. */
  #direct(address: Address, size: number, write: boolean): number {
    if (this.#tlb) {
      const hit = this.#tlb.lookup(address, size, write);
      if (hit >= 0) return hit;
    }
    if (address - pageOf(address) > PAGE_SIZE - size) return -1;
    const at = this.#walk(address, write ? 'write' : 'read');
    const { watches } = this.#ram;
    const frame = (at - RAM_BASE) >>> PAGE_SHIFT;
    if (watches.observers(pageOf(address), frame) || (write && watches.codeFrames[frame])) return -1;
    return at;
  }

  #readSlowly(address: Address, size: number): bigint {
    const [first, second] = this.#pieces(address, size, 'read');
    if (first && !second && first.device) return BigInt.asUintN(size * 8, first.device.read(address, size));
    const bytes = new Uint8Array(8);
    let done = 0;
    for (const piece of [first, second]) {
      if (!piece) continue;
      for (let n = 0; n < piece.size; n++, done++) {
        bytes[done] = piece.device ? Number(piece.device.read(piece.address + n, 1)) : this.#ram.u8[piece.at + n]!;
      }
    }
    return new DataView(bytes.buffer).getBigUint64(0, true);
  }

  #writeSlowly(address: Address, size: number, value: bigint): void {
    const pieces = this.#pieces(address, size, 'write', BigInt.asUintN(size * 8, value));
    const [first] = pieces;
    if (first && pieces.length === 1 && first.device) {
      first.device.write(address, size, BigInt.asUintN(size * 8, value));
      return;
    }
    const view = new DataView(new ArrayBuffer(8));
    view.setBigUint64(0, BigInt.asUintN(64, value), true);
    let done = 0;
    for (const piece of pieces) {
      for (let n = 0; n < piece.size; n++, done++) {
        const byte = view.getUint8(done);
        if (piece.device) piece.device.write(piece.address + n, 1, BigInt(byte));
        else this.#ram.u8[piece.at + n] = byte;
      }
    }
  }

  /** The range as runs within pages; every page is checked, and its observers told, before the first byte moves. */
  #pieces(address: Address, length: number, access: 'read' | 'write', value?: bigint): Piece[] {
    const { watches } = this.#ram;
    const pieces: Piece[] = [];
    let notices: Notices | undefined;
    const codeWrites: (() => void)[] = [];
    for (let at = address; at < address + length; ) {
      const page = pageOf(at);
      const size = Math.min(PAGE_SIZE - (at - page), address + length - at);
      const host = this.translate(at, access);
      const frame = (host - RAM_BASE) >>> PAGE_SHIFT;
      const observers = watches.observers(page, frame);
      if (access === 'write' && watches.codeFrames[frame]) {
        codeWrites.push(() => watches.onCodeWrite(frame, host & (PAGE_SIZE - 1), size));
      }
      if (observers) {
        notices ??= new Notices();
        notices.add(observers, at, size);
      }
      pieces.push({ at: host, address: at, size, device: observers?.find(o => o.device)?.device });
      at += size;
    }
    for (const tell of codeWrites) tell();
    notices?.tell(access, this.#user, pieces.length === 1 ? value : undefined);
    return pieces;
  }
}
