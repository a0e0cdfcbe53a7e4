/**
 * An application that talks to one device of the transfer driver: its data requests through the plain Win32 calls, its
 * control requests by name.
 */
import * as transfer from '../../drivers/transfer-interface.ts';
import { type Address, fromAddress } from '../../src/wdm/address.ts';
import type { Fields, Struct, View } from '../../src/wdm/struct.ts';
import {
  type CreateFileOptions,
  FILE_FLAG_OVERLAPPED,
  type IoResult,
  OVERLAPPED,
  type Process,
} from '../../src/win32/index.ts';

export type Device = 'TransferBuffered' | 'TransferDirect' | 'TransferNeither';
export const DEVICES: readonly Device[] = ['TransferBuffered', 'TransferDirect', 'TransferNeither'];

/** A structure's values at one moment. */
export type Snapshot<F extends Fields> = Omit<View<F>, 'address' | 'memory'>;

export function snapshot<F extends Fields>(process: Process, type: Struct<F>, address: Address): Snapshot<F> {
  const view = type.at(process.memory, address) as unknown as Record<string, unknown>;
  return Object.fromEntries(Object.keys(type.fields).map(key => [key, view[key]])) as unknown as Snapshot<F>;
}

/** What the driver saw of a request. */
export type TransferView = Snapshot<typeof transfer.TRANSFER_VIEW.fields>;

export class TransferClient {
  readonly app: Process;
  readonly handle: number;

  constructor(app: Process, device: Device, options: CreateFileOptions = {}) {
    this.app = app;
    const { ok, status, handle } = app.CreateFile(`\\\\.\\${device}`, options);
    if (!ok) throw new Error(`cannot open ${device}: 0x${status.toString(16)}`);
    this.handle = handle;
  }

  // ----- Data requests; a buffer is an address in the application's memory

  read(buffer: Address | bigint, length: number, overlapped: Address = 0): IoResult {
    return this.app.ReadFile(this.handle, buffer, length, overlapped);
  }
  write(buffer: Address | bigint, length: number, overlapped: Address = 0): IoResult {
    return this.app.WriteFile(this.handle, buffer, length, overlapped);
  }
  ioctl(
    code: number,
    input: Address | bigint,
    inputLength: number,
    output: Address | bigint,
    outputLength: number,
    overlapped: Address = 0,
  ): IoResult {
    return this.app.DeviceIoControl(this.handle, code, input, inputLength, output, outputLength, overlapped);
  }

  // ----- Control requests

  /** What the driver saw of the latest data request to this device. */
  lastView(): TransferView {
    const size = transfer.TRANSFER_VIEW.size;
    const address = this.app.alloc(size);
    const { ok, bytes } = this.ioctl(transfer.IOCTL_TRANSFER_LAST_VIEW, 0, 0, address, size);
    if (!ok || bytes !== size) throw new Error('LAST_VIEW failed');
    const view = snapshot(this.app, transfer.TRANSFER_VIEW, address);
    this.app.VirtualFree(address);
    return view;
  }

  keepNext(): IoResult {
    return this.app.DeviceIoControl(this.handle, transfer.IOCTL_TRANSFER_KEEP_NEXT);
  }
  completeNext(status: number, information: number, fill = 0): IoResult {
    return this.#completion(transfer.IOCTL_TRANSFER_COMPLETE_NEXT, status, information, fill);
  }
  release(status: number, information: number): IoResult {
    return this.#completion(transfer.IOCTL_TRANSFER_RELEASE, status, information, 0);
  }
  peek(length: number): IoResult & { readonly data: Uint8Array } {
    const data = new Uint8Array(length);
    const result = this.app.DeviceIoControl(this.handle, transfer.IOCTL_TRANSFER_PEEK, undefined, data);
    return { ...result, data: data.subarray(0, result.bytes) };
  }
  poke(bytes: Uint8Array): IoResult {
    return this.app.DeviceIoControl(this.handle, transfer.IOCTL_TRANSFER_POKE, bytes);
  }

  close(): void {
    this.app.CloseHandle(this.handle);
  }

  #completion(code: number, status: number, information: number, fill: number): IoResult {
    const input = new Uint8Array(new Uint32Array([status, information, fill]).buffer);
    return this.app.DeviceIoControl(this.handle, code, input);
  }
}

/** A client whose handle is for overlapped use, so that a kept request leaves the application running. */
export class OverlappedClient extends TransferClient {
  constructor(app: Process, device: Device) {
    super(app, device, { flags: FILE_FLAG_OVERLAPPED });
  }

  /** Memory for an OVERLAPPED, zeroed. */
  overlapped(): Address {
    return this.app.alloc(OVERLAPPED.size);
  }

  /** How a request that was pending has ended; it must have. */
  outcome(overlapped: Address): IoResult {
    return this.app.GetOverlappedResult(this.handle, overlapped, false);
  }
}

/** Different bytes for different seeds, none of them 0. */
export function pattern(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => ((i * 7 + seed * 53 + (i >> 8) * 29) % 255) + 1);
}

/** The first bytes of a device's store as the driver loads it. */
export function initialStore(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => transfer.TRANSFER_PATTERN(i));
}

export const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);

/** A user pointer as the driver's 64 bits. */
export const pointer = (address: Address): bigint => fromAddress(address);

/** Whether the 64 bits are an address of system space. */
export const isKernelPointer = (value: bigint): boolean => value >= 0xffff_8000_0000_0000n;
