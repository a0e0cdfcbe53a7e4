/**
 * KPCR, the processor's own page: what GS points to in kernel mode.
 *
 * Drivers read it through inlines: KeGetCurrentThread is gs:[188h], KeGetPcr gs:[18h], KeGetCurrentProcessorNumber
 * gs:[1A4h]. There is one processor, so there is one.
 */
import type { Address } from '../wdm/address.ts';
import { KPCR } from '../wdm/layouts.ts';
import type { GuestMemory } from '../wdm/memory.ts';

const CURRENT_THREAD = KPCR.fields.Prcb.offset + 0x08;

export class ProcessorControlRegion {
  readonly address: Address;
  readonly #memory: GuestMemory;

  /** @param address KPCR.size bytes of nonpaged memory, zeroed */
  constructor(memory: GuestMemory, address: Address) {
    this.#memory = memory;
    this.address = address;
    const view = KPCR.at(memory, address);
    view.Self = address;
    view.CurrentPrcb = view.Prcb.address;
    view.MajorVersion = 1;
    view.MinorVersion = 1;
    view.StallScaleFactor = 1000; // MHz: an instruction takes a nanosecond
    view.Prcb.MxCsr = 0x1f80;
    view.Prcb.MajorVersion = 1;
    view.Prcb.MinorVersion = 1;
    view.Prcb.MHz = 1000;
  }

  set currentThread(thread: Address) {
    this.#memory.writePointer(this.address + CURRENT_THREAD, thread);
  }

  set idleThread(thread: Address) {
    KPCR.at(this.#memory, this.address).Prcb.IdleThread = thread;
  }
}
