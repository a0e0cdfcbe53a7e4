/**
 * Page numbers to values, kept as sorted ranges: adjacent pages with equal values are one range. A process that commits
 * a hundred thousand pages costs one entry.
 */
export interface Range<T> {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  readonly value: T;
}

export class RangeMap<T> {
  #ranges: Range<T>[] = [];

  /** The range that holds a page. */
  at(page: number): Range<T> | undefined {
    const range = this.#ranges[this.#firstEndingAfter(page)];
    return range && range.start <= page ? range : undefined;
  }

  /** The parts of ranges within [start, end), in order. */
  within(start: number, end: number): Range<T>[] {
    const parts: Range<T>[] = [];
    for (let i = this.#firstEndingAfter(start); i < this.#ranges.length; i++) {
      const range = this.#ranges[i]!;
      if (range.start >= end) break;
      parts.push({ start: Math.max(range.start, start), end: Math.min(range.end, end), value: range.value });
    }
    return parts;
  }

  /** Pages of [start, end) that have a value. */
  count(start: number, end: number): number {
    return this.within(start, end).reduce((n, range) => n + range.end - range.start, 0);
  }

  /** Sets the value of [start, end); undefined removes it. */
  set(start: number, end: number, value: T | undefined): void {
    if (start >= end) return;
    const first = this.#firstEndingAfter(start - 1);
    let last = first;
    const between: Range<T>[] = [];
    const put = (range: Range<T>) => {
      if (range.start >= range.end) return;
      const before = between.at(-1);
      if (before && before.end === range.start && before.value === range.value) {
        between[between.length - 1] = { ...before, end: range.end };
      } else between.push(range);
    };
    const rest: Range<T>[] = [];
    for (; last < this.#ranges.length && this.#ranges[last]!.start <= end; last++) {
      const range = this.#ranges[last]!;
      put({ ...range, end: Math.min(range.end, start) });
      rest.push({ ...range, start: Math.max(range.start, end) });
    }
    if (value !== undefined) put({ start, end, value });
    for (const range of rest) put(range);
    this.#ranges.splice(first, last - first, ...between);
  }

  /** Index of the first range whose end lies above `page`. */
  #firstEndingAfter(page: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ranges[middle]!.end > page) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
