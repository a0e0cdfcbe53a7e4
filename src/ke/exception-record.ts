/**
 * Exceptions as values and as records: GuestException and the EXCEPTION_RECORD in guest memory that guests see.
 */
import { EXCEPTION_MAXIMUM_PARAMETERS } from '../rtl/context.ts';
import type { Address } from '../wdm/address.ts';
import { GuestException } from '../wdm/failures.ts';
import { EXCEPTION_RECORD } from '../wdm/layouts.ts';
import type { GuestMemory } from '../wdm/memory.ts';

/** Fills in the EXCEPTION_RECORD at `at`. @param nested the record of the exception that was being handled, or 0 */
export function writeExceptionRecord(
  memory: GuestMemory,
  at: Address,
  exception: GuestException,
  address: Address,
  nested: Address = 0,
): void {
  memory.fill(at, EXCEPTION_RECORD.size, 0);
  const record = EXCEPTION_RECORD.at(memory, at);
  const information = exception.information.slice(0, EXCEPTION_MAXIMUM_PARAMETERS);
  record.ExceptionCode = exception.status;
  record.ExceptionFlags = exception.flags;
  record.ExceptionRecord = nested;
  record.ExceptionAddress = address;
  record.NumberParameters = information.length;
  information.forEach((value, i) => {
    record.ExceptionInformation.set(i, value);
  });
}

/** The exception that the record at `at` describes. More parameters than there is room for are ignored, as in Windows. */
export function readExceptionRecord(memory: GuestMemory, at: Address): GuestException {
  const record = EXCEPTION_RECORD.at(memory, at);
  const count = Math.min(record.NumberParameters, EXCEPTION_MAXIMUM_PARAMETERS);
  const information = Array.from({ length: count }, (_, i) => record.ExceptionInformation.at(i));
  return new GuestException(record.ExceptionCode, information, record.ExceptionFlags);
}
