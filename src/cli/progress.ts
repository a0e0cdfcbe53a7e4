/** One line on the terminal's standard error that says how far a long piece of work is; nothing in a pipe. */
import type { Terminal } from './output.ts';

const MILLISECONDS_BETWEEN = 80;

export class Progress {
  readonly #stream: Terminal['stderr'];
  #shown = false;
  #last = 0;

  constructor(stream: Terminal['stderr']) {
    this.#stream = stream;
  }

  show(text: string): void {
    if (!this.#stream.isTTY || Date.now() - this.#last < MILLISECONDS_BETWEEN) return;
    this.#last = Date.now();
    this.#shown = true;
    const width = Math.max(20, (this.#stream.columns || 80) - 1);
    this.#stream.write(`\r\u001b[2K${text.slice(0, width)}`);
  }

  clear(): void {
    if (this.#shown) this.#stream.write('\r\u001b[2K');
    this.#shown = false;
  }
}
