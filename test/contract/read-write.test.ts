/**
 * Reading and writing by the three methods, over every kind of stack. What each case rests on is in the documentation
 * of the method: "Using Buffered I/O", "Using Direct I/O", "Using Neither Buffered Nor Direct I/O".
 */
import { beforeEach, describe, expect, test } from 'vitest';
import type { Process } from '../../src/index.ts';
import { PAGE_SIZE } from '../../src/wdm/address.ts';
import * as wdm from '../../src/wdm/constants.ts';
import * as nt from '../../src/wdm/ntstatus.ts';
import { ERROR_ACCESS_DENIED, ERROR_GEN_FAILURE, ERROR_MORE_DATA } from '../../src/win32/index.ts';
import { SharedMachine } from '../support/shared-machine.ts';
import { EACH_STACK } from '../support/stacks.ts';
import {
  DEVICES,
  filled,
  initialStore,
  isKernelPointer,
  pattern,
  pointer,
  TransferClient,
} from '../support/transfer-client.ts';

const BUFFER_FLAGS = wdm.IRP_BUFFERED_IO | wdm.IRP_DEALLOCATE_BUFFER | wdm.IRP_INPUT_OPERATION;

describe.each(EACH_STACK)('%s', (_name, stack) => {
  const shared = new SharedMachine(stack);
  let app: Process;
  beforeEach(() => {
    app = shared.process('app.exe');
  });

  describe.each(DEVICES)('%s', device => {
    test('what is written is read back', () => {
      const client = new TransferClient(app, device);
      expect(client.write(app.allocBytes(pattern(5000)), 5000)).toMatchObject({ ok: true, status: 0, bytes: 5000 });
      const buffer = app.alloc(5000);
      expect(client.read(buffer, 5000)).toMatchObject({ ok: true, status: 0, bytes: 5000 });
      expect(app.memory.readBytes(buffer, 5000)).toEqual(pattern(5000));
    });

    test('a read into the middle of pages arrives whole and touches nothing around it', () => {
      const client = new TransferClient(app, device);
      const start = app.allocBytes(filled(4 * PAGE_SIZE, 0xcc));
      const buffer = start + 4091;
      const length = PAGE_SIZE + 7;
      expect(client.read(buffer, length)).toMatchObject({ ok: true, bytes: length });
      expect(app.memory.readBytes(buffer, length)).toEqual(initialStore(length));
      expect(app.memory.readU8(buffer - 1)).toBe(0xcc);
      expect(app.memory.readU8(buffer + length)).toBe(0xcc);
    });

    test('a read of more than there is brings as many bytes as there are', () => {
      const client = new TransferClient(app, device);
      client.write(app.allocBytes(pattern(100)), 100);
      const buffer = app.allocBytes(filled(256, 0xcc));
      expect(client.read(buffer, 256)).toMatchObject({ ok: true, bytes: 100 });
      expect(app.memory.readBytes(buffer, 100)).toEqual(pattern(100));
      expect(app.memory.readBytes(buffer + 100, 156)).toEqual(filled(156, 0xcc));
    });

    test('64 KiB go through', () => {
      const client = new TransferClient(app, device);
      expect(client.write(app.allocBytes(pattern(65536, 3)), 65536)).toMatchObject({ ok: true, bytes: 65536 });
      const buffer = app.alloc(65536);
      expect(client.read(buffer, 65536)).toMatchObject({ ok: true, bytes: 65536 });
      expect(app.memory.readBytes(buffer, 65536)).toEqual(pattern(65536, 3));
    });

    test('no bytes: no system buffer and no MDL, and it succeeds', () => {
      const client = new TransferClient(app, device);
      const buffer = app.alloc(16);
      for (const send of [() => client.read(buffer, 0), () => client.write(buffer, 0), () => client.read(0, 0)]) {
        expect(send()).toMatchObject({ ok: true, status: 0, bytes: 0 });
        const view = client.lastView();
        expect(view).toMatchObject({ SystemBuffer: 0n, MdlAddress: 0n, MdlByteCount: 0 });
        expect(view.IrpFlags & wdm.IRP_DEALLOCATE_BUFFER).toBe(0);
      }
    });

    test('more than the device takes: an error, with the store as it was', () => {
      const client = new TransferClient(app, device);
      const buffer = app.allocBytes(pattern(65537));
      expect(client.write(buffer, 65537)).toMatchObject({ ok: false, status: nt.STATUS_INVALID_BUFFER_SIZE, bytes: 0 });
      client.read(buffer, 64);
      expect(app.memory.readBytes(buffer, 64)).toEqual(initialStore(64));
    });

    test("the driver is called in the requester's thread, below DISPATCH_LEVEL", () => {
      const other = new TransferClient(shared.process('other.exe'), device);
      other.read(other.app.alloc(8), 8);
      const theirs = other.lastView();
      const client = new TransferClient(app, device);
      client.read(app.alloc(8), 8);
      const view = client.lastView();
      expect(view.Thread).toBe(view.IrpThread);
      expect(view.Process).not.toBe(theirs.Process);
      expect(view.Thread).not.toBe(theirs.Thread);
      expect(view).toMatchObject({ Irql: wdm.PASSIVE_LEVEL, RequestorMode: wdm.UserMode, StackCount: stack.depth });
    });

    test('a handle without the right is refused before a driver sees anything', () => {
      const reader = new TransferClient(app, device, { access: wdm.GENERIC_READ });
      const writer = new TransferClient(app, device, { access: wdm.GENERIC_WRITE });
      const buffer = app.alloc(16);
      const denied = { ok: false, status: nt.STATUS_ACCESS_DENIED, error: ERROR_ACCESS_DENIED };
      const dispatches = shared.dispatches(() => {
        expect(reader.write(buffer, 16)).toMatchObject(denied);
        expect(writer.read(buffer, 16)).toMatchObject(denied);
      });
      expect(dispatches).toBe(0);
    });

    test('a warning is no success, and yet brings its bytes', () => {
      const client = new TransferClient(app, device);
      const buffer = app.allocBytes(filled(64, 0xcc));
      client.completeNext(nt.STATUS_BUFFER_OVERFLOW, 10, 0xaa);
      expect(client.read(buffer, 64)).toMatchObject({
        ok: false,
        status: nt.STATUS_BUFFER_OVERFLOW,
        error: ERROR_MORE_DATA,
        bytes: 10,
      });
      expect(app.GetLastError()).toBe(ERROR_MORE_DATA);
      expect(app.memory.readBytes(buffer, 10)).toEqual(filled(10, 0xaa));
    });

    test('a request leaves nothing behind', () => {
      const client = new TransferClient(app, device);
      const balance: Record<string, number> = {};
      const count = (name: string, by: number) => {
        balance[name] = (balance[name] ?? 0) + by;
      };
      const stop = shared.machine.trace.subscribe(({ type }) => {
        if (type === 'irp-created' || type === 'irp-freed') count('IRPs', type === 'irp-created' ? 1 : -1);
        if (type === 'buffer-allocated' || type === 'buffer-freed')
          count('buffers', type === 'buffer-allocated' ? 1 : -1);
        if (type === 'mdl-created' || type === 'mdl-freed') count('MDLs', type === 'mdl-created' ? 1 : -1);
        if (type === 'pages-locked' || type === 'pages-unlocked') count('locks', type === 'pages-locked' ? 1 : -1);
        if (type === 'mapped' || type === 'unmapped') count('mappings', type === 'mapped' ? 1 : -1);
      });
      const buffer = app.alloc(8192);
      client.read(buffer, 8192);
      client.write(buffer, 100);
      client.read(0x10, 100);
      client.completeNext(nt.STATUS_UNSUCCESSFUL, 0);
      client.read(buffer, 8192);
      stop();
      expect(balance['IRPs']).toBe(0);
      expect(Object.values(balance).every(left => left === 0)).toBe(true);
    });
  });

  describe('buffered', () => {
    test('a read: a system buffer, and no MDL', () => {
      const client = new TransferClient(app, 'TransferBuffered');
      client.read(app.alloc(300), 300);
      const view = client.lastView();
      expect(view).toMatchObject({ MajorFunction: wdm.IRP_MJ_READ, OutputBufferLength: 300, MdlAddress: 0n });
      expect(isKernelPointer(view.SystemBuffer)).toBe(true);
      expect(view.IrpFlags & BUFFER_FLAGS).toBe(BUFFER_FLAGS);
      expect(view.IrpFlags & wdm.IRP_READ_OPERATION).toBeTruthy();
    });

    test('a write: a system buffer that goes nowhere afterwards', () => {
      const client = new TransferClient(app, 'TransferBuffered');
      client.write(app.alloc(300), 300);
      const view = client.lastView();
      expect(view).toMatchObject({ MajorFunction: wdm.IRP_MJ_WRITE, InputBufferLength: 300, MdlAddress: 0n });
      expect(isKernelPointer(view.SystemBuffer)).toBe(true);
      expect(view.IrpFlags & BUFFER_FLAGS).toBe(wdm.IRP_BUFFERED_IO | wdm.IRP_DEALLOCATE_BUFFER);
      expect(view.IrpFlags & wdm.IRP_WRITE_OPERATION).toBeTruthy();
    });

    test('only Information bytes come back, whatever the driver put into the system buffer', () => {
      const client = new TransferClient(app, 'TransferBuffered');
      const buffer = app.allocBytes(filled(64, 0xcc));
      client.completeNext(nt.STATUS_SUCCESS, 10, 0xaa);
      expect(client.read(buffer, 64)).toMatchObject({ ok: true, bytes: 10 });
      expect(app.memory.readBytes(buffer, 10)).toEqual(filled(10, 0xaa));
      expect(app.memory.readBytes(buffer + 10, 54)).toEqual(filled(54, 0xcc));
    });

    test.each([nt.STATUS_UNSUCCESSFUL, nt.STATUS_BUFFER_TOO_SMALL])('error status %i copies nothing back', status => {
      const client = new TransferClient(app, 'TransferBuffered');
      const buffer = app.allocBytes(filled(64, 0xcc));
      client.completeNext(status, 64, 0xaa);
      expect(client.read(buffer, 64)).toMatchObject({ ok: false, status, bytes: 0 });
      expect(app.memory.readBytes(buffer, 64)).toEqual(filled(64, 0xcc));
    });
  });

  describe('direct', () => {
    test("a read: an MDL over the caller's pages, locked for writing, and no system buffer", () => {
      const client = new TransferClient(app, 'TransferDirect');
      const buffer = app.alloc(3 * PAGE_SIZE) + 123;
      const locks: unknown[] = [];
      const stop = shared.machine.trace.subscribe(event => {
        if (event.type === 'pages-locked') locks.push({ access: event.access, pages: event.frames.length });
        if (event.type === 'copied') locks.push(event);
      });
      client.read(buffer, PAGE_SIZE);
      stop();
      expect(locks).toEqual([{ access: 'write', pages: 2 }]);
      const view = client.lastView();
      expect(view).toMatchObject({ SystemBuffer: 0n, MdlVirtualAddress: pointer(buffer), MdlByteCount: PAGE_SIZE });
      expect(view.MdlFlags & wdm.MDL_PAGES_LOCKED).toBeTruthy();
      expect(isKernelPointer(view.MdlSystemAddress)).toBe(true);
      expect(view.MdlSystemAddress & 0xfffn).toBe(BigInt(buffer & 0xfff));
      expect(view.IrpFlags & BUFFER_FLAGS).toBe(0);
    });

    test('a write: locked for reading, so that read-only memory will do', () => {
      const client = new TransferClient(app, 'TransferDirect');
      const buffer = app.allocBytes(pattern(100));
      expect(app.VirtualProtect(buffer, 100, wdm.PAGE_READONLY).ok).toBe(true);
      const accesses: string[] = [];
      const stop = shared.machine.trace.subscribe(event => {
        if (event.type === 'pages-locked') accesses.push(event.access);
      });
      expect(client.write(buffer, 100)).toMatchObject({ ok: true, bytes: 100 });
      stop();
      expect(accesses).toEqual(['read']);
      const into = app.alloc(100);
      client.read(into, 100);
      expect(app.memory.readBytes(into, 100)).toEqual(pattern(100));
    });

    test('what the driver stored is there even if the request fails: nothing was copied', () => {
      const client = new TransferClient(app, 'TransferDirect');
      const buffer = app.allocBytes(filled(64, 0xcc));
      client.completeNext(nt.STATUS_UNSUCCESSFUL, 0, 0xaa);
      expect(client.read(buffer, 64)).toMatchObject({ ok: false, error: ERROR_GEN_FAILURE, bytes: 0 });
      expect(app.memory.readBytes(buffer, 64)).toEqual(filled(64, 0xaa));
    });
  });

  describe('neither', () => {
    test('the driver gets the address that the application passed, and nothing else', () => {
      const client = new TransferClient(app, 'TransferNeither');
      const buffer = app.alloc(100) + 3;
      for (const send of [() => client.read(buffer, 50), () => client.write(buffer, 50)]) {
        expect(send()).toMatchObject({ ok: true, bytes: 50 });
        const view = client.lastView();
        expect(view).toMatchObject({ UserBuffer: pointer(buffer), SystemBuffer: 0n, MdlAddress: 0n });
        expect(view.IrpFlags & BUFFER_FLAGS).toBe(0);
      }
    });
  });
});
