/**
 * NtQueryInformationFile, NtSetInformationFile and NtQueryVolumeInformationFile.
 *
 * A few classes the I/O manager answers by itself: a synchronous file's position, its mode, the handle's access, the
 * device's alignment, type and characteristics. The others go to the driver, always buffered, whatever the device's
 * flags say. Sources: "IRP-Based I/O Operations That Always Use Buffered I/O", "ZwQueryInformationFile".
 */
import { type Routine, settle } from '../../ke/routine.ts';
import type { Address } from '../../wdm/address.ts';
import {
  DELETE,
  FILE_NO_INTERMEDIATE_BUFFERING,
  FILE_READ_ATTRIBUTES,
  FILE_READ_DATA,
  FILE_READ_EA,
  FILE_SEQUENTIAL_ONLY,
  FILE_SYNCHRONOUS_IO_ALERT,
  FILE_SYNCHRONOUS_IO_NONALERT,
  FILE_WRITE_ATTRIBUTES,
  FILE_WRITE_DATA,
  FILE_WRITE_THROUGH,
  FO_ALERTABLE_IO,
  FO_NO_INTERMEDIATE_BUFFERING,
  FO_SEQUENTIAL_ONLY,
  FO_SYNCHRONOUS_IO,
  FO_WRITE_THROUGH,
  IRP_MJ_QUERY_INFORMATION,
  IRP_MJ_QUERY_VOLUME_INFORMATION,
  IRP_MJ_SET_INFORMATION,
} from '../../wdm/constants.ts';
import { GuestException, Unsupported } from '../../wdm/failures.ts';
import {
  STATUS_INFO_LENGTH_MISMATCH,
  STATUS_INVALID_INFO_CLASS,
  STATUS_INVALID_PARAMETER,
  STATUS_SUCCESS,
} from '../../wdm/ntstatus.ts';
import { exceptionStatus } from '../exception-status.ts';
import { traceIrpCreated } from '../trace-irp.ts';
import type { Irp } from '../transfer/index.ts';
import type { Request, Requests, RequiredAccess } from './request.ts';

const FilePositionInformation = 14;
const FileModeInformation = 16;
const FileAlignmentInformation = 17;
const FileAccessInformation = 8;
const FileCompletionInformation = 30;
const FileFsDeviceInformation = 4;

/** FILE_INFORMATION_CLASS: the smallest buffer, and what the handle must allow; absent: not to be had this way. */
interface InformationClass {
  readonly size: number;
  readonly access?: number;
}

const QUERY_CLASSES: Readonly<Record<number, InformationClass>> = {
  4: { size: 0x28, access: FILE_READ_ATTRIBUTES }, // FileBasicInformation
  5: { size: 0x18 }, // FileStandardInformation
  6: { size: 0x08 }, // FileInternalInformation
  7: { size: 0x04 }, // FileEaInformation
  [FileAccessInformation]: { size: 0x04 },
  9: { size: 0x08 }, // FileNameInformation
  [FilePositionInformation]: { size: 0x08, access: FILE_READ_DATA | FILE_WRITE_DATA },
  15: { size: 0x04, access: FILE_READ_EA }, // FileFullEaInformation
  [FileModeInformation]: { size: 0x04 },
  [FileAlignmentInformation]: { size: 0x04 },
  18: { size: 0x68, access: FILE_READ_ATTRIBUTES }, // FileAllInformation
  22: { size: 0x18 }, // FileStreamInformation
  23: { size: 0x08, access: FILE_READ_ATTRIBUTES }, // FilePipeInformation
  24: { size: 0x28, access: FILE_READ_ATTRIBUTES }, // FilePipeLocalInformation
  34: { size: 0x38, access: FILE_READ_ATTRIBUTES }, // FileNetworkOpenInformation
  35: { size: 0x08, access: FILE_READ_ATTRIBUTES }, // FileAttributeTagInformation
};

const SET_CLASSES: Readonly<Record<number, InformationClass>> = {
  4: { size: 0x28, access: FILE_WRITE_ATTRIBUTES }, // FileBasicInformation
  10: { size: 0x18, access: DELETE }, // FileRenameInformation
  13: { size: 0x01, access: DELETE }, // FileDispositionInformation
  [FilePositionInformation]: { size: 0x08, access: FILE_READ_DATA | FILE_WRITE_DATA },
  [FileModeInformation]: { size: 0x04 },
  19: { size: 0x08, access: FILE_WRITE_DATA }, // FileAllocationInformation
  20: { size: 0x08, access: FILE_WRITE_DATA }, // FileEndOfFileInformation
  23: { size: 0x08, access: FILE_WRITE_ATTRIBUTES }, // FilePipeInformation
  [FileCompletionInformation]: { size: 0x10 },
};

const MODES: readonly (readonly [flag: number, mode: number])[] = [
  [FO_WRITE_THROUGH, FILE_WRITE_THROUGH],
  [FO_SEQUENTIAL_ONLY, FILE_SEQUENTIAL_ONLY],
  [FO_NO_INTERMEDIATE_BUFFERING, FILE_NO_INTERMEDIATE_BUFFERING],
];

export interface InformationCall {
  readonly handle: number;
  readonly statusBlock: Address;
  readonly buffer: Address;
  readonly length: number;
  readonly informationClass: number;
}

export class Information {
  readonly #requests: Requests;

  constructor(requests: Requests) {
    this.#requests = requests;
  }

  *NtQueryInformationFile(call: InformationCall): Routine<number> {
    const wanted = QUERY_CLASSES[call.informationClass];
    const begun = yield* this.#begin(call, wanted);
    if (typeof begun === 'number') return begun;
    const answer = this.#answer(begun, call.informationClass);
    if (answer) return yield* this.#reply(begun, call, answer);
    return yield* this.#ask(begun, call, IRP_MJ_QUERY_INFORMATION);
  }

  *NtSetInformationFile(call: InformationCall): Routine<number> {
    const wanted = SET_CLASSES[call.informationClass];
    const begun = yield* this.#begin(call, wanted);
    if (typeof begun === 'number') return begun;
    if (call.informationClass === FileCompletionInformation) throw new Unsupported('FileCompletionInformation');
    const isPosition = call.informationClass === FilePositionInformation;
    if (isPosition && begun.isSynchronous) return yield* this.#setPosition(begun, call);
    if (call.informationClass === FileModeInformation) throw new Unsupported('setting FileModeInformation');
    return yield* this.#tell(begun, call);
  }

  *NtQueryVolumeInformationFile(call: InformationCall): Routine<number> {
    const begun = yield* this.#begin(call, { size: call.informationClass === FileFsDeviceInformation ? 8 : 1 });
    if (typeof begun === 'number') return begun;
    if (call.informationClass === FileFsDeviceInformation) {
      const { DeviceType, Characteristics } = this.#requests.parts.devices.view(begun.device);
      return yield* this.#reply(begun, call, [DeviceType, Characteristics]);
    }
    return yield* this.#ask(begun, call, IRP_MJ_QUERY_VOLUME_INFORMATION);
  }

  *#begin(call: InformationCall, wanted: InformationClass | undefined): Routine<Request | number> {
    if (!wanted) return STATUS_INVALID_INFO_CLASS;
    if (call.length < wanted.size) return STATUS_INFO_LENGTH_MISMATCH;
    const { handle, statusBlock } = call;
    const access: RequiredAccess = wanted.access === undefined ? {} : { any: wanted.access };
    return yield* this.#requests.begin({ handle, statusBlock, event: 0, apcRoutine: 0, apcContext: 0 }, access);
  }

  /** What the I/O manager knows itself, in ULONGs. */
  #answer(request: Request, informationClass: number): number[] | undefined {
    const { Flags, CurrentByteOffset } = request.fileView;
    switch (informationClass) {
      case FileAccessInformation:
        return [request.grantedAccess];
      case FileAlignmentInformation:
        return [this.#requests.parts.devices.view(request.device).AlignmentRequirement];
      case FileModeInformation: {
        const synchronous = Flags & FO_ALERTABLE_IO ? FILE_SYNCHRONOUS_IO_ALERT : FILE_SYNCHRONOUS_IO_NONALERT;
        const start = Flags & FO_SYNCHRONOUS_IO ? synchronous : 0;
        return [MODES.reduce((mode, [flag, bit]) => (Flags & flag ? mode | bit : mode), start)];
      }
      case FilePositionInformation:
        if (!request.isSynchronous) return undefined;
        return [Number(CurrentByteOffset & 0xffff_ffffn), Number(BigInt.asUintN(32, CurrentByteOffset >> 32n))];
      default:
        return undefined;
    }
  }

  *#reply(request: Request, call: InformationCall, answer: readonly number[]): Routine<number> {
    const requests = this.#requests;
    const { memory } = requests.environment;
    const bytes = answer.length * 4;
    const raised = yield* requests.attempt(function* () {
      yield* settle(requests.probeForWrite(call.buffer, bytes, 4, request.mode));
      answer.forEach((value, index) => {
        memory.writeU32(call.buffer + index * 4, value);
      });
      yield* requests.writeStatusBlock(call.statusBlock, STATUS_SUCCESS, BigInt(bytes));
    });
    return yield* requests.fail(request, undefined, raised);
  }

  *#setPosition(request: Request, call: InformationCall): Routine<number> {
    const requests = this.#requests;
    const { memory } = requests.environment;
    const raised = yield* requests.attempt(function* () {
      yield* requests.probeForRead(call.buffer, 8, 4, request.mode);
      const position = BigInt.asIntN(64, memory.readU64(call.buffer));
      if (position < 0n) throw new GuestException(STATUS_INVALID_PARAMETER);
      request.fileView.CurrentByteOffset = position;
      yield* requests.writeStatusBlock(call.statusBlock, STATUS_SUCCESS, 0n);
    });
    return yield* requests.fail(request, undefined, raised);
  }

  /** A query that the driver answers. */
  *#ask(request: Request, call: InformationCall, major: number): Routine<number> {
    const { buffer, length, informationClass } = call;
    let irp: Irp | undefined;
    try {
      const built = this.#requests.build(request, major);
      irp = built.irp;
      built.stack.Parameters.QueryFile.Length = length;
      built.stack.Parameters.QueryFile.FileInformationClass = informationClass;
      const facts = {
        major,
        device: request.device,
        method: 'buffered',
        outputBuffer: buffer,
        outputLength: length,
      } as const;
      traceIrpCreated(this.#requests.environment, irp, facts);
      yield* this.#requests.parts.transfers.buffered.read(irp, buffer, length);
    } catch (error) {
      return yield* this.#requests.fail(request, irp, exceptionStatus(error));
    }
    return yield* this.#requests.sendSynchronously(request, irp);
  }

  /** A change that the driver makes. */
  *#tell(request: Request, call: InformationCall): Routine<number> {
    const { buffer, length, informationClass } = call;
    const major = IRP_MJ_SET_INFORMATION;
    let irp: Irp | undefined;
    try {
      const built = this.#requests.build(request, major);
      irp = built.irp;
      built.stack.Parameters.SetFile.Length = length;
      built.stack.Parameters.SetFile.FileInformationClass = informationClass;
      const facts = {
        major,
        device: request.device,
        method: 'buffered',
        inputBuffer: buffer,
        inputLength: length,
      } as const;
      traceIrpCreated(this.#requests.environment, irp, facts);
      yield* this.#requests.parts.transfers.buffered.write(irp, buffer, length);
    } catch (error) {
      return yield* this.#requests.fail(request, irp, exceptionStatus(error));
    }
    return yield* this.#requests.sendSynchronously(request, irp);
  }
}
