/**
 * Which IOCTL codes does a driver know?
 *
 * `Discovery` decides which codes to try next and which of them are the driver's own; somebody else sends them. Each
 * probe is run with a `Watch` over it, which follows the code through the driver (shadow.ts) and notes each place
 * where the way depends on it. Every such place names codes that might go another way; they are probed in turn, until
 * nothing new appears or the budget is used up.
 *
 * A code is *found* when it has a way of its own:
 *  - comparisons on its way found it equal to something, and together they know all 32 bits of it; or
 *  - it came from a comparison of some bits, a range, a bit test or a table, and after the last decision that depends
 *    on the code the driver does something else, or answers otherwise, than for codes that differ in their function
 *    number only.
 * A border between two halves of a search tree is neither: such codes end where unknown codes end.
 */
import type { Decision } from './condition.ts';
import { equality } from './condition.ts';
import { type ReadMemory, sensitivity } from './expression.ts';
import type { Lifter } from './lift.ts';
import type { MachineState } from './operation.ts';
import { step } from './rules.ts';
import { type Candidate, Shadow } from './shadow.ts';

/** What one probe told. */
export interface Probe {
  readonly code: number;
  readonly decisions: readonly Decision[];
  readonly candidates: readonly Candidate[];
  /** All bits of the code were known to comparisons that found it equal. */
  readonly equal: boolean;
  /** What the driver did after its last decision by the code. */
  readonly trail: string;
}

/** Watches one request; `before` is the processor's observer. */
export class Watch {
  readonly #lifter: Lifter;
  readonly #shadow: Shadow;
  readonly #read: ReadMemory;
  #decided = 0;
  readonly #trail: string[] = [];

  constructor(code: number, lifter: Lifter, machine: MachineState) {
    this.#lifter = lifter;
    this.#shadow = new Shadow(code, machine);
    this.#read = machine.read;
  }

  /** A driver is about to see the code at this address. */
  seed(address: bigint): void {
    this.#shadow.seed(address);
  }

  before(rip: bigint): void {
    const operation = this.#lifter.at(rip);
    step(this.#shadow, operation, rip);
    if (this.#shadow.decided === this.#decided) {
      if (operation.identity !== undefined && this.#trail.length < LONGEST_TRAIL) this.#trail.push(operation.identity);
      return;
    }
    this.#decided = this.#shadow.decided;
    const last = this.#shadow.decisions.at(-1);
    this.#trail.length = 0;
    // A jump shows its outcome by where it leads, a conditional move or set only by itself.
    if (last?.rip === rip && operation.name !== 'jcc') this.#trail.push(`${operation.identity} ${last.taken}`);
  }

  result(): Probe {
    const { code, decisions, candidates } = this.#shadow;
    let known = 0;
    for (const decision of decisions) {
      const expression = equality(decision);
      if (expression) known |= sensitivity(expression, code, this.#read);
    }
    return { code, decisions, candidates, equal: known >>> 0 === 0xffff_ffff, trail: this.#trail.join('; ') };
  }
}

/** Sends one request with this code and watches it. Undefined: it could not be sent any more, so the search ends. */
export type SendProbe = (code: number) => Sent | undefined;

export interface Sent {
  readonly probe: Probe;
  /** How the request ended: its status, or that the machine stopped. */
  readonly answer: string;
}

export interface DiscoveryOptions {
  /** Device type of the device that is asked: the first guesses look like its codes. */
  readonly deviceType?: number;
  /** Probes at most. */
  readonly budget?: number;
}

export interface Discovered {
  /** Ascending. */
  readonly codes: readonly number[];
  readonly probes: number;
  /** Probes were left over when nothing new appeared any more. */
  readonly complete: boolean;
}

/** Instructions; two ways that are alike for so long are one. */
const LONGEST_TRAIL = 64;

const DEFAULT_BUDGET = 2000;

/** Other function numbers, the rest of the code as it is: what the driver does with codes that it does not know. */
const NEIGHBOURS = [0x0aa8, 0x3554] as const;

export function discover(send: SendProbe, options: DiscoveryOptions = {}): Discovered {
  const { deviceType = 0x22, budget = DEFAULT_BUDGET } = options;
  const runs = new Map<number, Sent | undefined>();
  const cases = new Set<number>();
  const queue: number[] = [];
  let exhausted = false;

  const run = (code: number) => {
    if (!runs.has(code)) {
      if (runs.size >= budget) {
        exhausted = true;
        return undefined;
      }
      const sent = send(code);
      runs.set(code, sent);
      if (!sent) exhausted = true;
      for (const candidate of sent?.probe.candidates ?? []) {
        if (candidate.mayBeCase) cases.add(candidate.code);
        if (!runs.has(candidate.code)) queue.push(candidate.code);
      }
    }
    return runs.get(code);
  };

  const drain = () => {
    for (let code = queue.shift(); code !== undefined && !exhausted; code = queue.shift()) run(code);
  };
  const signature = ({ probe, answer }: Sent) => `${answer} ${probe.trail}`;
  const found = new Set<number>();
  const judged = new Set<number>();
  /** All that may be cases and have been run; what codes beside them need is run, too, and may lead on. */
  const judge = () => {
    for (const [code, own] of runs) if (own?.probe.equal) found.add(code);
    for (const code of cases) {
      const own = runs.get(code);
      if (!own || found.has(code) || judged.has(code)) continue;
      judged.add(code);
      const beside = NEIGHBOURS.map(bits => (code ^ bits) >>> 0).filter(neighbour => !found.has(neighbour));
      const unknown = beside.map(run).filter(other => other !== undefined && !other.probe.equal);
      if (unknown.length > 0 && unknown.every(other => other && signature(other) !== signature(own))) found.add(code);
    }
  };

  const first = ((deviceType << 16) | 0x3ffc) >>> 0;
  queue.push(first, (first | 3) >>> 0, 0xffff_ffff, 0);
  while (queue.length > 0 && !exhausted) {
    drain();
    judge();
  }
  return { codes: [...found].sort((a, b) => a - b), probes: runs.size, complete: !exhausted };
}
