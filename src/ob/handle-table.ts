/**
 * A handle table: small integers for objects.
 *
 * A handle is four times an index from 1 on; its two low bits belong to the application. Freed slots are used again,
 * the latest first. The kernel's own table is like a process's, and its handles are told apart by their high bits:
 * KERNEL_HANDLE_BASE and up, negative as 64-bit numbers.
 */
import type { Address } from '../wdm/address.ts';

/** 0xFFFFFFFF80000000: a kernel handle is this plus four times its index. */
export const KERNEL_HANDLE_BASE = -0x8000_0000;

export const CURRENT_PROCESS_HANDLE = -1;
export const CURRENT_THREAD_HANDLE = -2;

/** Windows' limit for one process: 2^24 less some for bookkeeping. */
const HANDLE_LIMIT = 0xff_0000;

export interface HandleEntry {
  readonly object: Address;
  readonly grantedAccess: number;
  /** OBJ_INHERIT and OBJ_PROTECT_CLOSE. */
  attributes: number;
}

export class HandleTable {
  readonly #base: number;
  readonly #entries: (HandleEntry | undefined)[] = [undefined];
  readonly #free: number[] = [];

  constructor(base = 0) {
    this.#base = base;
  }

  /** Open handles. */
  get count(): number {
    return this.#entries.length - 1 - this.#free.length;
  }

  /** Returns the handle, or undefined when the table is full. */
  insert(entry: HandleEntry): number | undefined {
    const index = this.#free.pop() ?? this.#entries.length;
    if (index > HANDLE_LIMIT) return undefined;
    this.#entries[index] = entry;
    return this.#base + index * 4;
  }

  get(handle: number): HandleEntry | undefined {
    return this.#entries[this.#indexOf(handle)];
  }

  remove(handle: number): HandleEntry | undefined {
    const index = this.#indexOf(handle);
    const entry = this.#entries[index];
    if (!entry) return undefined;
    this.#entries[index] = undefined;
    this.#free.push(index);
    return entry;
  }

  /** The open handles, lowest first. */
  *handles(): Generator<number> {
    for (let index = 1; index < this.#entries.length; index++) {
      if (this.#entries[index]) yield this.#base + index * 4;
    }
  }

  #indexOf(handle: number): number {
    const index = Math.floor((handle - this.#base) / 4);
    return index > 0 && index < this.#entries.length ? index : 0;
  }
}

/** Whether the value has the form of a kernel handle; -1 and -2 are not. */
export function isKernelHandle(handle: number): boolean {
  return handle >= KERNEL_HANDLE_BASE && handle < CURRENT_THREAD_HANDLE;
}
