import { expect, test } from 'vitest';
import * as nt from '../wdm/ntstatus.ts';
import { formatError, RtlNtStatusToDosError } from './last-error.ts';

test.each([
  ['STATUS_SUCCESS', nt.STATUS_SUCCESS, 0, 'ERROR_SUCCESS'],
  ['STATUS_PENDING', nt.STATUS_PENDING, 997, 'ERROR_IO_PENDING'],
  ['STATUS_INVALID_DEVICE_REQUEST', nt.STATUS_INVALID_DEVICE_REQUEST, 1, 'ERROR_INVALID_FUNCTION'],
  ['STATUS_NO_SUCH_DEVICE', nt.STATUS_NO_SUCH_DEVICE, 2, 'ERROR_FILE_NOT_FOUND'],
  ['STATUS_OBJECT_NAME_NOT_FOUND', nt.STATUS_OBJECT_NAME_NOT_FOUND, 2, 'ERROR_FILE_NOT_FOUND'],
  ['STATUS_ACCESS_DENIED', nt.STATUS_ACCESS_DENIED, 5, 'ERROR_ACCESS_DENIED'],
  ['STATUS_INVALID_PARAMETER_3', nt.STATUS_INVALID_PARAMETER_3, 87, 'ERROR_INVALID_PARAMETER'],
  ['STATUS_BUFFER_TOO_SMALL', nt.STATUS_BUFFER_TOO_SMALL, 122, 'ERROR_INSUFFICIENT_BUFFER'],
  ['STATUS_DEVICE_BUSY', nt.STATUS_DEVICE_BUSY, 170, 'ERROR_BUSY'],
  ['STATUS_BUFFER_OVERFLOW', nt.STATUS_BUFFER_OVERFLOW, 234, 'ERROR_MORE_DATA'],
  ['STATUS_CANCELLED', nt.STATUS_CANCELLED, 995, 'ERROR_OPERATION_ABORTED'],
  ['STATUS_ACCESS_VIOLATION', nt.STATUS_ACCESS_VIOLATION, 998, 'ERROR_NOACCESS'],
  ['STATUS_INSUFFICIENT_RESOURCES', nt.STATUS_INSUFFICIENT_RESOURCES, 1450, 'ERROR_NO_SYSTEM_RESOURCES'],
  ['STATUS_INVALID_USER_BUFFER', nt.STATUS_INVALID_USER_BUFFER, 1784, 'ERROR_INVALID_USER_BUFFER'],
])('%s', (_name, status, error, name) => {
  expect(RtlNtStatusToDosError(status)).toBe(error);
  expect(formatError(error)).toBe(name);
});

test('a status without an error of its own is ERROR_MR_MID_NOT_FOUND', () => {
  expect(RtlNtStatusToDosError(0xc0009999)).toBe(317);
});

test("a customer's status stays as it is", () => {
  expect(RtlNtStatusToDosError(0xe0000001)).toBe(0xe0000001);
});

test('a Win32 error dressed as a status comes out again', () => {
  expect(RtlNtStatusToDosError(0xc0070005)).toBe(5);
});
