/**
 * Operands as helpers read and write them: BigInt values, zero-extended from the operand's size.
 */
import type { Instruction } from './decode.ts';
import type { IntegerSize } from './flags.ts';
import type { HelperContext } from './helper.ts';

export function maskOf(size: number): bigint {
  return (1n << BigInt(size * 8)) - 1n;
}

export function operandSize(i: Instruction, n = 0): IntegerSize {
  const operand = i.operands[n];
  if (operand?.kind === 'gpr' || operand?.kind === 'memory') return (operand.size || 8) as IntegerSize;
  return n > 0 ? operandSize(i, 0) : 8;
}

export function readOperand(cpu: HelperContext, i: Instruction, n: number, size: number = operandSize(i, n)): bigint {
  const operand = i.operands[n]!;
  switch (operand.kind) {
    case 'gpr':
      return (cpu.registers.gpr(operand.index) >> (operand.high ? 8n : 0n)) & maskOf(size);
    case 'immediate':
      return operand.value & maskOf(size);
    case 'memory':
      return cpu.read(cpu.effectiveAddress(i), size);
    default:
      throw new Error(`${i.code}: operand ${n} is ${operand.kind}`);
  }
}

/** Reads an operand that will be written, too: memory that cannot be written faults as a write does. */
export function readForUpdate(cpu: HelperContext, i: Instruction, n: number): bigint {
  if (i.operands[n]!.kind === 'memory') cpu.check(cpu.effectiveAddress(i), operandSize(i, n), 'write');
  return readOperand(cpu, i, n);
}

export function writeOperand(cpu: HelperContext, i: Instruction, n: number, value: bigint): void {
  const operand = i.operands[n]!;
  if (operand.kind === 'memory')
    cpu.write(cpu.effectiveAddress(i), operandSize(i, n), value & maskOf(operandSize(i, n)));
  else if (operand.kind === 'gpr') writeGpr(cpu, operand.index, operand.size, value, operand.high);
  else throw new Error(`${i.code}: operand ${n} is ${operand.kind}`);
}

/** As the processor writes a register: 4 bytes clear the upper half, 1 and 2 keep the rest. */
export function writeGpr(cpu: HelperContext, index: number, size: number, value: bigint, high = false): void {
  const { registers } = cpu;
  if (size >= 4) registers.setGpr(index, value & maskOf(size));
  else {
    const at = high ? 8n : 0n;
    registers.setGpr(index, (registers.gpr(index) & ~(maskOf(size) << at)) | ((value & maskOf(size)) << at));
  }
}
