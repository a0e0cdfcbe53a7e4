/**
 * The part of a thread's user stack on which ntdll and kernelbase put the structures of a call.
 *
 * Grows down from the base, 16-byte aligned; what a frame pushed is gone when the frame ends, also by an exception.
 */
import type { Address } from '../wdm/address.ts';

export class ArgumentStack {
  readonly #limit: Address;
  #top: Address;

  constructor(stack: { readonly limit: Address; readonly base: Address }) {
    this.#limit = stack.limit;
    this.#top = stack.base;
  }

  /** Runs `body`, which pushes what it needs; `push` returns the address of that many bytes, not initialised. */
  frame<T>(body: (push: (bytes: number) => Address) => T): T {
    const top = this.#top;
    const push = (bytes: number): Address => {
      const address = this.#top - Math.ceil(bytes / 16) * 16;
      if (address < this.#limit) throw new RangeError(`the user stack has no room for ${bytes} bytes`);
      this.#top = address;
      return address;
    };
    try {
      return body(push);
    } finally {
      this.#top = top;
    }
  }
}
