/**
 * Deferred procedure calls.
 *
 * A KDPC is queued at any IRQL and runs once, at DISPATCH_LEVEL, when IRQL next falls below. While it is queued,
 * KDPC.DpcData is not zero, and queueing it again does nothing ("KeInsertQueueDpc routine").
 */
import type { Trace } from '../etw/trace.ts';
import type { Address } from '../wdm/address.ts';
import { DpcObject } from '../wdm/constants-ke.ts';
import { KDPC } from '../wdm/layouts.ts';
import type { GuestMemory } from '../wdm/memory.ts';
import { call } from './routine.ts';
import type { QueuedDpc } from './scheduler.ts';

/** KDPC.Importance. */
export const HighImportance = 2;
const MediumImportance = 1;

export class DpcQueue {
  readonly #memory: GuestMemory;
  readonly #queue: QueuedDpc[];
  readonly #trace: Trace;

  /** @param queue the scheduler's, which runs what is in it */
  constructor(memory: GuestMemory, queue: QueuedDpc[], trace: Trace) {
    this.#memory = memory;
    this.#queue = queue;
    this.#trace = trace;
  }

  KeInitializeDpc(dpc: Address, routine: Address, context: bigint): void {
    const view = KDPC.at(this.#memory, dpc);
    view.Type = DpcObject;
    view.Importance = MediumImportance;
    view.Number = 0;
    view.DpcData = 0n;
    view.DeferredRoutine = routine;
    view.DeferredContext = context;
  }

  /** Returns whether the DPC was not queued already. */
  KeInsertQueueDpc(dpc: Address, argument1: bigint, argument2: bigint): boolean {
    const view = KDPC.at(this.#memory, dpc);
    if (view.DpcData !== 0n) return false;
    view.DpcData = 1n;
    view.SystemArgument1 = argument1;
    view.SystemArgument2 = argument2;
    const entry: QueuedDpc = { object: dpc, run: () => this.#run(dpc) };
    if (view.Importance === HighImportance) this.#queue.unshift(entry);
    else this.#queue.push(entry);
    return true;
  }

  /** Returns whether the DPC was queued. */
  KeRemoveQueueDpc(dpc: Address): boolean {
    const index = this.#queue.findIndex(entry => entry.object === dpc);
    if (index < 0) return false;
    this.#queue.splice(index, 1);
    KDPC.at(this.#memory, dpc).DpcData = 0n;
    return true;
  }

  KeSetImportanceDpc(dpc: Address, importance: number): void {
    KDPC.at(this.#memory, dpc).Importance = importance;
  }

  *#run(dpc: Address) {
    const view = KDPC.at(this.#memory, dpc);
    const { DeferredRoutine, DeferredContext, SystemArgument1, SystemArgument2 } = view;
    view.DpcData = 0n;
    if (this.#trace.enabled) this.#trace.emit({ type: 'dpc-run', routine: DeferredRoutine });
    yield* call(DeferredRoutine, dpc, DeferredContext, SystemArgument1, SystemArgument2);
  }
}
