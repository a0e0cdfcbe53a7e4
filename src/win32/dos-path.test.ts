import { expect, test } from 'vitest';
import { dosPathToNtPath } from './dos-path.ts';

test.each([
  ['\\\\.\\TransferBuffered', '\\??\\TransferBuffered'],
  ['//./TransferBuffered', '\\??\\TransferBuffered'],
  ['\\\\.\\PhysicalDrive0', '\\??\\PhysicalDrive0'],
  ['\\\\.\\Name\\with\\a\\path', '\\??\\Name\\with\\a\\path'],
  ['\\\\.\\a\\..\\b', '\\??\\b'],
  ['\\\\?\\C:\\a/b\\..\\c. ', '\\??\\C:\\a/b\\..\\c. '],
  ['\\??\\Name', '\\??\\Name'],
  ['C:\\dir\\file.txt', '\\??\\C:\\dir\\file.txt'],
  ['c:/dir/./sub/../file.txt', '\\??\\C:\\dir\\file.txt'],
  ['C:\\..\\..\\file', '\\??\\C:\\file'],
  ['C:\\file. . ', '\\??\\C:\\file'],
  ['C:\\', '\\??\\C:\\'],
  ['file', '\\??\\C:\\file'],
  ['\\file', '\\??\\C:\\file'],
  ['\\\\server\\share\\file', '\\??\\UNC\\server\\share\\file'],
  ['COM1', '\\??\\COM1'],
  ['com1:', '\\??\\COM1'],
  ['C:\\dir\\nul', '\\??\\NUL'],
  ['COM10', '\\??\\C:\\COM10'],
])('%s is %s to the kernel', (path, expected) => {
  expect(dosPathToNtPath(path)).toBe(expected);
});

test.each(['', '\\\\.\\', '\\\\?\\'])('%j is no path', path => {
  expect(dosPathToNtPath(path)).toBeUndefined();
});
