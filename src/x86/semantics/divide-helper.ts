/** div and idiv of a 128-bit dividend by 64 bits. */
import { type Helper, STAY } from '../helper.ts';
import { readOperand } from '../operands.ts';

const RAX = 0;
const RDX = 2;

export function divideHelper(signed: boolean): Helper {
  return (cpu, i) => {
    const { registers } = cpu;
    let divisor = readOperand(cpu, i, 0);
    let dividend = (registers.gpr(RDX) << 64n) | registers.gpr(RAX);
    if (signed) {
      divisor = BigInt.asIntN(64, divisor);
      dividend = BigInt.asIntN(128, dividend);
    }
    if (divisor === 0n) cpu.raise(0);
    const quotient = dividend / divisor;
    if (quotient !== (signed ? BigInt.asIntN(64, quotient) : BigInt.asUintN(64, quotient))) cpu.raise(0);
    registers.setGpr(RAX, quotient);
    registers.setGpr(RDX, dividend % divisor);
    return STAY;
  };
}
