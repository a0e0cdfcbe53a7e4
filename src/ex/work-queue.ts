/**
 * System worker threads: work that must wait for PASSIVE_LEVEL and a thread of the System process.
 *
 * One thread serves each queue (delayed, critical, hypercritical), made when the queue is first used. It takes items in
 * order and calls each at PASSIVE_LEVEL; an item may be queued again from within its own routine.
 */
import type { Ke } from '../ke/ke.ts';
import { call, type Routine } from '../ke/routine.ts';
import { type Address, fromAddress } from '../wdm/address.ts';
import { WORKER_INVALID } from '../wdm/bugcheck-codes.ts';
import { BugCheck } from '../wdm/failures.ts';
import { WORK_QUEUE_ITEM } from '../wdm/layouts.ts';

type Work = () => Routine;

export class WorkQueues {
  readonly #ke: Ke;
  readonly #startThread: (name: string, body: Routine) => void;
  readonly #queues = new Map<number, Work[]>();
  readonly #keys = new Map<number, Address>();

  /** @param startThread starts a system thread of the System process */
  constructor(ke: Ke, startThread: (name: string, body: Routine) => void) {
    this.#ke = ke;
    this.#startThread = startThread;
  }

  /** ExQueueWorkItem. IRQL <= DISPATCH_LEVEL. */
  *ExQueueWorkItem(item: Address, queueType: number): Routine {
    const view = WORK_QUEUE_ITEM.at(this.#ke.memory, item);
    if (view.List.Flink !== 0) throw new BugCheck(WORKER_INVALID, [1n, fromAddress(item), BigInt(queueType), 0n]);
    view.List.Flink = item;
    yield* this.queue(queueType, () => this.#run(item));
  }

  /** Kernel work of our own. */
  *queue(queueType: number, work: Work): Routine {
    this.enqueue(queueType, work);
    yield* this.#ke.unpark(this.#keys.get(queueType)!);
  }

  /** As `queue`, from code that cannot yield: the worker sees it when it next runs. */
  enqueue(queueType: number, work: Work): void {
    let items = this.#queues.get(queueType);
    if (!items) {
      items = [];
      this.#queues.set(queueType, items);
      this.#keys.set(queueType, queueType - 0x100); // no guest address: a parking key of our own
      this.#startThread('ExpWorkerThread', this.#worker(items, this.#keys.get(queueType)!));
    }
    items.push(work);
    this.#ke.wakeParked(this.#keys.get(queueType)!);
  }

  *#run(item: Address): Routine {
    const view = WORK_QUEUE_ITEM.at(this.#ke.memory, item);
    const { WorkerRoutine, Parameter } = view;
    view.List.Flink = 0;
    yield* call(WorkerRoutine, Parameter);
  }

  *#worker(items: Work[], key: Address): Routine {
    for (;;) {
      yield* this.#ke.park(key, () => items.length > 0);
      yield* items.shift()!();
    }
  }
}
