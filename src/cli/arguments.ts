/** Numbers as people write them on a command line. */
import { UsageError } from './files.ts';

/** 0x222004 or 2236420. */
export function parseCode(text: string): number {
  const value = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN;
  if (!(value <= 0xffff_ffff)) throw new UsageError(`--ioctl ${text}: a code is 32 bits, such as 0x222004`);
  return value;
}

export function parseSeed(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= 0xffff_ffff)) throw new UsageError(`--seed ${text}: a seed is a number from 0 to 4294967295`);
  return value;
}
