/**
 * Lookaside lists: setting them up and taking them down. Allocating and freeing are inline in drivers, which pop and
 * push entries of the list and call its Allocate and Free routines when it is empty or full.
 *
 * Windows adjusts the depth of a list to how it is used; here it stays at the least (4), so that misses, and with them
 * the driver's own routines, are seen.
 * Sources: "Using Lookaside Lists", the routines' pages.
 */
import { call, type Routine } from '../ke/routine.ts';
import type { Address } from '../wdm/address.ts';
import * as wdm from '../wdm/constants-mm.ts';
import { GENERAL_LOOKASIDE } from '../wdm/layouts.ts';
import type { GuestMemory } from '../wdm/memory.ts';
import { STATUS_INVALID_PARAMETER_4, STATUS_INVALID_PARAMETER_5, STATUS_SUCCESS } from '../wdm/ntstatus.ts';
import { ExpInterlockedPopEntrySList, InitializeSListHead } from './slist.ts';

const MINIMUM_DEPTH = 4;
const MAXIMUM_DEPTH = 256;

/** By EX_LOOKASIDE_LIST_EX_FLAGS_*: none, RAISE_ON_FAIL, FAIL_NO_RAISE. */
const EXTRA_POOL_TYPE = [0, wdm.POOL_RAISE_IF_ALLOCATION_FAILURE, wdm.POOL_QUOTA_FAIL_INSTEAD_OF_RAISE];

const POOL_TYPES = [
  wdm.NonPagedPool,
  wdm.PagedPool,
  wdm.NonPagedPoolCacheAligned,
  wdm.PagedPoolCacheAligned,
  wdm.NonPagedPoolNx,
  wdm.NonPagedPoolNxCacheAligned,
];

/** What a list is made of. */
export interface LookasideList {
  readonly allocate: Address;
  readonly free: Address;
  readonly poolType: number;
  readonly size: number;
  readonly tag: number;
}

/** The address of ExAllocatePoolWithTag and its kin. */
export type SystemRoutine = (name: string) => Address;

/** ExInitializeNPagedLookasideList and its paged sister. NULL routines mean the pool's. */
export function initializeLookaside(
  memory: GuestMemory,
  systemRoutine: SystemRoutine,
  list: Address,
  { allocate, free, poolType, size, tag }: LookasideList,
): void {
  memory.fill(list, GENERAL_LOOKASIDE.fields.LastAllocateMisses.offset + 4, 0);
  InitializeSListHead(memory, list);
  const view = GENERAL_LOOKASIDE.at(memory, list);
  view.Depth = MINIMUM_DEPTH;
  view.MaximumDepth = MAXIMUM_DEPTH;
  view.Type = poolType;
  view.Tag = tag;
  view.Size = size;
  const quota = (poolType & wdm.POOL_QUOTA_FAIL_INSTEAD_OF_RAISE) !== 0;
  view.Allocate = allocate || systemRoutine(quota ? 'ExAllocatePoolWithQuotaTag' : 'ExAllocatePoolWithTag');
  view.Free = free || systemRoutine('ExFreePool');
  const link = list + GENERAL_LOOKASIDE.fields.ListEntry.offset;
  memory.writePointer(link, link);
  memory.writePointer(link + 8, link);
}

export function ExInitializeLookasideListEx(
  memory: GuestMemory,
  systemRoutine: SystemRoutine,
  list: Address,
  parameters: LookasideList,
  flags: number,
): number {
  const extra = EXTRA_POOL_TYPE[flags];
  if (!POOL_TYPES.includes(parameters.poolType)) return STATUS_INVALID_PARAMETER_4;
  if (extra === undefined) return STATUS_INVALID_PARAMETER_5;
  initializeLookaside(memory, systemRoutine, list, { ...parameters, poolType: parameters.poolType | extra });
  return STATUS_SUCCESS;
}

/** Frees the entries by the list's Free routine, which also gets the list (FreeEx). Deleting a list is no more than that. */
export function* flushLookaside(memory: GuestMemory, list: Address): Routine<void> {
  const { Free } = GENERAL_LOOKASIDE.at(memory, list);
  for (;;) {
    const entry = ExpInterlockedPopEntrySList(memory, list);
    if (entry === 0) return;
    yield* call(Free, entry, list);
  }
}
