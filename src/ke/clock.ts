/**
 * The virtual clock and everything that waits for a time.
 *
 * Time is instructions retired, one nanosecond each, plus what kernel routines and devices declare to cost, plus what
 * was skipped while nothing could run. No host clock comes in. The clock interrupts every 15.625 ms, as Windows' does
 * at its default resolution: KUSER_SHARED_DATA moves on then, and timers expire when the clock passes them.
 */
import type { Cpu } from './cpu.ts';

/** Nanoseconds between clock interrupts; KeQueryTimeIncrement returns it in units of 100 ns. */
export const TICK = 15_625_000;

/** A function to run at a time. Timers due at the same time run in the order in which they were set. */
export interface Alarm {
  readonly due: number;
  readonly run: () => void;
}

export class Clock {
  readonly #cpu: Cpu;
  /** System time at boot: 100 ns units since 1601. */
  readonly bootTime: bigint;
  #offset = 0;
  readonly #alarms: Alarm[] = [];

  constructor(cpu: Cpu, bootTime: bigint) {
    this.#cpu = cpu;
    this.bootTime = bootTime;
  }

  /** Nanoseconds since boot. */
  get now(): number {
    return this.#cpu.retired + this.#offset;
  }

  /** Time since boot in 100 ns units: KeQueryInterruptTime, exact. */
  get interruptTime(): bigint {
    return this.interruptTimeAt(this.now);
  }

  /** As KUSER_SHARED_DATA shows it: at the last clock interrupt. */
  get tickInterruptTime(): bigint {
    return BigInt(Math.floor(this.now / TICK)) * BigInt(TICK / 100);
  }

  interruptTimeAt(nanoseconds: number): bigint {
    return BigInt(Math.floor(nanoseconds / 100));
  }

  /** 100 ns units since 1601, exact. */
  get systemTime(): bigint {
    return this.bootTime + this.interruptTime;
  }

  /** When a KeSetTimer or wait time is due: negative is from now, positive a system time; 100 ns units. */
  dueTime(time: bigint): number {
    const fromBoot = time <= 0n ? this.interruptTime - time : time - this.bootTime;
    return Math.max(this.now, Number(fromBoot) * 100);
  }

  /** Lets time pass without instructions. */
  advance(nanoseconds: number): void {
    this.#offset += nanoseconds;
  }

  /** Calls `run` when the clock has reached `due`. Cancel with the alarm that is returned. */
  at(due: number, run: () => void): Alarm {
    const alarm = { due, run };
    let index = this.#alarms.length;
    while (index > 0 && this.#alarms[index - 1]!.due > due) index--;
    this.#alarms.splice(index, 0, alarm);
    return alarm;
  }

  /** Whether the alarm was still set. */
  cancel(alarm: Alarm): boolean {
    const index = this.#alarms.indexOf(alarm);
    if (index >= 0) this.#alarms.splice(index, 1);
    return index >= 0;
  }

  /** When the next alarm is due; Infinity if none is set. */
  get next(): number {
    return this.#alarms[0]?.due ?? Number.POSITIVE_INFINITY;
  }

  /** Runs the alarms whose time has come. Returns whether there were any. */
  expire(): boolean {
    const before = this.#alarms.length;
    while (this.next <= this.now) this.#alarms.shift()!.run();
    return this.#alarms.length !== before;
  }

  /** The processor's deadline for a point on the clock. */
  deadlineFor(due: number): number {
    return due - this.#offset;
  }
}
