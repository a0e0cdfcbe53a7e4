import { describe, expect, test } from 'vitest';
import { Body } from './body.ts';
import { ModuleBuilder } from './module.ts';

/** A module with one function, exported as f. */
function build(
  params: ('i32' | 'i64')[],
  results: ('i32' | 'i64')[],
  body: Body,
  locals: ('i32' | 'i64' | 'v128')[] = [],
) {
  const module = new ModuleBuilder();
  module.importMemory('e', 'm', 1);
  const f = module.declare(module.type(params, results));
  module.define(f, locals, body);
  module.export('f', f);
  const memory = new WebAssembly.Memory({ initial: 1 });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), { e: { m: memory } });
  return { f: instance.exports['f'] as (...args: unknown[]) => unknown, memory };
}

describe('constants', () => {
  test.each([0, 1, -1, 63, 64, -64, -65, 127, 128, 8191, 8192, -8192, -8193, 0x7fff_ffff, -0x8000_0000])(
    'i32 %i',
    value => {
      expect(build([], ['i32'], new Body().i32(value)).f()).toBe(value);
    },
  );
  test.each([0n, -1n, 63n, 64n, -65n, 0x7fff_ffffn, 1n << 40n, (1n << 63n) - 1n, -(1n << 63n)])('i64 %i', value => {
    expect(build([], ['i64'], new Body().i64(value)).f()).toBe(value);
  });
  test('an unsigned 64-bit constant is its bits', () => {
    expect(build([], ['i64'], new Body().i64(0xffff_ffff_ffff_ffffn)).f()).toBe(-1n);
  });
});

test('branches leave the block that they name, from any depth', () => {
  const w = new Body();
  const outer = w.block();
  const inner = w.block();
  w.get(0).brTable([inner, outer], inner);
  w.end();
  w.i32(10).op('return');
  w.end();
  w.i32(20);
  const { f } = build(['i32'], ['i32'], w);
  expect([f(0), f(1), f(2)]).toEqual([10, 20, 10]);
});

test('loops, locals in runs of types, memory', () => {
  const w = new Body();
  const [n, sum, vector] = [0, 1, 2];
  const top = w.loop();
  w.get(sum).get(n).op('i64.extend_i32_u').op('i64.add').set(sum);
  w.get(n).i32(1).op('i32.sub').tee(n).brIf(top);
  w.end();
  w.i32(16).memory('v128.load').tee(vector).op('i8x16.popcnt').lane('i8x16.extract_lane_u', 3).op('i64.extend_i32_u');
  w.get(sum).op('i64.add');
  const { f, memory } = build(['i32'], ['i64'], w, ['i64', 'v128']);
  new Uint8Array(memory.buffer)[19] = 0xff;
  expect(f(1000)).toBe(500500n + 8n);
});

test('a piece is appended at another depth, its marks filled', () => {
  const piece = new Body();
  const skip = piece.block();
  piece.get(0).op('i32.eqz').brIf(skip).mark(7).end();
  const w = new Body();
  w.block();
  w.append(piece, (kind, into) => into.i32(kind).op('return'));
  w.end().i32(1);
  const { f } = build(['i32'], ['i32'], w);
  expect([f(0), f(5)]).toEqual([1, 7]);
});

test('an open block and a missing body are errors of the builder', () => {
  const open = new Body();
  open.block();
  expect(() => build([], [], open)).toThrow('1 blocks are open');
  const module = new ModuleBuilder();
  module.declare(module.type([]));
  expect(() => module.encode()).toThrow('no body');
});
