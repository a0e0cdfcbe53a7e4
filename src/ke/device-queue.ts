/**
 * Device queues: requests that wait for a device to be free.
 *
 * A KDEVICE_QUEUE is busy or not. Inserting into one that is not only makes it busy and says so: the caller then serves
 * the request itself. Removing from an empty one makes it free again. Entries without a key are first in, first out;
 * with keys they stand in rising order, and removal by key goes round like an elevator ("KeRemoveByKeyDeviceQueue").
 * Everything happens at DISPATCH_LEVEL.
 */
import type { Address } from '../wdm/address.ts';
import { DeviceQueueObject } from '../wdm/constants-ke.ts';
import { Hang } from '../wdm/failures.ts';
import { KDEVICE_QUEUE, KDEVICE_QUEUE_ENTRY } from '../wdm/layouts.ts';
import type { GuestMemory } from '../wdm/memory.ts';

/** A list that is longer is a circle: a driver has written over it. */
const MAXIMUM_ENTRIES = 0x10_0000;

export class DeviceQueues {
  readonly #memory: GuestMemory;

  constructor(memory: GuestMemory) {
    this.#memory = memory;
  }

  KeInitializeDeviceQueue(queue: Address): void {
    const view = KDEVICE_QUEUE.at(this.#memory, queue);
    view.Type = DeviceQueueObject;
    view.Size = KDEVICE_QUEUE.size;
    view.DeviceListHead.Flink = view.DeviceListHead.address;
    view.DeviceListHead.Blink = view.DeviceListHead.address;
    view.Lock = 0n;
    view.Busy = 0;
  }

  /** Returns whether the entry was queued; if not, the queue was free and is busy now. */
  KeInsertDeviceQueue(queue: Address, entry: Address): boolean {
    return this.#insert(queue, entry, head => head);
  }

  KeInsertByKeyDeviceQueue(queue: Address, entry: Address, key: number): boolean {
    KDEVICE_QUEUE_ENTRY.at(this.#memory, entry).SortKey = key;
    return this.#insert(queue, entry, head => this.#firstFrom(head, key + 1) ?? head);
  }

  /** The first entry; 0 if there was none and the queue is free now. */
  KeRemoveDeviceQueue(queue: Address): Address {
    return this.#take(queue, head => this.#flink(head));
  }

  /** The first entry whose key is not below `key`, else the first of all. */
  KeRemoveByKeyDeviceQueue(queue: Address, key: number): Address {
    return this.#take(queue, head => this.#firstFrom(head, key) ?? this.#flink(head));
  }

  /** Takes an entry out, wherever it stands. Returns whether it was queued. */
  KeRemoveEntryDeviceQueue(_queue: Address, entry: Address): boolean {
    const view = KDEVICE_QUEUE_ENTRY.at(this.#memory, entry);
    if (view.Inserted === 0) return false;
    this.#unlink(entry);
    return true;
  }

  #insert(queue: Address, entry: Address, before: (head: Address) => Address): boolean {
    const view = KDEVICE_QUEUE.at(this.#memory, queue);
    const item = KDEVICE_QUEUE_ENTRY.at(this.#memory, entry);
    if (view.Busy === 0) {
      view.Busy = 1;
      item.Inserted = 0;
      return false;
    }
    const next = before(view.DeviceListHead.address);
    const previous = this.#memory.readPointer(next + 8);
    item.DeviceListEntry.Flink = next;
    item.DeviceListEntry.Blink = previous;
    this.#memory.writePointer(previous, entry);
    this.#memory.writePointer(next + 8, entry);
    item.Inserted = 1;
    return true;
  }

  #take(queue: Address, choose: (head: Address) => Address): Address {
    const view = KDEVICE_QUEUE.at(this.#memory, queue);
    const head = view.DeviceListHead.address;
    if (this.#flink(head) === head) {
      view.Busy = 0;
      return 0;
    }
    const entry = choose(head);
    this.#unlink(entry);
    return entry;
  }

  #unlink(entry: Address): void {
    const view = KDEVICE_QUEUE_ENTRY.at(this.#memory, entry);
    const { Flink, Blink } = view.DeviceListEntry;
    this.#memory.writePointer(Blink, Flink);
    this.#memory.writePointer(Flink + 8, Blink);
    view.Inserted = 0;
  }

  #flink(entry: Address): Address {
    return this.#memory.readPointer(entry);
  }

  /** The first entry whose key is at least `key`. */
  #firstFrom(head: Address, key: number): Address | undefined {
    let entry = this.#flink(head);
    for (let count = 0; entry !== head; count++, entry = this.#flink(entry)) {
      if (count === MAXIMUM_ENTRIES) throw new Hang('spinning', 'a device queue is a circle');
      if (KDEVICE_QUEUE_ENTRY.at(this.#memory, entry).SortKey >= key) return entry;
    }
    return undefined;
  }
}
