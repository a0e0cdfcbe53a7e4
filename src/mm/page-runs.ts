/**
 * Which pages of a region of system addresses are taken: a bitmap, and the length of each run that was handed out.
 *
 * First fit from the lowest address, so that what was freed is used again and fragmentation is what the requests made
 * it. A run is given back whole, by its first page.
 */
export class PageRuns {
  readonly pages: number;
  #free: number;
  readonly #used: Uint32Array;
  readonly #length: Int32Array;
  /** No free page lies below. */
  #lowest = 0;

  constructor(pages: number) {
    this.pages = pages;
    this.#free = pages;
    this.#used = new Uint32Array((pages + 31) >>> 5);
    this.#length = new Int32Array(pages);
    for (let page = pages; page & 31; page++) this.#used[page >>> 5]! |= 1 << (page & 31);
  }

  get free(): number {
    return this.#free;
  }

  /** The first page of a free run, now taken; -1 if no run is long enough. */
  allocate(count: number): number {
    if (!(count >= 1 && count <= this.#free)) return -1;
    const used = this.#used;
    let run = 0;
    let lowest = -1;
    for (let page = this.#lowest; page < this.pages; ) {
      const word = used[page >>> 5]!;
      if ((page & 31) === 0 && word === 0xffff_ffff) {
        run = 0;
        page += 32;
        continue;
      }
      if ((page & 31) === 0 && word === 0 && run + 32 < count) {
        if (lowest < 0) lowest = page;
        run += 32;
        page += 32;
        continue;
      }
      if (word & (1 << (page & 31))) run = 0;
      else {
        if (lowest < 0) lowest = page;
        run++;
      }
      page++;
      if (run === count) {
        const first = page - count;
        this.#lowest = lowest === first ? page : lowest;
        this.#take(first, count);
        return first;
      }
    }
    if (lowest >= 0) this.#lowest = lowest;
    return -1;
  }

  /** Takes the given pages; false if one of them is taken. */
  allocateAt(first: number, count: number): boolean {
    if (!(first >= 0 && count >= 1 && first + count <= this.pages)) return false;
    for (let page = first; page < first + count; page++) {
      if (this.#used[page >>> 5]! & (1 << (page & 31))) return false;
    }
    this.#take(first, count);
    return true;
  }

  /** Pages of the run that begins at `first`; 0 if none does. */
  runAt(first: number): number {
    return this.#length[first] ?? 0;
  }

  /** Gives a whole run back; returns its length. */
  release(first: number): number {
    const count = this.runAt(first);
    for (let page = first; page < first + count; page++) this.#used[page >>> 5]! &= ~(1 << (page & 31));
    this.#length[first] = 0;
    this.#free += count;
    if (first < this.#lowest) this.#lowest = first;
    return count;
  }

  #take(first: number, count: number): void {
    for (let page = first; page < first + count; page++) this.#used[page >>> 5]! |= 1 << (page & 31);
    this.#length[first] = count;
    this.#free -= count;
  }
}
