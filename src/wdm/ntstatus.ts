/**
 * NTSTATUS: what a kernel routine answers.
 *
 * A status is a plain number, always unsigned: STATUS_ACCESS_VIOLATION is 0xC0000005 and never -1073741819, so that a
 * status read from guest memory with `u32` compares with `===`. The two top bits are the severity: 0 success, 1
 * informational, 2 warning, 3 error. The four tests below are those of ntdef.h ("Using NTSTATUS Values"); note that a
 * warning such as STATUS_BUFFER_OVERFLOW is neither NT_SUCCESS nor NT_ERROR.
 */
import * as codes from './ntstatus-codes.ts';

export * from './ntstatus-codes.ts';

// Second names of values in ntstatus-codes.ts.
export const STATUS_WAIT_0 = 0x00000000;
export const STATUS_WAIT_1 = 0x00000001;
export const STATUS_WAIT_63 = 0x0000003f;
export const STATUS_ABANDONED_WAIT_0 = 0x00000080;

/** What a debugger answers to an exception. */
export const DBG_EXCEPTION_HANDLED = 0x00010001;
export const DBG_CONTINUE = 0x00010002;
export const DBG_EXCEPTION_NOT_HANDLED = 0x80010001;

export const NTSTATUS_NAMES: Readonly<Record<number, string>> = Object.freeze(
  Object.fromEntries(Object.entries(codes).map(([name, value]) => [value, name])),
);

/** Success or informational. */
export function NT_SUCCESS(status: number): boolean {
  return (status | 0) >= 0;
}

export function NT_INFORMATION(status: number): boolean {
  return status >>> 30 === 1;
}

export function NT_WARNING(status: number): boolean {
  return status >>> 30 === 2;
}

export function NT_ERROR(status: number): boolean {
  return status >>> 30 === 3;
}

/** Its name, or the value as 0xC0000005 for one that has none here. */
export function formatStatus(status: number): string {
  return NTSTATUS_NAMES[status] ?? `0x${(status >>> 0).toString(16).toUpperCase().padStart(8, '0')}`;
}
