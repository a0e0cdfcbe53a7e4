/**
 * The scheduler: runs threads on the one processor, and is where guest code and TypeScript code meet.
 *
 * A thread is a pile of activations and guest frames that interleave on one kernel stack. `#advance` moves the current
 * thread by one piece: it resumes the innermost generator, or runs guest code until that leaves the processor. A trap
 * enters the routine that owns the address; a routine's request (call, wait, checkpoint) is carried out; a fault or a
 * GuestException becomes an activation that dispatches it. The guest's depth never lies on the host's stack, so a
 * thread can be switched, interrupted or unwound at any of these points.
 *
 * Interrupts (DPCs and special APCs) are taken at checkpoints and when the processor reports a window or its deadline,
 * which are architectural points: the same seed and the same requests give the same interleaving.
 *
 * BugCheck and Unsupported stop the machine for good. Hang means that a host call cannot return.
 */
import type { Context } from '../rtl/context.ts';
import type { Address } from '../wdm/address.ts';
import { fromAddress } from '../wdm/address.ts';
import { DPC_WATCHDOG_VIOLATION, KERNEL_SECURITY_CHECK_FAILURE } from '../wdm/bugcheck-codes.ts';
import { APC_LEVEL, DISPATCH_LEVEL, PASSIVE_LEVEL } from '../wdm/constants-ke.ts';
import { BugCheck, GuestException, Hang, Unsupported } from '../wdm/failures.ts';
import { PageFault } from '../wdm/memory.ts';
import { Activation, type AnyRoutine, type Resumption } from './activation.ts';
import { ContextSwitch } from './activation-frames.ts';
import { Arguments } from './arguments.ts';
import { type Clock, TICK } from './clock.ts';
import { type Cpu, type Exit, RAX } from './cpu.ts';
import { GuestStack, type ReturnAddresses } from './guest-stack.ts';
import { isRoutine, type Request, type Routine } from './routine.ts';
import { type ProcessIdentity, type Thread, ThreadExit } from './thread.ts';
import type { Trap, TrapResult, TrapTable } from './traps.ts';
import { Unwound } from './try-except.ts';

/** What other rooms do for the scheduler. */
export interface SchedulerHooks {
  /** A guest access or instruction failed. Undefined: the cause is mended, run the instruction again. */
  exceptionOf(exit: Exit & { kind: 'fault' }): GuestException | undefined;
  /** TypeScript code touched a bad address: the exception that this is, or throws the bug check. */
  exceptionOfFault(fault: PageFault): GuestException;
  /** Captures the registers as they are now; the generator dispatches and returns the context to go on with. */
  dispatch(exception: GuestException): Routine<Context>;
  load(context: Context): void;
  /** The exception left the thread's first routine: what Windows stops with. */
  unhandled(exception: GuestException, thread: Thread): BugCheck;
  /** Makes the thread and its user half current: CR3, KPCR. */
  switchTo(thread: Thread, process: ProcessIdentity): void;
  /** RIP is in the trap area, but at no routine's first byte. */
  strayTrap(address: Address): Error;
  /** The current thread's stack, innermost frame first, as text. */
  frames(): string[];
  stopped(error: BugCheck | Unsupported): void;
}

export interface SchedulerLimits {
  /** Processor time, in virtual nanoseconds, that one host call may use before it counts as a hang. */
  readonly processorTime: number;
  /** Virtual nanoseconds that one host call may take in all, idle time included. */
  readonly elapsedTime: number;
}

/** A whole number from 0 to `bound` - 1, by the machine's seed. */
export type SeededChoice = (bound: number) => number;

/** A deferred call in the queue. */
export interface QueuedDpc {
  /** KDPC; 0 for the kernel's own. */
  readonly object: Address;
  readonly run: () => Routine;
}

/** Below the top of a kernel stack, where Windows keeps the trap frame of the entry from user mode. */
const INITIAL_FRAME = 0x208;
const INITIAL_RFLAGS = 0x202;
const RFLAGS_IF = 0x200;
/** How a generator begins, or goes on after a request that has no answer. */
const ZERO: Resumption = { value: 0n };

export class Scheduler {
  current: Thread | undefined;
  readonly dpcs: QueuedDpc[] = [];
  readonly stack: GuestStack;
  readonly #cpu: Cpu;
  readonly #traps: TrapTable;
  readonly #clock: Clock;
  readonly #limits: SchedulerLimits;
  readonly #choose: SeededChoice;
  readonly #arguments: Arguments;
  readonly #ready: Thread[][] = Array.from({ length: 32 }, () => []);
  /** One bit for each priority at which a thread is ready: nt!KiReadySummary. */
  #readySummary = 0;
  #hooks: SchedulerHooks | undefined;
  #idleThread: Thread | undefined;
  #idleTime = 0;
  /** When the host's call counts as a hang, on the clock. */
  #busyLimit = 0;
  #running = false;
  /** Threads that run for their APCs alone. */
  #visits = 0;
  #dead: Error | undefined;

  constructor(
    cpu: Cpu,
    traps: TrapTable,
    clock: Clock,
    options: { limits: SchedulerLimits; returns: ReturnAddresses; choose: SeededChoice },
  ) {
    this.#cpu = cpu;
    this.#traps = traps;
    this.#clock = clock;
    this.#limits = options.limits;
    this.#choose = options.choose;
    this.#arguments = new Arguments(cpu);
    this.stack = new GuestStack(cpu, options.returns, this.#arguments);
  }

  /** Told once at boot. `idleThread` is the one in whose context DPCs run while every other thread waits. */
  connect(hooks: SchedulerHooks, idleThread: Thread): void {
    this.#hooks = hooks;
    this.#idleThread = idleThread;
  }

  get #above(): SchedulerHooks {
    if (!this.#hooks) throw new Error('the scheduler runs before it is connected');
    return this.#hooks;
  }

  /** Why the machine stopped; undefined while it can run. */
  get dead(): Error | undefined {
    return this.#dead;
  }

  get running(): boolean {
    return this.#running;
  }

  // --- The host's side

  /** Gives a thread without activations a body, and makes it ready. */
  start(thread: Thread, name: string, body: AnyRoutine, end: Pick<Activation, 'onDone' | 'onFailed'>): void {
    const inside = thread.activations[0];
    if (inside) throw new Error(`thread ${thread.id} is still inside ${inside.name}: use another thread`);
    const activation = new Activation('base', name, 0, body, thread.stackBase - INITIAL_FRAME);
    activation.onDone = end.onDone;
    activation.onFailed = end.onFailed;
    thread.activations.push(activation);
    thread.saved = undefined;
    this.makeReady(thread, 0);
  }

  /**
   * Runs the machine until `body`, on `thread`, has returned. This is how the host calls in.
   * @throws Hang if it cannot return; BugCheck or Unsupported if the machine stops on the way
   */
  execute<T>(thread: Thread, name: string, body: Routine<T>): T {
    let result: { value: T } | { error: unknown } | undefined;
    this.#checkAlive();
    this.start(thread, name, body, {
      onDone: value => {
        result = { value: value as T };
      },
      onFailed: error => {
        result = { error };
      },
    });
    this.runUntil(() => result !== undefined, name);
    if ('error' in result!) throw result.error;
    return result!.value;
  }

  /**
   * A special APC has come for a thread that is inside nothing: its application is between two calls. The thread runs
   * for it before the host goes on, as an APC interrupts user mode; what it finds to deliver, `#takeInterrupts` does.
   */
  visit(thread: Thread): void {
    if (thread.activations.length > 0 || thread.state === 'terminated') return;
    this.#visits++;
    this.start(thread, 'KiDeliverApc', nothing(), { onDone: () => void this.#visits--, onFailed: undefined });
  }

  /** Runs threads until `done`. Throws as `execute` does; `what` names the call in a Hang. */
  runUntil(done: () => boolean, what: string): void {
    this.#checkAlive();
    this.#running = true;
    try {
      this.#loop(done, what);
    } catch (error) {
      if (error instanceof BugCheck && error.frames.length === 0) error.frames = this.#above.frames();
      const survives = error instanceof Hang && error.reason === 'waiting';
      if (!survives) this.#dead = error instanceof Error ? error : new Error(String(error));
      if (error instanceof BugCheck || error instanceof Unsupported) this.#above.stopped(error);
      throw error;
    } finally {
      this.#running = false;
    }
  }

  #checkAlive(): void {
    if (this.#dead)
      throw new Error(`the machine has stopped: make a new one (${this.#dead.message})`, { cause: this.#dead });
    if (this.#running)
      throw new Error("the machine is running: a driver must use its own interface, not an application's");
  }

  #loop(done: () => boolean, what: string): void {
    const clock = this.#clock;
    const started = clock.now;
    const idleBefore = this.#idleTime;
    while (!done() || this.#visits > 0) {
      if (clock.next <= clock.now) clock.expire();
      const thread = this.current ?? this.#pick();
      this.#busyLimit = started + this.#limits.processorTime + (this.#idleTime - idleBefore);
      if (thread) {
        if (clock.now >= this.#busyLimit) this.#hang(what);
        this.#advance(thread, this.#busyLimit);
      } else if (this.dpcs.length > 0) {
        this.#borrowIdleThread();
      } else {
        if (clock.next > started + this.#limits.elapsedTime)
          throw new Hang('waiting', `${what} does not return: every thread waits`);
        this.#idleTime += clock.next - clock.now;
        clock.advance(clock.next - clock.now);
      }
    }
  }

  /** A thread that never stops running: at raised IRQL Windows' watchdog stops the system, below nothing ever would. */
  #hang(what: string): never {
    if (this.#cpu.registers.irql >= DISPATCH_LEVEL) {
      const ticks = BigInt(Math.round(this.#limits.processorTime / TICK));
      throw new BugCheck(DPC_WATCHDOG_VIOLATION, [1n, ticks, 0n, 0n], 'spins at raised IRQL');
    }
    throw new Hang('spinning', `${what} does not return: it keeps the processor busy`, this.#above.frames());
  }

  #borrowIdleThread(): void {
    const nothing = () => {};
    this.start(this.#idleThread!, 'KiIdleLoop', this.#idleLoop(), { onDone: nothing, onFailed: undefined });
  }

  *#idleLoop(): Routine {
    this.#cpu.registers.irql = DISPATCH_LEVEL;
    yield* this.#retireDpcs();
    this.#cpu.registers.irql = PASSIVE_LEVEL;
  }

  // --- Threads

  /** Puts the thread on the ready list; its innermost generator goes on with `value`. */
  makeReady(thread: Thread, value?: number): void {
    if (value !== undefined) thread.pending = value === 0 ? ZERO : { value: BigInt(value) };
    thread.state = 'ready';
    const { priority } = thread;
    this.#ready[priority]!.push(thread);
    this.#readySummary |= 1 << priority;
  }

  #pick(): Thread | undefined {
    if (this.#readySummary === 0) return undefined;
    const highest = 31 - Math.clz32(this.#readySummary);
    const threads = this.#ready[highest]!;
    const thread = threads.shift()!;
    if (threads.length === 0) this.#readySummary &= ~(1 << highest);
    this.#switchIn(thread);
    return thread;
  }

  /** Whether another thread should run instead: one of more priority, or of the same when the quantum is used up. */
  #outranked(thread: Thread): boolean {
    if (this.#readySummary === 0) return false;
    const from = this.#clock.now >= thread.quantumEnd ? thread.priority : thread.priority + 1;
    return 31 - Math.clz32(this.#readySummary) >= from;
  }

  #switchIn(thread: Thread): void {
    const { registers } = this.#cpu;
    if (thread.saved) registers.restore(thread.saved);
    else {
      for (let i = 0; i < 16; i++) registers.setAddress(i, 0);
      registers.rip = 0;
      registers.rsp = thread.stackBase - INITIAL_FRAME;
      registers.rflags = INITIAL_RFLAGS;
      registers.irql = PASSIVE_LEVEL;
    }
    thread.saved = undefined;
    thread.state = 'running';
    // Two clock ticks are a thread's share; where in them it began is the seed's to say.
    thread.quantumEnd = this.#clock.now + TICK + this.#choose(TICK);
    this.current = thread;
    this.#above.switchTo(thread, thread.attached);
    this.#takeInterrupts();
  }

  #switchOut(thread: Thread): void {
    thread.saved = this.#cpu.registers.save();
    this.current = undefined;
  }

  // --- One piece of work

  #advance(thread: Thread, limit: number): void {
    const { pending } = thread;
    if (pending) {
      thread.pending = undefined;
      this.#resume(thread, thread.top!, pending);
      return;
    }
    const cpu = this.#cpu;
    const turn = this.#readySummary !== 0 ? thread.quantumEnd : limit;
    cpu.deadline = this.#clock.deadlineFor(Math.min(this.#clock.next, turn, limit));
    const exit = cpu.run();
    switch (exit.kind) {
      case 'trap':
        if (this.stack.isReturn(exit.address)) this.#returned(thread);
        else this.#enter(thread, exit.address);
        return;
      case 'fault': {
        const exception = this.#above.exceptionOf(exit);
        if (exception) this.#raise(thread, exception);
        return;
      }
      case 'deadline':
        this.#clock.expire();
        this.#takeInterrupts();
        return;
      case 'window':
        this.#takeInterrupts();
        return;
      case 'halt':
        throw new Unsupported('hlt in a driver', cpu.registers.rip);
    }
  }

  /** A call that an activation made has come back. */
  #returned(thread: Thread): void {
    const { registers } = this.#cpu;
    const { top } = thread;
    if (!top || top.calloutRsp !== registers.rsp) {
      // KERNEL_SECURITY_CHECK_FAILURE, type 4: "the stack pointer is outside the legal stack extents".
      const parameters = [4n, fromAddress(registers.rsp), fromAddress(top?.calloutRsp ?? 0), 0n] as const;
      throw new BugCheck(KERNEL_SECURITY_CHECK_FAILURE, parameters, 'a routine returned with a wrong stack pointer');
    }
    top.calloutRsp = 0;
    registers.rsp = top.localsRsp;
    thread.pending = { value: registers.gpr(RAX) };
  }

  #enter(thread: Thread, address: Address): void {
    const trap = this.#traps.at(address);
    if (!trap) throw this.#above.strayTrap(address);
    const entryRsp = this.#cpu.registers.rsp;
    this.#clock.advance(trap.cost);
    let result: ReturnType<Trap['body']>;
    try {
      result = trap.body(this.#arguments.at(entryRsp));
    } catch (error) {
      if (error instanceof ThreadExit) {
        this.#leaveAll(thread, error);
        return;
      }
      this.#cpu.registers.rsp = entryRsp;
      this.#raise(thread, this.#toException(error, trap));
      return;
    }
    if (isRoutine(result)) {
      thread.activations.push(new Activation('call', trap.name, trap.address, result, entryRsp));
      thread.pending = ZERO;
    } else this.#return(entryRsp, result);
  }

  #return(entryRsp: Address, result: TrapResult): void {
    const { registers } = this.#cpu;
    if (typeof result === 'bigint') registers.setGpr(RAX, result);
    else if (result !== undefined) registers.setAddress(RAX, result);
    this.stack.ret(entryRsp);
  }

  #resume(thread: Thread, activation: Activation, resumption: Resumption): void {
    const { generator } = activation;
    let step: IteratorResult<Request, unknown>;
    try {
      step = 'error' in resumption ? generator.throw(resumption.error) : generator.next(resumption.value);
    } catch (error) {
      if (error instanceof ContextSwitch) this.#goTo(thread, error.context, error.exception);
      else if (error instanceof ThreadExit && activation.kind !== 'base') this.#leaveAll(thread, error);
      else this.#failed(thread, activation, error);
      return;
    }
    if (step.done) {
      this.#finish(thread, activation, step.value);
      return;
    }
    switch (step.value?.kind) {
      case 'call':
        this.stack.callOut(activation, step.value.target, step.value.args);
        return;
      case 'wait':
        this.#switchOut(thread);
        return;
      case 'checkpoint':
        thread.pending = ZERO;
        this.#takeInterrupts();
        return;
      default:
        this.#failed(thread, activation, new Error('it yielded what is no request: a routine is called with yield*'));
    }
  }

  #finish(thread: Thread, activation: Activation, value: unknown): void {
    thread.activations.pop();
    switch (activation.kind) {
      case 'call':
        this.stack.dropFrame(activation);
        this.#return(activation.entryRsp, value as TrapResult);
        return;
      case 'base':
        this.#end(thread);
        activation.onDone?.(value);
        return;
      case 'interrupt':
        this.#cpu.registers.restore(activation.interrupted!.registers);
        thread.pending = activation.interrupted!.pending;
        this.#takeInterrupts();
        return;
      case 'exception':
        this.#goTo(thread, value as Context, undefined);
        return;
    }
  }

  /** The thread is outside the kernel, or gone: nothing of its registers is kept. */
  #end(thread: Thread): void {
    this.current = undefined;
    thread.state = 'initialized';
  }

  /** Goes on at a context; everything whose frame lies below it on the stack is gone. */
  #goTo(thread: Thread, context: Context, exception: GuestException | undefined): void {
    const { registers } = this.#cpu;
    this.#above.load(context);
    while (thread.top && thread.top.entryRsp < registers.rsp) thread.activations.pop();
    if (exception) {
      const activation = thread.top!;
      activation.calloutRsp = 0;
      registers.rsp = activation.localsRsp;
      thread.pending = { error: new Unwound(exception) };
    } else this.#takeInterrupts();
  }

  /** Drops the thread's stack down to its first routine, which gets the error. */
  #leaveAll(thread: Thread, error: ThreadExit): void {
    thread.activations.length = 1;
    const base = thread.activations[0]!;
    this.#cpu.registers.rsp = base.calloutRsp || base.entryRsp;
    base.calloutRsp = 0;
    thread.pending = { error };
  }

  // --- Exceptions

  /** An exception whose context is the registers as they are: dispatched on top of the stack. */
  #raise(thread: Thread, exception: GuestException): void {
    const generator = this.#above.dispatch(exception);
    const entryRsp = this.stack.pushMachineFrame();
    this.#push(thread, new Activation('exception', 'KiDispatchException', 0, generator, entryRsp));
  }

  #push(thread: Thread, activation: Activation): void {
    this.#cpu.registers.rsp = activation.entryRsp;
    thread.activations.push(activation);
    thread.pending = ZERO;
  }

  #failed(thread: Thread, activation: Activation, error: unknown): void {
    if (activation.kind === 'call') {
      thread.activations.pop();
      this.stack.dropFrame(activation);
      this.#cpu.registers.rsp = activation.entryRsp;
      this.#cpu.registers.rip = activation.address;
      this.#raise(thread, this.#toException(error, this.#traps.at(activation.address)!));
      return;
    }
    const exception = error instanceof PageFault ? this.#above.exceptionOfFault(error) : error;
    if (exception instanceof GuestException) throw this.#above.unhandled(exception, thread);
    if (activation.kind !== 'base' || !activation.onFailed || isStop(error)) throw error;
    thread.activations.pop();
    this.#end(thread);
    activation.onFailed(error);
  }

  /** What a TypeScript body's error is to the guest. Anything but an exception of the guest's goes on to the host. */
  #toException(error: unknown, trap: Trap): GuestException {
    if (error instanceof GuestException) return error;
    if (error instanceof PageFault) return this.#above.exceptionOfFault(error);
    if (isStop(error)) throw error;
    const text = error instanceof Error ? error.message : String(error);
    throw new Error(`${trap.image.name}!${trap.name} threw a JavaScript error: ${text}`, { cause: error });
  }

  // --- Interrupts

  /** Whether a checkpoint would find anything to do: an interrupt, an alarm, a switch, a call that takes too long. */
  get isCheckpointDue(): boolean {
    const thread = this.current;
    if (!thread || this.dpcs.length > 0 || thread.specialApcs.length > 0) return true;
    const { now, next } = this.#clock;
    return next <= now || this.#busyLimit <= now || this.#outranked(thread);
  }

  /** Takes what is due at this point: DPCs, special APCs of the current thread, a switch to a thread of more right. */
  #takeInterrupts(): void {
    const { registers } = this.#cpu;
    const thread = this.current;
    if (!thread || !(registers.rflags & RFLAGS_IF)) return;
    if (registers.irql < DISPATCH_LEVEL && this.dpcs.length > 0) {
      this.#interrupt(thread, 'KiRetireDpcList', DISPATCH_LEVEL, this.#retireDpcs());
    } else if (registers.irql < APC_LEVEL && thread.specialApcs.length > 0 && !thread.apcsHeldOff) {
      this.#interrupt(thread, 'KiDeliverApc', APC_LEVEL, this.#deliverApcs(thread));
    } else if (registers.irql < DISPATCH_LEVEL && this.#outranked(thread)) {
      this.#switchOut(thread);
      this.makeReady(thread);
    }
  }

  #interrupt(thread: Thread, name: string, irql: number, generator: Routine): void {
    const { registers } = this.#cpu;
    const interrupted = { registers: registers.save(), pending: thread.pending };
    const activation = new Activation('interrupt', name, 0, generator, this.stack.pushMachineFrame());
    activation.interrupted = interrupted;
    this.#push(thread, activation);
    registers.irql = irql;
  }

  *#retireDpcs(): Routine {
    for (let dpc = this.dpcs.shift(); dpc; dpc = this.dpcs.shift()) {
      this.#cpu.registers.irql = DISPATCH_LEVEL;
      yield* dpc.run();
    }
  }

  *#deliverApcs(thread: Thread): Routine {
    for (let apc = thread.specialApcs.shift(); apc; apc = thread.specialApcs.shift()) {
      this.#cpu.registers.irql = APC_LEVEL;
      yield* apc();
    }
  }
}

/** What stops a call, or the machine, without asking the guest. */
function isStop(error: unknown): boolean {
  return error instanceof BugCheck || error instanceof Unsupported || error instanceof Hang;
}

/** The body of a thread that only has to come by. */
function* nothing(): Routine {}
