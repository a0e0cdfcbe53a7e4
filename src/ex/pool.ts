/**
 * ExAllocatePool and its family: what drivers call, over the pool of mm/.
 *
 * The routines differ in how they name the memory they want (POOL_TYPE or POOL_FLAG_*), in whether they zero it
 * (ExAllocatePool2 and 3 do), and in what a failure is: NULL, or STATUS_INSUFFICIENT_RESOURCES raised when
 * POOL_RAISE_IF_ALLOCATION_FAILURE or POOL_FLAG_RAISE_ON_FAILURE is given and, unless it is told not to, by
 * ExAllocatePoolWithQuotaTag. There is no limit to a process's quota. A driver built with POOL_NX_OPTIN says
 * NonPagedPoolNx itself; NonPagedPool without it is executable, as on Windows.
 *
 * All: IRQL <= DISPATCH_LEVEL, paged pool <= APC_LEVEL.
 * Sources: the routines' pages, "POOL_FLAGS", "POOL_EXTENDED_PARAMETER".
 */
import type { MemoryManager } from '../mm/memory-manager.ts';
import type { Address } from '../wdm/address.ts';
import * as wdm from '../wdm/constants-mm.ts';
import { GuestException } from '../wdm/failures.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER } from '../wdm/ntstatus.ts';

/** What ExAllocatePool, which takes no tag, uses. */
export const TAG_NONE = 0x656e_6f4e; // 'None'

const PRIORITY_NORMAL = 16;
const PRIORITY_HIGH = 32;
/** Of a region's pages, what stays for requests of higher priority. */
const LOW_RESERVE = 1 / 8;
const NORMAL_RESERVE = 1 / 64;

/** POOL_EXTENDED_PARAMETER: Type in 8 bits, Optional in the next, then a union of 8 bytes. */
const EXTENDED_PARAMETER_SIZE = 16;
const PARAMETER_PRIORITY = 1;
const PARAMETER_NUMA_NODE = 3;
const MM_ANY_NODE_OK = 0x8000_0000;

/** POOL_TYPE of the flags that choose one; exactly one of them must be given. */
const POOL_OF_FLAG = new Map([
  [wdm.POOL_FLAG_NON_PAGED, wdm.NonPagedPoolNx],
  [wdm.POOL_FLAG_NON_PAGED_EXECUTE, wdm.NonPagedPoolExecute],
  [wdm.POOL_FLAG_PAGED, wdm.PagedPool],
]);
const POOL_FLAGS = [...POOL_OF_FLAG.keys()].reduce((all, flag) => all | flag, 0n);
const KNOWN_FLAGS =
  POOL_FLAGS |
  wdm.POOL_FLAG_USE_QUOTA |
  wdm.POOL_FLAG_UNINITIALIZED |
  wdm.POOL_FLAG_CACHE_ALIGNED |
  wdm.POOL_FLAG_RAISE_ON_FAILURE;
/** Above them lie flags that may be ignored. */
const REQUIRED_FLAGS = 0xffff_ffffn;

export function ExAllocatePoolWithTag(mm: MemoryManager, poolType: number, bytes: number, tag: number): Address {
  const address = allocate(mm, poolType, bytes, tag);
  if (address === 0 && poolType & wdm.POOL_RAISE_IF_ALLOCATION_FAILURE) throw exhausted();
  return address;
}

/** Raises when there is no memory, unless POOL_QUOTA_FAIL_INSTEAD_OF_RAISE says NULL. */
export function ExAllocatePoolWithQuotaTag(mm: MemoryManager, poolType: number, bytes: number, tag: number): Address {
  const address = allocate(mm, poolType, bytes, tag);
  if (address === 0 && !(poolType & wdm.POOL_QUOTA_FAIL_INSTEAD_OF_RAISE)) throw exhausted();
  return address;
}

/** A low or normal priority leaves the last pages to others. */
export function ExAllocatePoolWithTagPriority(
  mm: MemoryManager,
  poolType: number,
  bytes: number,
  tag: number,
  priority: number,
): Address {
  if (leavesEnough(mm, poolType, bytes, priority)) return ExAllocatePoolWithTag(mm, poolType, bytes, tag);
  if (poolType & wdm.POOL_RAISE_IF_ALLOCATION_FAILURE) throw exhausted();
  return 0;
}

/** Zeroed unless POOL_FLAG_UNINITIALIZED is given. A tag of 0, and flags that are invalid or unknown, fail. */
export function ExAllocatePool2(mm: MemoryManager, flags: bigint, bytes: number, tag: number): Address {
  return ExAllocatePool3(mm, flags, bytes, tag, 0, 0);
}

export function ExAllocatePool3(
  mm: MemoryManager,
  flags: bigint,
  bytes: number,
  tag: number,
  parameters: Address,
  count: number,
): Address {
  const raise = (flags & wdm.POOL_FLAG_RAISE_ON_FAILURE) !== 0n;
  const fail = (status: number): Address => {
    if (raise) throw new GuestException(status);
    return 0;
  };
  const poolType = POOL_OF_FLAG.get(flags & POOL_FLAGS);
  const unknown = flags & REQUIRED_FLAGS & ~KNOWN_FLAGS;
  if (tag === 0 || poolType === undefined || unknown !== 0n) return fail(STATUS_INVALID_PARAMETER);
  const priority = priorityOf(mm, flags, parameters, count);
  if (priority === undefined) return fail(STATUS_INVALID_PARAMETER);
  if (!leavesEnough(mm, poolType, bytes, priority)) return fail(STATUS_INSUFFICIENT_RESOURCES);
  const aligned = flags & wdm.POOL_FLAG_CACHE_ALIGNED ? wdm.NonPagedPoolCacheAligned : 0;
  const zero = flags & wdm.POOL_FLAG_UNINITIALIZED ? 0 : wdm.POOL_ZERO_ALLOCATION;
  return allocate(mm, poolType | aligned | zero, bytes, tag) || fail(STATUS_INSUFFICIENT_RESOURCES);
}

export function ExFreePool(mm: MemoryManager, address: Address): void {
  mm.pool.free(address, 0);
}

/** The tag is looked at only if the block was allocated with a protected one. */
export function ExFreePoolWithTag(mm: MemoryManager, address: Address, tag: number): void {
  mm.pool.free(address, tag);
}

function allocate(mm: MemoryManager, poolType: number, bytes: number, tag: number): Address {
  const address = mm.pool.allocate(poolType, bytes, tag);
  if (address !== 0 && poolType & wdm.POOL_ZERO_ALLOCATION) mm.memory.fill(address, bytes, 0);
  return address;
}

function leavesEnough(mm: MemoryManager, poolType: number, bytes: number, priority: number): boolean {
  if (priority >= PRIORITY_HIGH) return true;
  const { pages, freePages } = mm.pool.usage(poolType & wdm.PagedPool ? 'paged' : 'nonpaged');
  const { available, total } = mm.pfn;
  const share = priority >= PRIORITY_NORMAL ? NORMAL_RESERVE : LOW_RESERVE;
  const wanted = bytes / 4096;
  return freePages - wanted >= (pages + freePages) * share && available - wanted >= total * share;
}

/** The priority that the extended parameters ask for; undefined if one of them is invalid. */
function priorityOf(mm: MemoryManager, flags: bigint, parameters: Address, count: number): number | undefined {
  let priority = PRIORITY_HIGH;
  if (count > 0 && parameters === 0) return undefined;
  for (let i = 0; i < count; i++) {
    const at = parameters + i * EXTENDED_PARAMETER_SIZE;
    const head = mm.memory.readU32(at);
    const value = mm.memory.readU32(at + 8);
    const type = head & 0xff;
    const optional = (head & 0x100) !== 0;
    if (type === PARAMETER_PRIORITY) priority = value;
    else if (type === PARAMETER_NUMA_NODE) {
      const node = value & ~MM_ANY_NODE_OK;
      const possible = (node === 0 || (value & MM_ANY_NODE_OK) !== 0) && (flags & wdm.POOL_FLAG_NON_PAGED) !== 0n;
      if (!possible && !optional) return undefined;
    } else if (!optional) return undefined;
  }
  return priority;
}
function exhausted(): GuestException {
  return new GuestException(STATUS_INSUFFICIENT_RESOURCES);
}
