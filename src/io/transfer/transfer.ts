/**
 * How a request's buffer gets to the driver: the one thing that a driver chooses about every transfer.
 *
 *                 what the driver finds                  who copies         where it is good
 *     buffered    AssociatedIrp.SystemBuffer             I/O manager        any process, any IRQL
 *     direct      MdlAddress: the caller's own pages,    nobody             any process, any IRQL
 *                 locked; mapped when the driver asks
 *     neither     UserBuffer, Type3InputBuffer: the      the driver         the requesting process,
 *                 caller's addresses, nobody looked                         below DISPATCH_LEVEL, in __try
 *
 * For IRP_MJ_READ and IRP_MJ_WRITE the device says which, in DEVICE_OBJECT.Flags of the *top* of its stack; for an
 * IOCTL the code says it, in its two low bits, whatever the device's flags are. Sources: "Methods for Accessing Data
 * Buffers" and "Buffer Descriptions for I/O Control Codes".
 *
 * The three methods below run in the requester's thread, before the IRP is sent. They raise a GuestException for a bad
 * buffer or for want of memory: the request then ends with that status and no driver sees it. What they put into the
 * IRP, completion takes out again: `unlockPages` (direct.ts) wherever the IRP is completed, `copyBack` and `release`
 * (buffered.ts, direct.ts) in the requester's thread.
 */
import type { MaybeRoutine } from '../../ke/routine.ts';
import type { Address } from '../../wdm/address.ts';
import type { IO_STACK_LOCATION, IRP } from '../../wdm/layouts.ts';
import type { ViewOf } from '../../wdm/struct.ts';

export type Irp = ViewOf<typeof IRP>;
export type IoStackLocation = ViewOf<typeof IO_STACK_LOCATION>;

/** The two buffers of an IOCTL, as the caller gave them. */
export interface ControlBuffers {
  readonly input: Address;
  readonly inputLength: number;
  readonly output: Address;
  readonly outputLength: number;
}

/** The lengths that the driver will see. */
export interface ControlLengths {
  readonly inputLength: number;
  readonly outputLength: number;
}

export interface Transfer {
  readonly method: 'buffered' | 'direct' | 'neither';
  /** IRP_MJ_READ: the driver fills `buffer`. */
  read(irp: Irp, buffer: Address, length: number): MaybeRoutine<void>;
  /** IRP_MJ_WRITE: the driver takes from `buffer`. */
  write(irp: Irp, buffer: Address, length: number): MaybeRoutine<void>;
  /** IRP_MJ_DEVICE_CONTROL and IRP_MJ_FILE_SYSTEM_CONTROL; METHOD_IN_DIRECT and METHOD_OUT_DIRECT differ in the lock. */
  control(irp: Irp, stack: IoStackLocation, code: number, buffers: ControlBuffers): MaybeRoutine<ControlLengths>;
}
