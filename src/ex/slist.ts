/**
 * Interlocked singly linked lists (SLIST_HEADER), as x64 lays them out: depth and sequence in the first 64 bits, the
 * first entry's address in the upper 60 bits of the second. One processor runs here, so a list operation is whole by
 * itself. Entries are 16-byte aligned; their first pointer is Next. Any IRQL that the memory allows.
 */
import { type Address, fromAddress, toAddress } from '../wdm/address.ts';
import type { GuestMemory } from '../wdm/memory.ts';

const DEPTH = 0xffffn;
const ENTRY = ~0xfn;

export function InitializeSListHead(memory: GuestMemory, head: Address): void {
  memory.writeU64(head, 0n);
  memory.writeU64(head + 8, 0n);
}

/** USHORT. */
export function ExQueryDepthSList(memory: GuestMemory, head: Address): number {
  return memory.readU16(head);
}

export function firstEntry(memory: GuestMemory, head: Address): Address {
  return toAddress(memory.readU64(head + 8) & ENTRY);
}

/** Returns the entry that was first; 0 if the list was empty. */
export function ExpInterlockedPushEntrySList(memory: GuestMemory, head: Address, entry: Address): Address {
  const first = firstEntry(memory, head);
  memory.writePointer(entry, first);
  change(memory, head, entry, 1n);
  return first;
}

/** Takes the first entry; 0 if there is none. */
export function ExpInterlockedPopEntrySList(memory: GuestMemory, head: Address): Address {
  const first = firstEntry(memory, head);
  if (first !== 0) change(memory, head, memory.readPointer(first), -1n);
  return first;
}

/** Takes all entries: the first, with the others behind it. */
export function ExpInterlockedFlushSList(memory: GuestMemory, head: Address): Address {
  const first = firstEntry(memory, head);
  if (first !== 0) change(memory, head, 0, -(memory.readU64(head) & DEPTH));
  return first;
}

/** Sequence counts pushes, so that a compare-exchange of both halves never takes an old list for a new one. */
function change(memory: GuestMemory, head: Address, first: Address, by: bigint): void {
  const word = memory.readU64(head);
  const depth = ((word & DEPTH) + by) & DEPTH;
  const sequence = (word & ~DEPTH) + (by > 0n ? DEPTH + 1n : 0n);
  const region = memory.readU64(head + 8);
  memory.writeU64(head, sequence | depth);
  memory.writeU64(head + 8, (fromAddress(first) & ENTRY) | (region & ~ENTRY));
}
