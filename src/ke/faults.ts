/**
 * What a processor fault becomes: an exception for the guest's handlers, or a bug check at once.
 *
 * The table follows the trap handlers of x64 Windows as their effects are documented: the codes in "Bug Check Code
 * Reference", EXCEPTION_RECORD's parameters in winnt.h. Two kinds of fault reach no __except at all: touching an
 * invalid *kernel* address (PAGE_FAULT_IN_NONPAGED_AREA and its like), and any page fault at DISPATCH_LEVEL or above,
 * since no page can be read in there.
 */
import type { ImageTable } from '../pe/index.ts';
import { EXCEPTION_NONCONTINUABLE } from '../rtl/context.ts';
import { type Address, fromAddress, isUserAddress, NON_CANONICAL } from '../wdm/address.ts';
import {
  ATTEMPTED_EXECUTE_OF_NOEXECUTE_MEMORY,
  ATTEMPTED_WRITE_TO_READONLY_MEMORY,
  DRIVER_IRQL_NOT_LESS_OR_EQUAL,
  DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS,
  IRQL_NOT_LESS_OR_EQUAL,
  KERNEL_SECURITY_CHECK_FAILURE,
  PAGE_FAULT_IN_NONPAGED_AREA,
  UNEXPECTED_KERNEL_MODE_TRAP,
} from '../wdm/bugcheck-codes.ts';
import { DISPATCH_LEVEL } from '../wdm/constants-ke.ts';
import { BugCheck, GuestException, Unsupported } from '../wdm/failures.ts';
import { type Access, type GuestMemory, PageFault } from '../wdm/memory.ts';
import {
  STATUS_ACCESS_VIOLATION,
  STATUS_ASSERTION_FAILURE,
  STATUS_BREAKPOINT,
  STATUS_DATATYPE_MISALIGNMENT,
  STATUS_FLOAT_DENORMAL_OPERAND,
  STATUS_FLOAT_DIVIDE_BY_ZERO,
  STATUS_FLOAT_INEXACT_RESULT,
  STATUS_FLOAT_INVALID_OPERATION,
  STATUS_FLOAT_OVERFLOW,
  STATUS_FLOAT_UNDERFLOW,
  STATUS_ILLEGAL_INSTRUCTION,
  STATUS_INTEGER_DIVIDE_BY_ZERO,
  STATUS_INTEGER_OVERFLOW,
  STATUS_SINGLE_STEP,
} from '../wdm/ntstatus.ts';
import { divisorIsZero } from './divide-error.ts';

/** [MS-ERREF]; no driver raises them, so they are not in the general table. */
const STATUS_ARRAY_BOUNDS_EXCEEDED = 0xc000_008c;
const STATUS_FLOAT_MULTIPLE_FAULTS = 0xc000_02b4;

export interface Fault {
  readonly vector: number;
  readonly errorCode: number;
  /** CR2 of a page fault. */
  readonly address: Address;
}

/** The registers at the fault. RIP can be moved: an int3 is reported at its own address. */
export interface FaultSite {
  rip: Address;
  readonly rsp: Address;
  readonly irql: number;
  gpr(index: number): bigint;
}

export interface FaultOptions {
  readonly memory: GuestMemory;
  readonly images: ImageTable;
  /** MXCSR, where the processor models its exception flags. */
  readonly mxcsr?: () => number;
  /** The raw page-table entry of an address, for the bug checks that show it. */
  readonly pageTableEntry?: (address: Address) => bigint;
}

/** AccessViolation's first parameter. */
const OPERATION: Readonly<Record<Access, bigint>> = { read: 0n, write: 1n, execute: 8n };
/** PAGE_FAULT_IN_NONPAGED_AREA's second, since Windows 10. */
const NONPAGED_OPERATION: Readonly<Record<Access, bigint>> = { read: 0n, write: 2n, execute: 0x10n };
const NONPAGED_BUGCHECK_NOT_PRESENT_PAGE_TABLE = 2n;

const DOUBLE_FAULT = 8;
const PAGE_FAULT = 14;

const PF_PRESENT = 1;
const PF_WRITE = 2;
const PF_EXECUTE = 16;

const ALL_ONES = 0xffff_ffff_ffff_ffffn;

type Translate = (site: FaultSite, fault: Fault, options: FaultOptions) => GuestException;

const simply =
  (status: number, information: readonly bigint[] = []): Translate =>
  () =>
    new GuestException(status, information);

/** A pointer that is no address, or a misaligned SSE operand: the processor does not say which address it was. */
const generalProtection = simply(STATUS_ACCESS_VIOLATION, [0n, ALL_ONES]);

const unexpectedTrap: Translate = ({ rip, rsp }, { vector, errorCode }) => {
  throw new BugCheck(UNEXPECTED_KERNEL_MODE_TRAP, [
    BigInt(vector),
    BigInt(errorCode),
    fromAddress(rsp),
    fromAddress(rip),
  ]);
};

/** By interrupt vector. */
const TRANSLATE: Readonly<Record<number, Translate>> = {
  0: (site, _, { memory }) =>
    new GuestException(divisorIsZero(memory, site) ? STATUS_INTEGER_DIVIDE_BY_ZERO : STATUS_INTEGER_OVERFLOW),
  1: simply(STATUS_SINGLE_STEP),
  3: site => {
    site.rip -= 1; // the hardware's return address lies behind the one-byte instruction
    return new GuestException(STATUS_BREAKPOINT, [0n]);
  },
  4: simply(STATUS_INTEGER_OVERFLOW),
  5: simply(STATUS_ARRAY_BOUNDS_EXCEEDED),
  6: simply(STATUS_ILLEGAL_INSTRUCTION),
  12: generalProtection,
  13: generalProtection,
  14: (site, { address, errorCode }, options) => {
    const access = errorCode & PF_EXECUTE ? 'execute' : errorCode & PF_WRITE ? 'write' : 'read';
    return translatePageFault(new PageFault(address, access, (errorCode & PF_PRESENT) !== 0), site, options);
  },
  16: simply(STATUS_FLOAT_INVALID_OPERATION),
  17: simply(STATUS_DATATYPE_MISALIGNMENT),
  19: (_, __, { mxcsr }) => new GuestException(simdStatus(mxcsr?.() ?? 0)),
  41: site => {
    throw failFast(site.gpr(1));
  },
  44: simply(STATUS_ASSERTION_FAILURE),
  45: simply(STATUS_BREAKPOINT, [1n]),
};

/**
 * The exception that a fault of guest code is. Throws a BugCheck where Windows lets nobody handle it, and Unsupported
 * for a missing import. Moves RIP where Windows reports another place than the hardware.
 */
export function translateFault(fault: Fault, site: FaultSite, options: FaultOptions): GuestException {
  if (fault.vector === PAGE_FAULT && !canPushFrame(options.memory, site.rsp)) {
    return unexpectedTrap(site, { ...fault, vector: DOUBLE_FAULT }, options);
  }
  return (TRANSLATE[fault.vector] ?? unexpectedTrap)(site, fault, options);
}

/**
 * A fault whose frame cannot be pushed because the stack is at its end is a double fault: how a stack overflow ends.
 * SS, RSP, RFLAGS, CS, RIP and the error code go below RSP, aligned to 16.
 */
function canPushFrame(memory: GuestMemory, rsp: Address): boolean {
  try {
    memory.readU64(Math.floor(rsp / 16) * 16 - 48);
    return true;
  } catch (error) {
    if (error instanceof PageFault) return false;
    throw error;
  }
}

/**
 * The same for a page fault alone, whether guest code or TypeScript code made the access. Pages that can be read in,
 * and watched pages, have been dealt with before.
 */
export function translatePageFault(
  fault: PageFault,
  site: Pick<FaultSite, 'rip' | 'irql'>,
  options: FaultOptions,
): GuestException {
  const { images } = options;
  const { address, access, present } = fault;
  const missing = images.missingImportAt(address);
  if (missing !== undefined) throw new Unsupported(missing, access === 'execute' ? undefined : site.rip);
  if (!(address >= -NON_CANONICAL && address < NON_CANONICAL)) {
    return new GuestException(STATUS_ACCESS_VIOLATION, [0n, ALL_ONES]);
  }
  const unloaded = images.findUnloaded(address);
  if (unloaded && access === 'execute') {
    const parameters = [fromAddress(address), OPERATION[access], fromAddress(site.rip), 0n] as const;
    throw new BugCheck(
      DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS,
      parameters,
      `${unloaded.name} is called after it was unloaded`,
    );
  }
  if (site.irql >= DISPATCH_LEVEL && !present) throw irqlNotLessOrEqual(fault, site, images);
  if (isUserAddress(address) && !(present && access === 'execute')) {
    return new GuestException(STATUS_ACCESS_VIOLATION, [OPERATION[access], fromAddress(address)]);
  }
  throw kernelPageFault(fault, site, options);
}

/** 0xA when the kernel itself made the access, 0xD1 when a driver did. */
function irqlNotLessOrEqual(
  { address, access }: PageFault,
  { rip, irql }: Pick<FaultSite, 'rip' | 'irql'>,
  images: ImageTable,
): BugCheck {
  const image = images.find(rip);
  const code = image?.name === 'ntoskrnl.exe' ? IRQL_NOT_LESS_OR_EQUAL : DRIVER_IRQL_NOT_LESS_OR_EQUAL;
  return new BugCheck(
    code,
    [fromAddress(address), BigInt(irql), OPERATION[access], fromAddress(rip)],
    image?.name ?? '',
  );
}

/** An access that the kernel half's page tables refuse, or an instruction fetch from a user page (SMEP). */
function kernelPageFault(
  { address, access, present }: PageFault,
  { rip }: Pick<FaultSite, 'rip'>,
  { pageTableEntry, images }: FaultOptions,
): BugCheck {
  const driver = images.find(rip)?.name ?? '';
  const at = fromAddress(address);
  const entry = pageTableEntry?.(address) ?? 0n;
  if (present && access === 'execute') {
    return new BugCheck(
      ATTEMPTED_EXECUTE_OF_NOEXECUTE_MEMORY,
      [at, entry, 0n, isUserAddress(address) ? 2n : 1n],
      driver,
    );
  }
  if (present && access === 'write') {
    return new BugCheck(ATTEMPTED_WRITE_TO_READONLY_MEMORY, [at, entry, fromAddress(rip), 0xan], driver);
  }
  const operation = NONPAGED_OPERATION[access];
  const parameters = [at, operation, fromAddress(rip), NONPAGED_BUGCHECK_NOT_PRESENT_PAGE_TABLE] as const;
  return new BugCheck(PAGE_FAULT_IN_NONPAGED_AREA, parameters, driver);
}

/** The codes of __fastfail (winnt.h) that compilers and the kernel's headers use. */
const FAST_FAIL: Readonly<Record<number, string>> = {
  0: 'a stack cookie was overwritten (legacy /GS)',
  2: 'a stack buffer was overrun: its security cookie does not match',
  3: 'a list entry is corrupt',
  4: 'the stack pointer is outside its stack',
  5: 'an invalid argument was passed to a C runtime routine',
  6: 'the security cookie was not initialised',
  7: 'the program asked to end',
  8: 'a bounds check failed',
  10: 'Control Flow Guard refused an indirect call',
};

function failFast(rcx: bigint): BugCheck {
  const why = FAST_FAIL[Number(rcx & 0xffff_ffffn)] ?? '__fastfail';
  return new BugCheck(KERNEL_SECURITY_CHECK_FAILURE, [rcx & 0xffff_ffffn, 0n, 0n, 0n], why);
}

/** MXCSR's exception flags, most important first, when their mask is clear. */
const SIMD: readonly (readonly [flag: number, status: number])[] = [
  [0x01, STATUS_FLOAT_INVALID_OPERATION],
  [0x04, STATUS_FLOAT_DIVIDE_BY_ZERO],
  [0x02, STATUS_FLOAT_DENORMAL_OPERAND],
  [0x08, STATUS_FLOAT_OVERFLOW],
  [0x10, STATUS_FLOAT_UNDERFLOW],
  [0x20, STATUS_FLOAT_INEXACT_RESULT],
];

function simdStatus(mxcsr: number): number {
  const raised = mxcsr & ~(mxcsr >>> 7);
  return SIMD.find(([flag]) => raised & flag)?.[1] ?? STATUS_FLOAT_MULTIPLE_FAULTS;
}

/** ExRaiseStatus: an exception that execution cannot continue from. */
export function raiseStatus(status: number): never {
  throw new GuestException(status >>> 0, [], EXCEPTION_NONCONTINUABLE);
}
