/**
 * IRPs that drivers build for other drivers.
 *
 * IoBuildDeviceIoControlRequest and IoBuildSynchronousFsdRequest make *threaded* IRPs: they are on the current thread's
 * list, the I/O manager finishes and frees them in that thread, sets the caller's event and writes its status block.
 * IoBuildAsynchronousFsdRequest makes one that its builder stops on the way up and frees.
 *
 * All buffers are system memory, RequestorMode is KernelMode. NULL comes back for want of memory or for a buffer that
 * cannot be locked. Sources: the DDI pages of the three.
 */
import { type Routine, settle } from '../ke/routine.ts';
import type { Address } from '../wdm/address.ts';
import {
  IRP_ASSOCIATED_IRP,
  IRP_MJ_DEVICE_CONTROL,
  IRP_MJ_FLUSH_BUFFERS,
  IRP_MJ_INTERNAL_DEVICE_CONTROL,
  IRP_MJ_PNP,
  IRP_MJ_READ,
  IRP_MJ_SHUTDOWN,
  IRP_MJ_WRITE,
  KernelMode,
} from '../wdm/constants.ts';
import { GuestException } from '../wdm/failures.ts';
import { DEVICE_OBJECT } from '../wdm/layouts.ts';
import type { IoEnvironment } from './environment.ts';
import { IoGetNextIrpStackLocation } from './inlines.ts';
import type { Irps } from './irp.ts';
import type { ThreadIrps } from './thread-irps.ts';
import { traceIrpCreated } from './trace-irp.ts';
import type { Irp, Transfers } from './transfer/index.ts';

export class BuildIrp {
  readonly #env: IoEnvironment;
  readonly #irps: Irps;
  readonly #transfers: Transfers;
  readonly #threads: ThreadIrps;

  constructor(environment: IoEnvironment, irps: Irps, transfers: Transfers, threads: ThreadIrps) {
    this.#env = environment;
    this.#irps = irps;
    this.#transfers = transfers;
    this.#threads = threads;
  }

  /** IRQL <= APC_LEVEL. For METHOD_NEITHER the addresses go into the IRP as they are. */
  *IoBuildDeviceIoControlRequest(
    code: number,
    device: Address,
    input: Address,
    inputLength: number,
    output: Address,
    outputLength: number,
    internal: boolean,
    event: Address,
    statusBlock: Address,
  ): Routine<Address> {
    const irp = this.#allocate(device);
    if (!irp) return 0;
    const stack = IoGetNextIrpStackLocation(this.#env.memory, irp.address);
    const major = internal ? IRP_MJ_INTERNAL_DEVICE_CONTROL : IRP_MJ_DEVICE_CONTROL;
    stack.MajorFunction = major;
    const parameters = stack.Parameters.DeviceIoControl;
    parameters.IoControlCode = code;
    const transfer = this.#transfers.ofControlCode(code);
    traceIrpCreated(this.#env, irp, {
      major,
      device,
      method: transfer.method,
      ioControlCode: code,
      inputBuffer: input,
      inputLength,
      outputBuffer: output,
      outputLength,
    });
    const buffers = { input, inputLength, output, outputLength };
    const lengths = yield* this.#try(irp, () => settle(transfer.control(irp, stack, code, buffers)));
    if (!lengths) return 0;
    parameters.InputBufferLength = lengths.inputLength;
    parameters.OutputBufferLength = lengths.outputLength;
    this.#thread(irp, event, statusBlock);
    return irp.address;
  }

  /** READ, WRITE, FLUSH_BUFFERS, SHUTDOWN or PNP. IRQL PASSIVE_LEVEL. */
  *IoBuildSynchronousFsdRequest(
    major: number,
    device: Address,
    buffer: Address,
    length: number,
    offset: bigint | undefined,
    event: Address,
    statusBlock: Address,
  ): Routine<Address> {
    const irp = yield* this.#buildFsd(major, device, buffer, length, offset);
    if (!irp) return 0;
    this.#thread(irp, event, statusBlock);
    return irp.address;
  }

  /** As above, but nobody finishes it: the builder's completion routine does. IRQL <= APC_LEVEL. */
  *IoBuildAsynchronousFsdRequest(
    major: number,
    device: Address,
    buffer: Address,
    length: number,
    offset: bigint | undefined,
    statusBlock: Address,
  ): Routine<Address> {
    const irp = yield* this.#buildFsd(major, device, buffer, length, offset);
    if (!irp) return 0;
    irp.UserIosb = statusBlock;
    irp.Tail.Overlay.Thread = this.#env.ke.currentThread.object;
    return irp.address;
  }

  /** An IRP whose completion finishes `master`, when it is the last one (AssociatedIrp.IrpCount of the master). */
  IoMakeAssociatedIrp(master: Address, stackSize: number): Address {
    const address = this.#irps.IoAllocateIrp(stackSize, false);
    if (address === 0) return 0;
    const irp = this.#irps.view(address);
    irp.Flags |= IRP_ASSOCIATED_IRP;
    irp.AssociatedIrp.MasterIrp = master;
    irp.Tail.Overlay.Thread = this.#irps.view(master).Tail.Overlay.Thread;
    return address;
  }

  *#buildFsd(
    major: number,
    device: Address,
    buffer: Address,
    length: number,
    offset: bigint | undefined,
  ): Routine<Irp | undefined> {
    const irp = this.#allocate(device);
    if (!irp) return undefined;
    const stack = IoGetNextIrpStackLocation(this.#env.memory, irp.address);
    stack.MajorFunction = major;
    if (major === IRP_MJ_FLUSH_BUFFERS || major === IRP_MJ_SHUTDOWN || major === IRP_MJ_PNP) {
      traceIrpCreated(this.#env, irp, { major, device, method: 'none' });
      return irp;
    }
    if (major === IRP_MJ_READ || major === IRP_MJ_WRITE) {
      const parameters = stack.Parameters.Read;
      parameters.Length = length;
      parameters.ByteOffset = offset ?? 0n;
    }
    const { Flags } = DEVICE_OBJECT.at(this.#env.memory, device);
    const transfer = this.#transfers.ofDevice(Flags);
    const facts = { major, device, method: transfer.method };
    traceIrpCreated(
      this.#env,
      irp,
      major === IRP_MJ_WRITE
        ? { ...facts, inputBuffer: buffer, inputLength: length }
        : { ...facts, outputBuffer: buffer, outputLength: length },
    );
    const send = major === IRP_MJ_WRITE ? transfer.write : transfer.read;
    const built = yield* this.#try(irp, function* () {
      yield* settle(send.call(transfer, irp, buffer, length));
      return true;
    });
    return built ? irp : undefined;
  }

  #allocate(device: Address): Irp | undefined {
    const address = this.#irps.IoAllocateIrp(DEVICE_OBJECT.at(this.#env.memory, device).StackSize, false);
    if (address === 0) return undefined;
    const irp = this.#irps.view(address);
    irp.RequestorMode = KernelMode;
    return irp;
  }

  #thread(irp: Irp, event: Address, statusBlock: Address): void {
    irp.UserEvent = event;
    irp.UserIosb = statusBlock;
    this.#threads.insert(irp);
  }

  /** A buffer that cannot be had frees the IRP: undefined. */
  *#try<T>(irp: Irp, body: () => Routine<T>): Routine<T | undefined> {
    try {
      return yield* body();
    } catch (error) {
      if (!(error instanceof GuestException)) throw error;
      this.#transfers.abandon(irp);
      this.#irps.IoFreeIrp(irp.address);
      return undefined;
    }
  }
}
