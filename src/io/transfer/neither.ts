/**
 * Neither buffered nor direct: the driver gets the caller's addresses, and nobody has looked at them.
 *
 * They may be NULL, unmapped, read-only, of kernel space; the lengths may be any number. They mean something in the
 * requesting process only, while its thread runs. Whoever touches them does so in that thread, below DISPATCH_LEVEL,
 * after ProbeForRead or ProbeForWrite, and inside __try ("Using Neither Buffered Nor Direct I/O").
 */
import type { Address } from '../../wdm/address.ts';
import type { ControlBuffers, ControlLengths, IoStackLocation, Irp, Transfer } from './transfer.ts';

export class Neither implements Transfer {
  readonly method = 'neither';

  read(irp: Irp, buffer: Address): void {
    irp.UserBuffer = buffer;
  }

  write(irp: Irp, buffer: Address): void {
    irp.UserBuffer = buffer;
  }

  /** METHOD_NEITHER. */
  control(irp: Irp, stack: IoStackLocation, _code: number, buffers: ControlBuffers): ControlLengths {
    stack.Parameters.DeviceIoControl.Type3InputBuffer = buffers.input;
    irp.UserBuffer = buffers.output;
    return buffers;
  }
}
