/** Exports of the executive: fast mutexes, resources, work items, interlocked lists, the previous mode. */
import type { SharedPolicy } from '../../ex/resource.ts';
import type { Address } from '../../wdm/address.ts';
import * as wdm from '../../wdm/constants.ts';
import { LIST_ENTRY } from '../../wdm/layouts.ts';
import { type IrqlRange, routine } from '../export.ts';
import type { Kernel } from '../kernel.ts';

const ANY: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.HIGH_LEVEL];
const DISPATCH: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.DISPATCH_LEVEL];
const APC: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.APC_LEVEL];
const AT_APC: IrqlRange = [wdm.APC_LEVEL, wdm.APC_LEVEL];

export const fastMutexExports = [
  routine('ExAcquireFastMutex', ['FastMutex: ptr'], 'void', APC, (k, m) => k.fastMutexes.ExAcquireFastMutex(m)),
  routine('ExReleaseFastMutex', ['FastMutex: ptr'], 'void', AT_APC, (k, m) => k.fastMutexes.ExReleaseFastMutex(m)),
  routine('ExTryToAcquireFastMutex', ['FastMutex: ptr'], 'bool', APC, (k, m) =>
    k.fastMutexes.ExTryToAcquireFastMutex(m),
  ),
  routine('ExAcquireFastMutexUnsafe', ['FastMutex: ptr'], 'void', APC, (k, m) =>
    k.fastMutexes.ExAcquireFastMutexUnsafe(m),
  ),
  routine('ExReleaseFastMutexUnsafe', ['FastMutex: ptr'], 'void', APC, (k, m) =>
    k.fastMutexes.ExReleaseFastMutexUnsafe(m),
  ),
  routine('KeInitializeGuardedMutex', ['Mutex: ptr'], 'void', APC, (k, m) => k.fastMutexes.initialize(m)),
  routine('KeAcquireGuardedMutex', ['Mutex: ptr'], 'void', APC, (k, m) => k.fastMutexes.ExAcquireFastMutex(m)),
  routine('KeReleaseGuardedMutex', ['Mutex: ptr'], 'void', AT_APC, (k, m) => k.fastMutexes.ExReleaseFastMutex(m)),
] as const;

const shared = <const N extends string>(name: N, policy: SharedPolicy) =>
  routine(name, ['Resource: ptr', 'Wait: bool'], 'bool', APC, (k, resource, wait) =>
    k.resources.acquireShared(resource, wait, policy),
  );

export const resourceExports = [
  routine('ExInitializeResourceLite', ['Resource: ptr'], 'ntstatus', DISPATCH, (k, resource) =>
    k.resources.ExInitializeResourceLite(resource),
  ),
  routine('ExReinitializeResourceLite', ['Resource: ptr'], 'ntstatus', DISPATCH, (k, resource) =>
    k.resources.ExInitializeResourceLite(resource),
  ),
  routine('ExDeleteResourceLite', ['Resource: ptr'], 'ntstatus', DISPATCH, (k, resource) =>
    k.resources.ExDeleteResourceLite(resource),
  ),
  routine('ExAcquireResourceExclusiveLite', ['Resource: ptr', 'Wait: bool'], 'bool', APC, (k, resource, wait) =>
    k.resources.ExAcquireResourceExclusiveLite(resource, wait),
  ),
  shared('ExAcquireResourceSharedLite', 'fair'),
  shared('ExAcquireSharedStarveExclusive', 'starve exclusive'),
  shared('ExAcquireSharedWaitForExclusive', 'wait for exclusive'),
  routine('ExReleaseResourceLite', ['Resource: ptr'], 'void', DISPATCH, (k, resource) =>
    k.resources.ExReleaseResourceForThreadLite(resource),
  ),
  routine('ExReleaseResourceForThreadLite', ['Resource: ptr', 'Thread: u64'], 'void', DISPATCH, (k, resource, owner) =>
    k.resources.ExReleaseResourceForThreadLite(resource, owner),
  ),
  routine('ExConvertExclusiveToSharedLite', ['Resource: ptr'], 'void', DISPATCH, (k, resource) =>
    k.resources.ExConvertExclusiveToSharedLite(resource),
  ),
  routine('ExSetResourceOwnerPointer', ['Resource: ptr', 'OwnerPointer: u64'], 'void', APC, (k, resource, owner) =>
    k.resources.ExSetResourceOwnerPointer(resource, owner),
  ),
  routine('ExIsResourceAcquiredExclusiveLite', ['Resource: ptr'], 'bool', DISPATCH, (k, resource) =>
    k.resources.ownedExclusive(resource),
  ),
  routine('ExIsResourceAcquiredSharedLite', ['Resource: ptr'], 'u32', DISPATCH, (k, resource) =>
    k.resources.ownedShared(resource),
  ),
] as const;

export const workItemExports = [
  routine('ExQueueWorkItem', ['WorkItem: ptr', 'QueueType: u32'], 'void', DISPATCH, (k, item, queue) =>
    k.workQueues.ExQueueWorkItem(item, queue),
  ),
] as const;

/** Doubly linked lists under a spin lock; on one processor nothing comes between. */
function linkedEntry(k: Kernel, entry: Address, before: Address, after: Address): void {
  const view = LIST_ENTRY.at(k.memory, entry);
  view.Flink = after;
  view.Blink = before;
  LIST_ENTRY.at(k.memory, before).Flink = entry;
  LIST_ENTRY.at(k.memory, after).Blink = entry;
}

/** The first or last entry, or NULL: what the interlocked list routines return. */
const orNull = (entry: Address, head: Address): Address => (entry === head ? 0 : entry);

export const interlockedExports = [
  routine(
    'ExInterlockedInsertTailList',
    ['ListHead: ptr', 'ListEntry: ptr', 'Lock: ptr'],
    'ptr',
    ANY,
    (k, head, entry) => {
      const last = LIST_ENTRY.at(k.memory, head).Blink;
      linkedEntry(k, entry, last, head);
      return orNull(last, head);
    },
  ),
  routine(
    'ExInterlockedInsertHeadList',
    ['ListHead: ptr', 'ListEntry: ptr', 'Lock: ptr'],
    'ptr',
    ANY,
    (k, head, entry) => {
      const first = LIST_ENTRY.at(k.memory, head).Flink;
      linkedEntry(k, entry, head, first);
      return orNull(first, head);
    },
  ),
  routine('ExInterlockedRemoveHeadList', ['ListHead: ptr', 'Lock: ptr'], 'ptr', ANY, (k, head) => {
    const list = LIST_ENTRY.at(k.memory, head);
    const first = list.Flink;
    if (first === head) return 0;
    const next = LIST_ENTRY.at(k.memory, first).Flink;
    list.Flink = next;
    LIST_ENTRY.at(k.memory, next).Blink = head;
    return first;
  }),
  routine(
    'ExInterlockedPushEntryList',
    ['ListHead: ptr', 'ListEntry: ptr', 'Lock: ptr'],
    'ptr',
    ANY,
    (k, head, entry) => {
      const first = k.memory.readPointer(head);
      k.memory.writePointer(entry, first);
      k.memory.writePointer(head, entry);
      return first;
    },
  ),
  routine('ExInterlockedPopEntryList', ['ListHead: ptr', 'Lock: ptr'], 'ptr', ANY, (k, head) => {
    const first = k.memory.readPointer(head);
    if (first !== 0) k.memory.writePointer(head, k.memory.readPointer(first));
    return first;
  }),
  routine(
    'ExInterlockedAddUlong',
    ['Addend: ptr', 'Increment: u32', 'Lock: ptr'],
    'u32',
    ANY,
    (k, addend, increment) => {
      const before = k.memory.readU32(addend);
      k.memory.writeU32(addend, (before + increment) >>> 0);
      return before;
    },
  ),
  routine(
    'ExInterlockedAddLargeInteger',
    ['Addend: ptr', 'Increment: u64', 'Lock: ptr'],
    'u64',
    ANY,
    (k, addend, increment) => {
      const before = k.memory.readU64(addend);
      k.memory.writeU64(addend, before + increment);
      return before;
    },
  ),
] as const;

export const modeExports = [routine('ExGetPreviousMode', [], 'u8', ANY, k => k.ke.currentThread.previousMode)] as const;
