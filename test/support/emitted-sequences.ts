/**
 * What the golden files show: for each family of src/x86/families.ts a few short sequences, each for one thing that the
 * family's code does well or has to do at length. The files name the instructions.
 */
import type { FAMILIES } from '../../src/x86/families.ts';

/** What is to be seen, and the instructions' bytes. */
export type Sequence = readonly [shows: string, code: string];

export const EMITTED: Readonly<Record<keyof typeof FAMILIES, readonly Sequence[]>> = {
  alu: [
    ['Two results, one set of flags: nobody sees those of the first', '01c8 4829d0'],
    ['A comparison and its branch', '39d1 721e'],
    ['Carry from one into the other', '4801c8 4c11c2'],
    ['Carry kept', 'fec1'],
    ['The second byte of a register', '30cc'],
    ['Memory as destination', '015108'],
  ],
  shift: [
    ['By a constant', 'c1e004'],
    ['By a register: the flags stay if it is zero', '48d3e8'],
    ['Rotation of part of a register', '66c1c105'],
    ['Through carry', 'd1d2'],
    ['Out of two registers', '480fa4d00c'],
    ['Without flags', 'c4e2e9f7c1'],
  ],
  multiplyDivide: [
    ['Three operands', '6bc10a'],
    ['Sixty-four bits to 128', '48f7e1'],
    ['Thirty-two bits to 64', 'f7e1'],
    ['Division: #DE', 'f7f1'],
  ],
  move: [
    ['Load', '488b44d110'],
    ['Store', '8811'],
    ['Two accesses by one base', '8b01 894104'],
    ['Widening', '0fb6c1 4863d1'],
    ['The current processor block', '65488b042588010000'],
    ['Stack', '53 5e'],
    ['Address arithmetic', '488d4489ff'],
    ['Atomic', 'f0480fc101'],
    ['IRQL read, and lowered or raised', '440f20c0 440f22c1'],
    ['Conditional', '85c9 0f45c2 0f94c1'],
  ],
  string: [
    ['One element', '48ab'],
    ['In bulk', 'f3a4'],
    ['Fill in bulk', 'f3ab'],
    ['Until found', 'f2ae'],
  ],
  bit: [
    ['Bit of a register', '0fbae003 721e'],
    ['Bit string in memory', '0fab11'],
    ['Scan: nothing found leaves the destination', '0fbcc1'],
    ['Counts', 'f3480fb8c1 f30fbcd1'],
    ['BMI1', 'c4e278f3c9 c4e2f0f2d0'],
  ],
  control: [
    ['Call and what comes back', 'e8fb000000 90'],
    ['Return', 'c3'],
    ['Jump table', 'ff24c1'],
    ['Loop', 'ffc9 75fc'],
    ['A call of itself', 'ffc9 7405 e8f7ffffff c3'],
    ['Two ways that join', '85c9 7402 ffc0 c3'],
  ],
  system: [
    ['Interrupts off', 'fa'],
    ['Interrupts on: a window', 'fb'],
    ['Clock', '0f31'],
    ['Breakpoint', 'cc'],
  ],
  sseMove: [
    ['Load', '0f1001'],
    ['Aligned store', '0f2909'],
    ['Scalar load clears the rest', 'f30f1001'],
    ['To and from general registers', '660f7ec0 66480f6ec9'],
    ['Mask', '660fd7c0'],
  ],
  sseInteger: [
    ['One instruction of WebAssembly', '660ffec1'],
    ['Memory operand, aligned', '660f7401'],
    ['Zero', '660fefc0'],
    ['Shifts', '660f73d804 660f72f103'],
    ['High halves', '660fe5c1'],
    ['Sum of differences', '660ff6c1'],
  ],
  sseShuffle: [
    ['By a constant', '660f70c11b'],
    ['By a register', '660f3800c1'],
    ['Interleave', '660f60c1'],
    ['Pack', '660f67c1'],
    ['Insert and extract', '660fc4c002 660fc5c802'],
  ],
  sseFloat: [
    ['Packed', '0f58c1'],
    ['Scalar', 'f20f59c1'],
    ['The second operand wins', 'f30f5dc1'],
    ['Comparison and its branch', '660f2ec1 771e'],
    ['Mask of a comparison', '0fc2c101'],
  ],
  sseConvert: [
    ['From an integer', 'f20f2ac0'],
    ['To an integer, cut', 'f2480f2cc0'],
    ['Between precisions', 'f30f5ac1'],
  ],
  sseSpecial: [
    ['Performed in TypeScript', '660f38dcc1'],
    ['With an immediate', '660f3a44c111'],
  ],
};
