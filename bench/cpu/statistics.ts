/** What is made of the times of several runs. */

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

export interface Spread {
  readonly value: number;
  readonly min: number;
  readonly max: number;
}

export function spread(values: readonly number[]): Spread {
  return { value: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/** Median of the ratios of what was measured one right after the other: what the machine did meanwhile cancels. */
export function pairwise(over: readonly number[], under: readonly number[]): number {
  return median(over.map((value, n) => value / under[n]!));
}

/** Seconds that `run` takes. */
export function seconds(run: () => void): number {
  const start = performance.now();
  run();
  return (performance.now() - start) / 1000;
}

/** Times both in turns, after one run of each that does not count. */
export function inTurns(rounds: number, a: () => void, b: () => void): { a: number[]; b: number[] } {
  a();
  b();
  const times = { a: [] as number[], b: [] as number[] };
  for (let n = 0; n < rounds; n++) {
    times.a.push(seconds(a));
    times.b.push(seconds(b));
  }
  return times;
}
