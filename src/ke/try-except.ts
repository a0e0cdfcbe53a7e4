/**
 * `__try`/`__except` for TypeScript routines.
 *
 * Windows dispatches an exception in two passes: first every frame is asked whether it will handle, then the stack is
 * unwound. A JavaScript `catch` cannot be asked. So a routine that wants to handle exceptions of the code that it calls
 * says so with `tryExcept`: while its body runs, the activation carries a handler that the dispatcher asks in its first
 * pass; the second pass throws `Unwound` into the generator, which ends here.
 */

import { EXCEPTION_CONTINUE_SEARCH, EXCEPTION_EXECUTE_HANDLER } from '../rtl/context.ts';
import { fromAddress, NON_CANONICAL } from '../wdm/address.ts';
import { GuestException } from '../wdm/failures.ts';
import { PageFault } from '../wdm/memory.ts';
import { STATUS_ACCESS_VIOLATION } from '../wdm/ntstatus.ts';
import type { ActivationFrame } from './activation-frames.ts';
import type { Routine } from './routine.ts';

/** Answers EXCEPTION_EXECUTE_HANDLER, EXCEPTION_CONTINUE_SEARCH or EXCEPTION_CONTINUE_EXECUTION. */
export type ExceptionFilter = (exception: GuestException) => number;

/** Thrown into a generator that an unwind passes, or ends in. */
export class Unwound extends Error {
  readonly exception: GuestException | undefined;

  constructor(exception?: GuestException) {
    super(`unwound${exception ? ` by ${exception.message}` : ''}`);
    this.name = 'Unwound';
    this.exception = exception;
  }
}

/** The access violation that a bad touch of user memory is. */
export function accessViolation(fault: PageFault): GuestException {
  const operation = { read: 0n, write: 1n, execute: 8n }[fault.access];
  const address = fault.address === NON_CANONICAL ? 0xffff_ffff_ffff_ffffn : fromAddress(fault.address);
  return new GuestException(STATUS_ACCESS_VIOLATION, [operation, address]);
}

/**
 * Runs `body`; if an exception comes out of it, asks `filter`, and runs `handler` when that says
 * EXCEPTION_EXECUTE_HANDLER. EXCEPTION_CONTINUE_EXECUTION is honoured for exceptions of guest code below only.
 * @param activation the activation that this routine runs in
 * @param exceptionOf turns a fault of TypeScript's own touch into an exception; throws the bug check if it is one
 */
export function* tryExcept<T>(
  activation: ActivationFrame,
  exceptionOf: (fault: PageFault) => GuestException,
  body: () => Routine<T>,
  filter: ExceptionFilter,
  handler: (exception: GuestException) => Routine<T>,
): Routine<T> {
  const outer = activation.handler;
  let accepted: GuestException | undefined;
  activation.handler = {
    kind: 'try',
    filter: (exception, pointers) => {
      const disposition = filter(exception);
      if (disposition === EXCEPTION_EXECUTE_HANDLER) accepted = exception;
      if (disposition !== EXCEPTION_CONTINUE_SEARCH || outer?.kind !== 'try') return disposition;
      return outer.filter(exception, pointers);
    },
  };
  try {
    return yield* body();
  } catch (error) {
    if (error instanceof Unwound) {
      if (!accepted || error.exception !== accepted) throw error;
    } else {
      const exception = error instanceof PageFault ? exceptionOf(error) : error;
      if (!(exception instanceof GuestException)) throw error;
      if (filter(exception) !== EXCEPTION_EXECUTE_HANDLER) throw exception;
      accepted = exception;
    }
  } finally {
    activation.handler = outer;
  }
  return yield* handler(accepted);
}
