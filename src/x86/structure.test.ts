/** Random graphs, of any shape and with any entries, run as their nodes say. */
import { expect, test } from 'vitest';
import { Random } from '../../test/support/random.ts';
import { Body } from '../wasm/body.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import { type Node, stronglyConnected, structure } from './structure.ts';

interface Plan {
  /** Where a node goes on: undefined ends. With two, a bit of the path chooses. */
  readonly ways: readonly (number | undefined)[];
  readonly entry: boolean;
}

/** Local 0 is the entry, 1 the path (a bit for each choice), 2 a hash of the nodes seen, 3 the steps left. */
const [ENTRY, PATH, HASH, STEPS] = [0, 1, 2, 3];

function nodeOf(plan: Plan, n: number): Node {
  const body = new Body();
  body
    .get(HASH)
    .i32(31)
    .op('i32.mul')
    .i32(n + 1)
    .op('i32.add')
    .set(HASH);
  body.get(STEPS).i32(1).op('i32.sub').tee(STEPS).op('i32.eqz').if();
  body.get(HASH).op('return').end();
  const choose = plan.ways.length > 1;
  if (choose) body.get(PATH).i32(1).op('i32.rotr').set(PATH);
  const way = (target: number | undefined, condition: boolean) => {
    const along = new Body();
    if (target === undefined) along.get(HASH).op('return');
    return { condition: condition ? new Body().get(PATH).i32(1).op('i32.and') : undefined, body: along, target };
  };
  return { body, ways: plan.ways.map((target, i) => way(target, i < plan.ways.length - 1)), entry: plan.entry };
}

function expected(plans: readonly Plan[], entry: number, path: number, steps: number): number {
  let hash = 0;
  for (let n: number | undefined = entry, left = steps; ; ) {
    const plan: Plan = plans[n]!;
    hash = (Math.imul(hash, 31) + n + 1) | 0;
    if (--left === 0) return hash;
    if (plan.ways.length > 1) path = (path >>> 1) | (path << 31);
    n = plan.ways.length > 1 && !(path & 1) ? plan.ways[1] : plan.ways[0];
    if (n === undefined) return hash;
  }
}

function compile(plans: readonly Plan[]): (entry: number, path: number, steps: number) => number {
  const module = new ModuleBuilder();
  const inner = module.declare(module.type(['i32', 'i32', 'i32', 'i32'], ['i32']));
  const w = new Body();
  structure(plans.map(nodeOf), ENTRY, w);
  module.define(inner, [], w.op('unreachable'));
  module.export('f', inner);
  const { f } = new WebAssembly.Instance(new WebAssembly.Module(module.encode())).exports;
  return (entry, path, steps) => (f as (...args: number[]) => number)(entry, path, 0, steps);
}

test('control goes where the nodes say', () => {
  const random = new Random(20);
  for (let round = 0; round < 300; round++) {
    const count = 1 + random.below(round % 3 === 0 ? 20 : 6);
    const plans: Plan[] = Array.from({ length: count }, (_, n) => ({
      ways: Array.from({ length: 1 + random.below(2) }, () =>
        random.below(8) === 0 ? undefined : random.below(count),
      ),
      entry: n === 0 || random.below(3) === 0,
    }));
    const run = compile(plans);
    for (let k = 0; k < 20; k++) {
      const entries = plans.flatMap((plan, n) => (plan.entry ? [n] : []));
      const entry = entries[random.below(entries.length)]!;
      const path = random.below(0x7fff_ffff) | 0;
      expect(run(entry, path, 50), JSON.stringify(plans)).toBe(expected(plans, entry, path, 50));
    }
  }
});

test('components come before those that they lead to', () => {
  const edges = [[1], [2, 3], [1], [4], []];
  expect(stronglyConnected([0, 1, 2, 3, 4], n => edges[n]!)).toEqual([[0], [1, 2], [3], [4]]);
});
