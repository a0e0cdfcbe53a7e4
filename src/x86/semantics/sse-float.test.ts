/**
 * What a program sees of MXCSR: the flags through stmxcsr, the traps, and that the quick way and the software agree.
 * Whether each result is right is proved by the recorded vectors (test/vectors).
 */
import { describe, expect, test } from 'vitest';
import { BareMachine, bytes, CODE } from '../../../test/support/bare-machine.ts';

const DEFAULT = 0x1f80;
const IE = 0x1;
const DE = 0x2;
const ZE = 0x4;
const OE = 0x8;
const UE = 0x10;
const PE = 0x20;
const DAZ = 0x40;
const ROUND_DOWN = 0x2000;
const ROUND_UP = 0x4000;
const FTZ = 0x8000;

const ADDSD = 'f20f58c1';
const MULSD = 'f20f59c1';
const DIVSD = 'f20f5ec1';
const MINSD = 'f20f5dc1';
const SQRTSD = 'f20f51c1';
const CVTTSD2SI = 'f2480f2cc1';
const UCOMISD = '660f2ec1';

function bits(value: number): bigint {
  return new BigUint64Array(new Float64Array([value]).buffer)[0]!;
}

/** Runs one instruction on XMM0 and XMM1 (low halves), then ret. */
function run(code: string, a: number | bigint, b: number | bigint, mxcsr = DEFAULT) {
  const m = new BareMachine(4);
  m.load(bytes(`${code}c3`));
  const { registers } = m.processor;
  const raw = (value: number | bigint) => (typeof value === 'bigint' ? value : bits(value));
  registers.setXmm(0, raw(a) | (0x1234n << 64n));
  registers.setXmm(1, raw(b));
  registers.mxcsr = mxcsr;
  const exit = m.start(CODE);
  return { exit, low: registers.xmm(0) & 0xffff_ffff_ffff_ffffn, high: registers.xmm(0) >> 64n, registers };
}

describe('the flags', () => {
  test.each([
    ['an exact sum raises none', ADDSD, 1, 2, 0, 3],
    ['an inexact sum raises PE', ADDSD, 1, 2 ** -60, PE, 1],
    ['a subnormal operand raises DE', ADDSD, 5e-324, 1, DE | PE, 1],
    ['a division by zero raises ZE', DIVSD, 1, 0, ZE, Number.POSITIVE_INFINITY],
    ['too much raises OE', MULSD, 1e300, 1e300, OE | PE, Number.POSITIVE_INFINITY],
    ['too little raises UE', MULSD, 1e-200, 1e-200, UE | PE, 0],
    ['an exact product raises none', MULSD, 3, 0.5, 0, 1.5],
    ['a third is inexact', DIVSD, 1, 3, PE, 1 / 3],
    ['the root of two is inexact', SQRTSD, 0, 2, PE, Math.SQRT2],
  ])('%s', (_, code, a, b, flags, result) => {
    for (const before of [0, PE, IE]) {
      const { low, high, registers } = run(code, a, b, DEFAULT | before);
      expect(low).toBe(bits(result));
      expect(high).toBe(0x1234n);
      expect(registers.mxcsr).toBe(DEFAULT | before | flags);
    }
  });

  test('stay: a flag that is set is not cleared by what raises none', () => {
    expect(run(ADDSD, 1, 2, DEFAULT | OE | PE).registers.mxcsr).toBe(DEFAULT | OE | PE);
  });
});

describe('the modes', () => {
  test('rounding control', () => {
    const next = bits(1) + 1n;
    expect(run(ADDSD, 1, 2 ** -60, DEFAULT | ROUND_UP).low).toBe(next);
    expect(run(ADDSD, 1, -(2 ** -60), DEFAULT | ROUND_UP).low).toBe(bits(1));
    expect(run(ADDSD, 1, -(2 ** -60), DEFAULT | ROUND_DOWN).low).toBe(bits(1) - 1n);
    expect(run(ADDSD, 1, -1, DEFAULT | ROUND_DOWN).low).toBe(bits(-0));
  });

  test('subnormal operands count as zero with DAZ, and raise nothing', () => {
    const { low, registers } = run(ADDSD, 5e-324, 0, DEFAULT | DAZ);
    expect(low).toBe(0n);
    expect(registers.mxcsr).toBe(DEFAULT | DAZ);
  });

  test('subnormal results are flushed with FTZ', () => {
    const { low, registers } = run(MULSD, 2 ** -1000, -(2 ** -50), DEFAULT | FTZ);
    expect(low).toBe(bits(-0));
    expect(registers.mxcsr).toBe(DEFAULT | FTZ | UE | PE);
  });
});

describe('NaNs', () => {
  const quiet = 0x7ff8_0000_0000_0123n;
  const signaling = 0x7ff0_0000_0000_0456n;
  const made = 0xfff8_0000_0000_0000n;

  test('the first operand that is one goes on, quiet, with its payload', () => {
    expect(run(ADDSD, quiet, 1).low).toBe(quiet);
    expect(run(ADDSD, 1, signaling).low).toBe(0x7ff8_0000_0000_0456n);
    expect(run(ADDSD, quiet, signaling).low).toBe(quiet);
    expect(run(ADDSD, quiet, 1).registers.mxcsr).toBe(DEFAULT);
    expect(run(ADDSD, 1, signaling).registers.mxcsr).toBe(DEFAULT | IE);
  });

  test('an invalid operation makes the indefinite', () => {
    expect(run(MULSD, 0, Number.POSITIVE_INFINITY).low).toBe(made);
    expect(run(SQRTSD, 0, -1).low).toBe(made);
    expect(run(DIVSD, 0, 0).registers.mxcsr).toBe(DEFAULT | IE);
  });

  test('min gives the second operand if either is one, or both are zeros', () => {
    expect(run(MINSD, quiet, 1).low).toBe(bits(1));
    expect(run(MINSD, 1, quiet).low).toBe(quiet);
    expect(run(MINSD, 0, -0).low).toBe(bits(-0));
    expect(run(MINSD, -0, 0).low).toBe(0n);
  });

  test('comparing with one is unordered', () => {
    expect(run(UCOMISD, quiet, 1).registers.rflags & 0x8d5).toBe(0x45);
    expect(run(UCOMISD, 1, 1).registers.rflags & 0x8d5).toBe(0x40);
    expect(run(UCOMISD, 1, 2).registers.rflags & 0x8d5).toBe(0x1);
  });
});

test('an integer that does not fit is the indefinite', () => {
  expect(run(CVTTSD2SI, 0, 2 ** 63).registers.gpr(0)).toBe(1n << 63n);
  expect(run(CVTTSD2SI, 0, -(2 ** 63)).registers.gpr(0)).toBe(1n << 63n);
  expect(run(CVTTSD2SI, 0, 2 ** 63).registers.mxcsr).toBe(DEFAULT | IE);
  expect(run(CVTTSD2SI, 0, -(2 ** 63)).registers.mxcsr).toBe(DEFAULT);
  expect(run(CVTTSD2SI, 0, -2.75).registers.gpr(0)).toBe(0xffff_ffff_ffff_fffen);
});

test('an unmasked exception is #XM at the instruction, with the destination untouched and the flag set', () => {
  const unmasked = DEFAULT & ~(ZE << 7);
  const { exit, low, registers } = run(DIVSD, 1, 0, unmasked);
  expect(exit).toMatchObject({ kind: 'fault', vector: 19 });
  expect(registers.rip).toBe(CODE);
  expect(low).toBe(bits(1));
  expect(registers.mxcsr).toBe(unmasked | ZE);
});

test('ldmxcsr refuses reserved bits', () => {
  const m = new BareMachine(4);
  m.load(bytes('0fae1424 c3')); // ldmxcsr [rsp]; what the call left there is an address
  expect(m.start(CODE)).toMatchObject({ kind: 'fault', vector: 13 });
  expect(m.processor.registers.mxcsr).toBe(DEFAULT);
});
