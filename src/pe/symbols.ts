/**
 * Names of places in an image: for stacks and reports, never for the guest.
 */

export interface SymbolEntry {
  readonly name: string;
  /** RVA. */
  readonly address: number;
}

export class SymbolTable {
  readonly #sorted: readonly SymbolEntry[];

  /** Of several names for one address the first given is kept. */
  constructor(entries: readonly SymbolEntry[]) {
    const byAddress = new Map<number, SymbolEntry>();
    for (const entry of entries) if (!byAddress.has(entry.address)) byAddress.set(entry.address, entry);
    this.#sorted = [...byAddress.values()].sort((a, b) => a.address - b.address);
  }

  get size(): number {
    return this.#sorted.length;
  }

  /** The last symbol at or before an RVA. */
  at(address: number): SymbolEntry | undefined {
    const index = lastAtOrBefore(this.#sorted.length, i => this.#sorted[i]!.address, address);
    return this.#sorted[index];
  }

  /** The RVA of a name. */
  find(name: string): number | undefined {
    return this.#sorted.find(entry => entry.name === name)?.address;
  }
}

/** Index of the last of `length` ascending keys that is <= key; -1 if none is. */
export function lastAtOrBefore(length: number, keyAt: (index: number) => number, key: number): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keyAt(middle) <= key) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
