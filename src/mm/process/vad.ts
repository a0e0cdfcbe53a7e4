/**
 * Virtual address descriptors: which parts of a process's addresses are spoken for, and by what.
 */

/**
 * private  reserved or committed by the process
 * mdl      an MDL that a driver mapped into the process: its frames are somebody else's
 * shared   KUSER_SHARED_DATA
 */
export type VadKind = 'private' | 'mdl' | 'shared';

/** Page numbers; `end` is exclusive. */
export interface Vad {
  readonly start: number;
  readonly end: number;
  readonly kind: VadKind;
  /** AllocationProtect. */
  readonly protect: number;
}

/** Sorted by address, without overlaps. */
export class VadTable {
  readonly #vads: Vad[] = [];

  [Symbol.iterator](): Iterator<Vad> {
    return this.#vads[Symbol.iterator]();
  }

  find(page: number): Vad | undefined {
    const vad = this.#vads[this.#firstEndingAfter(page)];
    return vad && vad.start <= page ? vad : undefined;
  }

  /** The first descriptor at or after a page. */
  next(page: number): Vad | undefined {
    return this.#vads[this.#firstEndingAfter(page)];
  }

  isFree(start: number, end: number): boolean {
    const vad = this.next(start);
    return vad === undefined || vad.start >= end;
  }

  insert(vad: Vad): void {
    this.#vads.splice(this.#firstEndingAfter(vad.start), 0, vad);
  }

  /** Takes [start, end) out of the descriptor that holds it; what is left on either side stays. */
  cut(vad: Vad, start: number, end: number): void {
    const left = { ...vad, end: start };
    const right = { ...vad, start: end };
    const kept = [left, right].filter(part => part.start < part.end);
    this.#vads.splice(this.#vads.indexOf(vad), 1, ...kept);
  }

  /**
   * The lowest free range of `pages` pages within [low, high) that begins at a multiple of `alignment` pages; with
   * `topDown` the highest. -1 if there is none.
   */
  gap(pages: number, alignment: number, low: number, high: number, topDown = false): number {
    if (!(pages >= 1 && pages <= high - low)) return -1;
    const up = (page: number) => Math.ceil(page / alignment) * alignment;
    const down = (page: number) => Math.floor(page / alignment) * alignment;
    let found = -1;
    let from = low;
    const look = (to: number) => {
      const at = topDown ? down(to - pages) : up(from);
      if (at >= from && at + pages <= to && (topDown || found < 0)) found = at;
    };
    for (let i = this.#firstEndingAfter(low); i < this.#vads.length; i++) {
      const vad = this.#vads[i]!;
      if (vad.start >= high || (found >= 0 && !topDown)) break;
      look(vad.start);
      from = Math.max(from, vad.end);
    }
    if (from < high) look(high);
    return found;
  }

  #firstEndingAfter(page: number): number {
    let low = 0;
    let high = this.#vads.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#vads[middle]!.end > page) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
