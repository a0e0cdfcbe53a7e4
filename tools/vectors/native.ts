/** The real processor: compiles harness.c once and runs batches of cases in it. Needs x86-64 Linux and gcc. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { arenaContents, outcomeSize } from './layout.ts';

export class NativeProcessor {
  readonly #directory = mkdtempSync(join(tmpdir(), 'vectors-'));
  readonly #harness = join(this.#directory, 'harness');
  readonly #arena = arenaContents();

  constructor() {
    const source = new URL('harness.c', import.meta.url).pathname;
    execFileSync('gcc', ['-O2', '-fno-stack-protector', '-mgeneral-regs-only', '-Wall', '-o', this.#harness, source]);
  }

  /** @param code the code area's first bytes. Returns one outcome a state, in order. */
  run(code: Uint8Array, states: readonly Uint8Array[]): Uint8Array[] {
    const sizes = states.map(outcomeSize);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    const header = new Uint8Array(new Uint32Array([states.length, code.length, total, 0]).buffer);
    const child = spawnSync(this.#harness, {
      input: Buffer.concat([header, code, this.#arena, ...states]),
      maxBuffer: total + 4096,
    });
    const output = child.stdout;
    if (child.status !== 0 || output.length !== total) {
      throw new Error(
        `the harness failed (${child.signal ?? child.status}): ${output.length} of ${total} bytes ${child.stderr}`,
      );
    }
    let at = 0;
    return sizes.map(size => {
      at += size;
      return Uint8Array.prototype.slice.call(output, at - size, at);
    });
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
