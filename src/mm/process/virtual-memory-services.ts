/**
 * NtAllocateVirtualMemory, NtFreeVirtualMemory, NtProtectVirtualMemory and NtQueryVirtualMemory, on values: capturing
 * and probing the caller's pointers and the process handle is the export's part.
 *
 * Statuses and rounding follow the pages of these routines in the WDK and Win32 references (VirtualAlloc, VirtualFree,
 * VirtualProtect, VirtualQuery). Sizes are numbers that may lie far beyond any memory; comparing comes before adding.
 */
import { type Address, PAGE_SIZE } from '../../wdm/address.ts';
import * as wdm from '../../wdm/constants-mm.ts';
import * as status from '../../wdm/ntstatus.ts';
import { ALLOCATION_GRANULARITY, HIGHEST_USER_ADDRESS } from '../layout.ts';
import { type AddressSpace, LOWEST_USER_PAGE, USER_PAGES_END } from './address-space.ts';
import { isValidProtection } from './protection.ts';
import type { Vad } from './vad.ts';

/** What a service did: on failure `base` and `size` are not written back. */
export interface RegionResult {
  readonly status: number;
  readonly base: Address;
  readonly size: number;
}

export interface ProtectResult extends RegionResult {
  /** The first page's protection before. */
  readonly old: number;
}

/** MEMORY_BASIC_INFORMATION. */
export interface RegionInformation {
  readonly BaseAddress: Address;
  readonly AllocationBase: Address;
  readonly AllocationProtect: number;
  readonly RegionSize: number;
  readonly State: number;
  readonly Protect: number;
  readonly Type: number;
}

const ALLOCATION_TYPES = wdm.MEM_COMMIT | wdm.MEM_RESERVE | wdm.MEM_RESET;
const MEM_WRITE_WATCH = 0x20_0000;
const MODIFIERS = wdm.MEM_TOP_DOWN | wdm.MEM_LARGE_PAGES | wdm.MEM_PHYSICAL | MEM_WRITE_WATCH;

const failed = (code: number) => ({ status: code, base: 0, size: 0 });
const pageOf = (address: Address) => Math.floor(address / PAGE_SIZE);
const pageUp = (address: Address) => Math.ceil(address / PAGE_SIZE);
const isUser = (address: Address) => address >= 0 && address <= HIGHEST_USER_ADDRESS;

export function NtAllocateVirtualMemory(
  space: AddressSpace,
  base: Address,
  zeroBits: number,
  size: number,
  type: number,
  protect: number,
): RegionResult {
  const kind = type & ALLOCATION_TYPES;
  if (type & ~(ALLOCATION_TYPES | MODIFIERS) || kind === 0) return failed(status.STATUS_INVALID_PARAMETER_5);
  if (kind & wdm.MEM_RESET && type !== wdm.MEM_RESET) return failed(status.STATUS_INVALID_PARAMETER_5);
  if (zeroBits > 21) return failed(status.STATUS_INVALID_PARAMETER_3);
  if (!isUser(base)) return failed(status.STATUS_INVALID_PARAMETER_2);
  if (!(size > 0 && size <= HIGHEST_USER_ADDRESS + 1 - base)) return failed(status.STATUS_INVALID_PARAMETER_4);
  if (!isValidProtection(protect)) return failed(status.STATUS_INVALID_PAGE_PROTECTION);
  if (type & (wdm.MEM_LARGE_PAGES | wdm.MEM_PHYSICAL)) return failed(status.STATUS_PRIVILEGE_NOT_HELD);
  if (type & MEM_WRITE_WATCH) return failed(status.STATUS_NOT_SUPPORTED);
  if (kind & wdm.MEM_RESET) return reset(space, base, size);
  return base === 0 || kind & wdm.MEM_RESERVE
    ? reserve(space, base, zeroBits, size, type, protect)
    : commit(space, base, size, protect);
}

function reserve(
  space: AddressSpace,
  base: Address,
  zeroBits: number,
  size: number,
  type: number,
  protect: number,
): RegionResult {
  const granule = base - (base % ALLOCATION_GRANULARITY);
  const pages = pageUp(base + size) - granule / PAGE_SIZE;
  const below = zeroBits === 0 ? USER_PAGES_END : 2 ** (32 - zeroBits) / PAGE_SIZE;
  const topDown = (type & wdm.MEM_TOP_DOWN) !== 0;
  const start = space.reserve(pages, protect, 'private', base === 0 ? undefined : granule / PAGE_SIZE, below, topDown);
  if (start < 0) {
    // Below 64 KiB nothing can be had; elsewhere the addresses are taken.
    if (base === 0) return failed(status.STATUS_NO_MEMORY);
    const low = granule / PAGE_SIZE < LOWEST_USER_PAGE;
    return failed(low ? status.STATUS_INVALID_PARAMETER_2 : status.STATUS_CONFLICTING_ADDRESSES);
  }
  // MEM_COMMIT without an address reserves, too.
  if (type & wdm.MEM_COMMIT && !space.commit(start, start + pages, protect)) {
    space.vads.cut(space.vads.find(start)!, start, start + pages);
    return failed(status.STATUS_COMMITMENT_LIMIT);
  }
  return { status: status.STATUS_SUCCESS, base: start * PAGE_SIZE, size: pages * PAGE_SIZE };
}

function commit(space: AddressSpace, base: Address, size: number, protect: number): RegionResult {
  const start = pageOf(base);
  const end = pageUp(base + size);
  const vad = space.vads.find(start);
  if (!vad || end > vad.end) return failed(status.STATUS_CONFLICTING_ADDRESSES);
  if (vad.kind !== 'private') return failed(status.STATUS_ALREADY_COMMITTED);
  if (!space.commit(start, end, protect)) return failed(status.STATUS_COMMITMENT_LIMIT);
  return { status: status.STATUS_SUCCESS, base: start * PAGE_SIZE, size: (end - start) * PAGE_SIZE };
}

/** MEM_RESET: "the data is no longer of interest"; keeping it is allowed. */
function reset(space: AddressSpace, base: Address, size: number): RegionResult {
  const start = pageUp(base);
  const end = pageOf(base + size);
  const vad = space.vads.find(pageOf(base));
  if (!vad || pageUp(base + size) > vad.end) return failed(status.STATUS_CONFLICTING_ADDRESSES);
  return { status: status.STATUS_SUCCESS, base: start * PAGE_SIZE, size: Math.max(0, end - start) * PAGE_SIZE };
}

/** @param size 0 with MEM_RELEASE or MEM_DECOMMIT: the whole allocation, whose base `base` must be */
export function NtFreeVirtualMemory(space: AddressSpace, base: Address, size: number, type: number): RegionResult {
  if (type !== wdm.MEM_RELEASE && type !== wdm.MEM_DECOMMIT) return failed(status.STATUS_INVALID_PARAMETER_4);
  if (!isUser(base)) return failed(status.STATUS_INVALID_PARAMETER_2);
  if (!(size <= HIGHEST_USER_ADDRESS + 1 - base)) return failed(status.STATUS_INVALID_PARAMETER_3);
  let start = pageOf(base);
  let end = pageUp(base + size);
  const vad = space.vads.find(start);
  if (!vad) return failed(status.STATUS_MEMORY_NOT_ALLOCATED);
  if (end > vad.end) return failed(status.STATUS_UNABLE_TO_FREE_VM);
  // What a driver mapped into the process, and the shared page, are not the process's to free.
  if (vad.kind !== 'private') return failed(status.STATUS_UNABLE_TO_DELETE_SECTION);
  if (size === 0) {
    if (start !== vad.start) return failed(status.STATUS_FREE_VM_NOT_AT_BASE);
    start = vad.start;
    end = vad.end;
  }
  if (type === wdm.MEM_RELEASE) space.release(vad, start, end);
  else space.decommit(start, end);
  return { status: status.STATUS_SUCCESS, base: start * PAGE_SIZE, size: (end - start) * PAGE_SIZE };
}

export function NtProtectVirtualMemory(
  space: AddressSpace,
  base: Address,
  size: number,
  protect: number,
): ProtectResult {
  const no = (code: number) => ({ ...failed(code), old: 0 });
  if (!isValidProtection(protect)) return no(status.STATUS_INVALID_PAGE_PROTECTION);
  if (!isUser(base)) return no(status.STATUS_INVALID_PARAMETER_2);
  if (!(size > 0 && size <= HIGHEST_USER_ADDRESS + 1 - base)) return no(status.STATUS_INVALID_PARAMETER_3);
  const start = pageOf(base);
  const end = pageUp(base + size);
  const vad = space.vads.find(start);
  if (vad?.kind !== 'private' || end > vad.end) return no(status.STATUS_CONFLICTING_ADDRESSES);
  if (space.committed.count(start, end) !== end - start) return no(status.STATUS_NOT_COMMITTED);
  const old = space.committed.at(start)!.value;
  space.setProtection(start, end, protect);
  return { status: status.STATUS_SUCCESS, base: start * PAGE_SIZE, size: (end - start) * PAGE_SIZE, old };
}

/** MemoryBasicInformation of the run of like pages that begins at `address`; undefined beyond the user half. */
export function queryRegion(space: AddressSpace, address: Address): RegionInformation | undefined {
  if (!isUser(address)) return undefined;
  const page = pageOf(address);
  const vad = space.vads.find(page);
  const region = (from: number, end: number, vad: Vad | undefined, State: number, Protect: number, Type: number) => ({
    BaseAddress: from * PAGE_SIZE,
    AllocationBase: vad ? vad.start * PAGE_SIZE : 0,
    AllocationProtect: vad ? vad.protect : 0,
    RegionSize: (end - from) * PAGE_SIZE,
    State,
    Protect,
    Type,
  });
  if (!vad) {
    const end = Math.min(space.vads.next(page)?.start ?? USER_PAGES_END, USER_PAGES_END);
    return region(page, end, undefined, wdm.MEM_FREE, wdm.PAGE_NOACCESS, 0);
  }
  if (vad.kind !== 'private') return region(page, vad.end, vad, wdm.MEM_COMMIT, vad.protect, wdm.MEM_PRIVATE);
  const first = space.committed.within(page, vad.end)[0];
  if (!first || first.start > page) {
    return region(page, first?.start ?? vad.end, vad, wdm.MEM_RESERVE, 0, wdm.MEM_PRIVATE);
  }
  return region(page, first.end, vad, wdm.MEM_COMMIT, first.value, wdm.MEM_PRIVATE);
}
