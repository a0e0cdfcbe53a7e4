import { describe, expect, it } from 'vitest';
import { alternatives, type Decision, type Flags, holds, holdsInFlags } from './condition.ts';
import { binary, CODE, constant, resize } from './expression.ts';
import { CONDITIONS, type Condition } from './operation.ts';

const nothing = () => undefined;
const k = (value: number, width = 32) => constant(BigInt(value >>> 0), width);
const compare = (left: number): Flags => ({ kind: 'compare', width: 32, left: CODE, right: k(left) });
const decision = (flags: Flags, condition: Condition, code: number): Decision => ({
  rip: 0n,
  flags,
  condition,
  taken: holds(condition, flags, code, nothing) ?? false,
});
const others = (flags: Flags, condition: Condition, code: number) =>
  alternatives(decision(flags, condition, code), code, nothing);

/** RFLAGS as the processor leaves them after `cmp a, b`. */
function flagsOf(a: number, b: number): number {
  const difference = (a - b) >>> 0;
  const overflow = ((a ^ b) & (a ^ difference)) >>> 31;
  return Number(a < b) | (Number(difference === 0) << 6) | ((difference >>> 31) << 7) | (overflow << 11);
}

describe('conditions', () => {
  it('hold for a code as they do in the processor', () => {
    const values = [0, 1, 0x7fffffff, 0x80000000, 0x80000001, 0xffffffff, 0x222004];
    for (const left of values) {
      for (const right of values) {
        for (const condition of CONDITIONS.filter(c => c !== 'p' && c !== 'np')) {
          const expected = holdsInFlags(condition, flagsOf(left, right));
          expect([condition, left, right, holds(condition, compare(right), left, nothing)]).toEqual([condition, left, right, expected]); // biome-ignore format: one line
        }
      }
    }
  });
});

describe('alternatives', () => {
  it('of a failed comparison are the code that it wanted', () => {
    expect(others(compare(0x222004), 'e', 0)).toEqual({ codes: [0x222004], cases: true });
  });

  it('of one that succeeded lie beside it: a search tree may go on there', () => {
    expect(others(compare(0x222004), 'e', 0x222004)).toEqual({ codes: [0x222003, 0x222005], cases: false });
  });

  it('of a search tree lie on both sides of its border', () => {
    expect(others(compare(0x222004), 'g', 0)).toEqual({ codes: [0x222003, 0x222004, 0x222005], cases: false });
  });

  it('of a small range are all of it, and one beyond', () => {
    const index = binary('sub', 32, CODE, k(0x222000));
    const flags: Flags = { kind: 'compare', width: 32, left: index, right: k(3) };
    expect(others(flags, 'a', 0x22_9999).codes).toEqual([0, 1, 2, 3, 4].map(n => 0x222000 + n));
  });

  it('of a METHOD test keep the rest of the code', () => {
    const flags: Flags = { kind: 'result', width: 8, value: binary('and', 8, resize(CODE, 8), k(3, 8)), logic: true };
    expect(others(flags, 'e', 0x222004).codes).toEqual(expect.arrayContaining([0x222005, 0x222006, 0x222007]));
  });

  it('of a bit test are all bits of the mask', () => {
    const flags: Flags = { kind: 'bit', width: 32, value: k(0x405280), index: binary('sub', 32, CODE, k(0x222000)) };
    expect(others(flags, 'b', 0x222000).codes).toHaveLength(32);
  });
});
