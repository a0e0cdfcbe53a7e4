/**
 * Others who run the kernels, each a C program of ours compiled at bench time: the bare processor (native-kernels.c) and
 * Unicorn (unicorn-kernels.c), where their tools are installed.
 *
 * A program lives as long as its kernel is measured and runs it once for each line that it is sent, so that runs of all
 * can alternate.
 */
import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

export interface Competitor {
  readonly name: string;
  readonly program: string;
}

/** Those that can be built here. */
export function competitors(directory: string): Competitor[] {
  const build = (name: () => string, source: string, flags: () => string[]): Competitor[] => {
    try {
      const program = join(directory, source.replace('.c', ''));
      execFileSync('gcc', ['-O2', '-o', program, `bench/${source}`, ...flags()], { stdio: 'pipe' });
      return [{ name: name(), program }];
    } catch {
      return [];
    }
  };
  const unicorn = (what: string) =>
    execFileSync('pkg-config', [what, 'unicorn'], { encoding: 'utf8', stdio: 'pipe' }).trim();
  return [
    ...build(
      () => 'native',
      'native-kernels.c',
      () => [],
    ),
    ...build(
      () => `Unicorn ${unicorn('--modversion')}`,
      'unicorn-kernels.c',
      () => [...unicorn('--cflags').split(/\s+/), ...unicorn('--libs').split(/\s+/)].filter(flag => flag !== ''),
    ),
  ];
}

/** A competitor with a kernel loaded. */
export class Contest {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  constructor({ program }: Competitor, args: readonly string[]) {
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Seconds of one run. */
  async run(): Promise<number> {
    this.#child.stdin.write('run\n');
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.#child.spawnfile} ended`);
    return Number(value);
  }

  /** The program ends when its input does. */
  end(): void {
    this.#child.stdin.end();
  }
}
