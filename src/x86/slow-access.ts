/**
 * Accesses that the TLB does not serve: page walks, faults, page crossings, watched pages, writes to translated code.
 *
 * Order, for every access: all pages are checked, then the code cache is told, then observers, then bytes move. So a
 * fault or an observer that throws leaves memory as it was.
 */
import { RAM_BASE, type Ram } from '../hw/ram.ts';
import { ABSENT, type Tlb } from '../hw/tlb.ts';
import { type DeviceRegisters, Notices, type PageObserver } from '../hw/watch.ts';
import { type Address, NON_CANONICAL, PAGE_SHIFT, PAGE_SIZE, pageOf } from '../wdm/address.ts';

interface Piece {
  readonly at: number;
  readonly address: Address;
  readonly size: number;
  readonly frame: number;
  readonly observers: readonly PageObserver[] | undefined;
}

/** Guest memory for a bulk operation. */
export interface GuestRange {
  readonly length: number;
  /** Where its bytes lie in the WebAssembly memory, in order. */
  readonly pieces: readonly { readonly at: number; readonly size: number }[];
  /** Tells observers that the first bytes are about to be accessed. */
  tell(bytes: number): void;
}

/** What an access meets on its way; the processor. */
export interface AccessEvents {
  /** Throws: the access faults. */
  fault(vector: number, errorCode: number, address: Address): never;
  /** Translated code may be about to change. Throws if the instruction must be run again alone. */
  codeWrite(frame: number, offset: number, size: number): void;
  /** An observer is about to be called: the register file must be in order. */
  observe(): void;
}

export class SlowAccess {
  readonly #ram: Ram;
  readonly #tlb: Tlb;
  readonly #events: AccessEvents;

  constructor(ram: Ram, tlb: Tlb, events: AccessEvents) {
    this.#ram = ram;
    this.#tlb = tlb;
    this.#events = events;
  }

  /**
   * The host offset of an access that one frame serves, else -1: it crosses pages, is a device's, writes code, or is a
   * write that somebody watches. Faults. Observers of a read have been told.
   */
  direct(address: Address, size: number, access: 'read' | 'write'): number {
    const write = access === 'write';
    const hit = this.#tlb.lookup(address, size, write);
    if (hit >= 0) return hit;
    if (address === NON_CANONICAL) this.#events.fault(13, 0, NON_CANONICAL);
    const page = pageOf(address);
    if (address - page > PAGE_SIZE - size) return -1;
    const at = this.#probe(address, access);
    const { watches } = this.#ram;
    const frame = (at - RAM_BASE) >>> PAGE_SHIFT;
    const observers = watches.observers(page, frame);
    if (!observers) return write && watches.codeFrames[frame] ? -1 : at;
    if (write || deviceOf(observers)) return -1;
    this.#events.observe();
    const seen = { address, size, access, user: false, value: undefined };
    for (const observer of observers) observer.access?.(seen);
    return at;
  }

  /** Copies guest memory to an offset in the WebAssembly memory. */
  read(address: Address, size: number, to: number): void {
    const pieces = this.#pieces(address, size, 'read');
    this.#tell(pieces, 'read', size, undefined);
    this.#gather(pieces, to);
  }

  /** As `read`, for memory that will be written in the same instruction: the write can no longer fault. */
  open(address: Address, size: number, to: number): void {
    const pieces = this.#pieces(address, size, 'write');
    this.#codeWrites(pieces);
    this.#tell(pieces, 'read', size, undefined);
    this.#gather(pieces, to);
  }

  /** Copies from an offset in the WebAssembly memory to guest memory. */
  write(address: Address, size: number, from: number): void {
    if (this.#writeWithinPage(address, size, from)) return;
    const pieces = this.#pieces(address, size, 'write');
    this.#codeWrites(pieces);
    this.#tell(pieces, 'write', size, from);
    let done = 0;
    for (const piece of pieces) {
      const device = deviceOf(piece.observers);
      if (device) this.#toDevice(device, piece, from + done);
      else this.#ram.u8.copyWithin(piece.at, from + done, from + done + piece.size);
      done += piece.size;
    }
  }

  /** The ordinary write: one page, no device, no translated code. False if it is not. */
  #writeWithinPage(address: Address, size: number, from: number): boolean {
    const page = pageOf(address);
    if (size > 8 || address === NON_CANONICAL || address - page > PAGE_SIZE - size) return false;
    const at = this.#probe(address, 'write');
    const { watches, view } = this.#ram;
    const frame = (at - RAM_BASE) >>> PAGE_SHIFT;
    if (watches.codeFrames[frame]) return false;
    const observers = watches.observers(page, frame);
    if (observers) {
      if (deviceOf(observers)) return false;
      this.#events.observe();
      const seen = { address, size, access: 'write', user: false, value: this.#value(from, size) } as const;
      for (const observer of observers) observer.access?.(seen);
    }
    if (size === 8) {
      view.setUint32(at, view.getUint32(from, true), true);
      view.setUint32(at + 4, view.getUint32(from + 4, true), true);
    } else if (size === 4) view.setUint32(at, view.getUint32(from, true), true);
    else this.#ram.u8.copyWithin(at, from, from + size);
    return true;
  }

  /** Faults unless every byte may be accessed. */
  check(address: Address, size: number, access: 'read' | 'write'): void {
    this.#pieces(address, size, access);
  }

  /**
   * As much of [address, address + size) as can be accessed in bulk: it ends before a page that faults, is a device's or
   * (for a write) holds translated code.
   */
  range(address: Address, size: number, access: 'read' | 'write'): GuestRange {
    const { watches } = this.#ram;
    const pieces: { at: number; size: number }[] = [];
    const notices = new Notices();
    let length = 0;
    while (length < size && address + length !== NON_CANONICAL) {
      const from = address + length;
      const page = pageOf(from);
      const bytes = Math.min(PAGE_SIZE - (from - page), size - length);
      let at = this.#tlb.lookup(from, bytes, access === 'write');
      if (at < 0) {
        at = this.#tlb.probe(from, access);
        if (at < 0) break;
        const frame = (at - RAM_BASE) >>> PAGE_SHIFT;
        const observers = watches.observers(page, frame);
        if (deviceOf(observers) || (access === 'write' && watches.codeFrames[frame])) break;
        if (observers) notices.add(observers, from, bytes);
      }
      const last = pieces.at(-1);
      if (last && last.at + last.size === at) last.size += bytes;
      else pieces.push({ at, size: bytes });
      length += bytes;
    }
    return {
      length,
      pieces,
      tell: told => {
        if (notices.empty) return;
        this.#events.observe();
        notices.tell(access, false, undefined, address + told);
      },
    };
  }

  #probe(address: Address, access: 'read' | 'write'): number {
    const at = this.#tlb.probe(address, access);
    if (at < 0) this.#events.fault(14, (at === ABSENT ? 0 : 1) | (access === 'write' ? 2 : 0), address);
    return at;
  }

  #pieces(address: Address, size: number, access: 'read' | 'write'): Piece[] {
    const pieces: Piece[] = [];
    for (let at = address; at < address + size; ) {
      if (at === NON_CANONICAL) this.#events.fault(13, 0, NON_CANONICAL);
      const page = pageOf(at);
      const bytes = Math.min(PAGE_SIZE - (at - page), address + size - at);
      const host = this.#probe(at, access);
      const frame = (host - RAM_BASE) >>> PAGE_SHIFT;
      pieces.push({ at: host, address: at, size: bytes, frame, observers: this.#ram.watches.observers(page, frame) });
      at += bytes;
    }
    return pieces;
  }

  #codeWrites(pieces: readonly Piece[]): void {
    for (const { at, frame, size } of pieces) {
      if (this.#ram.watches.codeFrames[frame]) this.#events.codeWrite(frame, at & (PAGE_SIZE - 1), size);
    }
  }

  #tell(pieces: readonly Piece[], access: 'read' | 'write', size: number, from: number | undefined): void {
    for (const piece of pieces) {
      if (!piece.observers) continue;
      this.#events.observe();
      const value = from !== undefined && size <= 8 && pieces.length === 1 ? this.#value(from, size) : undefined;
      const seen = { address: piece.address, size: piece.size, access, user: false, value };
      for (const observer of piece.observers) observer.access?.(seen);
    }
  }

  #value(at: number, size: number): bigint {
    const { view } = this.#ram;
    if (size === 8) return view.getBigUint64(at, true);
    if (size === 4) return BigInt(view.getUint32(at, true));
    return view.getBigUint64(at, true) & ((1n << BigInt(size * 8)) - 1n);
  }

  #gather(pieces: readonly Piece[], to: number): void {
    let done = 0;
    for (const piece of pieces) {
      const device = deviceOf(piece.observers);
      if (device) this.#fromDevice(device, piece, to + done);
      else this.#ram.u8.copyWithin(to + done, piece.at, piece.at + piece.size);
      done += piece.size;
    }
  }

  #fromDevice(device: DeviceRegisters, { address, size }: Piece, to: number): void {
    for (let done = 0; done < size; done += 8) {
      const bytes = Math.min(8, size - done);
      const value = device.read(address + done, bytes);
      for (let n = 0; n < bytes; n++) this.#ram.u8[to + done + n] = Number((value >> BigInt(8 * n)) & 0xffn);
    }
  }

  #toDevice(device: DeviceRegisters, { address, size }: Piece, from: number): void {
    for (let done = 0; done < size; done += 8) {
      const bytes = Math.min(8, size - done);
      device.write(address + done, bytes, this.#value(from + done, bytes));
    }
  }
}

function deviceOf(observers: readonly PageObserver[] | undefined): DeviceRegisters | undefined {
  if (observers) for (const { device } of observers) if (device) return device;
  return undefined;
}
