/**
 * The small module that every region shares: the dispatcher's loop, the lazy flags, bulk copies.
 *
 * The dispatcher looks RIP up in a jump cache in the host area and calls the region's function with its block's number
 * through the table, again and again, until something needs TypeScript: no entry, the deadline, or a code from the region.
 * An empty entry leads to table slot 0, which reports a miss, so that all zero bytes are an empty cache.
 */
import { Body } from '../wasm/body.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import { bulkCopy, bulkFill } from './bulk.ts';
import { flagsFunction } from './flags.ts';
import { CC_A, CC_B, CC_OP, FUEL, JUMP_ENTRIES, LEAVE, RIP } from './layout.ts';

export interface Runtime {
  /** Runs from RIP; returns a LEAVE code. */
  dispatch(jumpCache: number): number;
  /** (op, a, b) -> status flags. */
  readonly flags: unknown;
  /** bulk.ts. */
  readonly copy: unknown;
  readonly fill: unknown;
  /** Status flags from the lazy ones in the host area. */
  lazyFlags(): number;
}

/** The offset of a RIP's entry in a jump cache. */
export function jumpIndex(low: number): number {
  return ((low ^ (low >>> 12)) & (JUMP_ENTRIES - 1)) << 4;
}

export function buildRuntime(memory: WebAssembly.Memory, table: WebAssembly.Table): Runtime {
  const module = new ModuleBuilder();
  const region = module.type(['i32'], ['i32']);
  const flagsType = module.type(['i32', 'i64', 'i64'], ['i32']);
  const noneToI32 = module.type([], ['i32']);
  module.importMemory('e', 'm', 1);
  module.importTable('e', 't');
  const dispatch = module.declare(region);
  const flags = module.declare(flagsType);
  const lazy = module.declare(noneToI32);
  const miss = module.declare(region);

  module.define(dispatch, ['i64', 'i32', 'i32'], dispatcher(region));
  module.define(flags, ['i64', 'i32', 'i32'], flagsFunction());
  const w = new Body();
  w.i32(0).memory('i32.load', CC_OP).i32(0).memory('i64.load', CC_A).i32(0).memory('i64.load', CC_B).call(flags);
  module.define(lazy, [], w);
  module.define(miss, [], new Body().i32(LEAVE.miss));
  for (const [name, { params, locals, body }] of Object.entries({ copy: bulkCopy(), fill: bulkFill() })) {
    const index = module.declare(module.type(params, ['i64']));
    module.define(index, locals, body);
    module.export(name, index);
  }
  module.export('dispatch', dispatch);
  module.export('flags', flags);
  module.export('lazyFlags', lazy);
  module.export('miss', miss);

  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), { e: { m: memory, t: table } });
  table.set(0, instance.exports['miss']);
  return instance.exports as unknown as Runtime;
}

function dispatcher(region: number): Body {
  const [cache, rip, entry, code] = [0, 1, 2, 3];
  const w = new Body();
  const again = w.loop();
  w.i32(0).memory('i64.load', RIP).tee(rip).op('i32.wrap_i64').tee(entry);
  w.get(entry)
    .i32(12)
    .op('i32.shr_u')
    .op('i32.xor')
    .i32(JUMP_ENTRIES - 1)
    .op('i32.and')
    .i32(4)
    .op('i32.shl');
  w.get(cache).op('i32.add').tee(entry).memory('i64.load').get(rip).op('i64.ne').if();
  w.i32(LEAVE.miss).op('return').end();
  w.get(entry).memory('i32.load', 12).get(entry).memory('i32.load', 8).callIndirect(region).tee(code);
  w.i32(LEAVE.go).op('i32.eq').brIf(again);
  w.get(code).op('i32.eqz').if();
  w.i32(0).memory('i64.load', FUEL).i64(0).op('i64.gt_s').brIf(again);
  w.i32(LEAVE.deadline).op('return').end();
  w.end();
  w.get(code);
  return w;
}
