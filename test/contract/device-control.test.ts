/**
 * The four METHODs of an IOCTL, over every kind of stack ("Buffer Descriptions for I/O Control Codes"). They depend on
 * the code alone: every case runs against a device of each method of reading and writing.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import * as transfer from '../../drivers/transfer-interface.ts';
import type { Process } from '../../src/index.ts';
import { PAGE_SIZE } from '../../src/wdm/address.ts';
import * as wdm from '../../src/wdm/constants.ts';
import * as nt from '../../src/wdm/ntstatus.ts';
import { ERROR_ACCESS_DENIED, ERROR_INVALID_FUNCTION, ERROR_MORE_DATA } from '../../src/win32/index.ts';
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
const reversed = (bytes: Uint8Array) => bytes.slice().reverse();

describe.each(EACH_STACK)('%s', (_name, stack) => {
  const shared = new SharedMachine(stack);
  let app: Process;
  beforeEach(() => {
    app = shared.process('app.exe');
  });

  describe.each(DEVICES)('through %s', device => {
    describe('METHOD_BUFFERED', () => {
      const code = transfer.IOCTL_TRANSFER_REVERSE_BUFFERED;

      test('input goes in and Information bytes come out, through one system buffer', () => {
        const client = new TransferClient(app, device);
        const input = app.allocBytes(pattern(20));
        const output = app.allocBytes(filled(64, 0xcc));
        expect(client.ioctl(code, input, 20, output, 64)).toMatchObject({ ok: true, status: 0, bytes: 20 });
        expect(app.memory.readBytes(output, 20)).toEqual(reversed(pattern(20)));
        expect(app.memory.readBytes(output + 20, 44)).toEqual(filled(44, 0xcc));
        const view = client.lastView();
        expect(view).toMatchObject({
          MajorFunction: wdm.IRP_MJ_DEVICE_CONTROL,
          IoControlCode: code,
          InputBufferLength: 20,
          OutputBufferLength: 64,
          MdlAddress: 0n,
          UserBuffer: pointer(output),
          Type3InputBuffer: 0n,
        });
        expect(isKernelPointer(view.SystemBuffer)).toBe(true);
        expect(view.IrpFlags & BUFFER_FLAGS).toBe(BUFFER_FLAGS);
      });

      test('an output shorter than the input: a warning, with as much as fits', () => {
        const client = new TransferClient(app, device);
        const output = app.allocBytes(filled(16, 0xcc));
        expect(client.ioctl(code, app.allocBytes(pattern(20)), 20, output, 8)).toMatchObject({
          ok: false,
          status: nt.STATUS_BUFFER_OVERFLOW,
          error: ERROR_MORE_DATA,
          bytes: 8,
        });
        expect(app.memory.readBytes(output, 8)).toEqual(reversed(pattern(20)).subarray(0, 8));
        expect(app.memory.readBytes(output + 8, 8)).toEqual(filled(8, 0xcc));
      });

      test('an error status copies nothing back', () => {
        const client = new TransferClient(app, device);
        const output = app.allocBytes(filled(64, 0xcc));
        client.completeNext(nt.STATUS_UNSUCCESSFUL, 64, 0xaa);
        expect(client.ioctl(code, app.alloc(64), 64, output, 64)).toMatchObject({ ok: false, bytes: 0 });
        expect(app.memory.readBytes(output, 64)).toEqual(filled(64, 0xcc));
      });

      test('input alone: nothing is to be copied back', () => {
        const client = new TransferClient(app, device);
        client.completeNext(nt.STATUS_SUCCESS, 0);
        expect(client.ioctl(code, app.alloc(8), 8, 0, 0)).toMatchObject({ ok: true, bytes: 0 });
        const view = client.lastView();
        expect(isKernelPointer(view.SystemBuffer)).toBe(true);
        expect(view.IrpFlags & BUFFER_FLAGS).toBe(wdm.IRP_BUFFERED_IO | wdm.IRP_DEALLOCATE_BUFFER);
      });

      test('neither input nor output: neither a system buffer nor a user buffer', () => {
        const client = new TransferClient(app, device);
        expect(client.ioctl(code, 0, 0, 0, 0)).toMatchObject({ ok: true, bytes: 0 });
        const view = client.lastView();
        expect(view).toMatchObject({ SystemBuffer: 0n, UserBuffer: 0n, MdlAddress: 0n });
        expect(view.IrpFlags & BUFFER_FLAGS).toBe(0);
      });

      test('input and output may be the same memory', () => {
        const client = new TransferClient(app, device);
        const buffer = app.allocBytes(pattern(32));
        expect(client.ioctl(code, buffer, 32, buffer, 32)).toMatchObject({ ok: true, bytes: 32 });
        expect(app.memory.readBytes(buffer, 32)).toEqual(reversed(pattern(32)));
      });
    });

    describe('METHOD_IN_DIRECT', () => {
      const code = transfer.IOCTL_TRANSFER_PUT_IN_DIRECT;

      test('the first buffer is copied, the second is locked for reading and is data for the driver', () => {
        const client = new TransferClient(app, device);
        const data = app.allocBytes(pattern(PAGE_SIZE * 2));
        const accesses: string[] = [];
        const stop = shared.machine.trace.subscribe(event => {
          if (event.type === 'pages-locked') accesses.push(event.access);
        });
        expect(client.ioctl(code, app.allocBytes(filled(4, 0x5a)), 4, data + 5, 5000)).toMatchObject({
          ok: true,
          bytes: 5000,
        });
        stop();
        expect(accesses).toEqual(['read']);
        const view = client.lastView();
        expect(view).toMatchObject({
          InputBufferLength: 4,
          OutputBufferLength: 5000,
          MdlVirtualAddress: pointer(data + 5),
          MdlByteCount: 5000,
        });
        expect(isKernelPointer(view.SystemBuffer)).toBe(true);
        expect(view.SystemBuffer).not.toBe(view.MdlSystemAddress);
        expect(view.IrpFlags & BUFFER_FLAGS).toBe(wdm.IRP_BUFFERED_IO | wdm.IRP_DEALLOCATE_BUFFER);

        const back = app.alloc(5000);
        client.read(back, 5000);
        const stored = pattern(PAGE_SIZE * 2)
          .subarray(5, 5005)
          .map(byte => byte ^ 0x5a);
        expect(app.memory.readBytes(back, 5000)).toEqual(stored);
        // The application's data are as they were.
        expect(app.memory.readBytes(data, PAGE_SIZE * 2)).toEqual(pattern(PAGE_SIZE * 2));
      });

      test('without a first buffer there is no system buffer, without a second no MDL', () => {
        const client = new TransferClient(app, device);
        expect(client.ioctl(code, 0, 0, app.alloc(8), 8)).toMatchObject({ ok: true, bytes: 8 });
        expect(client.lastView().SystemBuffer).toBe(0n);
        expect(client.lastView().MdlAddress).not.toBe(0n);
        expect(client.ioctl(code, app.alloc(8), 8, 0, 0)).toMatchObject({ ok: true, bytes: 0 });
        expect(client.lastView().SystemBuffer).not.toBe(0n);
        expect(client.lastView().MdlAddress).toBe(0n);
      });
    });

    describe('METHOD_OUT_DIRECT', () => {
      const code = transfer.IOCTL_TRANSFER_GET_OUT_DIRECT;

      test('the second buffer is locked for writing and the driver fills it in place', () => {
        const client = new TransferClient(app, device);
        const data = app.allocBytes(filled(PAGE_SIZE * 2, 0xcc));
        const seen: string[] = [];
        const stop = shared.machine.trace.subscribe(event => {
          if (event.type === 'pages-locked') seen.push(`locked for ${event.access}`);
          if (event.type === 'copied') seen.push(`copied ${event.direction} ${event.bytes}`);
        });
        expect(client.ioctl(code, app.allocBytes(filled(4, 0x5a)), 4, data + 7, 4100)).toMatchObject({
          ok: true,
          bytes: 4100,
        });
        stop();
        expect(seen).toEqual(['copied in 4', 'locked for write']);
        expect(app.memory.readBytes(data + 7, 4100)).toEqual(initialStore(4100).map(byte => byte ^ 0x5a));
        expect(app.memory.readU8(data + 6)).toBe(0xcc);
        expect(app.memory.readU8(data + 4107)).toBe(0xcc);
        expect(client.lastView()).toMatchObject({ MdlVirtualAddress: pointer(data + 7), MdlByteCount: 4100 });
      });
    });

    describe.each([
      ['METHOD_NEITHER', transfer.IOCTL_TRANSFER_REVERSE_NEITHER],
      ['METHOD_NEITHER with MDLs of its own', transfer.IOCTL_TRANSFER_REVERSE_OWN_MDL],
    ])('%s', (_name, code) => {
      test('the driver gets both addresses as they are, and works on them itself', () => {
        const client = new TransferClient(app, device);
        const input = app.allocBytes(pattern(5000)) + 1;
        const output = app.allocBytes(filled(6000, 0xcc)) + 3;
        expect(client.ioctl(code, input, 4096, output, 5000)).toMatchObject({ ok: true, bytes: 4096 });
        expect(app.memory.readBytes(output, 4096)).toEqual(reversed(pattern(5000).subarray(1, 4097)));
        expect(app.memory.readBytes(output + 4096, 900)).toEqual(filled(900, 0xcc));
        const view = client.lastView();
        expect(view).toMatchObject({
          InputBufferLength: 4096,
          OutputBufferLength: 5000,
          Type3InputBuffer: pointer(input),
          UserBuffer: pointer(output),
          SystemBuffer: 0n,
          MdlAddress: 0n,
        });
        expect(view.IrpFlags & BUFFER_FLAGS).toBe(0);
      });

      test('an output shorter than the input: a warning, with as much as fits', () => {
        const client = new TransferClient(app, device);
        const output = app.allocBytes(filled(16, 0xcc));
        expect(client.ioctl(code, app.allocBytes(pattern(20)), 20, output, 8)).toMatchObject({
          status: nt.STATUS_BUFFER_OVERFLOW,
          bytes: 8,
        });
        expect(app.memory.readBytes(output, 8)).toEqual(reversed(pattern(20)).subarray(0, 8));
      });

      test('no bytes either way', () => {
        const client = new TransferClient(app, device);
        expect(client.ioctl(code, 0, 0, 0, 0)).toMatchObject({ ok: true, bytes: 0 });
      });
    });

    test('an IOCTL asks for the access rights that its code names', () => {
      const buffer = app.alloc(16);
      const denied = { ok: false, status: nt.STATUS_ACCESS_DENIED, error: ERROR_ACCESS_DENIED };
      const cases: readonly [access: number, put: object, get: object][] = [
        [wdm.GENERIC_READ, denied, { ok: true }],
        [wdm.GENERIC_WRITE, { ok: true }, denied],
        [0, denied, denied],
      ];
      for (const [access, put, get] of cases) {
        const client = new TransferClient(app, device, { access });
        expect(client.ioctl(transfer.IOCTL_TRANSFER_PUT_IN_DIRECT, 0, 0, buffer, 16)).toMatchObject(put);
        expect(client.ioctl(transfer.IOCTL_TRANSFER_GET_OUT_DIRECT, 0, 0, buffer, 16)).toMatchObject(get);
        expect(client.ioctl(transfer.IOCTL_TRANSFER_REVERSE_BUFFERED, buffer, 16, buffer, 16)).toMatchObject({
          ok: true,
        });
      }
    });

    test('a code that the driver does not know', () => {
      const client = new TransferClient(app, device);
      for (let method = 0; method < 4; method++) {
        const code = wdm.CTL_CODE(transfer.FILE_DEVICE_TRANSFER, 0xfff, method, wdm.FILE_ANY_ACCESS);
        expect(client.ioctl(code, 0, 0, 0, 0)).toMatchObject({
          ok: false,
          status: nt.STATUS_INVALID_DEVICE_REQUEST,
          error: ERROR_INVALID_FUNCTION,
        });
      }
    });

    test('a control request with too short a buffer is refused', () => {
      const client = new TransferClient(app, device);
      const buffer = app.alloc(256);
      const short = transfer.TRANSFER_VIEW.size - 1;
      expect(client.ioctl(transfer.IOCTL_TRANSFER_LAST_VIEW, 0, 0, buffer, short).status).toBe(
        nt.STATUS_BUFFER_TOO_SMALL,
      );
      expect(client.ioctl(transfer.IOCTL_TRANSFER_COMPLETE_NEXT, buffer, 11, 0, 0).status).toBe(
        nt.STATUS_INVALID_PARAMETER,
      );
      expect(client.peek(8).status).toBe(nt.STATUS_NOT_FOUND);
      expect(client.release(0, 0).status).toBe(nt.STATUS_NOT_FOUND);
    });
  });
});
