/**
 * #DE has one vector for two exceptions: Windows looks at the divisor to tell division by zero from a quotient that
 * does not fit.
 */
import { type Address, NON_CANONICAL, toAddress } from '../wdm/address.ts';
import { type GuestMemory, PageFault } from '../wdm/memory.ts';

interface Site {
  readonly rip: Address;
  gpr(index: number): bigint;
}

const REX_W = 8;
const REX_X = 2;
const REX_B = 1;
const PREFIXES = new Set([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3]);

/** Whether the operand of the `div` or `idiv` at RIP is 0; false also when it cannot be read. */
export function divisorIsZero(memory: GuestMemory, site: Site): boolean {
  try {
    return divisor(memory, site) === 0n;
  } catch (error) {
    if (error instanceof PageFault) return false;
    throw error;
  }
}

function divisor(memory: GuestMemory, site: Site): bigint | undefined {
  let at = site.rip;
  let wide = false;
  let byte = memory.readU8(at);
  while (PREFIXES.has(byte)) {
    if (byte === 0x66) wide = true;
    byte = memory.readU8(++at);
  }
  let rex = 0;
  if ((byte & 0xf0) === 0x40) {
    rex = byte;
    byte = memory.readU8(++at);
  }
  if (byte !== 0xf6 && byte !== 0xf7) return undefined;
  const bits = byte === 0xf6 ? 8 : rex & REX_W ? 64 : wide ? 16 : 32;
  const modrm = memory.readU8(++at);
  const rm = modrm & 7;
  if (modrm >>> 6 === 3) return registerOperand(site, rm, rex, bits);
  const address = effectiveAddress(memory, site, at, modrm, rex);
  return address === NON_CANONICAL ? undefined : BigInt.asUintN(bits, readLittleEndian(memory, address, bits / 8));
}

function registerOperand(site: Site, rm: number, rex: number, bits: number): bigint {
  // Without REX the byte registers 4 to 7 are ah, ch, dh, bh.
  if (bits === 8 && rex === 0 && rm >= 4) return (site.gpr(rm - 4) >> 8n) & 0xffn;
  return BigInt.asUintN(bits, site.gpr(rm | (rex & REX_B ? 8 : 0)));
}

/** @param at where the ModRM byte lies */
function effectiveAddress(memory: GuestMemory, site: Site, at: Address, modrm: number, rex: number): Address {
  const mod = modrm >>> 6;
  let base = modrm & 7;
  let next = at + 1;
  let sum = 0n;
  if (base === 4) {
    const sib = memory.readU8(next++);
    const index = ((sib >>> 3) & 7) | (rex & REX_X ? 8 : 0);
    base = sib & 7;
    if (index !== 4) sum += site.gpr(index) << BigInt(sib >>> 6);
    if (base !== 5 || mod !== 0) sum += site.gpr(base | (rex & REX_B ? 8 : 0));
    else return toAddress(BigInt.asUintN(64, sum + BigInt(memory.readU32(next) | 0)));
  } else if (base === 5 && mod === 0) {
    return next + 4 + (memory.readU32(next) | 0); // relative to RIP: div has no immediate behind it
  } else sum += site.gpr(base | (rex & REX_B ? 8 : 0));
  if (mod === 1) sum += BigInt((memory.readU8(next) << 24) >> 24);
  if (mod === 2) sum += BigInt(memory.readU32(next) | 0);
  return toAddress(BigInt.asUintN(64, sum));
}

function readLittleEndian(memory: GuestMemory, address: Address, bytes: number): bigint {
  return memory.readBytes(address, bytes).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}
