/**
 * Direct transfers: the driver works on the caller's own pages.
 *
 * The I/O manager describes the caller's buffer by an MDL, checks it and locks its pages, so that they stay where they
 * are while the request is under way. Nothing is copied. A driver that wants to touch the bytes maps the pages into
 * system space (MmGetSystemAddressForMdlSafe) and then shares them with the caller, who may change them at any time
 * ("Using Direct I/O", "Errors in Direct I/O"); a driver that does DMA hands the MDL on.
 *
 * The lock asks for what the driver will do: write the pages for a read and METHOD_OUT_DIRECT, read them for a write
 * and METHOD_IN_DIRECT. A transfer of no bytes has no MDL: MdlAddress is NULL.
 */
import type { Routine } from '../../ke/routine.ts';
import type { Address } from '../../wdm/address.ts';
import { IoReadAccess, IoWriteAccess, METHOD_IN_DIRECT } from '../../wdm/constants.ts';
import { GuestException } from '../../wdm/failures.ts';
import { MDL } from '../../wdm/layouts.ts';
import { STATUS_INSUFFICIENT_RESOURCES } from '../../wdm/ntstatus.ts';
import type { IoEnvironment } from '../environment.ts';
import type { Buffered } from './buffered.ts';
import type { ControlBuffers, ControlLengths, IoStackLocation, Irp, Transfer } from './transfer.ts';

/** MDL_PAGES_LOCKED */
const LOCKED = 0x0002;
/** A driver that loses its way among Next pointers cannot keep completion busy for ever. */
const CHAIN_LIMIT = 0x1_0000;

export class Direct implements Transfer {
  readonly method = 'direct';
  readonly #env: IoEnvironment;
  readonly #buffered: Buffered;

  constructor(environment: IoEnvironment, buffered: Buffered) {
    this.#env = environment;
    this.#buffered = buffered;
  }

  read(irp: Irp, buffer: Address, length: number): Routine {
    return this.#lock(irp, buffer, length, IoWriteAccess);
  }

  write(irp: Irp, buffer: Address, length: number): Routine {
    return this.#lock(irp, buffer, length, IoReadAccess);
  }

  /**
   * METHOD_IN_DIRECT and METHOD_OUT_DIRECT: the first buffer is copied in; the second, though the API calls it the
   * output buffer, carries data in either direction and is locked.
   */
  *control(irp: Irp, _stack: IoStackLocation, code: number, buffers: ControlBuffers): Routine<ControlLengths> {
    const inputLength = buffers.input === 0 ? 0 : buffers.inputLength;
    const outputLength = buffers.output === 0 ? 0 : buffers.outputLength;
    yield* this.#buffered.controlInput(irp, buffers.input, inputLength);
    const operation = (code & 3) === METHOD_IN_DIRECT ? IoReadAccess : IoWriteAccess;
    yield* this.#lock(irp, buffers.output, outputLength, operation);
    return { inputLength, outputLength };
  }

  /** Unlocks the pages of every MDL that the IRP carries; their system mappings go with that. IRQL <= DISPATCH_LEVEL. */
  unlockPages(irp: Irp): void {
    for (const mdl of this.#chain(irp)) {
      if (MDL.at(this.#env.memory, mdl).MdlFlags & LOCKED) this.#env.mm.MmUnlockPages(mdl);
    }
  }

  /** Frees the IRP's MDLs, those too that drivers added to the chain. IRQL <= DISPATCH_LEVEL. */
  release(irp: Irp): void {
    const mdls = [...this.#chain(irp)];
    irp.MdlAddress = 0;
    for (const mdl of mdls) this.#env.mm.IoFreeMdl(mdl);
  }

  *#lock(irp: Irp, buffer: Address, length: number, operation: number): Routine {
    if (length === 0) return;
    const mdl = this.#env.mm.IoAllocateMdl(buffer, length, false, true, irp.address);
    if (mdl === 0) throw new GuestException(STATUS_INSUFFICIENT_RESOURCES);
    yield* this.#env.mm.MmProbeAndLockPages(mdl, irp.RequestorMode, operation);
  }

  *#chain(irp: Irp): Generator<Address> {
    let mdl = irp.MdlAddress;
    for (let count = 0; mdl !== 0 && count < CHAIN_LIMIT; count++) {
      const next = MDL.at(this.#env.memory, mdl).Next;
      yield mdl;
      mdl = next;
    }
  }
}
