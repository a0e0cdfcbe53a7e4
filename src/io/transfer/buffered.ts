/**
 * Buffered transfers: the driver works on a copy.
 *
 * Before the request, the I/O manager checks the caller's buffer, takes a system buffer of the transfer's size from
 * nonpaged pool and, for data that goes to the driver, copies it in. After completion, in the requester's thread, it
 * copies IoStatus.Information bytes out and frees the system buffer ("Using Buffered I/O").
 *
 * An IOCTL has one system buffer for both directions, as long as the longer of the two. The driver finds its input in
 * it and overwrites that with its output. Nobody clears what lies beyond the input, so a driver that reports more bytes
 * than it wrote gives its caller what was in the pool ("Failure to Initialize Output Buffers").
 *
 * A transfer of no bytes has no system buffer: the pointer is NULL.
 */
import { isRoutine, type MaybeRoutine, type Routine, settle } from '../../ke/routine.ts';
import { type Address, PAGE_SIZE, pageOffset } from '../../wdm/address.ts';
import {
  IRP_BUFFERED_IO,
  IRP_DEALLOCATE_BUFFER,
  IRP_INPUT_OPERATION,
  KernelMode,
  NonPagedPoolNx,
} from '../../wdm/constants.ts';
import { GuestException } from '../../wdm/failures.ts';
import { NT_ERROR, STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS, STATUS_VERIFY_REQUIRED } from '../../wdm/ntstatus.ts';
import type { IoEnvironment } from '../environment.ts';
import { exceptionStatus } from '../exception-status.ts';
import type { ControlBuffers, ControlLengths, IoStackLocation, Irp, Transfer } from './transfer.ts';

const TAG_SYSTEM_BUFFER = 0x2042_6f49; // IoB

export class Buffered implements Transfer {
  readonly method = 'buffered';
  readonly #env: IoEnvironment;

  constructor(environment: IoEnvironment) {
    this.#env = environment;
  }

  *read(irp: Irp, buffer: Address, length: number): Routine {
    const probing = this.#probe(irp, buffer, length, 'write');
    if (isRoutine(probing)) yield* probing;
    irp.UserBuffer = buffer;
    irp.Flags |= IRP_BUFFERED_IO | IRP_INPUT_OPERATION;
    if (length > 0) this.#allocate(irp, length);
  }

  *write(irp: Irp, buffer: Address, length: number): Routine {
    yield* settle(this.#probe(irp, buffer, length, 'read'));
    irp.UserBuffer = buffer;
    irp.Flags |= IRP_BUFFERED_IO;
    if (length > 0) yield* this.copyIn(irp, buffer, length, length);
  }

  /** METHOD_BUFFERED. A buffer that is NULL counts as empty, whatever its length says. */
  *control(irp: Irp, _stack: IoStackLocation, _code: number, buffers: ControlBuffers): Routine<ControlLengths> {
    const { input, output } = buffers;
    const inputLength = input === 0 ? 0 : buffers.inputLength;
    const outputLength = output === 0 ? 0 : buffers.outputLength;
    yield* settle(this.#probe(irp, output, outputLength, 'write'));
    yield* settle(this.#probe(irp, input, inputLength, 'read'));
    const size = Math.max(inputLength, outputLength);
    if (size > 0) {
      yield* this.copyIn(irp, input, inputLength, size);
      irp.Flags |= IRP_BUFFERED_IO;
      irp.UserBuffer = output;
      if (output !== 0) irp.Flags |= IRP_INPUT_OPERATION;
    }
    return { inputLength, outputLength };
  }

  /** The first buffer of the direct METHODs, which is buffered: it goes in and never comes back. */
  *controlInput(irp: Irp, input: Address, length: number): Routine {
    yield* settle(this.#probe(irp, input, length, 'read'));
    if (length > 0) {
      yield* this.copyIn(irp, input, length, length);
      irp.Flags |= IRP_BUFFERED_IO;
    }
  }

  /** A system buffer of `size` bytes that begins with `length` bytes of the caller's. */
  *copyIn(irp: Irp, from: Address, length: number, size: number): Routine {
    const to = this.#allocate(irp, size);
    if (length === 0) return;
    yield* settle(this.#env.mm.touch(from, length, 'read'));
    this.#env.memory.copy(to, from, length);
    const { trace } = this.#env;
    if (trace.enabled) trace.emit({ type: 'copied', irp: irp.address, direction: 'in', from, to, bytes: length });
  }

  /**
   * Gives the caller what the driver left in the system buffer: IoStatus.Information bytes, unless the request failed.
   * The count is taken as it is ("Failure to Check the Size of Buffers"): too large a one takes whatever lies behind
   * the system buffer, until a page of either side is not there.
   *
   * Requester's thread, APC_LEVEL. Returns the request's status, or why the caller's buffer could not be written.
   */
  *copyBack(irp: Irp): Routine<number> {
    const { Status, Information } = irp.IoStatus;
    const wanted = IRP_BUFFERED_IO | IRP_INPUT_OPERATION;
    const from = irp.AssociatedIrp.SystemBuffer;
    if ((irp.Flags & wanted) !== wanted || NT_ERROR(Status) || Status === STATUS_VERIFY_REQUIRED) return Status;
    if (Information === 0n || from === 0) return Status;
    const to = irp.UserBuffer;
    const length = Number(Information);
    const { memory, mm, trace } = this.#env;
    let done = 0;
    let status = STATUS_SUCCESS;
    try {
      while (done < length) {
        const piece = Math.min(length - done, PAGE_SIZE - pageOffset(to + done));
        const touching = mm.touch(to + done, piece, 'write');
        if (isRoutine(touching)) yield* touching;
        memory.copy(to + done, from + done, piece);
        done += piece;
      }
    } catch (error) {
      status = exceptionStatus(error);
    }
    if (trace.enabled && done > 0) {
      trace.emit({ type: 'copied', irp: irp.address, direction: 'out', from, to, bytes: done });
    }
    return status === STATUS_SUCCESS ? Status : status;
  }

  /** Frees the system buffer, if the IRP owns one. */
  release(irp: Irp): void {
    if (!(irp.Flags & IRP_DEALLOCATE_BUFFER)) return;
    const address = irp.AssociatedIrp.SystemBuffer;
    irp.Flags &= ~IRP_DEALLOCATE_BUFFER;
    this.#env.pool.free(address, TAG_SYSTEM_BUFFER);
    const { trace } = this.#env;
    if (trace.enabled) trace.emit({ type: 'buffer-freed', irp: irp.address, address });
  }

  #allocate(irp: Irp, bytes: number): Address {
    const address = this.#env.pool.allocate(NonPagedPoolNx, bytes, TAG_SYSTEM_BUFFER);
    if (address === 0) throw new GuestException(STATUS_INSUFFICIENT_RESOURCES);
    irp.AssociatedIrp.SystemBuffer = address;
    irp.Flags |= IRP_DEALLOCATE_BUFFER;
    const { trace } = this.#env;
    if (trace.enabled) {
      trace.emit({ type: 'buffer-allocated', irp: irp.address, address, bytes, pool: 'NonPagedPoolNx' });
    }
    return address;
  }

  /** A caller in kernel mode is trusted. */
  #probe(irp: Irp, address: Address, length: number, access: 'read' | 'write'): MaybeRoutine<void> {
    if (irp.RequestorMode === KernelMode) return;
    const { mm } = this.#env;
    return access === 'read' ? mm.ProbeForRead(address, length, 1) : mm.ProbeForWrite(address, length, 1);
  }
}
