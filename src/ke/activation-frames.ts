/**
 * TypeScript routines on the guest's stack, as exception dispatch meets them.
 *
 * A generator routine entered through a trap address is an *activation*. It owns a frame on the guest kernel stack,
 * made as if by
 *
 *     push rbp ; mov rbp, rsp ; sub rsp, N ; call target      (return address: CALLOUT)
 *
 * so that the ordinary unwinder walks it: CALLOUT lies in a function of the ntoskrnl pseudo-image whose unwind data
 * says UWOP_PUSH_NONVOL rbp, UWOP_SET_FPREG rbp (pe/pseudo-image.ts makes it). An activation that a fault or an
 * interrupt began has a machine frame (SS, RSP, RFLAGS, CS, RIP) above the pushed rbp, and its return address is
 * CALLOUT_TRAP, whose unwind data adds UWOP_PUSH_MACHFRAME; a walk goes through it to the interrupted instruction.
 * An activation is named by its establisher frame: the value of rbp in it, where the caller's rbp lies.
 *
 * The scheduler implements `ActivationFrames`; nothing else in exception dispatch reaches into it. What it must do:
 *  - A GuestException that leaves an activation's generator, and a fault of guest code, start a new activation that
 *    runs `ExceptionDispatcher.dispatchException`. It returns the Context to load (execution continues there).
 *  - A `ContextSwitch` thrown out of any generator (RtlUnwindEx and RtlRestoreContext end so): load `context`, drop the
 *    activations whose frames lie below its Rsp on this stack, without running them. If `exception` is set, the
 *    context is that of the activation at frame `context.gpr[RBP]`: throw `exception` into its generator there.
 */
import type { Context } from '../rtl/context.ts';
import type { Address } from '../wdm/address.ts';
import type { GuestException } from '../wdm/failures.ts';
import type { Routine } from './routine.ts';

/** Who answers for an activation while exceptions pass it. */
export type ActivationHandler =
  /** It is inside `tryExcept`: asks the filters, innermost first, and answers EXCEPTION_EXECUTE_HANDLER or the like. */
  | { readonly kind: 'try'; filter(exception: GuestException, pointers: Address): number }
  /** It dispatches an exception and is calling a language handler with this DISPATCHER_CONTEXT. */
  | { readonly kind: 'dispatching'; readonly dispatcher: Address }
  /** It unwinds and is calling a language handler with this DISPATCHER_CONTEXT. */
  | { readonly kind: 'unwinding'; readonly dispatcher: Address };

export interface ActivationFrame {
  /** The routine's name, for stacks. */
  readonly name: string;
  /** Its trap address; 0 for what no guest address leads to. */
  readonly address: Address;
  /** 'base' is the first on its stack; an 'interrupt' has been put upon whatever ran. */
  readonly kind: string;
  /** Its establisher frame. */
  readonly frame: Address;
  /** Set and restored by the activation's own code; undefined when it is born. */
  handler: ActivationHandler | undefined;
}

/** What a thread's stack ends in: it decides which bug check an exception becomes that nobody handles. */
export type StackOrigin = 'system service' | 'system thread' | 'other';

export interface ActivationFrames {
  /** The running activation. */
  current(): ActivationFrame;
  /** The activation of the current thread with this establisher frame. */
  at(frame: Address): ActivationFrame | undefined;
  /** The registers with which a guest call made now would return: Rip is CALLOUT or CALLOUT_TRAP. */
  capture(): Context;
  /** Locals on the guest stack of the running activation, 16-byte aligned, freed with it. */
  alloca(bytes: number): Address;
  /** An unwind passes this activation, which is not the running one: its generator's `finally` blocks run. */
  unwound(frame: Address): Routine<void>;
  /** The current stack, [low, high). */
  stackLimits(): { readonly low: Address; readonly high: Address };
  /** 'other' for DPCs and interrupts. */
  origin(): StackOrigin;
}

/** Thrown to leave every activation below a frame and go on at a context. No error: never caught but by the scheduler. */
export class ContextSwitch {
  readonly context: Context;
  /** Thrown into the generator of the activation that the context belongs to. */
  readonly exception: GuestException | undefined;

  constructor(context: Context, exception?: GuestException) {
    this.context = context;
    this.exception = exception;
  }
}
