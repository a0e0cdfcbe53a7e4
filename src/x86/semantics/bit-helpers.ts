/** pdep, pext and crc32 in TypeScript. */
import { type Helper, STAY } from '../helper.ts';
import { operandSize, readOperand, writeOperand } from '../operands.ts';

export const pdep: Helper = (cpu, i) => {
  let source = readOperand(cpu, i, 1);
  const mask = readOperand(cpu, i, 2);
  let result = 0n;
  for (let left = mask; left !== 0n && source !== 0n; left &= left - 1n, source >>= 1n) {
    if (source & 1n) result |= left & -left;
  }
  writeOperand(cpu, i, 0, result);
  return STAY;
};

export const pext: Helper = (cpu, i) => {
  const source = readOperand(cpu, i, 1);
  let result = 0n;
  let place = 1n;
  for (let left = readOperand(cpu, i, 2); left !== 0n; left &= left - 1n, place <<= 1n) {
    if (source & left & -left) result |= place;
  }
  writeOperand(cpu, i, 0, result);
  return STAY;
};

/** CRC-32C, polynomial 0x11EDC6F41, bit-reflected (Intel SDM volume 2, CRC32). */
export const crc32: Helper = (cpu, i) => {
  const size = operandSize(i, 1);
  let data = readOperand(cpu, i, 1);
  let crc = Number(readOperand(cpu, i, 0) & 0xffff_ffffn);
  for (let byte = 0; byte < size; byte++, data >>= 8n) {
    crc ^= Number(data & 0xffn);
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f6_3b78 : 0);
  }
  writeOperand(cpu, i, 0, BigInt(crc >>> 0));
  return STAY;
};
