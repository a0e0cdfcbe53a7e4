/** shld, shrd, rcl and rcr in TypeScript: rare, and their flags are intricate. */
import { FLAG } from '../flags.ts';
import { type Helper, STAY } from '../helper.ts';
import { maskOf, operandSize, readForUpdate, readOperand, writeOperand } from '../operands.ts';

export function shiftDoubleHelper(left: boolean): Helper {
  return (cpu, i) => {
    const size = operandSize(i);
    const bits = BigInt(size * 8);
    const mask = maskOf(size);
    const count = readOperand(cpu, i, 2, 1) & (size === 8 ? 63n : 31n);
    const a = readForUpdate(cpu, i, 0);
    const b = readOperand(cpu, i, 1);
    // A count above the size (16-bit operands only) is undefined; the bits then come round from the source again.
    const wide = left ? (a << (2n * bits)) | (b << bits) | a : (a << (2n * bits)) | (b << bits) | a;
    const result = (left ? (wide << count) >> (2n * bits) : wide >> count) & mask;
    if (count === 0n) {
      writeOperand(cpu, i, 0, a);
      return STAY;
    }
    const carry = left ? (wide >> (3n * bits - count)) & 1n : (wide >> (count - 1n)) & 1n;
    writeOperand(cpu, i, 0, result);
    const sign = (value: bigint) => (value >> (bits - 1n)) & 1n;
    const overflow = sign(a) !== sign(result) ? FLAG.OF : 0;
    cpu.registers.setStatusFlags(resultFlags(result, size) | Number(carry) | overflow);
    return STAY;
  };
}

export function rotateCarryHelper(left: boolean): Helper {
  return (cpu, i) => {
    const size = operandSize(i);
    const bits = BigInt(size * 8);
    const masked = readOperand(cpu, i, 1, 1) & (size === 8 ? 63n : 31n);
    const count = masked % (bits + 1n);
    const a = readForUpdate(cpu, i, 0);
    const flags = cpu.registers.statusFlags();
    const carry = BigInt(flags & FLAG.CF);
    const wide = (carry << bits) | a;
    const all = (1n << (bits + 1n)) - 1n;
    const turned = left
      ? ((wide << count) | (wide >> (bits + 1n - count))) & all
      : ((wide >> count) | (wide << (bits + 1n - count))) & all;
    const result = turned & maskOf(size);
    writeOperand(cpu, i, 0, result);
    if (masked === 0n) return STAY;
    const out = turned >> bits;
    const top = (result >> (bits - 1n)) & 1n;
    const overflow = left ? top ^ out : top ^ ((result >> (bits - 2n)) & 1n);
    cpu.registers.setStatusFlags((flags & ~(FLAG.CF | FLAG.OF)) | Number(out) | (overflow ? FLAG.OF : 0));
    return STAY;
  };
}

/** ZF, SF and PF of a result. */
export function resultFlags(result: bigint, size: number): number {
  let parity = Number(result & 0xffn);
  parity ^= parity >> 4;
  const even = ((0x6996 >> (parity & 15)) & 1) === 0;
  const sign = (result >> BigInt(size * 8 - 1)) & 1n;
  return (result === 0n ? FLAG.ZF : 0) | (sign ? FLAG.SF : 0) | (even ? FLAG.PF : 0);
}
