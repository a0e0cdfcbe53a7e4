/**
 * NtDeviceIoControlFile and NtFsControlFile.
 *
 * The code says everything: its two low bits how the buffers go (transfer/), bits 14 and 15 what access the handle must
 * have. The driver of the file's device makes of it what it likes. Sources: "Defining I/O Control Codes", "Buffer
 * Descriptions for I/O Control Codes".
 */
import { type Routine, settle } from '../../ke/routine.ts';
import {
  FILE_READ_ACCESS,
  FILE_READ_DATA,
  FILE_WRITE_ACCESS,
  FILE_WRITE_DATA,
  IRP_DEFER_IO_COMPLETION,
  IRP_MJ_DEVICE_CONTROL,
  IRP_MJ_FILE_SYSTEM_CONTROL,
} from '../../wdm/constants.ts';
import { exceptionStatus } from '../exception-status.ts';
import { traceIrpCreated } from '../trace-irp.ts';
import type { ControlBuffers, Irp } from '../transfer/index.ts';
import type { Call, Request, Requests } from './request.ts';

export interface ControlCall extends Call, ControlBuffers {
  readonly code: number;
}

export class DeviceControl {
  readonly #requests: Requests;

  constructor(requests: Requests) {
    this.#requests = requests;
  }

  *NtDeviceIoControlFile(call: ControlCall): Routine<number> {
    const request = yield* this.#requests.begin(call, { all: requiredAccess(call.code) });
    return typeof request === 'number' ? request : yield* this.#control(request, call, IRP_MJ_DEVICE_CONTROL);
  }

  *NtFsControlFile(call: ControlCall): Routine<number> {
    const request = yield* this.#requests.begin(call, { all: requiredAccess(call.code) });
    return typeof request === 'number' ? request : yield* this.#control(request, call, IRP_MJ_FILE_SYSTEM_CONTROL);
  }

  *#control(request: Request, call: ControlCall, major: number): Routine<number> {
    const { code, input, inputLength, output, outputLength } = call;
    const transfer = this.#requests.parts.transfers.ofControlCode(code);
    let irp: Irp | undefined;
    try {
      const built = this.#requests.build(request, major);
      irp = built.irp;
      const parameters = built.stack.Parameters.DeviceIoControl;
      parameters.IoControlCode = code;
      traceIrpCreated(this.#requests.environment, irp, {
        major,
        device: request.device,
        method: transfer.method,
        ioControlCode: code,
        inputBuffer: input,
        inputLength,
        outputBuffer: output,
        outputLength,
      });
      const lengths = yield* settle(transfer.control(irp, built.stack, code, call));
      parameters.InputBufferLength = lengths.inputLength;
      parameters.OutputBufferLength = lengths.outputLength;
      if (major === IRP_MJ_FILE_SYSTEM_CONTROL) irp.Flags |= IRP_DEFER_IO_COMPLETION;
    } catch (error) {
      return yield* this.#requests.fail(request, irp, exceptionStatus(error));
    }
    return yield* this.#requests.send(request, irp);
  }
}

/** RequiredAccess of CTL_CODE: FILE_ANY_ACCESS, or that the handle was opened for reading, writing, or both. */
function requiredAccess(code: number): number {
  const access = (code >>> 14) & 3;
  return (access & FILE_READ_ACCESS ? FILE_READ_DATA : 0) | (access & FILE_WRITE_ACCESS ? FILE_WRITE_DATA : 0);
}
