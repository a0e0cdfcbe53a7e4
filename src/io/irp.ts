/**
 * I/O request packets: making, reusing and freeing them.
 *
 * An IRP is a header and, behind it, one IO_STACK_LOCATION for each driver that it may pass, the last driver's first.
 * CurrentLocation counts down from StackCount + 1 as the IRP descends and up again as it completes; CurrentStackLocation
 * moves with it. Drivers read and write all of this with inline code, so it exists only here, in guest memory.
 *
 * Who frees: an IRP that came in through a system service, or from IoBuildSynchronousFsdRequest or
 * IoBuildDeviceIoControlRequest, belongs to the I/O manager once it is sent; one from IoAllocateIrp or
 * IoBuildAsynchronousFsdRequest is its maker's, who stops its completion and calls IoFreeIrp.
 */
import type { Address } from '../wdm/address.ts';
import { fromAddress } from '../wdm/address.ts';
import { MULTIPLE_IRP_COMPLETE_REQUESTS, MUST_SUCCEED_POOL_EMPTY } from '../wdm/bugcheck.ts';
import { IO_TYPE_IRP, IRP_QUOTA_CHARGED, NonPagedPoolNx } from '../wdm/constants.ts';
import { BugCheck } from '../wdm/failures.ts';
import { IO_STACK_LOCATION, IRP } from '../wdm/layouts.ts';
import type { IoEnvironment } from './environment.ts';
import { list } from './list-entry.ts';
import type { Irp } from './transfer/index.ts';

const TAG_IRP = 0x2070_7249; // Irp

export class Irps {
  readonly #env: IoEnvironment;
  readonly #reserved: Address;
  /** 0 while it is in use. */
  #reserve: Address;

  constructor(environment: IoEnvironment) {
    this.#env = environment;
    this.#reserved = environment.pool.allocate(NonPagedPoolNx, Irps.sizeOf(127), TAG_IRP);
    this.#reserve = this.#reserved;
  }

  view(irp: Address): Irp {
    return IRP.at(this.#env.memory, irp);
  }

  /** IoSizeOfIrp */
  static sizeOf(stackSize: number): number {
    return IRP.size + stackSize * IO_STACK_LOCATION.size;
  }

  /**
   * NULL when there is no memory, or for a stack size that is no positive CCHAR. IRQL <= DISPATCH_LEVEL.
   * @param chargeQuota recorded only: no process here has a quota
   */
  IoAllocateIrp(stackSize: number, chargeQuota: boolean): Address {
    const count = (stackSize << 24) >> 24;
    if (count < 0) return 0;
    const bytes = Irps.sizeOf(count);
    const irp = this.#env.pool.allocate(NonPagedPoolNx, bytes, TAG_IRP);
    if (irp === 0) return 0;
    this.IoInitializeIrp(irp, bytes, count);
    if (chargeQuota) this.view(irp).AllocationFlags = IRP_QUOTA_CHARGED;
    return irp;
  }

  /** For the requests that close a file, which must not fail: there is one in reserve. */
  allocateMustSucceed(stackSize: number): Address {
    if (this.#reserve === 0) throw new BugCheck(MUST_SUCCEED_POOL_EMPTY, [BigInt(Irps.sizeOf(stackSize)), 0n, 0n, 0n]);
    const irp = this.#reserve;
    this.#reserve = 0;
    this.IoInitializeIrp(irp, Irps.sizeOf(stackSize), stackSize);
    return irp;
  }

  /** Any IRQL. */
  IoInitializeIrp(irp: Address, packetSize: number, stackSize: number): void {
    const { memory } = this.#env;
    memory.fill(irp, packetSize & 0xffff, 0);
    const view = this.view(irp);
    view.Type = IO_TYPE_IRP;
    view.Size = packetSize & 0xffff;
    view.StackCount = stackSize;
    view.CurrentLocation = stackSize + 1;
    view.Tail.Overlay.CurrentStackLocation = irp + Irps.sizeOf(stackSize);
    list.initialize(memory, view.ThreadListEntry.address);
  }

  /** Makes an IRP of IoAllocateIrp fresh again, keeping its AllocationFlags; `status` becomes IoStatus.Status. */
  IoReuseIrp(irp: Address, status: number): void {
    const { AllocationFlags, Size, StackCount } = this.view(irp);
    this.IoInitializeIrp(irp, Size, StackCount);
    const view = this.view(irp);
    view.AllocationFlags = AllocationFlags;
    view.IoStatus.Status = status;
  }

  /** The caller must have taken its buffers and MDLs out first. IRQL <= DISPATCH_LEVEL. */
  IoFreeIrp(irp: Address): void {
    const view = this.view(irp);
    if (view.Type !== IO_TYPE_IRP) throw new BugCheck(MULTIPLE_IRP_COMPLETE_REQUESTS, [fromAddress(irp), 0n, 0n, 0n]);
    view.Type = 0;
    if (irp === this.#reserved) this.#reserve = irp;
    else this.#env.pool.free(irp, TAG_IRP);
    const { trace } = this.#env;
    if (trace.enabled) trace.emit({ type: 'irp-freed', irp });
  }
}
