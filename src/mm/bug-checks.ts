/**
 * The stop codes that the memory manager and the pool raise ("Bug Check Code Reference").
 */
import type { Address } from '../wdm/address.ts';
import { BugCheck } from '../wdm/failures.ts';

export {
  BAD_POOL_CALLER,
  BAD_POOL_HEADER,
  MEMORY_MANAGEMENT,
  PAGE_FAULT_IN_NONPAGED_AREA,
  PFN_LIST_CORRUPT,
  PROCESS_HAS_LOCKED_PAGES,
  SYSTEM_PTE_MISUSE,
} from '../wdm/bugcheck.ts';

export const NO_MORE_SYSTEM_PTES = 0x3f;
export const TARGET_MDL_TOO_SMALL = 0x40;

/** A bug check whose parameters are addresses or small numbers. */
export function bugCheck(code: number, parameters: readonly (Address | bigint)[], why: string): BugCheck {
  const [one = 0, two = 0, three = 0, four = 0] = parameters;
  return new BugCheck(code, [BigInt(one), BigInt(two), BigInt(three), BigInt(four)], why);
}
