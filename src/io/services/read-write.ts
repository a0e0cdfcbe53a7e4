/**
 * NtReadFile, NtWriteFile and NtFlushBuffersFile.
 *
 * The device's flags say how the data goes (transfer/). On a synchronous file a missing offset means the file's own
 * position; on an asynchronous one an offset must be given. A driver keeps FILE_OBJECT.CurrentByteOffset itself.
 * Source: "ZwReadFile" and "ZwWriteFile" in the DDI reference.
 */
import { isRoutine, type Routine } from '../../ke/routine.ts';
import type { Address } from '../../wdm/address.ts';
import {
  DO_BUFFERED_IO,
  DO_DIRECT_IO,
  FILE_APPEND_DATA,
  FILE_READ_DATA,
  FILE_WRITE_DATA,
  FO_MAILSLOT,
  FO_NAMED_PIPE,
  FO_NO_INTERMEDIATE_BUFFERING,
  FO_WRITE_THROUGH,
  IRP_DEFER_IO_COMPLETION,
  IRP_MJ_FLUSH_BUFFERS,
  IRP_MJ_READ,
  IRP_MJ_WRITE,
  IRP_NOCACHE,
  IRP_READ_OPERATION,
  IRP_WRITE_OPERATION,
  SL_KEY_SPECIFIED,
  SL_WRITE_THROUGH,
} from '../../wdm/constants.ts';
import { GuestException } from '../../wdm/failures.ts';
import { STATUS_INVALID_PARAMETER } from '../../wdm/ntstatus.ts';
import { exceptionStatus } from '../exception-status.ts';
import { traceIrpCreated } from '../trace-irp.ts';
import type { Irp } from '../transfer/index.ts';
import type { Call, Request, Requests } from './request.ts';

/** ByteOffset values with a meaning of their own (HighPart -1). */
const FILE_USE_FILE_POINTER_POSITION = -2n;
const FILE_WRITE_TO_END_OF_FILE = -1n;

export interface DataCall extends Call {
  readonly buffer: Address;
  readonly length: number;
  /** Of a LARGE_INTEGER; 0 for none. */
  readonly byteOffset: Address;
  /** Of a ULONG; 0 for none. */
  readonly key: Address;
}

export class ReadWrite {
  readonly #requests: Requests;

  constructor(requests: Requests) {
    this.#requests = requests;
  }

  *NtReadFile(call: DataCall): Routine<number> {
    const request = yield* this.#requests.begin(call, { all: FILE_READ_DATA });
    return typeof request === 'number' ? request : yield* this.#transfer(request, call, IRP_MJ_READ);
  }

  *NtWriteFile(call: DataCall): Routine<number> {
    const request = yield* this.#requests.begin(call, { any: FILE_WRITE_DATA | FILE_APPEND_DATA });
    return typeof request === 'number' ? request : yield* this.#transfer(request, call, IRP_MJ_WRITE);
  }

  /** Sends IRP_MJ_FLUSH_BUFFERS and waits for it. */
  *NtFlushBuffersFile(handle: number, statusBlock: Address): Routine<number> {
    const call = { handle, event: 0, apcRoutine: 0, apcContext: 0, statusBlock };
    const request = yield* this.#requests.begin(call, { any: FILE_WRITE_DATA | FILE_APPEND_DATA });
    if (typeof request === 'number') return request;
    let irp: Irp | undefined;
    try {
      ({ irp } = this.#requests.build(request, IRP_MJ_FLUSH_BUFFERS));
    } catch (error) {
      return yield* this.#requests.fail(request, irp, exceptionStatus(error));
    }
    traceIrpCreated(this.#requests.environment, irp, {
      major: IRP_MJ_FLUSH_BUFFERS,
      device: request.device,
      method: 'none',
    });
    return yield* this.#requests.sendSynchronously(request, irp);
  }

  *#transfer(request: Request, call: DataCall, major: typeof IRP_MJ_READ | typeof IRP_MJ_WRITE): Routine<number> {
    const { parts, environment } = this.#requests;
    const { buffer, length } = call;
    const isRead = major === IRP_MJ_READ;
    let irp: Irp | undefined;
    try {
      const offset = yield* this.#byteOffset(request, call);
      const key = call.key === 0 ? undefined : yield* this.#key(request, call.key);
      this.#checkUnbuffered(request, buffer, length, offset);
      const built = this.#requests.build(request, major);
      irp = built.irp;
      const { stack } = built;
      const parameters = isRead ? stack.Parameters.Read : stack.Parameters.Write;
      parameters.Length = length;
      parameters.ByteOffset = offset;
      parameters.Key = key ?? 0;
      if (key !== undefined) stack.Flags |= SL_KEY_SPECIFIED;
      const fileFlags = request.fileView.Flags;
      if (!isRead && fileFlags & FO_WRITE_THROUGH) stack.Flags |= SL_WRITE_THROUGH;
      irp.Flags = IRP_DEFER_IO_COMPLETION | (isRead ? IRP_READ_OPERATION : IRP_WRITE_OPERATION);
      if (fileFlags & FO_NO_INTERMEDIATE_BUFFERING) irp.Flags |= IRP_NOCACHE;
      const deviceFlags = parts.devices.view(request.device).Flags;
      const transfer = parts.transfers.ofDevice(deviceFlags);
      if (environment.trace.enabled) {
        traceIrpCreated(environment, irp, {
          major,
          device: request.device,
          method: transfer.method,
          byteOffset: offset,
          ...(isRead ? { outputBuffer: buffer, outputLength: length } : { inputBuffer: buffer, inputLength: length }),
        });
      }
      if (hasBothFlags(deviceFlags)) this.#reportBothFlags(irp);
      const ready = isRead ? transfer.read(irp, buffer, length) : transfer.write(irp, buffer, length);
      if (isRoutine(ready)) yield* ready;
    } catch (error) {
      return yield* this.#requests.fail(request, irp, exceptionStatus(error));
    }
    return yield* this.#requests.send(request, irp);
  }

  /** Where the transfer begins. */
  *#byteOffset(request: Request, call: DataCall): Routine<bigint> {
    const { fileView, mode, isSynchronous, grantedAccess } = request;
    let given: bigint | undefined;
    if (call.byteOffset !== 0) {
      yield* this.#requests.probeForRead(call.byteOffset, 8, 4, mode);
      given = BigInt.asIntN(64, this.#requests.environment.memory.readU64(call.byteOffset));
    }
    const appendOnly = (grantedAccess & (FILE_APPEND_DATA | FILE_WRITE_DATA)) === FILE_APPEND_DATA;
    if (appendOnly && (grantedAccess & FILE_READ_DATA) === 0) return FILE_WRITE_TO_END_OF_FILE;
    if (isSynchronous) {
      if (given === undefined || given === FILE_USE_FILE_POINTER_POSITION) return fileView.CurrentByteOffset;
    } else if (given === undefined) {
      if (fileView.Flags & (FO_NAMED_PIPE | FO_MAILSLOT)) return 0n;
      throw new GuestException(STATUS_INVALID_PARAMETER);
    }
    if (given < 0n && given !== FILE_WRITE_TO_END_OF_FILE) throw new GuestException(STATUS_INVALID_PARAMETER);
    return given;
  }

  *#key(request: Request, address: Address): Routine<number> {
    yield* this.#requests.probeForRead(address, 4, 4, request.mode);
    return this.#requests.environment.memory.readU32(address);
  }

  /** FILE_NO_INTERMEDIATE_BUFFERING: whole sectors, aligned as the device asks. */
  #checkUnbuffered(request: Request, buffer: Address, length: number, offset: bigint): void {
    if (!(request.fileView.Flags & FO_NO_INTERMEDIATE_BUFFERING)) return;
    const { SectorSize, AlignmentRequirement } = this.#requests.parts.devices.view(request.device);
    const misaligned = (((buffer % 0x1_0000) + 0x1_0000) & AlignmentRequirement) !== 0;
    const partial = SectorSize !== 0 && (length % SectorSize !== 0 || offset % BigInt(SectorSize) !== 0n);
    if (misaligned || (partial && offset >= 0n)) throw new GuestException(STATUS_INVALID_PARAMETER);
  }

  #reportBothFlags(irp: Irp): void {
    const { trace } = this.#requests.environment;
    if (!trace.enabled) return;
    const message = 'the device has both DO_BUFFERED_IO and DO_DIRECT_IO set: buffered goes first';
    trace.emit({ type: 'finding', id: 'do-flags-both', severity: 'S2', message, irp: irp.address });
  }
}

function hasBothFlags(flags: number): boolean {
  return (flags & (DO_BUFFERED_IO | DO_DIRECT_IO)) === (DO_BUFFERED_IO | DO_DIRECT_IO);
}
