/**
 * Who may touch what: page faults, probes, and questions about addresses, in the address space in use.
 *
 * The scheduler calls `MmAccessFault` on a page fault below DISPATCH_LEVEL; at DISPATCH_LEVEL and above a page that is
 * not there is a bug check at once and this room is not asked. TypeScript kernel code calls `touch` before it reads or
 * writes what may be pageable. Both may one day wait for a page to be read in: that is why they are routines.
 */
import { PTE_PRESENT, PTE_USER, PTE_WRITABLE } from '../hw/page-tables.ts';
import type { MaybeRoutine } from '../ke/routine.ts';
import {
  type Address,
  isUserAddress,
  NON_CANONICAL,
  PAGE_SIZE,
  pageOf,
  pageOffset,
  USER_PROBE_ADDRESS,
} from '../wdm/address.ts';
import { GuestException } from '../wdm/failures.ts';
import { type Access, PageFault } from '../wdm/memory.ts';
import { STATUS_ACCESS_VIOLATION, STATUS_DATATYPE_MISALIGNMENT, STATUS_SUCCESS } from '../wdm/ntstatus.ts';
import type { AddressSpace } from './process/address-space.ts';
import type { SystemSpace } from './system-space.ts';

export const KernelMode = 0;
export const UserMode = 1;

/** ExceptionInformation[0] of an access violation. */
const OPERATION: Readonly<Record<Access, bigint>> = { read: 0n, write: 1n, execute: 8n };

export class MemoryAccess {
  readonly #system: SystemSpace;
  /** The process whose user half is in use. */
  current: AddressSpace;

  constructor(system: SystemSpace, current: AddressSpace) {
    this.#system = system;
    this.current = current;
  }

  /**
   * Tries to make an access possible that the page tables refused. STATUS_SUCCESS: make it again. Otherwise the status
   * of the exception that it is; for a kernel address the caller knows that it is a bug check (0x50).
   */
  MmAccessFault(address: Address, access: Access, mode: number): number {
    if (!isUserAddress(address)) {
      return mode === KernelMode && this.allows(address, access) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
    }
    return this.current.resolve(address, access);
  }

  /** As MmAccessFault; throws what the access raises if that is not an access violation (a guard page). */
  accessFault(address: Address, access: Access, mode: number): boolean {
    const status = this.MmAccessFault(address, access, mode);
    if (status !== STATUS_SUCCESS && status !== STATUS_ACCESS_VIOLATION) throw new GuestException(status);
    return status === STATUS_SUCCESS;
  }

  /**
   * Makes every page of the range present and allowing the access. Throws PageFault where that cannot be, GuestException
   * for a guard page. IRQL <= APC_LEVEL.
   */
  touch(address: Address, length: number, access: Access): MaybeRoutine<void> {
    if (!(length > 0)) return;
    for (let page = pageOf(address); page < address + length; page += PAGE_SIZE) {
      this.require(Math.max(page, address), access);
    }
  }

  /** As `touch`, for one byte, at once. */
  require(address: Address, access: Access): void {
    if (this.allows(address, access)) return;
    if (!this.accessFault(address, access, KernelMode)) {
      throw new PageFault(address, access, this.#system.frameAt(address) >= 0);
    }
  }

  /** Whether the supervisor may make the access as the page tables are. */
  allows(address: Address, access: Access): boolean {
    if (!(address >= -NON_CANONICAL && address < NON_CANONICAL)) return false;
    const { tables, translation } = this.#system;
    const entry = tables.read(translation.root, address);
    if (!entry || !(entry.bits & PTE_PRESENT)) return false;
    if (access === 'write') return (entry.bits & PTE_WRITABLE) !== 0;
    return access === 'read' || !entry.noExecute;
  }

  /**
   * Raises unless [address, address + length) is user space and aligned. Length 0: nothing is checked. The alignment
   * comes first. IRQL <= APC_LEVEL. ("ProbeForRead routine")
   */
  ProbeForRead(address: Address, length: number, alignment: number): void {
    if (length === 0) return;
    if (isMisaligned(address, alignment)) throw new GuestException(STATUS_DATATYPE_MISALIGNMENT);
    if (!isProbeRange(address, length)) throw new GuestException(STATUS_ACCESS_VIOLATION);
  }

  /** As ProbeForRead; then each page is touched for write, in order. ("ProbeForWrite routine") */
  ProbeForWrite(address: Address, length: number, alignment: number): MaybeRoutine<void> {
    if (length === 0) return;
    this.ProbeForRead(address, length, alignment);
    for (let at = address; at < address + length; at = pageOf(at) + PAGE_SIZE) {
      try {
        this.require(at, 'write');
      } catch (fault) {
        if (!(fault instanceof PageFault)) throw fault;
        throw accessViolation(at, 'write');
      }
    }
  }

  /** Whether touching the address now would not fault. "No locks are held": it may change at once. */
  MmIsAddressValid(address: Address): boolean {
    return this.#system.frameAt(address) >= 0;
  }

  /** The physical address; 0 if the page is not present. */
  MmGetPhysicalAddress(address: Address): bigint {
    const frame = this.#system.frameAt(address);
    return frame < 0 ? 0n : BigInt(frame) * BigInt(PAGE_SIZE) + BigInt(pageOffset(address));
  }

  /** Whether user-mode code could read the address. */
  isUserPage(address: Address): boolean {
    const entry = this.#system.tables.read(this.#system.translation.root, address);
    return entry !== undefined && (entry.bits & (PTE_PRESENT | PTE_USER)) === (PTE_PRESENT | PTE_USER);
  }
}

export function accessViolation(address: Address, access: Access): GuestException {
  return new GuestException(STATUS_ACCESS_VIOLATION, [OPERATION[access], BigInt.asUintN(64, BigInt(address))]);
}

/** The mask is built in 32 bits, as ULONG Alignment is: an alignment of 0 lets only multiples of 4 GiB pass. */
function isMisaligned(address: Address, alignment: number): boolean {
  const low = ((address % 0x1_0000_0000) + 0x1_0000_0000) % 0x1_0000_0000;
  return (low & (alignment - 1)) >>> 0 !== 0;
}

function isProbeRange(address: Address, length: number): boolean {
  return address >= 0 && address <= USER_PROBE_ADDRESS && length > 0 && length <= USER_PROBE_ADDRESS - address;
}
