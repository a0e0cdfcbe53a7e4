/**
 * Addresses.
 *
 * A guest virtual address is a JavaScript number that holds the sign-extended 48-bit value: user addresses are
 * positive, kernel addresses negative (0xFFFFF80000000000 is -0x80000000000), and comparing two kernel addresses
 * compares as Windows does within a half. 64-bit *data* stays BigInt. A 64-bit value that is not canonical never
 * becomes an address: it becomes NON_CANONICAL, which no page maps and whose use is #GP, seen by a driver as an access
 * violation at address -1.
 */

/** Sign-extended 48-bit virtual address. */
export type Address = number;

/** What every non-canonical 64-bit value turns into: one past the user half, mapped by nothing. */
export const NON_CANONICAL: Address = 0x8000_0000_0000;

export const PAGE_SIZE = 4096;
export const PAGE_SHIFT = 12;

/** The first user address that ProbeForRead and ProbeForWrite refuse (MmUserProbeAddress on x64). */
export const USER_PROBE_ADDRESS: Address = 0x7fff_ffff_0000;

/** The address in the two halves of a 64-bit value; NON_CANONICAL if bits 47 to 63 differ. */
export function addressFromHalves(low: number, high: number): Address {
  const top = high >> 15;
  return top === 0 || top === -1 ? (high | 0) * 0x1_0000_0000 + (low >>> 0) : NON_CANONICAL;
}

/** The address in a 64-bit value; NON_CANONICAL if bits 47 to 63 differ. */
export function toAddress(value: bigint): Address {
  return addressFromHalves(Number(value & 0xffff_ffffn), Number(BigInt.asIntN(32, value >> 32n)));
}

/** The unsigned 64-bit value of an address, as a register or a pointer in memory holds it. */
export function fromAddress(address: Address): bigint {
  return BigInt.asUintN(64, BigInt(address));
}

export function isUserAddress(address: Address): boolean {
  return address >= 0 && address < NON_CANONICAL;
}

/** As WinDbg prints it: ffffe08f`12345678. */
export function formatAddress(address: Address): string {
  const text = fromAddress(address).toString(16).padStart(16, '0');
  return `${text.slice(0, 8)}\`${text.slice(8)}`;
}

export function pageOf(address: Address): Address {
  return Math.floor(address / PAGE_SIZE) * PAGE_SIZE;
}

/** Address within its page; right for negative addresses, too. */
export function pageOffset(address: Address): number {
  return address - pageOf(address);
}

/** Pages that [address, address + length) touches: ADDRESS_AND_SIZE_TO_SPAN_PAGES. */
export function spanPages(address: Address, length: number): number {
  return Math.ceil((pageOffset(address) + length) / PAGE_SIZE);
}
