/**
 * Threads, as the scheduler keeps them.
 *
 * What a driver can see of a thread is its KTHREAD in guest memory. What only the scheduler knows is here: the saved
 * registers, the activations on the kernel stack, what it waits for. The first activation is the thread's body: a
 * system service while an application's call is under way, or a system thread's start routine.
 */

import type { Address } from '../wdm/address.ts';
import { KTHREAD, type ViewOf } from '../wdm/layouts.ts';
import type { GuestMemory } from '../wdm/memory.ts';
import type { Activation, Resumption } from './activation.ts';
import type { Alarm } from './clock.ts';
import type { RegisterSnapshot } from './cpu.ts';
import type { Routine } from './routine.ts';

export type ThreadState = 'initialized' | 'ready' | 'running' | 'waiting' | 'terminated';

/** What a thread needs to know of its process. */
export interface ProcessIdentity {
  /** EPROCESS. */
  readonly object: Address;
  readonly id: number;
  /** The frame of its page-table root. */
  readonly root: number;
  readonly imageName: string;
}

/** A wait that is under way (wait.ts). */
export interface Wait {
  readonly thread: Thread;
  readonly objects: readonly Address[];
  readonly all: boolean;
  readonly alertable: boolean;
  /** At which the thread waits: APCs come in below APC_LEVEL only. */
  readonly irql: number;
  timeout: Alarm | undefined;
}

/** A kernel APC whose routine is ours: delivered below APC_LEVEL, in its thread's context, at APC_LEVEL. */
export type SpecialApc = () => Routine;

/** Thrown to end the current thread from wherever it is: its stack is dropped, its first routine is told. */
export class ThreadExit {
  readonly status: number;
  constructor(status: number) {
    this.status = status;
  }
}

export class Thread {
  /** KTHREAD, the first member of ETHREAD. */
  readonly object: Address;
  readonly id: number;
  readonly process: ProcessIdentity;
  /** Highest and lowest address of the kernel stack. */
  readonly stackBase: Address;
  readonly stackLimit: Address;
  readonly view: ViewOf<typeof KTHREAD>;
  state: ThreadState = 'initialized';
  /** Whose user half is mapped while it runs: its process, or the one that it has attached to. */
  attached: ProcessIdentity;
  /** Innermost last. */
  readonly activations: Activation[] = [];
  /** How the innermost generator goes on; undefined while guest code runs. */
  pending: Resumption | undefined;
  /** While not running. */
  saved: RegisterSnapshot | undefined;
  wait: Wait | undefined;
  readonly specialApcs: SpecialApc[] = [];
  /** When its quantum is used up, in nanoseconds of the virtual clock. */
  quantumEnd = 0;

  constructor(
    memory: GuestMemory,
    object: Address,
    id: number,
    process: ProcessIdentity,
    stack: { base: Address; limit: Address },
  ) {
    this.view = KTHREAD.at(memory, object);
    this.object = object;
    this.id = id;
    this.process = process;
    this.attached = process;
    this.stackBase = stack.base;
    this.stackLimit = stack.limit;
  }

  get top(): Activation | undefined {
    return this.activations[this.activations.length - 1];
  }

  /** KTHREAD.PreviousMode: 0 KernelMode, 1 UserMode. */
  get previousMode(): number {
    return this.view.PreviousMode;
  }
  set previousMode(mode: number) {
    this.view.PreviousMode = mode;
  }

  /** Inside a guarded region no APC comes in. */
  get apcsHeldOff(): boolean {
    return this.view.SpecialApcDisable !== 0;
  }

  get priority(): number {
    return this.view.Priority & 31; // a driver may have written there
  }
}
