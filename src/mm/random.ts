/**
 * The seeded choices of the memory manager: where regions and buffers lie, in which order frames are handed out.
 *
 * One generator (splitmix32) for the whole memory manager, so that a machine's addresses are a function of its seed and
 * of what was asked of it.
 */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Uniform enough in 0 to bound - 1; bound is at most 2^32. */
  below(bound: number): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return Math.floor((((z ^ (z >>> 16)) >>> 0) / 0x1_0000_0000) * bound);
  }
}
