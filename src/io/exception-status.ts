/**
 * The kernel's own `__except (EXCEPTION_EXECUTE_HANDLER)` around its touches of a caller's memory.
 */
import { isUserAddress, NON_CANONICAL } from '../wdm/address.ts';
import { GuestException } from '../wdm/failures.ts';
import { PageFault } from '../wdm/memory.ts';
import { STATUS_ACCESS_VIOLATION } from '../wdm/ntstatus.ts';

/**
 * GetExceptionCode() for what a `catch` got. What is no exception to Windows, a fault on a kernel address included
 * (it is a bug check, handler or not), is thrown on.
 */
export function exceptionStatus(error: unknown): number {
  if (error instanceof GuestException) return error.status;
  if (error instanceof PageFault && (isUserAddress(error.address) || error.address === NON_CANONICAL)) {
    return STATUS_ACCESS_VIOLATION;
  }
  throw error;
}
