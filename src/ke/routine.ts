/**
 * Kernel routines that can run other code.
 *
 * A routine that calls a driver, waits, lowers IRQL or touches pageable memory is a generator: what it yields is a
 * request to the scheduler, which runs guest code or other threads meanwhile and resumes it with the answer. Everything
 * else in the kernel is a plain function. Nobody yields a request by hand: `call`, `wait` and their like below do.
 */
import type { Address } from '../wdm/address.ts';

/** What a routine asks of the scheduler. */
export type Request =
  /** Call guest code (or a TypeScript routine's trap address) by the x64 convention; resumed with RAX. */
  | { readonly kind: 'call'; readonly target: Address; readonly args: readonly CallArgument[] }
  /** The thread has been put on a wait list: run others until somebody readies it; resumed with the wait status. */
  | { readonly kind: 'wait' }
  /** IRQL went down or a thread became ready: take pending interrupts, DPCs and APCs now, and switch if one is due. */
  | { readonly kind: 'checkpoint' };

export type Routine<T = void> = Generator<Request, T, bigint>;

/** What a trap routine's body may be: a plain value, or a generator of one. */
export type MaybeRoutine<T> = T | Routine<T>;

/** An argument for a guest call: an Address or a 32-bit value as number (sign-extended to 64 bits), or raw 64 bits. */
export type CallArgument = number | bigint;

/** Calls guest code by the x64 convention in the current thread, at the current IRQL. Returns RAX, unsigned. */
export function* call(target: Address, ...args: CallArgument[]): Routine<bigint> {
  return yield { kind: 'call', target, args };
}

/** As `call`, for a routine that returns NTSTATUS (or another ULONG): the low 32 bits, unsigned. */
export function* call32(target: Address, ...args: CallArgument[]): Routine<number> {
  return Number(BigInt.asUintN(32, yield { kind: 'call', target, args }));
}

/** Lets what is due run: DPCs, APCs, a thread of more priority. */
export function* checkpoint(): Routine {
  yield { kind: 'checkpoint' };
}

export function isRoutine<T>(value: MaybeRoutine<T>): value is Routine<T> {
  return typeof value === 'object' && value !== null && typeof (value as Routine<T>).next === 'function';
}

/** The value of something that may or may not have to run other code. */
export function* settle<T>(value: MaybeRoutine<T>): Routine<T> {
  return isRoutine(value) ? yield* value : value;
}
