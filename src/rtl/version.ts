/**
 * Which Windows this is, and is it enough: RtlGetVersion, RtlVerifyVersionInfo.
 *
 * Source: "RtlGetVersion function", "RtlVerifyVersionInfo function", "VerSetConditionMask function".
 */
import type { Address } from '../wdm/address.ts';
import { OSVERSIONINFOEXW } from '../wdm/layouts.ts';
import type { GuestMemory } from '../wdm/memory.ts';
import { STATUS_INVALID_PARAMETER, STATUS_REVISION_MISMATCH, STATUS_SUCCESS } from '../wdm/ntstatus.ts';

/** What RTL_OSVERSIONINFOEXW says of a machine. */
export interface Version {
  readonly major: number;
  readonly minor: number;
  readonly build: number;
  readonly suite: number;
  readonly productType: number;
}

const VER_PLATFORM_WIN32_NT = 2;
const VER_SUITE_SINGLEUSERTS = 0x100;
const VER_NT_WORKSTATION = 1;

export const WINDOWS_10_22H2: Version = {
  major: 10,
  minor: 0,
  build: 19045,
  suite: VER_SUITE_SINGLEUSERTS,
  productType: VER_NT_WORKSTATION,
};

/** RTL_OSVERSIONINFOW ends where wServicePackMajor begins. */
const SHORT_SIZE = OSVERSIONINFOEXW.fields.wServicePackMajor.offset;

/** Fills what the caller's dwOSVersionInfoSize has room for. */
export function RtlGetVersion(memory: GuestMemory, information: Address, version: Version): number {
  const view = OSVERSIONINFOEXW.at(memory, information);
  const size = view.dwOSVersionInfoSize;
  if (size !== SHORT_SIZE && size !== OSVERSIONINFOEXW.size) return STATUS_INVALID_PARAMETER;
  memory.fill(information + 4, size - 4, 0);
  view.dwMajorVersion = version.major;
  view.dwMinorVersion = version.minor;
  view.dwBuildNumber = version.build;
  view.dwPlatformId = VER_PLATFORM_WIN32_NT;
  if (size === OSVERSIONINFOEXW.size) {
    view.wSuiteMask = version.suite;
    view.wProductType = version.productType;
  }
  return STATUS_SUCCESS;
}

const VER_MINORVERSION = 0x01;
const VER_MAJORVERSION = 0x02;
const VER_BUILDNUMBER = 0x04;
const VER_PLATFORMID = 0x08;
const VER_SERVICEPACKMINOR = 0x10;
const VER_SERVICEPACKMAJOR = 0x20;
const VER_SUITENAME = 0x40;
const VER_PRODUCT_TYPE = 0x80;

const VER_EQUAL = 1;
const VER_GREATER = 2;
const VER_GREATER_EQUAL = 3;
const VER_LESS = 4;
const VER_LESS_EQUAL = 5;
const VER_AND = 6;
const VER_OR = 7;

/** Three bits for each type; of several types only the highest counts. */
export function VerSetConditionMask(mask: bigint, types: number, condition: number): bigint {
  if ((types & 0xff) === 0) return mask;
  const type = 31 - Math.clz32(types & 0xff);
  return mask | (BigInt(condition & 7) << BigInt(3 * type));
}

const conditionOf = (mask: bigint, type: number) => Number((mask >> BigInt(3 * (31 - Math.clz32(type)))) & 7n);

function holds(condition: number, ours: number, theirs: number): boolean {
  switch (condition) {
    case VER_EQUAL:
      return ours === theirs;
    case VER_GREATER:
      return ours > theirs;
    case VER_GREATER_EQUAL:
      return ours >= theirs;
    case VER_LESS:
      return ours < theirs;
    case VER_LESS_EQUAL:
      return ours <= theirs;
    default:
      return false;
  }
}

/** Major, minor and service pack are compared as one number: a lower one counts only while the higher are equal. */
const HIERARCHY = [VER_MAJORVERSION, VER_MINORVERSION, VER_SERVICEPACKMAJOR, VER_SERVICEPACKMINOR] as const;

export function RtlVerifyVersionInfo(
  memory: GuestMemory,
  information: Address,
  types: number,
  mask: bigint,
  version: Version,
): number {
  if (types === 0) return STATUS_INVALID_PARAMETER;
  const wanted = OSVERSIONINFOEXW.at(memory, information);
  const mismatch = (type: number, ours: number, theirs: number) =>
    (types & type) !== 0 && !holds(conditionOf(mask, type), ours, theirs);

  if (types & VER_SUITENAME) {
    const common = version.suite & wanted.wSuiteMask;
    const condition = conditionOf(mask, VER_SUITENAME);
    if (condition === VER_AND && common !== wanted.wSuiteMask) return STATUS_REVISION_MISMATCH;
    if (condition === VER_OR && common === 0 && wanted.wSuiteMask !== 0) return STATUS_REVISION_MISMATCH;
  }
  const pairs: Readonly<Record<number, readonly [ours: number, theirs: number]>> = {
    [VER_MAJORVERSION]: [version.major, wanted.dwMajorVersion],
    [VER_MINORVERSION]: [version.minor, wanted.dwMinorVersion],
    [VER_SERVICEPACKMAJOR]: [0, wanted.wServicePackMajor],
    [VER_SERVICEPACKMINOR]: [0, wanted.wServicePackMinor],
  };
  let condition = VER_EQUAL;
  let order = 0;
  for (const type of HIERARCHY) {
    if (!(types & type)) continue;
    if (condition === VER_EQUAL) condition = conditionOf(mask, type);
    const [ours, theirs] = pairs[type]!;
    order = Math.sign(ours - theirs);
    if (order !== 0) break;
  }
  if (HIERARCHY.some(type => types & type) && !holds(condition, order, 0)) return STATUS_REVISION_MISMATCH;
  if (mismatch(VER_BUILDNUMBER, version.build, wanted.dwBuildNumber)) return STATUS_REVISION_MISMATCH;
  if (mismatch(VER_PLATFORMID, VER_PLATFORM_WIN32_NT, wanted.dwPlatformId)) return STATUS_REVISION_MISMATCH;
  if (mismatch(VER_PRODUCT_TYPE, version.productType, wanted.wProductType)) return STATUS_REVISION_MISMATCH;
  return STATUS_SUCCESS;
}

/** Takes an NTDDI_* constant; one with a service pack's or a build's bits asks too much precisely and is refused. */
export function RtlIsNtDdiVersionAvailable(version: number, { major, minor }: Version): boolean {
  return (version & 0xffff) === 0 && version >>> 16 <= ((major << 8) | minor);
}
