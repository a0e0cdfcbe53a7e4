/** Tests of a driver, as one writes them for a driver of one's own. `npx vitest run examples` runs them. */
import { readFileSync } from 'node:fs';
import { boot, ERROR_INVALID_FUNCTION, ERROR_NOACCESS } from 'irpwright';
import { beforeEach, expect, test } from 'vitest';

const image = readFileSync('samples/transfer/transfer.sys');
const IOCTL_TRANSFER_REVERSE_NEITHER = 0x8e002c13;

let app: ReturnType<ReturnType<typeof boot>['createProcess']>;
let handle: number;

// A machine for each test: what one does to the kernel is not there in the next.
beforeEach(() => {
  const machine = boot();
  expect(machine.loadDriver(image, 'transfer.sys').status).toBe(0);
  app = machine.createProcess();
  handle = app.CreateFile('\\\\.\\TransferNeither').handle;
});

test('METHOD_NEITHER turns its input around', () => {
  const output = new Uint8Array(3);
  const result = app.DeviceIoControl(handle, IOCTL_TRANSFER_REVERSE_NEITHER, Uint8Array.of(1, 2, 3), output);
  expect(result).toMatchObject({ ok: true, bytes: 3 });
  expect(output).toEqual(Uint8Array.of(3, 2, 1));
});

test('a pointer into system space is refused, not followed', () => {
  const kernel = 0xffff_8000_0000_0000n;
  const output = app.alloc(3);
  const result = app.DeviceIoControl(handle, IOCTL_TRANSFER_REVERSE_NEITHER, kernel, 3, output, 3);
  expect(result).toMatchObject({ ok: false, error: ERROR_NOACCESS });
});

test('an unknown code is refused', () => {
  expect(app.DeviceIoControl(handle, 0x222000)).toMatchObject({ ok: false, error: ERROR_INVALID_FUNCTION });
});
