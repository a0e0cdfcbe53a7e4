/**
 * Routines that touch memory which may not be there yet.
 *
 * A string may lie in a page that comes at its first touch, or that has to be read in. Such a routine first just runs;
 * when it misses a page, the page is brought in and the routine runs again from its start. So its body must be one that
 * can: it reads first, and what it writes does not change what it would read. At DISPATCH_LEVEL nothing can be brought
 * in, and the miss is the fault that it is.
 */
import { type MaybeRoutine, type Routine, settle } from '../ke/routine.ts';
import type { FormatArguments } from '../rtl/printf.ts';
import { DISPATCH_LEVEL } from '../wdm/constants.ts';
import { PageFault } from '../wdm/memory.ts';
import type { Kernel } from './kernel.ts';

/** The result of `body`; a routine of it if a page is missing. */
export function pageable<T>(k: Kernel, body: () => T): MaybeRoutine<T> {
  try {
    return body();
  } catch (fault) {
    if (!(fault instanceof PageFault) || k.ke.irql >= DISPATCH_LEVEL) throw fault;
    return again(k, body, fault);
  }
}

function* again<T>(k: Kernel, body: () => T, missed: PageFault): Routine<T> {
  for (let fault = missed; ; ) {
    // Throws when the page cannot be had, so this ends.
    yield* settle(k.mm.touch(fault.address, 1, fault.access));
    try {
      return body();
    } catch (next) {
      if (!(next instanceof PageFault)) throw next;
      fault = next;
    }
  }
}

/** Variable arguments that can be taken again from the first. */
export class ReplayedArguments implements FormatArguments {
  readonly #source: FormatArguments;
  readonly #taken: bigint[] = [];
  #next = 0;

  constructor(source: FormatArguments) {
    this.#source = source;
  }

  next(): bigint {
    if (this.#next === this.#taken.length) this.#taken.push(this.#source.next());
    return this.#taken[this.#next++]!;
  }

  rewind(): this {
    this.#next = 0;
    return this;
  }
}
