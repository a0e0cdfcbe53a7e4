/**
 * What an application sees: the Win32 calls that lead to a driver.
 */
export * from './constants.ts';
export { dosPathToNtPath } from './dos-path.ts';
export * from './error-codes.ts';
export { formatError, RtlNtStatusToDosError, WIN32_ERROR_NAMES } from './last-error.ts';
export {
  type CreateFileOptions,
  type FileResult,
  type IoResult,
  Process,
  type ProcessContext,
  type Result,
} from './process.ts';
