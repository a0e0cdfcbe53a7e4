/**
 * How hostile input may end: in a status, or in one of the reports that stop a machine. Anything else that comes out is
 * an error of ours, and is thrown on with the seed that makes it again.
 */
import { BugCheck, Hang, Unsupported } from '../../src/index.ts';

export type Outcome = 'status' | 'bug check' | 'unsupported' | 'hang';

export function outcomeOf(what: string, run: () => void): Outcome {
  try {
    run();
    return 'status';
  } catch (error) {
    if (error instanceof BugCheck) return 'bug check';
    if (error instanceof Unsupported) return 'unsupported';
    if (error instanceof Hang) return 'hang';
    throw new Error(`${what}: the host failed: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

/** Counts outcomes, and fails when the host's memory grows beyond what so many runs may leave for the collector. */
export class Tally {
  readonly counts: Record<Outcome, number> = { status: 0, 'bug check': 0, unsupported: 0, hang: 0 };
  readonly #limit: number;

  /** @param growth bytes by which the process may grow in all */
  constructor(growth = 1.5 * 2 ** 30) {
    this.#limit = process.memoryUsage.rss() + growth;
  }

  add(outcome: Outcome): void {
    this.counts[outcome]++;
    const used = process.memoryUsage.rss();
    if (used > this.#limit) throw new Error(`the host has grown to ${(used / 2 ** 20).toFixed(0)} MiB`);
  }

  get total(): number {
    return Object.values(this.counts).reduce((sum, count) => sum + count, 0);
  }

  toString(): string {
    return Object.entries(this.counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ');
  }
}
