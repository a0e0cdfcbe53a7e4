/**
 * A process, as the application in it sees it: memory, and the Win32 calls that lead to a driver.
 *
 * Every call here marshals and nothing more: strings, OBJECT_ATTRIBUTES and IO_STATUS_BLOCK go onto the process's user
 * stack, the system service runs in the process's thread with PreviousMode UserMode, and its NTSTATUS becomes a result
 * and the last error. Whatever a buffer argument holds reaches the kernel as it is: a wild pointer is the kernel's to
 * refuse.
 *
 * A call returns when the service returns. On a handle that was opened without FILE_FLAG_OVERLAPPED that is when the
 * request is complete; with an OVERLAPPED it may be at once, with ERROR_IO_PENDING.
 */
import type { EventBody } from '../etw/index.ts';
import type { CallArgument } from '../ke/routine.ts';
import { encodeUtf16, writeUnicodeString } from '../ob/index.ts';
import type { Address } from '../wdm/address.ts';
import * as wdm from '../wdm/constants.ts';
import { IO_STATUS_BLOCK, OBJECT_ATTRIBUTES, UNICODE_STRING } from '../wdm/layouts.ts';
import type { GuestMemory } from '../wdm/memory.ts';
import {
  NT_SUCCESS,
  NT_WARNING,
  STATUS_END_OF_FILE,
  STATUS_OBJECT_NAME_COLLISION,
  STATUS_OBJECT_NAME_INVALID,
  STATUS_PENDING,
} from '../wdm/ntstatus.ts';
import { ArgumentStack } from './argument-stack.ts';
import * as win32 from './constants.ts';
import { dosPathToNtPath } from './dos-path.ts';
import { ERROR_ALREADY_EXISTS, ERROR_FILE_EXISTS, ERROR_IO_INCOMPLETE, ERROR_SUCCESS } from './error-codes.ts';
import { RtlNtStatusToDosError } from './last-error.ts';

/** What the machine lends a process. */
export interface ProcessContext {
  readonly id: number;
  readonly imageName: string;
  /** User-mode view of its memory. */
  readonly memory: GuestMemory;
  /** Its thread's user stack: committed, writable, at least 128 KiB. */
  readonly stack: { readonly limit: Address; readonly base: Address };
  /** Runs a system service in its thread, as `syscall` from user mode does, until it returns: an NTSTATUS. */
  systemCall(service: string, ...args: CallArgument[]): number;
  /** Somebody listens to the trace. */
  readonly traced: boolean;
  /** An event of this process's thread. */
  emit(event: EventBody): void;
  /** Ends the process: its handles are closed, its memory is given back. */
  exit(status: number): void;
}

/** A pointer as an application passes it: an address, or any 64 bits. */
export type Pointer = Address | bigint;

/** How a call ended. */
export interface Result {
  /** What the Win32 function returned as BOOL. */
  readonly ok: boolean;
  /** What the system service returned, or what the request ended with. */
  readonly status: number;
  /** What GetLastError would answer; ERROR_SUCCESS if `ok`. */
  readonly error: number;
}

export interface FileResult extends Result {
  /** INVALID_HANDLE_VALUE if the file could not be opened. */
  readonly handle: number;
}

export interface IoResult extends Result {
  /** What the call stored through its lpNumberOfBytes parameter. */
  readonly bytes: number;
}

export interface CreateFileOptions {
  /** dwDesiredAccess. Default: GENERIC_READ | GENERIC_WRITE. */
  readonly access?: number;
  /** dwShareMode. Default: FILE_SHARE_READ | FILE_SHARE_WRITE. */
  readonly share?: number;
  /** dwCreationDisposition. Default: OPEN_EXISTING. */
  readonly disposition?: number;
  /** dwFlagsAndAttributes. Default: none, so that calls on the handle are synchronous. */
  readonly flags?: number;
}

/** dwCreationDisposition to CreateDisposition. */
const DISPOSITIONS: Readonly<Record<number, number>> = {
  [win32.CREATE_NEW]: wdm.FILE_CREATE,
  [win32.CREATE_ALWAYS]: wdm.FILE_OVERWRITE_IF,
  [win32.OPEN_EXISTING]: wdm.FILE_OPEN,
  [win32.OPEN_ALWAYS]: wdm.FILE_OPEN_IF,
  [win32.TRUNCATE_EXISTING]: wdm.FILE_OVERWRITE,
};

/** FILE_FLAG_* to CreateOptions. FILE_FLAG_OVERLAPPED works the other way round and is not here. */
const OPTIONS: readonly (readonly [flag: number, option: number])[] = [
  [win32.FILE_FLAG_WRITE_THROUGH, wdm.FILE_WRITE_THROUGH],
  [win32.FILE_FLAG_NO_BUFFERING, wdm.FILE_NO_INTERMEDIATE_BUFFERING],
  [win32.FILE_FLAG_RANDOM_ACCESS, wdm.FILE_RANDOM_ACCESS],
  [win32.FILE_FLAG_SEQUENTIAL_SCAN, wdm.FILE_SEQUENTIAL_ONLY],
  [win32.FILE_FLAG_DELETE_ON_CLOSE, wdm.FILE_DELETE_ON_CLOSE],
  [win32.FILE_FLAG_BACKUP_SEMANTICS, wdm.FILE_OPEN_FOR_BACKUP_INTENT],
  [win32.FILE_FLAG_OPEN_REPARSE_POINT, wdm.FILE_OPEN_REPARSE_POINT],
  [win32.FILE_FLAG_OPEN_NO_RECALL, wdm.FILE_OPEN_NO_RECALL],
];

const CURRENT_PROCESS = -1;
const FILE_DEVICE_FILE_SYSTEM = 9;

/**
 * A process with one thread.
 *
 * @example
 * ```ts
 * const app = machine.createProcess('app.exe');
 * const { handle } = app.CreateFile('\\\\.\\TransferBuffered');
 * const buffer = app.alloc(4096);
 * const { ok, bytes } = app.ReadFile(handle, buffer, 4096);
 * console.log(ok, app.memory.readBytes(buffer, bytes));
 * app.CloseHandle(handle);
 * ```
 */
export class Process {
  readonly #context: ProcessContext;
  readonly #stack: ArgumentStack;
  #lastError = ERROR_SUCCESS;

  constructor(context: ProcessContext) {
    this.#context = context;
    this.#stack = new ArgumentStack(context.stack);
  }

  get id(): number {
    return this.#context.id;
  }
  get imageName(): string {
    return this.#context.imageName;
  }
  /** The process's memory in user mode: what a load or a store in the application could reach, no more. */
  get memory(): GuestMemory {
    return this.#context.memory;
  }

  // ----- Memory

  /** Zeroed, writable memory of its own pages. Throws if there is none left; `VirtualFree` gives it back. */
  alloc(bytes: number): Address {
    const { ok, address, status } = this.VirtualAlloc(0, bytes);
    if (!ok)
      throw new Error(
        `no ${bytes} bytes of user memory: NTSTATUS 0x${status.toString(16)}; free some, or boot with more`,
      );
    return address;
  }

  /** New memory that holds these bytes. */
  allocBytes(bytes: Uint8Array): Address {
    const address = this.alloc(Math.max(bytes.length, 1));
    this.memory.writeBytes(address, bytes);
    return address;
  }

  VirtualAlloc(
    address: Pointer,
    size: number | bigint,
    type: number = wdm.MEM_RESERVE | wdm.MEM_COMMIT,
    protect: number = wdm.PAGE_READWRITE,
  ): Result & { readonly address: Address } {
    return this.#stack.frame(push => {
      const base = push(8);
      const region = push(8);
      this.memory.writeU64(base, BigInt(address));
      this.memory.writeU64(region, BigInt(size));
      const status = this.#call('NtAllocateVirtualMemory', CURRENT_PROCESS, base, 0, region, type, protect);
      return { ...this.#result(status), address: NT_SUCCESS(status) ? this.memory.readPointer(base) : 0 };
    });
  }

  VirtualFree(address: Pointer, size: number | bigint = 0, type: number = wdm.MEM_RELEASE): Result {
    return this.#stack.frame(push => {
      const base = push(8);
      const region = push(8);
      this.memory.writeU64(base, BigInt(address));
      this.memory.writeU64(region, BigInt(size));
      return this.#result(this.#call('NtFreeVirtualMemory', CURRENT_PROCESS, base, region, type));
    });
  }

  VirtualProtect(address: Pointer, size: number | bigint, protect: number): Result & { readonly oldProtect: number } {
    return this.#stack.frame(push => {
      const base = push(8);
      const region = push(8);
      const old = push(4);
      this.memory.writeU64(base, BigInt(address));
      this.memory.writeU64(region, BigInt(size));
      const status = this.#call('NtProtectVirtualMemory', CURRENT_PROCESS, base, region, protect, old);
      return { ...this.#result(status), oldProtect: this.memory.readU32(old) };
    });
  }

  // ----- Files and devices

  /** Opens a device by its link (`\\.\Name`), or a file. */
  CreateFile(path: string, options: CreateFileOptions = {}): FileResult {
    const {
      access = wdm.GENERIC_READ | wdm.GENERIC_WRITE,
      share = wdm.FILE_SHARE_READ | wdm.FILE_SHARE_WRITE,
      disposition = win32.OPEN_EXISTING,
      flags = 0,
    } = options;
    const createDisposition = DISPOSITIONS[disposition];
    if (createDisposition === undefined)
      throw new RangeError(`CreateFile: no disposition ${disposition}: use OPEN_EXISTING, CREATE_NEW, …`);
    const name = dosPathToNtPath(path);
    if (name === undefined || name.length * 2 > 0xfffe) {
      return { ...this.#result(STATUS_OBJECT_NAME_INVALID), handle: win32.INVALID_HANDLE_VALUE };
    }
    let createOptions = flags & win32.FILE_FLAG_BACKUP_SEMANTICS ? 0 : wdm.FILE_NON_DIRECTORY_FILE;
    if (!(flags & win32.FILE_FLAG_OVERLAPPED)) createOptions |= wdm.FILE_SYNCHRONOUS_IO_NONALERT;
    for (const [flag, option] of OPTIONS) if (flags & flag) createOptions |= option;
    const deletes = flags & win32.FILE_FLAG_DELETE_ON_CLOSE ? wdm.DELETE : 0;

    return this.#stack.frame(push => {
      const handle = push(8);
      const block = push(IO_STATUS_BLOCK.size);
      const status = this.#traced(
        'CreateFile',
        () => ({}),
        () =>
          this.#call(
            'NtCreateFile',
            handle,
            (access | wdm.SYNCHRONIZE | wdm.FILE_READ_ATTRIBUTES | deletes) >>> 0,
            this.#objectAttributes(push, name),
            block,
            0,
            flags & 0xffff,
            share,
            createDisposition,
            createOptions,
            0,
            0,
          ),
      );
      if (!NT_SUCCESS(status)) {
        // CreateFile's own word for a name that is taken.
        const error = status === STATUS_OBJECT_NAME_COLLISION ? ERROR_FILE_EXISTS : undefined;
        return { ...this.#result(status, error), handle: win32.INVALID_HANDLE_VALUE };
      }
      const result = this.#result(status);
      // Success, and yet GetLastError says that the file was there before.
      const { Information } = IO_STATUS_BLOCK.at(this.memory, block);
      const existed =
        (disposition === win32.CREATE_ALWAYS && Information === BigInt(wdm.FILE_OVERWRITTEN)) ||
        (disposition === win32.OPEN_ALWAYS && Information === BigInt(wdm.FILE_OPENED));
      if (existed) this.#lastError = ERROR_ALREADY_EXISTS;
      return { ...result, handle: Number(BigInt.asIntN(64, this.memory.readU64(handle))) };
    });
  }

  /** Reads into user memory at `buffer`, or into the array: its bytes are then replaced by what the call stored. */
  ReadFile(handle: number, buffer: Uint8Array): IoResult;
  ReadFile(handle: number, buffer: Pointer, length: number, overlapped?: Pointer): IoResult;
  ReadFile(handle: number, buffer: Pointer | Uint8Array, length = 0, overlapped: Pointer = 0): IoResult {
    if (buffer instanceof Uint8Array) {
      return this.#lend([buffer], ([address]) => this.ReadFile(handle, address!, buffer.length));
    }
    return this.#transfer('ReadFile', handle, buffer, length, overlapped);
  }

  /** Writes from user memory at `buffer`, or the array's bytes. */
  WriteFile(handle: number, buffer: Uint8Array): IoResult;
  WriteFile(handle: number, buffer: Pointer, length: number, overlapped?: Pointer): IoResult;
  WriteFile(handle: number, buffer: Pointer | Uint8Array, length = 0, overlapped: Pointer = 0): IoResult {
    if (buffer instanceof Uint8Array) {
      return this.#lend([buffer], ([address]) => this.WriteFile(handle, address!, buffer.length));
    }
    return this.#transfer('WriteFile', handle, buffer, length, overlapped);
  }

  /**
   * Sends an IOCTL, with buffers in user memory or with arrays. An array is copied into user memory of its own and back
   * afterwards; `undefined` is a NULL buffer of length 0.
   */
  DeviceIoControl(handle: number, code: number, input?: Uint8Array, output?: Uint8Array): IoResult;
  DeviceIoControl(
    handle: number,
    code: number,
    input: Pointer,
    inputLength: number,
    output: Pointer,
    outputLength: number,
    overlapped?: Pointer,
  ): IoResult;
  DeviceIoControl(
    handle: number,
    code: number,
    input?: Pointer | Uint8Array,
    inputLength?: number | Uint8Array,
    output: Pointer = 0,
    outputLength = 0,
    overlapped: Pointer = 0,
  ): IoResult {
    if (typeof inputLength !== 'number') {
      const [first, second] = [input as Uint8Array | undefined, inputLength];
      return this.#lend([first, second], ([from, to]) =>
        this.DeviceIoControl(handle, code, from!, first?.length ?? 0, to!, second?.length ?? 0),
      );
    }
    const from = input as Pointer;
    checkPointers(from, output, overlapped);
    checkLength(inputLength);
    checkLength(outputLength);
    checkCode(code);
    const service = code >>> 16 === FILE_DEVICE_FILE_SYSTEM ? 'NtFsControlFile' : 'NtDeviceIoControlFile';
    const buffers = () => ({ ioControlCode: code, ...pointers(from, inputLength, output, outputLength) });
    return this.#io('DeviceIoControl', handle, buffers, overlapped, (event, context, block) =>
      this.#call(service, handle, event, 0, context, block, code, from, inputLength, output, outputLength),
    );
  }

  FlushFileBuffers(handle: number): Result {
    return this.#stack.frame(push => {
      const block = push(IO_STATUS_BLOCK.size);
      return this.#result(
        this.#traced(
          'FlushFileBuffers',
          () => ({ handle }),
          () => this.#call('NtFlushBuffersFile', handle, block),
        ),
      );
    });
  }

  CloseHandle(handle: number): Result {
    return this.#result(
      this.#traced(
        'CloseHandle',
        () => ({ handle }),
        () => this.#call('NtClose', handle),
      ),
    );
  }

  /** The outcome of a request that ended with ERROR_IO_PENDING; with `wait`, after it is complete. */
  GetOverlappedResult(handle: number, overlapped: Address, wait: boolean): IoResult {
    const view = win32.OVERLAPPED.at(this.memory, overlapped);
    if (Number(view.Internal) === STATUS_PENDING) {
      if (!wait) return { ...this.#result(STATUS_PENDING, ERROR_IO_INCOMPLETE), ok: false, bytes: 0 };
      const waited = this.#call('NtWaitForSingleObject', view.hEvent === 0 ? handle : view.hEvent, 0, 0);
      if (!NT_SUCCESS(waited)) return { ...this.#result(waited), bytes: 0 };
    }
    return { ...this.#result(Number(view.Internal & 0xffff_ffffn)), bytes: Number(view.InternalHigh & 0xffff_ffffn) };
  }

  /** Asks the drivers to cancel every request that this process's thread has sent through the handle. */
  CancelIo(handle: number): Result {
    return this.#stack.frame(push => this.#result(this.#call('NtCancelIoFile', handle, push(IO_STATUS_BLOCK.size))));
  }

  // ----- Events

  /** An event without a name. */
  CreateEvent(manualReset: boolean, initialState: boolean): FileResult {
    const NOTIFICATION_EVENT = 0;
    const SYNCHRONIZATION_EVENT = 1;
    return this.#stack.frame(push => {
      const handle = push(8);
      const type = manualReset ? NOTIFICATION_EVENT : SYNCHRONIZATION_EVENT;
      const status = this.#call('NtCreateEvent', handle, wdm.EVENT_ALL_ACCESS, 0, type, initialState ? 1 : 0);
      return { ...this.#result(status), handle: NT_SUCCESS(status) ? this.memory.readPointer(handle) : 0 };
    });
  }

  /** WAIT_OBJECT_0, WAIT_TIMEOUT, or WAIT_FAILED. Time is the machine's. */
  WaitForSingleObject(handle: number, milliseconds: number): number {
    return this.#stack.frame(push => {
      const timeout = push(8);
      this.memory.writeU64(timeout, -BigInt(milliseconds) * 10_000n);
      const infinite = milliseconds === win32.INFINITE;
      const status = this.#call('NtWaitForSingleObject', handle, 0, infinite ? 0 : timeout);
      return this.#result(status).ok ? status : win32.WAIT_FAILED;
    });
  }

  // ----- The last error, and the end

  GetLastError(): number {
    return this.#lastError;
  }
  SetLastError(error: number): void {
    this.#lastError = error >>> 0;
  }

  /** Ends the process, as closing its window does: handles that are still open are closed for it. */
  ExitProcess(status = 0): void {
    this.#context.exit(status);
  }

  // ----- Marshalling

  #call(service: string, ...args: CallArgument[]): number {
    return this.#context.systemCall(service, ...args);
  }

  /** A service's status as the BOOL and the last error that the Win32 function makes of it. */
  #result(status: number, error = RtlNtStatusToDosError(status)): Result {
    if (NT_SUCCESS(status) && status !== STATUS_PENDING) return { ok: true, status, error: ERROR_SUCCESS };
    this.#lastError = error;
    return { ok: false, status, error };
  }

  #transfer(
    name: 'ReadFile' | 'WriteFile',
    handle: number,
    buffer: Pointer,
    length: number,
    overlapped: Pointer,
  ): IoResult {
    checkPointers(buffer, overlapped);
    checkLength(length);
    const reads = name === 'ReadFile';
    const buffers = () => (reads ? pointers(0, 0, buffer, length) : pointers(buffer, length, 0, 0));
    return this.#io(name, handle, buffers, overlapped, (event, context, block, offset) =>
      this.#call(reads ? 'NtReadFile' : 'NtWriteFile', handle, event, 0, context, block, buffer, length, offset, 0),
    );
  }

  /**
   * What ReadFile, WriteFile and DeviceIoControl share: where the IO_STATUS_BLOCK is, waiting for a request that a
   * handle for overlapped use left pending although no OVERLAPPED was given, and what becomes of the byte count.
   */
  #io(
    name: string,
    handle: number,
    buffers: () => CallBuffers,
    overlapped: Pointer,
    send: (event: CallArgument, context: CallArgument, block: CallArgument, offset: Address) => number,
  ): IoResult {
    if (overlapped !== 0 && overlapped !== 0n) return this.#overlapped(name, handle, buffers, Number(overlapped), send);
    return this.#stack.frame(push => {
      const block = push(IO_STATUS_BLOCK.size);
      const view = IO_STATUS_BLOCK.at(this.memory, block);
      let status = this.#traced(
        name,
        () => ({ handle, ...buffers() }),
        () => {
          const sent = send(0, 0, block, 0);
          if (sent !== STATUS_PENDING) return sent;
          const waited = this.#call('NtWaitForSingleObject', handle, 0, 0);
          return NT_SUCCESS(waited) ? view.Status : waited;
        },
      );
      const counted = NT_SUCCESS(status) || NT_WARNING(status);
      const bytes = counted ? Number(view.Information & 0xffff_ffffn) : 0;
      // "If the read starts at the end of the file, ReadFile returns TRUE and zero bytes" (ReadFile's page).
      if (status === STATUS_END_OF_FILE && name === 'ReadFile') status = 0;
      const { ok, error } = this.#result(status);
      return { ok, status, error, bytes };
    });
  }

  #overlapped(
    name: string,
    handle: number,
    buffers: () => CallBuffers,
    address: Address,
    send: (event: CallArgument, context: CallArgument, block: CallArgument, offset: Address) => number,
  ): IoResult {
    return this.#stack.frame(push => {
      const view = win32.OVERLAPPED.at(this.memory, address);
      view.Internal = BigInt(STATUS_PENDING);
      const offset = push(8);
      this.memory.writeU32(offset, view.Offset);
      this.memory.writeU32(offset + 4, view.OffsetHigh);
      const event = view.hEvent;
      // Its lowest bit keeps the request's end away from a completion port ("GetQueuedCompletionStatus").
      const quiet = event % 2 !== 0;
      const status = this.#traced(
        name,
        () => ({ handle, ...buffers() }),
        () => send(quiet ? event - 1 : event, quiet ? 0 : address, address, offset),
      );
      const done = NT_SUCCESS(status) && status !== STATUS_PENDING;
      return { ...this.#result(status), bytes: done ? Number(view.InternalHigh & 0xffff_ffffn) : 0 };
    });
  }

  /** Runs a call with the arrays in user memory of their own, and copies them back; NULL for an absent one. */
  #lend(arrays: readonly (Uint8Array | undefined)[], use: (addresses: readonly Address[]) => IoResult): IoResult {
    for (const bytes of arrays) {
      if (bytes !== undefined && !(bytes instanceof Uint8Array))
        throw new TypeError('a buffer is a Uint8Array, or an address with a length; undefined is none');
    }
    const addresses = arrays.map(bytes => (bytes === undefined ? 0 : this.allocBytes(bytes)));
    const result = use(addresses);
    if (result.status === STATUS_PENDING)
      throw new Error('a request that stays pending needs buffers in user memory: use alloc()');
    arrays.forEach((bytes, i) => {
      if (bytes === undefined) return;
      bytes.set(this.memory.readBytes(addresses[i]!, bytes.length));
      this.VirtualFree(addresses[i]!);
    });
    return result;
  }

  #objectAttributes(push: (bytes: number) => Address, name: string): Address {
    const address = push(OBJECT_ATTRIBUTES.size);
    const string = push(UNICODE_STRING.size);
    const characters = push(name.length * 2);
    this.memory.writeBytes(characters, encodeUtf16(name));
    writeUnicodeString(this.memory, string, characters, name.length * 2);
    const view = OBJECT_ATTRIBUTES.at(this.memory, address);
    view.Length = OBJECT_ATTRIBUTES.size;
    view.RootDirectory = 0n;
    view.ObjectName = string;
    view.Attributes = wdm.OBJ_CASE_INSENSITIVE;
    view.SecurityDescriptor = 0;
    view.SecurityQualityOfService = 0;
    return address;
  }

  #traced(name: string, details: () => CallBuffers & { readonly handle?: number }, call: () => number): number {
    if (!this.#context.traced) return call();
    this.#context.emit({ type: 'call-entered', name, ...details() });
    const status = call();
    this.#context.emit({ type: 'call-returned', name, status, lastError: RtlNtStatusToDosError(status) });
    return status;
  }
}

interface CallBuffers {
  readonly ioControlCode?: number;
  readonly inputBuffer?: Address;
  readonly inputLength?: number;
  readonly outputBuffer?: Address;
  readonly outputLength?: number;
}

/** The buffers of a call, for the trace; a NULL pointer is left out. */
function pointers(input: Pointer, inputLength: number, output: Pointer, outputLength: number): CallBuffers {
  return {
    ...(BigInt(input) === 0n ? {} : { inputBuffer: Number(input), inputLength }),
    ...(BigInt(output) === 0n ? {} : { outputBuffer: Number(output), outputLength }),
  };
}

function checkLength(length: number): void {
  if (Number.isInteger(length) && length >= 0 && length <= 0xffff_ffff) return;
  throw new RangeError(`${length} is no DWORD: a length is an integer from 0 to 0xFFFFFFFF`);
}

function checkPointers(...values: readonly Pointer[]): void {
  for (const value of values) {
    if (typeof value === 'bigint' || Number.isInteger(value)) continue;
    throw new TypeError(`${String(value)} is no pointer: give an address, or the bytes as a Uint8Array`);
  }
}

/** Negative, too: that is what `<<` makes of a device type above 0x7FFF. */
function checkCode(code: number): void {
  if (Number.isInteger(code) && code >= -0x8000_0000 && code <= 0xffff_ffff) return;
  throw new RangeError(`${code} is no I/O control code: a code is 32 bits`);
}
