import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import transfer from '../../drivers/transfer.ts';
import {
  IOCTL_TRANSFER_KEEP_NEXT,
  IOCTL_TRANSFER_REVERSE_BUFFERED,
  TRANSFER_PATTERN,
} from '../../drivers/transfer-interface.ts';
import { boot, type Machine, type TraceEvent } from '../index.ts';
import * as wdm from '../wdm/constants.ts';
import * as nt from '../wdm/ntstatus.ts';
import * as win32 from './index.ts';

let machine: Machine;
let app: win32.Process;
beforeAll(() => {
  machine = boot();
  machine.loadDriver(transfer());
});
beforeEach(() => {
  app = machine.createProcess('app.exe');
});

const DEVICE = '\\\\.\\TransferBuffered';
const NO_HANDLE = { ok: false, handle: win32.INVALID_HANDLE_VALUE };

describe('CreateFile', () => {
  test('opens a device by its link, in any case', () => {
    const { ok, handle, error } = app.CreateFile('\\\\.\\transferBUFFERED');
    expect({ ok, error }).toEqual({ ok: true, error: win32.ERROR_SUCCESS });
    expect(handle).toBeGreaterThan(0);
  });

  test.each([
    ['\\\\.\\NoSuchDevice', nt.STATUS_OBJECT_NAME_NOT_FOUND, win32.ERROR_FILE_NOT_FOUND],
    ['\\\\.\\', nt.STATUS_OBJECT_NAME_INVALID, win32.ERROR_INVALID_NAME],
    ['', nt.STATUS_OBJECT_NAME_INVALID, win32.ERROR_INVALID_NAME],
    [`\\\\.\\${'x'.repeat(40_000)}`, nt.STATUS_OBJECT_NAME_INVALID, win32.ERROR_INVALID_NAME],
  ])('%.24s is not there', (path, status, error) => {
    expect(app.CreateFile(path)).toMatchObject({ ...NO_HANDLE, status, error });
    expect(app.GetLastError()).toBe(error);
  });

  test('says what to do about a disposition that is none', () => {
    expect(() => app.CreateFile(DEVICE, { disposition: 9 })).toThrow(/OPEN_EXISTING/);
  });
});

describe('handles', () => {
  test('closed, it is invalid, and so is one that never was', () => {
    const { handle } = app.CreateFile(DEVICE);
    expect(app.CloseHandle(handle)).toMatchObject({ ok: true });
    for (const bad of [handle, 0, 0x7ffc, win32.INVALID_HANDLE_VALUE, -0x7fff_fffc]) {
      expect(app.ReadFile(bad, new Uint8Array(8))).toMatchObject({ ok: false, error: win32.ERROR_INVALID_HANDLE });
      expect(app.DeviceIoControl(bad, 0x222000)).toMatchObject({ ok: false, error: win32.ERROR_INVALID_HANDLE });
    }
  });

  test("another process's handle is not this one's", () => {
    const { handle } = app.CreateFile(DEVICE);
    const other = machine.createProcess('other.exe');
    expect(other.ReadFile(handle, new Uint8Array(1)).error).toBe(win32.ERROR_INVALID_HANDLE);
  });

  test('a process that ends closes its own', () => {
    const events: TraceEvent[] = [];
    app.CreateFile(DEVICE);
    const stop = machine.trace.subscribe(event => events.push(event));
    app.ExitProcess();
    stop();
    const majors = events.flatMap(event => (event.type === 'dispatched' ? [event.major] : []));
    expect(majors).toEqual([wdm.IRP_MJ_CLEANUP, wdm.IRP_MJ_CLOSE]);
  });
});

describe('buffers', () => {
  test('arrays go in and come back', () => {
    const { handle } = app.CreateFile(DEVICE);
    const output = new Uint8Array(4);
    const result = app.DeviceIoControl(handle, IOCTL_TRANSFER_REVERSE_BUFFERED, Uint8Array.of(1, 2, 3, 4), output);
    expect(result).toMatchObject({ ok: true, bytes: 4 });
    expect(output).toEqual(Uint8Array.of(4, 3, 2, 1));
    const data = new Uint8Array(3);
    app.ReadFile(handle, data);
    expect(data).toEqual(Uint8Array.of(TRANSFER_PATTERN(0), TRANSFER_PATTERN(1), TRANSFER_PATTERN(2)));
  });

  test('an empty array is a buffer, none at all is NULL', () => {
    const { handle } = app.CreateFile(DEVICE);
    expect(app.WriteFile(handle, new Uint8Array(0))).toMatchObject({ ok: true, bytes: 0 });
    expect(app.DeviceIoControl(handle, IOCTL_TRANSFER_REVERSE_BUFFERED)).toMatchObject({ ok: true, bytes: 0 });
    app.WriteFile(
      handle,
      Uint8Array.from({ length: 3 }, (_, i) => TRANSFER_PATTERN(i)),
    );
  });

  test('a request that stays pending needs memory that stays', () => {
    const { handle } = app.CreateFile(DEVICE, { flags: win32.FILE_FLAG_OVERLAPPED });
    app.DeviceIoControl(handle, IOCTL_TRANSFER_KEEP_NEXT);
    const overlapped = app.alloc(win32.OVERLAPPED.size);
    const buffer = app.alloc(8);
    expect(app.ReadFile(handle, buffer, 8, overlapped)).toMatchObject({ ok: false, error: win32.ERROR_IO_PENDING });
    expect(app.GetOverlappedResult(handle, overlapped, false).error).toBe(win32.ERROR_IO_INCOMPLETE);
    app.CloseHandle(handle);
    expect(app.GetOverlappedResult(handle, overlapped, false).error).toBe(win32.ERROR_OPERATION_ABORTED);
  });

  test.each([-1, 1.5, 0x1_0000_0000, Number.NaN])('%d is no length', length => {
    const { handle } = app.CreateFile(DEVICE);
    expect(() => app.ReadFile(handle, 0, length)).toThrow(/DWORD/);
  });
});

describe('memory', () => {
  test("is zeroed, writable and the process's own", () => {
    const address = app.alloc(100);
    expect(app.memory.readBytes(address, 100)).toEqual(new Uint8Array(100));
    app.memory.writeU32(address, 7);
    const other = machine.createProcess('other.exe');
    expect(() => other.memory.readU8(address)).toThrow(/page fault/);
  });

  test('can be protected and freed', () => {
    const address = app.alloc(4096);
    expect(app.VirtualProtect(address, 1, wdm.PAGE_READONLY)).toMatchObject({
      ok: true,
      oldProtect: wdm.PAGE_READWRITE,
    });
    expect(() => app.memory.writeU8(address, 1)).toThrow(/page fault/);
    expect(app.VirtualFree(address)).toMatchObject({ ok: true });
    expect(() => app.memory.readU8(address)).toThrow(/page fault/);
    expect(app.VirtualFree(address).ok).toBe(false);
  });

  test.each([
    ['no bytes', 0, 0, wdm.MEM_COMMIT, wdm.PAGE_READWRITE],
    ['a type that is none', 0, 4096, 0, wdm.PAGE_READWRITE],
    ['a protection that is none', 0, 4096, wdm.MEM_RESERVE, 0],
    ['system space', 0xffff_8000_0000_0000n, 4096, wdm.MEM_RESERVE, wdm.PAGE_READWRITE],
    ['more than there is', 0, 0xffff_ffff_ffff_ffffn, wdm.MEM_RESERVE, wdm.PAGE_READWRITE],
  ])('VirtualAlloc refuses %s', (_what, address, size, type, protect) => {
    expect(app.VirtualAlloc(address, size, type, protect)).toMatchObject({ ok: false, address: 0 });
    expect(app.GetLastError()).not.toBe(win32.ERROR_SUCCESS);
  });
});

describe('events', () => {
  test('an event that is set lets a wait through, one that is not lets it run out', () => {
    expect(app.WaitForSingleObject(app.CreateEvent(true, true).handle, win32.INFINITE)).toBe(win32.WAIT_OBJECT_0);
    const reset = app.CreateEvent(false, true).handle;
    expect(app.WaitForSingleObject(reset, 10)).toBe(win32.WAIT_OBJECT_0);
    expect(app.WaitForSingleObject(reset, 10)).toBe(nt.STATUS_TIMEOUT);
    expect(app.WaitForSingleObject(0x1234, 10)).toBe(win32.WAIT_FAILED);
  });
});
