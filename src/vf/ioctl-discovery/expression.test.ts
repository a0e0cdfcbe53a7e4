import { describe, expect, it } from 'vitest';
import { binary, CODE, constant, type Expression, evaluate, resize, sensitivity, solve } from './expression.ts';

const nothing = () => undefined;
const k = (value: number | bigint, width = 32) => constant(BigInt(value), width);
const chain = (start: Expression, ...steps: ['add' | 'sub' | 'xor' | 'and' | 'or' | 'shl' | 'shr' | 'rol' | 'ror' | 'mul', number][]) =>
  steps.reduce((value, [operator, operand]) => binary(operator, 32, value, k(operand)), start); // biome-ignore format: one line

/** Small deterministic numbers for the round trips. */
function* numbers(count: number, seed = 1): Generator<number> {
  let state = seed;
  for (let n = 0; n < count; n++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state;
  }
}

describe('solve', () => {
  it.each([
    ['the code itself', CODE, 0x222004, [0x222004]],
    ['less the lowest case', chain(CODE, ['sub', 0x222000]), 4, [0x222004]],
    ['subtracted and rotated', chain(CODE, ['sub', 0x222000], ['rol', 30]), 1, [0x222004]],
    ['rotated right', chain(CODE, ['ror', 2]), 0x88801, [0x222004]],
    ['exclusive or', chain(CODE, ['xor', 0x5a5a5a5a]), 0x5a5a5a5a, [0]],
    ['the other way round', binary('sub', 32, k(0x222010), CODE), 0xc, [0x222004]],
    ['bytes swapped', { kind: 'bswap', width: 32, value: CODE }, 0x04202200, [0x222004]],
    ['doubled in 64 bits', binary('add', 64, binary('mul', 64, CODE, k(2, 64)), k(7, 64)), 0x44400f, [0x222004]],
    ['its upper half; the rest stays', chain(CODE, ['shr', 16]), 0x8337, [0x83372000]],
    ['its lower half', resize(CODE, 16), 0x2404, [0x222404]],
    ['its function number', chain(CODE, ['shr', 2], ['and', 0xfff]), 0x801, [0x222004]],
    ['its function number, in place', chain(CODE, ['and', 0x3ffc]), 0x2004, [0x222004]],
    ['all but one bit: both codes', chain(CODE, ['and', ~4]), 0x222000, [0x222000, 0x222004]],
    ['a byte of it', resize(binary('shr', 32, CODE, k(8)), 8), 0x24, [0x222400]],
    ['a value that it cannot have', chain(CODE, ['and', 3]), 4, []],
    ['a bit set by number', binary('shl', 32, k(1), chain(CODE, ['sub', 0x222000])), 8, [0x222003]],
  ] as [string, Expression, number, number[]][])('finds %s', (_what, expression, want, codes) => {
    expect(solve(expression, BigInt(want), 0x222000, nothing)).toEqual(codes);
  });

  it('takes the bits that do not matter from the code at hand', () => {
    expect(solve(chain(CODE, ['shr', 16]), 0x8337n, 0x0022abcd, nothing)).toEqual([0x8337abcd]);
  });

  it('undoes any chain of what loses no bits', () => {
    const operators = ['add', 'sub', 'xor', 'rol', 'ror'] as const;
    for (const seed of numbers(200)) {
      const picks = [...numbers(6, seed)];
      const steps = picks.map(n => [operators[n % 5] ?? 'add', n] as [(typeof operators)[number], number]);
      const expression = chain(CODE, ...steps);
      const value = evaluate(expression, seed, nothing) ?? -1n;
      expect(solve(expression, value, 0, nothing)).toEqual([seed]);
    }
  });

  it('never gives a wrong code, whatever the expression', () => {
    const operators = ['add', 'sub', 'xor', 'and', 'or', 'shl', 'shr', 'rol', 'ror', 'mul'] as const;
    for (const seed of numbers(300, 7)) {
      const steps = [...numbers(5, seed)].map(
        n => [operators[n % 10] ?? 'add', n >>> 7] as [(typeof operators)[number], number],
      );
      const expression = chain(CODE, ...steps); // biome-ignore format: one line
      for (const code of solve(expression, BigInt(seed >>> 3), seed, nothing)) {
        expect(evaluate(expression, code, nothing)).toBe(BigInt(seed >>> 3));
      }
    }
  });
});

describe('evaluate', () => {
  it('reads tables, and has no value where nothing is mapped', () => {
    const table: Expression = { kind: 'load', width: 8, address: binary('add', 64, CODE, k(0x1000, 64)) };
    const read = (address: bigint) => (address === 0x1004n ? 9n : undefined);
    expect(evaluate(table, 4, read)).toBe(9n);
    expect(evaluate(table, 5, read)).toBeUndefined();
  });

  it('extends signs and inserts parts', () => {
    expect(evaluate({ kind: 'sign-extend', width: 64, value: resize(CODE, 8) }, 0x80, nothing)).toBe(0xffffffffffffff80n);
    expect(evaluate({ kind: 'insert', width: 64, low: resize(CODE, 8), rest: k(0xaabbn, 64) }, 0x1234, nothing)).toBe(0xaa34n);
  });
}); // biome-ignore format: short lines

it('knows which bits have a say', () => {
  expect(sensitivity(CODE, 0x222000, nothing)).toBe(0xffff_ffff);
  expect(sensitivity(chain(CODE, ['shr', 2], ['and', 0xfff]), 0x222000, nothing)).toBe(0x3ffc);
  expect(sensitivity(resize(CODE, 16), 0x222000, nothing)).toBe(0xffff);
});
