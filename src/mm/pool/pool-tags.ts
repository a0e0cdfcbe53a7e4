/**
 * What each tag has allocated: PoolTrackTable, as poolmon shows it.
 *
 * An open-addressed table in typed arrays, for it is touched by every allocation. A driver can invent tags without
 * end: when the table is full, the rest is counted together, as Windows does under "Ovfl".
 */
const SLOTS = 4096;

export interface TagStatistics {
  /** As poolmon spells it: the four characters in memory order. */
  readonly tag: string;
  readonly value: number;
  readonly paged: boolean;
  readonly allocations: number;
  readonly frees: number;
  /** Bytes in use. */
  readonly bytes: number;
}

export class PoolTags {
  readonly #tag = new Uint32Array(SLOTS);
  /** 0: the slot is empty; 1 nonpaged; 2 paged. */
  readonly #kind = new Uint8Array(SLOTS);
  readonly #allocations = new Float64Array(SLOTS);
  readonly #frees = new Float64Array(SLOTS);
  readonly #bytes = new Float64Array(SLOTS);
  #used = 0;

  /** @param bytes block size: positive for an allocation, negative for a free */
  count(tag: number, paged: boolean, bytes: number): void {
    const slot = this.#slot(tag, paged ? 2 : 1);
    if (bytes > 0) this.#allocations[slot]!++;
    else this.#frees[slot]!++;
    this.#bytes[slot]! += bytes;
  }

  list(): TagStatistics[] {
    const rows: TagStatistics[] = [];
    for (let slot = 0; slot < SLOTS; slot++) {
      if (this.#kind[slot] === 0) continue;
      rows.push({
        tag: slot === 0 ? 'Ovfl' : tagText(this.#tag[slot]!),
        value: this.#tag[slot]!,
        paged: this.#kind[slot] === 2,
        allocations: this.#allocations[slot]!,
        frees: this.#frees[slot]!,
        bytes: this.#bytes[slot]!,
      });
    }
    return rows.sort((a, b) => a.value - b.value || Number(a.paged) - Number(b.paged));
  }

  /** Slot 0 is the one for what finds no other. */
  #slot(tag: number, kind: number): number {
    let slot = Math.imul(tag ^ kind, 0x9e37_79b1) >>> 20 || 1;
    for (;;) {
      if (this.#kind[slot] === kind && this.#tag[slot] === tag) return slot;
      if (this.#kind[slot] === 0) break;
      slot = slot + 1 < SLOTS ? slot + 1 : 1;
    }
    if (this.#used >= SLOTS / 2) {
      this.#kind[0] = 1;
      return 0;
    }
    this.#used++;
    this.#kind[slot] = kind;
    this.#tag[slot] = tag;
    return slot;
  }
}

/** A tag as it lies in memory: 'Tag1' for 0x31676154. What is not printable becomes a dot. */
export function tagText(tag: number): string {
  return [0, 8, 16, 24]
    .map(shift => (tag >>> shift) & (shift === 24 ? 0x7f : 0xff))
    .map(code => (code >= 0x20 && code < 0x7f ? String.fromCharCode(code) : '.'))
    .join('');
}
