/**
 * I/O work items: a driver's way to PASSIVE_LEVEL.
 *
 * A work item belongs to a device, and from IoQueueWorkItem until its routine has returned it holds a reference on that
 * device, so that neither the device nor its driver's code goes away meanwhile: the reason to prefer it to
 * ExQueueWorkItem ("Using IO_WORKITEM structures"). The routine runs in a thread of the System process.
 */
import type { WorkQueues } from '../ex/work-queue.ts';
import { call, type Routine } from '../ke/routine.ts';
import { type Address, fromAddress } from '../wdm/address.ts';
import { WORKER_INVALID } from '../wdm/bugcheck-codes.ts';
import { NonPagedPoolNx } from '../wdm/constants.ts';
import { BugCheck } from '../wdm/failures.ts';
import { IO_WORKITEM } from '../wdm/layouts.ts';
import type { IoEnvironment } from './environment.ts';

const TAG = 0x6957_6f49; // IoWi

/** Passed to IoQueueWorkItemEx's routine besides the object and the context. */
type Form = 'plain' | 'with work item';

export class WorkItems {
  readonly #env: IoEnvironment;
  readonly #queues: WorkQueues;

  constructor(environment: IoEnvironment, queues: WorkQueues) {
    this.#env = environment;
    this.#queues = queues;
  }

  /** 0 when there is no memory. IRQL <= DISPATCH_LEVEL. */
  IoAllocateWorkItem(device: Address): Address {
    const item = this.#env.pool.allocate(NonPagedPoolNx, IO_WORKITEM.size, TAG);
    if (item !== 0) this.IoInitializeWorkItem(device, item);
    return item;
  }

  /** For a work item in memory of the driver's own, of IoSizeofWorkItem bytes. */
  IoInitializeWorkItem(ioObject: Address, item: Address): void {
    this.#env.memory.fill(item, IO_WORKITEM.size, 0);
    IO_WORKITEM.at(this.#env.memory, item).IoObject = ioObject;
  }

  /** The item must not be queued. IRQL <= DISPATCH_LEVEL. */
  IoFreeWorkItem(item: Address): void {
    this.IoUninitializeWorkItem(item);
    this.#env.pool.free(item, TAG);
  }

  IoUninitializeWorkItem(item: Address): void {
    if (IO_WORKITEM.at(this.#env.memory, item).WorkItem.List.Flink !== 0) this.#invalid(item);
  }

  /** IRQL <= DISPATCH_LEVEL. An item that is queued already is WORKER_INVALID. */
  *IoQueueWorkItem(item: Address, routine: Address, queueType: number, context: bigint, form: Form): Routine {
    const { ob, memory } = this.#env;
    const view = IO_WORKITEM.at(memory, item);
    if (view.WorkItem.List.Flink !== 0) this.#invalid(item);
    view.WorkItem.List.Flink = item;
    ob.objects.ObfReferenceObject(view.IoObject);
    yield* this.#queues.queue(queueType, () => this.#run(item, routine, context, form));
  }

  *#run(item: Address, routine: Address, context: bigint, form: Form): Routine {
    const { ob, memory, trace } = this.#env;
    const view = IO_WORKITEM.at(memory, item);
    const object = view.IoObject;
    view.WorkItem.List.Flink = 0;
    if (trace.enabled) trace.emit({ type: 'work-item-run', routine });
    if (form === 'plain') yield* call(routine, object, context);
    else yield* call(routine, object, context, item);
    yield* ob.objects.ObfDereferenceObject(object);
  }

  #invalid(item: Address): never {
    throw new BugCheck(WORKER_INVALID, [1n, fromAddress(item), 0n, 0n], 'the work item is queued');
  }
}
