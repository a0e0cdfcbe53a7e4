/**
 * RtlRandomEx and RtlUniform: the Lehmer generator whose state is the caller's seed.
 *
 * Source: "RtlUniform function" (D. H. Lehmer 1948; the result lies in [0, MAXLONG-1]). What RtlRandomEx adds is not
 * documented but for that its numbers are random and the seed is updated, which this one's are, too.
 */
import type { Address } from '../wdm/address.ts';
import type { GuestMemory } from '../wdm/memory.ts';

const MAXLONG = 0x7fff_ffffn;

export function RtlRandomEx(memory: GuestMemory, seed: Address): number {
  const next = Number((BigInt(memory.readU32(seed)) * 0x7fff_ffedn + 0x7fff_ffc3n) % MAXLONG);
  memory.writeU32(seed, next);
  return next;
}
