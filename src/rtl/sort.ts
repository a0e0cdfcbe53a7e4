/**
 * qsort and bsearch. They call guest code to compare, so they are generators; what is yielded is the caller's business.
 */
import type { Address } from '../wdm/address.ts';
import type { GuestMemory } from '../wdm/memory.ts';

/** Negative, zero or positive, as C's comparison routine answers for two elements' addresses. */
export type Compare<Y> = (a: Address, b: Address) => Generator<Y, number, bigint>;

/**
 * Heapsort in place: elements stay in guest memory, where the comparison looks at them, and even a comparison that
 * contradicts itself cannot make it run longer than n log n.
 */
export function* qsort<Y>(
  memory: GuestMemory,
  base: Address,
  count: number,
  size: number,
  compare: Compare<Y>,
): Generator<Y, void, bigint> {
  if (size === 0) return;
  const at = (index: number) => base + index * size;
  const swap = (a: Address, b: Address) => {
    const bytes = memory.readBytes(a, size);
    memory.copy(a, b, size);
    memory.writeBytes(b, bytes);
  };
  function* sink(start: number, end: number): Generator<Y, void, bigint> {
    let root = start;
    for (let child = 2 * root + 1; child < end; child = 2 * root + 1) {
      if (child + 1 < end && (yield* compare(at(child), at(child + 1))) < 0) child++;
      if ((yield* compare(at(root), at(child))) >= 0) return;
      swap(at(root), at(child));
      root = child;
    }
  }
  for (let start = Math.floor(count / 2) - 1; start >= 0; start--) yield* sink(start, count);
  for (let end = count - 1; end > 0; end--) {
    swap(at(0), at(end));
    yield* sink(0, end);
  }
}

/** An element that compares equal to the key, or 0. The key is the comparison's first argument. */
export function* bsearch<Y>(
  key: Address,
  base: Address,
  count: number,
  size: number,
  compare: Compare<Y>,
): Generator<Y, Address, bigint> {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const at = base + middle * size;
    const order = yield* compare(key, at);
    if (order === 0) return at;
    if (order < 0) high = middle;
    else low = middle + 1;
  }
  return 0;
}
