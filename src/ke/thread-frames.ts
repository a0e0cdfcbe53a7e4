/**
 * The scheduler's side of exception dispatch: the current thread's activations, as `activation-frames.ts` asks for them.
 */
import { Context } from '../rtl/context.ts';
import type { Address } from '../wdm/address.ts';
import { ETHREAD } from '../wdm/layouts.ts';
import type { Activation } from './activation.ts';
import type { ActivationFrame, ActivationFrames, StackOrigin } from './activation-frames.ts';
import type { Registers } from './cpu.ts';
import type { Routine } from './routine.ts';
import type { Scheduler } from './scheduler.ts';
import type { Thread } from './thread.ts';
import { Unwound } from './try-except.ts';

const CROSS_THREAD_FLAGS_SYSTEM = 0x10;

export class ThreadFrames implements ActivationFrames {
  readonly #scheduler: Scheduler;
  readonly #registers: Registers;

  constructor(scheduler: Scheduler, registers: Registers) {
    this.#scheduler = scheduler;
    this.#registers = registers;
  }

  get #thread(): Thread {
    const thread = this.#scheduler.current;
    if (!thread) throw new Error('no thread is running');
    return thread;
  }

  get #top(): Activation {
    return this.#thread.top!;
  }

  current(): ActivationFrame {
    return this.#top;
  }

  at(frame: Address): ActivationFrame | undefined {
    return this.#thread.activations.find(activation => activation.frame === frame);
  }

  capture(): Context {
    const { stack } = this.#scheduler;
    stack.guarded(() => stack.makeFrame(this.#top));
    const context = captureRegisters(this.#registers);
    context.rip = stack.returnAddress(this.#top);
    return context;
  }

  alloca(bytes: number): Address {
    return this.#scheduler.stack.alloca(this.#top, bytes);
  }

  /** The generator's `finally` blocks run now, in the place of the routine that unwinds. */
  *unwound(frame: Address): Routine {
    const activation = this.#thread.activations.find(other => other.frame === frame);
    if (!activation) return;
    const unwound = new Unwound();
    try {
      let step = activation.generator.throw(unwound);
      while (!step.done) step = activation.generator.next(yield step.value);
    } catch (error) {
      if (error !== unwound) throw error;
    }
  }

  stackLimits(): { readonly low: Address; readonly high: Address } {
    return { low: this.#thread.stackLimit, high: this.#thread.stackBase };
  }

  origin(): StackOrigin {
    const thread = this.#thread;
    if (thread.activations.some(activation => activation.kind === 'interrupt')) return 'other';
    const flags = ETHREAD.at(thread.view.memory, thread.object).CrossThreadFlags;
    return flags & CROSS_THREAD_FLAGS_SYSTEM ? 'system thread' : 'system service';
  }
}

/** The processor's registers as a value. */
export function captureRegisters(registers: Registers): Context {
  const context = new Context();
  context.rip = registers.rip;
  context.eflags = registers.rflags;
  context.mxcsr = registers.mxcsr;
  for (let i = 0; i < 16; i++) {
    context.gpr[i] = registers.gpr(i);
    context.xmm[i * 2] = registers.xmm(i);
    context.xmm[i * 2 + 1] = registers.xmm(i) >> 64n;
  }
  return context;
}

export function loadRegisters(registers: Registers, context: Context): void {
  registers.rip = context.rip;
  registers.rflags = context.eflags;
  registers.mxcsr = context.mxcsr;
  for (let i = 0; i < 16; i++) {
    registers.setGpr(i, context.gpr[i]!);
    registers.setXmm(i, (context.xmm[i * 2 + 1]! << 64n) | context.xmm[i * 2]!);
  }
}
