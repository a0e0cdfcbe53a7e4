/**
 * The list of IRPs that a thread has issued: ETHREAD.IrpList, linked through IRP.ThreadListEntry.
 *
 * An IRP is on it from before it is sent until it is finished in that thread. What a thread still has there when it
 * ends must be cancelled and waited for.
 */
import type { Address } from '../wdm/address.ts';
import { Hang } from '../wdm/failures.ts';
import { ETHREAD, IRP } from '../wdm/layouts.ts';
import type { IoEnvironment } from './environment.ts';
import { list } from './list-entry.ts';
import type { Irp } from './transfer/index.ts';

const { IrpList } = ETHREAD.fields;
const { ThreadListEntry } = IRP.fields;

/** A list that is longer has lost its head: a driver has written over it. */
const MAXIMUM_IRPS = 0x10_0000;

export class ThreadIrps {
  readonly #env: IoEnvironment;

  constructor(environment: IoEnvironment) {
    this.#env = environment;
  }

  /** Puts the IRP on the current thread's list and notes the thread in it. */
  insert(irp: Irp): void {
    const { memory, ke } = this.#env;
    const thread = ke.currentThread.object;
    irp.Tail.Overlay.Thread = thread;
    list.insertHead(memory, this.#head(thread), irp.ThreadListEntry.address);
  }

  /** The thread's IRPs, latest first. */
  *of(thread: Address): Generator<Address> {
    const { memory } = this.#env;
    const head = this.#head(thread);
    let entry = memory.readPointer(head);
    for (let count = 0; entry !== head; count++) {
      if (count === MAXIMUM_IRPS) throw new Hang('spinning', "the list of a thread's IRPs is a circle");
      const next = memory.readPointer(entry);
      yield entry - ThreadListEntry.offset;
      entry = next;
    }
  }

  #head(thread: Address): Address {
    const head = thread + IrpList.offset;
    if (this.#env.memory.readPointer(head) === 0) list.initialize(this.#env.memory, head);
    return head;
  }
}
