/**
 * Bug checks by name: what the first number of a blue screen says.
 */
import * as codes from './bugcheck-codes.ts';

export * from './bugcheck-codes.ts';

export const BUGCHECK_NAMES: Readonly<Record<number, string>> = Object.freeze(
  Object.fromEntries(Object.entries(codes).map(([name, value]) => [value, name])),
);

/** PAGE_FAULT_IN_NONPAGED_AREA, or the number where we know no name. */
export function formatBugCheck(code: number): string {
  return BUGCHECK_NAMES[code] ?? `0x${(code >>> 0).toString(16).toUpperCase().padStart(8, '0')}`;
}
