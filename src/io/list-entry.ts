/**
 * LIST_ENTRYs: doubly linked lists through guest memory, as drivers' own inline code walks them.
 */
import type { Address } from '../wdm/address.ts';
import type { GuestMemory } from '../wdm/memory.ts';

/** InitializeListHead, InsertTailList and their like, on LIST_ENTRYs. */
export const list = {
  initialize(memory: GuestMemory, head: Address): void {
    memory.writePointer(head, head);
    memory.writePointer(head + 8, head);
  },
  isEmpty(memory: GuestMemory, head: Address): boolean {
    return memory.readPointer(head) === head;
  },
  insertHead(memory: GuestMemory, head: Address, entry: Address): void {
    const first = memory.readPointer(head);
    memory.writePointer(entry, first);
    memory.writePointer(entry + 8, head);
    memory.writePointer(first + 8, entry);
    memory.writePointer(head, entry);
  },
  remove(memory: GuestMemory, entry: Address): void {
    const next = memory.readPointer(entry);
    const previous = memory.readPointer(entry + 8);
    memory.writePointer(previous, next);
    memory.writePointer(next + 8, previous);
  },
};
