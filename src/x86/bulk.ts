/**
 * `rep movs` and `rep stos` within pages that the TLB holds, as functions in WebAssembly.
 *
 * They do what they can and return the bytes done, whole elements: nothing with DF set, nothing beyond a page that is
 * not in the TLB (which includes every watched one), nothing that overlaps forwards. The instruction's helper does the
 * rest (semantics/string.ts).
 */
import { TLB_ADDEND, TLB_INDEX_MASK, TLB_READ, TLB_WRITE } from '../hw/tlb.ts';
import { Body, type Label, type ValueType } from '../wasm/body.ts';
import { PAGE_SIZE } from '../wdm/address.ts';
import { SYSTEM } from './flags.ts';
import { SYSTEM_FLAGS } from './layout.ts';

export interface BulkFunction {
  readonly params: readonly ValueType[];
  readonly locals: readonly ValueType[];
  readonly body: Body;
}

/** Sets `entry` and `room`, the bytes left in the page of the address; leaves to `out` if the TLB does not hold it. */
function lookUp(w: Body, table: number, address: number, entry: number, room: number, out: Label): void {
  w.get(address).i64(8).op('i64.shr_u').op('i32.wrap_i64').i32(TLB_INDEX_MASK).op('i32.and').set(entry);
  w.get(address).get(entry).memory('i64.load', table).op('i64.sub').set(room);
  w.get(room).i64(PAGE_SIZE).op('i64.ge_u').brIf(out);
  w.i64(PAGE_SIZE).get(room).op('i64.sub').set(room);
}

function host(w: Body, table: number, address: number, entry: number): void {
  w.get(address)
    .op('i32.wrap_i64')
    .get(entry)
    .memory('i32.load', table + TLB_ADDEND)
    .op('i32.add');
}

/** Sets `n` to the lesser of it and `other`. */
function limit(w: Body, n: number, other: number): void {
  w.get(n).get(other).get(n).get(other).op('i64.lt_u').op('select').set(n);
}

function unlessDown(w: Body, out: Label): void {
  w.i32(0).memory('i32.load', SYSTEM_FLAGS).i32(SYSTEM.DF).op('i32.and').brIf(out);
}

/** Cuts `n` to whole elements and leaves to `out` if none is left. */
function wholeElements(w: Body, n: number, size: number, out: Label): void {
  w.get(n).i64(0).get(size).op('i64.sub').op('i64.and').tee(n).op('i64.eqz').brIf(out);
}

/** (source, destination, bytes, element size) -> bytes done. */
export function bulkCopy(): BulkFunction {
  const [source, destination, bytes, size, done, n, room, from, to] = [0, 1, 2, 3, 4, 5, 6, 7, 8];
  const [hostFrom, hostTo] = [9, 10];
  const w = new Body();
  const out = w.block();
  unlessDown(w, out);
  const top = w.loop();
  w.get(bytes).get(done).op('i64.sub').set(n);
  lookUp(w, TLB_READ, source, from, room, out);
  limit(w, n, room);
  lookUp(w, TLB_WRITE, destination, to, room, out);
  limit(w, n, room);
  wholeElements(w, n, size, out);
  host(w, TLB_READ, source, from);
  w.set(hostFrom);
  host(w, TLB_WRITE, destination, to);
  w.tee(hostTo).get(hostFrom).op('i32.sub').get(n).op('i32.wrap_i64').op('i32.lt_u').brIf(out);
  w.get(hostTo).get(hostFrom).get(n).op('i32.wrap_i64').memoryCopy();
  for (const moved of [source, destination, done]) w.get(moved).get(n).op('i64.add').set(moved);
  w.br(top).end().end();
  w.get(done);
  return { params: ['i64', 'i64', 'i64', 'i64'], locals: ['i64', 'i64', 'i64', 'i32', 'i32', 'i32', 'i32'], body: w };
}

/** (destination, bytes, element size, the element repeated over 8 bytes) -> bytes done. */
export function bulkFill(): BulkFunction {
  const [destination, bytes, size, pattern, done, n, room, to, at, end, turned] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  const w = new Body();
  const out = w.block();
  unlessDown(w, out);
  const top = w.loop();
  w.get(bytes).get(done).op('i64.sub').set(n);
  lookUp(w, TLB_WRITE, destination, to, room, out);
  limit(w, n, room);
  wholeElements(w, n, size, out);
  host(w, TLB_WRITE, destination, to);
  w.set(at).get(pattern).set(turned);
  w.get(pattern).get(pattern).i64(8).op('i64.rotl').op('i64.eq').if();
  w.get(at).get(pattern).op('i32.wrap_i64').get(n).op('i32.wrap_i64').memoryFill();
  w.else();
  w.get(at).get(n).op('i32.wrap_i64').op('i32.add').set(end);
  // Eight bytes at a time, then element by element; the pattern's phase is the same at each multiple of eight.
  const eights = w.block();
  const eight = w.loop();
  w.get(end).get(at).op('i32.sub').i32(8).op('i32.lt_u').brIf(eights);
  w.get(at).get(pattern).memory('i64.store').get(at).i32(8).op('i32.add').set(at).br(eight).end().end();
  const rest = w.block();
  const one = w.loop();
  w.get(at).get(end).op('i32.ge_u').brIf(rest);
  w.get(at).get(turned).memory('i64.store8');
  w.get(turned).i64(8).op('i64.rotr').set(turned).get(at).i32(1).op('i32.add').set(at).br(one).end().end();
  w.end();
  for (const moved of [destination, done]) w.get(moved).get(n).op('i64.add').set(moved);
  w.br(top).end().end();
  w.get(done);
  return { params: ['i64', 'i64', 'i64', 'i64'], locals: ['i64', 'i64', 'i64', 'i32', 'i32', 'i32', 'i64'], body: w };
}
