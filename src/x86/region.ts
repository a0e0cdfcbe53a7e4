/**
 * From blocks to a WebAssembly function.
 *
 * A region's function takes the number of the block to enter and returns a LEAVE code. Its companions take the whole
 * state as parameters, put it into the register file, and call TypeScript. The fuel is taken at the end of each block and
 * looked at where design decision 6 says: at taken backward branches here, at calls, returns and indirect jumps in the
 * dispatcher, by LEAVE.check.
 */
import { Body, type ValueType } from '../wasm/body.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import type { Address } from '../wdm/address.ts';
import type { Instruction } from './decode.ts';
import type { Block } from './discover.ts';
import { type Callees, DYNAMIC, Emitter, LOCAL, MARK, type Site } from './emitter.ts';
import { emitFor } from './families.ts';
import type { Helper } from './helper.ts';
import { CC_A, CC_B, CC_OP, FUEL, LEAVE, MISS_ADDRESS, REGISTERS, SCRATCH, XMM } from './layout.ts';
import { type Node, structure, type Way } from './structure.ts';

export interface Translation {
  readonly bytes: Uint8Array;
  readonly sites: readonly Site[];
  /** Block numbers of the entries. */
  readonly entries: ReadonlyMap<Address, number>;
}

/** What an instruction in no table does when it is reached. */
const unsupported: Helper = (cpu, i) => cpu.unsupported(i.mnemonic);

/** Names of the imports of module 'e', by what they do; processor.ts supplies them. */
export const IMPORTS = {
  memory: 'm',
  miss: 'miss',
  missStore: 'store',
  commit: 'commit',
  help: 'help',
  flags: 'flags',
  before: 'before',
  copy: 'copy',
  fill: 'fill',
} as const;

export function translate(blocks: ReadonlyMap<Address, Block>, region: number, observed: boolean): Translation {
  const module = new ModuleBuilder();
  const i32 = 'i32';
  const site = module.type([i32, i32], [i32]);
  module.importMemory('e', IMPORTS.memory, 1);
  const miss = module.importFunction('e', IMPORTS.miss, site);
  const missStore = module.importFunction('e', IMPORTS.missStore, module.type([i32, i32]));
  const commit = module.importFunction('e', IMPORTS.commit, module.type([i32, i32]));
  const help = module.importFunction('e', IMPORTS.help, site);
  const flags = module.importFunction('e', IMPORTS.flags, module.type([i32, 'i64', 'i64'], [i32]));
  const before = module.importFunction('e', IMPORTS.before, module.type([i32, i32]));
  const bulk = module.type(['i64', 'i64', 'i64', 'i64'], ['i64']);
  const copy = module.importFunction('e', IMPORTS.copy, bulk);
  const fillRange = module.importFunction('e', IMPORTS.fill, bulk);
  const main = fillRange + 1;
  // The companions' types are known only when the region's registers are, their numbers must be known now.
  const callees: Callees = {
    miss: main + 1,
    missStore: main + 2,
    missStoreVector: main + 3,
    help: main + 4,
    before: main + 5,
    commit,
    flags,
    copy,
    fill: fillRange,
  };
  const emitter = new Emitter(callees, region);
  const list = [...blocks.values()];
  const numbers = new Map(list.map((block, n) => [block.address, n]));
  const nodes = emitBlocks(emitter, list, numbers, observed);

  const complete = new Body();
  loadState(complete, emitter);
  structure(nodes, LOCAL.entry, complete, (kind, into) => fill(kind, into, emitter));
  complete.op('unreachable');
  const gprs = [...emitter.writtenGprs];
  const xmms = [...emitter.writtenXmms];
  const state: ValueType[] = [
    'i64',
    i32,
    'i64',
    'i64',
    ...gprs.map((): ValueType => 'i64'),
    ...xmms.map((): ValueType => 'v128'),
  ];
  const declare = (params: ValueType[], results: ValueType[]) => module.declare(module.type(params, results));
  const index = module.declare(module.type([i32], [i32]));
  module.define(index, emitter.locals, complete);

  const companion = (params: ValueType[], results: ValueType[], finish: (w: Body, siteLocal: number) => void) => {
    const w = new Body();
    storeState(w, params.length + 1, gprs, xmms);
    finish(w, params.length);
    module.define(declare([...params, i32, ...state], results), [], w);
  };
  const call = (w: Body, siteLocal: number, callee: number) => w.i32(region).get(siteLocal).call(callee);
  companion(['i64'], [i32], (w, s) => {
    w.i32(0).get(0).memory('i64.store', MISS_ADDRESS);
    call(w, s, miss);
  });
  for (const value of ['i64', 'v128'] as const) {
    companion(['i64', value], [], (w, s) => {
      w.i32(0).get(0).memory('i64.store', MISS_ADDRESS);
      w.i32(0)
        .get(1)
        .memory(value === 'i64' ? 'i64.store' : 'v128.store', SCRATCH);
      call(w, s, missStore);
    });
  }
  companion([], [i32], (w, s) => call(w, s, help));
  companion([], [], (w, s) => call(w, s, before));
  module.export('f', index);
  return {
    bytes: module.encode(),
    sites: emitter.sites,
    entries: new Map(list.flatMap((block, n) => (block.entry ? [[block.address, n] as const] : []))),
  };
}

/** Emits every block; a block with one way in, not from outside, goes on with what is known of the flags. */
function emitBlocks(
  e: Emitter,
  blocks: readonly Block[],
  numbers: ReadonlyMap<Address, number>,
  observed: boolean,
): Node[] {
  const preds = new Map<Address, number>();
  for (const block of blocks) {
    for (const to of [block.next, block.taken]) if (to !== undefined) preds.set(to, (preds.get(to) ?? 0) + 1);
  }
  const known = new Map<Address, number>();
  const nodes: Node[] = [];
  const recursion = blocks.filter(block => callWithin(block, blocks, numbers) !== undefined).map(lastOf);
  const returns = recursion.length <= MAX_RETURNS ? recursion.map(i => i.next) : [];
  e.returnsHere = returns.length > 0;
  for (const block of blocks) {
    e.beginBlock(known.get(block.address) ?? DYNAMIC);
    const last = lastOf(block);
    const callee = e.returnsHere ? callWithin(block, blocks, numbers) : undefined;
    e.callStays = callee !== undefined;
    for (const i of block.instructions) {
      e.begin(i);
      if (observed) e.observe();
      const emit = emitFor(i);
      if (i === last && block.next !== undefined && emit) e.retire();
      if (emit) emit(e, i);
      else e.helpAndLeave(unsupported);
      e.end();
    }
    const inherits = (to: Address | undefined) =>
      to !== undefined && preds.get(to) === 1 && to > block.address && blocks[numbers.get(to) ?? -1]?.entry === false;
    let condition: Body | undefined;
    if (block.taken !== undefined) {
      const local = e.save('i32');
      condition = new Body().get(local);
    }
    const successors = [block.taken, block.next].filter(to => to !== undefined);
    if (callee === undefined && last.flow !== 'return' && successors.every(inherits))
      for (const to of successors) known.set(to, e.cc);
    else e.settle();
    const ways: Way[] = [];
    if (block.taken !== undefined)
      ways.push({ condition, ...way(e, block.taken, block.taken <= last.address, numbers) });
    if (block.next !== undefined) {
      const backward = last.flow === 'jump' && block.next <= last.address;
      ways.push({ condition: undefined, ...way(e, block.next, backward, numbers) });
    }
    if (callee !== undefined) ways.push({ condition: undefined, ...way(e, callee, true, numbers) });
    if (e.returnsHere && last.flow === 'return') ways.push(...returnWays(e, returns, numbers));
    nodes.push({ body: e.w, ways, entry: block.entry });
  }
  return nodes;
}

/** A function with more calls of itself than this leaves its region for them. */
const MAX_RETURNS = 8;

function lastOf(block: Block): Instruction {
  return block.instructions.at(-1)!;
}

/** Where the direct call at a block's end goes, if that is an entry of this region and so is the place behind the call. */
function callWithin(
  block: Block,
  blocks: readonly Block[],
  numbers: ReadonlyMap<Address, number>,
): Address | undefined {
  const { flow, operands, next } = lastOf(block);
  const [operand] = operands;
  if (flow !== 'call' || operand?.kind !== 'branch') return undefined;
  const entered = (address: Address) => blocks[numbers.get(address) ?? -1]?.entry === true;
  return entered(operand.target) && entered(next) ? operand.target : undefined;
}

/** A return: to one of the region's own calls, past the deadline check, or out. */
function returnWays(e: Emitter, returns: readonly Address[], numbers: ReadonlyMap<Address, number>): Way[] {
  const ways: Way[] = returns.map(to => ({
    condition: new Body().get(e.returnTarget).i64(BigInt(to)).op('i64.eq'),
    ...way(e, to, true, numbers),
  }));
  const saved = e.w;
  e.w = new Body().get(e.returnTarget);
  e.leave(LEAVE.check);
  ways.push({ condition: undefined, body: e.w, target: undefined });
  e.w = saved;
  return ways;
}

/** A way out of a block: into another, past the deadline check if it goes back, or out of the region. */
function way(
  e: Emitter,
  to: Address,
  backward: boolean,
  numbers: ReadonlyMap<Address, number>,
): Omit<Way, 'condition'> {
  const target = numbers.get(to);
  const saved = e.w;
  e.w = new Body();
  if (target === undefined) e.leaveFor(to, backward ? LEAVE.check : LEAVE.go);
  else if (backward) {
    e.w.get(LOCAL.fuel).i64(0).op('i64.le_s').if();
    e.leaveFor(to, LEAVE.deadline);
    e.w.end();
  }
  const body = e.w;
  e.w = saved;
  return { body, target };
}

function fill(kind: number, w: Body, e: Emitter): void {
  if (kind === MARK.pushRegisters) {
    for (const index of e.writtenGprs) w.get(e.usedGprs.get(index)!);
    for (const index of e.writtenXmms) w.get(e.usedXmms.get(index)!);
  } else if (kind === MARK.storeRegisters) {
    for (const index of e.writtenGprs)
      w.i32(0)
        .get(e.usedGprs.get(index)!)
        .memory('i64.store', REGISTERS + index * 8);
    for (const index of e.writtenXmms)
      w.i32(0)
        .get(e.usedXmms.get(index)!)
        .memory('v128.store', XMM + index * 16);
  } else loadRegisters(w, e);
}

function loadRegisters(w: Body, e: Emitter): void {
  for (const [index, local] of e.usedGprs)
    w.i32(0)
      .memory('i64.load', REGISTERS + index * 8)
      .set(local);
  for (const [index, local] of e.usedXmms)
    w.i32(0)
      .memory('v128.load', XMM + index * 16)
      .set(local);
}

function loadState(w: Body, e: Emitter): void {
  w.i32(0).memory('i64.load', FUEL).set(LOCAL.fuel);
  w.i32(0).memory('i32.load', CC_OP).set(LOCAL.ccOp);
  w.i32(0).memory('i64.load', CC_A).set(LOCAL.ccA);
  w.i32(0).memory('i64.load', CC_B).set(LOCAL.ccB);
  loadRegisters(w, e);
}

/** From parameters `first` on: fuel, the lazy flags, registers. */
function storeState(w: Body, first: number, gprs: readonly number[], xmms: readonly number[]): void {
  let local = first;
  w.i32(0).get(local++).memory('i64.store', FUEL);
  w.i32(0).get(local++).memory('i32.store', CC_OP);
  w.i32(0).get(local++).memory('i64.store', CC_A);
  w.i32(0).get(local++).memory('i64.store', CC_B);
  for (const index of gprs)
    w.i32(0)
      .get(local++)
      .memory('i64.store', REGISTERS + index * 8);
  for (const index of xmms)
    w.i32(0)
      .get(local++)
      .memory('v128.store', XMM + index * 16);
}
