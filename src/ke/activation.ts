/**
 * Activations: TypeScript routines in the middle of a guest thread.
 *
 * A generator that runs on a thread may call guest code, be called back, wait, and be unwound; its activation ties the
 * generator to its place on the guest's kernel stack. When it calls out, it owns a frame there, as a compiled function
 * would:
 *
 *     entryRsp      return address into the caller; for 'interrupt' and 'exception' a machine frame: RIP, CS, …
 *     entryRsp - 8  saved RBP                        <- RBP while it runs: `frame`
 *                   locals (`alloca`)
 *                   stack arguments and home space of the call in progress
 *                   CALLOUT or CALLOUT_TRAP          <- RSP at the callee's entry
 *
 * The two return addresses lie in the ntoskrnl pseudo-image, whose unwind data describes exactly this (see
 * `activation-frames.ts`). So an unwinder that knows nothing of TypeScript walks through.
 */
import type { Address } from '../wdm/address.ts';
import type { ActivationFrame, ActivationHandler } from './activation-frames.ts';
import type { RegisterSnapshot } from './cpu.ts';
import type { Routine } from './routine.ts';

/** How an activation ends, and so what becomes of the registers. */
export type ActivationKind =
  /** Called by guest code: RAX is the result, RIP and RSP as after a `ret`. */
  | 'call'
  /** The first on its thread: a system service or a system thread's body. */
  | 'base'
  /** Put on top of whatever ran (DPCs, APCs): the registers go back to what they were. */
  | 'interrupt'
  /** Dispatches an exception: its result is the context at which execution goes on. */
  | 'exception';

/** How a generator goes on when its thread next runs: with a value, or with an error thrown into it. */
export type Resumption = { readonly value: bigint } | { readonly error: unknown };

/** A generator whose result is known only to the code that made the activation. */
export type AnyRoutine = Routine<unknown>;

export class Activation implements ActivationFrame {
  readonly kind: ActivationKind;
  /** The routine's name, for stacks and errors. */
  readonly name: string;
  /** Its trap address; 0 for what no guest address leads to. */
  readonly address: Address;
  readonly generator: AnyRoutine;
  /** RSP when it was entered. */
  readonly entryRsp: Address;
  /** RBP has been saved at `frame`. */
  hasFrame = false;
  /** RSP that a callee must come back with; 0 when no call is in progress. */
  calloutRsp: Address = 0;
  /** RSP below its locals: what it is again when the call has come back. */
  localsRsp: Address = 0;
  handler: ActivationHandler | undefined = undefined;
  /** Kind 'interrupt': what ran before, and how that goes on. */
  interrupted: { readonly registers: RegisterSnapshot; readonly pending: Resumption | undefined } | undefined;
  /** Kind 'base': called with the generator's value. */
  onDone: ((value: unknown) => void) | undefined;
  /** Kind 'base': called with a host error that left the generator. */
  onFailed: ((error: unknown) => void) | undefined;

  constructor(kind: ActivationKind, name: string, address: Address, generator: AnyRoutine, entryRsp: Address) {
    this.kind = kind;
    this.name = name;
    this.address = address;
    this.generator = generator;
    this.entryRsp = entryRsp;
  }

  get frame(): Address {
    return this.entryRsp - 8;
  }
}
