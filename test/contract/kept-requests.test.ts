/**
 * Requests that the driver keeps, over every kind of stack: while one is pending, two processes and the driver look at
 * the same buffer, and each of the three methods shows what it is.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import * as transfer from '../../drivers/transfer-interface.ts';
import type { Process, TraceEvent } from '../../src/index.ts';
import { PAGE_SIZE } from '../../src/wdm/address.ts';
import * as nt from '../../src/wdm/ntstatus.ts';
import { ERROR_IO_INCOMPLETE, ERROR_IO_PENDING, ERROR_OPERATION_ABORTED } from '../../src/win32/index.ts';
import { SharedMachine } from '../support/shared-machine.ts';
import { boot, EACH_STACK } from '../support/stacks.ts';
import { DEVICES, type Device, filled, OverlappedClient, pattern, TransferClient } from '../support/transfer-client.ts';

const PENDING = { ok: false, status: nt.STATUS_PENDING, error: ERROR_IO_PENDING };

/** A read in whichever way: by the device's method, or by the IOCTL's. */
interface Request {
  readonly name: string;
  readonly device: Device;
  readonly send: (client: OverlappedClient, buffer: number, length: number, overlapped: number) => object;
}
const read = (device: Device): Request => ({
  name: `a read from ${device}`,
  device,
  send: (client, buffer, length, overlapped) => client.read(buffer, length, overlapped),
});
const control = (name: string, code: number): Request => ({
  name: `a ${name} IOCTL`,
  device: 'TransferBuffered',
  send: (client, buffer, length, overlapped) => client.ioctl(code, 0, 0, buffer, length, overlapped),
});

/** For `describe.each`: the name first. */
const named = (requests: readonly Request[]) => requests.map(request => [request.name, request] as const);

const BUFFERED = [read('TransferBuffered'), control('METHOD_BUFFERED', transfer.IOCTL_TRANSFER_REVERSE_BUFFERED)];
const DIRECT = [read('TransferDirect'), control('METHOD_OUT_DIRECT', transfer.IOCTL_TRANSFER_GET_OUT_DIRECT)];
const NEITHER = [read('TransferNeither'), control('METHOD_NEITHER', transfer.IOCTL_TRANSFER_REVERSE_NEITHER)];

describe.each(EACH_STACK)('%s', (_name, stack) => {
  const shared = new SharedMachine(stack);
  let app: Process;
  let other: Process;
  beforeEach(() => {
    app = shared.process('app.exe');
    other = shared.process('other.exe');
  });

  /** The same address in both processes, with different bytes behind it. */
  function sharedAddress(length: number): number {
    const address = app.allocBytes(filled(length, 0xcc));
    const { ok } = other.VirtualAlloc(address, length);
    expect(ok).toBe(true);
    other.memory.writeBytes(address, filled(length, 0x11));
    return address;
  }

  describe.each(named([...BUFFERED, ...DIRECT, ...NEITHER]))('%s', (_name, request) => {
    test('is pending until another process releases it, and then complete', () => {
      const client = new OverlappedClient(app, request.device);
      const releaser = new TransferClient(other, request.device);
      const overlapped = client.overlapped();
      const buffer = app.alloc(64);
      client.keepNext();
      expect(request.send(client, buffer, 64, overlapped)).toMatchObject(PENDING);
      expect(client.outcome(overlapped)).toMatchObject({ ok: false, error: ERROR_IO_INCOMPLETE });
      expect(releaser.release(nt.STATUS_SUCCESS, 32)).toMatchObject({ ok: true });
      expect(app.GetOverlappedResult(client.handle, overlapped, true)).toMatchObject({
        ok: true,
        status: 0,
        bytes: 32,
      });
    });

    test('is cancelled by CancelIo, and by closing its handle', () => {
      const buffer = app.alloc(64);
      for (const cancel of [
        (client: OverlappedClient) => app.CancelIo(client.handle),
        (client: OverlappedClient) => app.CloseHandle(client.handle),
      ]) {
        const client = new OverlappedClient(app, request.device);
        const overlapped = client.overlapped();
        client.keepNext();
        expect(request.send(client, buffer, 64, overlapped)).toMatchObject(PENDING);
        cancel(client);
        expect(client.outcome(overlapped)).toMatchObject({
          ok: false,
          status: nt.STATUS_CANCELLED,
          error: ERROR_OPERATION_ABORTED,
        });
        client.close();
      }
      expect(new TransferClient(app, request.device).peek(1).status).toBe(nt.STATUS_NOT_FOUND);
    });
  });

  describe.each(named(BUFFERED))('%s', (_name, request) => {
    test('what the driver stores stays in the system buffer until completion, then reaches the requester alone', () => {
      const client = new OverlappedClient(app, request.device);
      const driverSide = new TransferClient(other, request.device);
      const buffer = sharedAddress(PAGE_SIZE);
      client.keepNext();
      request.send(client, buffer, 64, client.overlapped());
      expect(driverSide.poke(pattern(64))).toMatchObject({ ok: true });
      expect(driverSide.peek(64).data).toEqual(pattern(64));
      expect(app.memory.readBytes(buffer, 64)).toEqual(filled(64, 0xcc));

      driverSide.release(nt.STATUS_SUCCESS, 40);
      app.WaitForSingleObject(client.handle, 0);
      expect(app.memory.readBytes(buffer, 40)).toEqual(pattern(64).subarray(0, 40));
      expect(app.memory.readBytes(buffer + 40, 24)).toEqual(filled(24, 0xcc));
      expect(other.memory.readBytes(buffer, 64)).toEqual(filled(64, 0x11));
    });

    test("is completed in the releasing thread and copied back in the requester's", () => {
      const client = new OverlappedClient(app, request.device);
      const releaser = new TransferClient(other, request.device);
      const buffer = app.alloc(64);
      client.keepNext();
      request.send(client, buffer, 64, client.overlapped());
      const events: TraceEvent[] = [];
      const stop = shared.machine.trace.subscribe(event => events.push(event));
      releaser.release(nt.STATUS_SUCCESS, 64);
      app.WaitForSingleObject(client.handle, 0);
      stop();
      const out = events.filter(event => event.type === 'copied' && event.direction === 'out');
      expect(out).toMatchObject([{ process: app.id, to: buffer, bytes: 64 }]);
      const [kept] = events.filter(event => event.type === 'completed' && event.request === out[0]?.request);
      expect(kept).toMatchObject({ process: other.id });
      expect(out[0]!.thread).not.toBe(kept!.thread);
    });
  });

  test('a buffered write is a copy: what the application stores afterwards does not reach the driver', () => {
    const client = new OverlappedClient(app, 'TransferBuffered');
    const buffer = app.allocBytes(pattern(64));
    client.keepNext();
    expect(client.write(buffer, 64, client.overlapped())).toMatchObject(PENDING);
    app.memory.writeBytes(buffer, filled(64, 0xee));
    expect(client.peek(64).data).toEqual(pattern(64));
  });

  describe.each(named(DIRECT))('%s', (_name, request) => {
    test('driver and application have the same frames: each sees what the other stores, at once', () => {
      const client = new OverlappedClient(app, request.device);
      const driverSide = new TransferClient(other, request.device);
      const start = sharedAddress(3 * PAGE_SIZE);
      const buffer = start + PAGE_SIZE - 32;
      client.keepNext();
      request.send(client, buffer, 64, client.overlapped());

      driverSide.poke(pattern(64));
      expect(app.memory.readBytes(buffer, 64)).toEqual(pattern(64));
      expect(app.memory.readU8(buffer - 1)).toBe(0xcc);
      expect(app.memory.readU8(buffer + 64)).toBe(0xcc);

      app.memory.writeBytes(buffer + 10, filled(5, 0x77));
      expect(driverSide.peek(64).data.subarray(8, 17)).toEqual(
        Uint8Array.of(
          pattern(64)[8]!,
          pattern(64)[9]!,
          0x77,
          0x77,
          0x77,
          0x77,
          0x77,
          pattern(64)[15]!,
          pattern(64)[16]!,
        ),
      );
      // The process whose thread the driver ran in has the same address, and nothing of this.
      expect(other.memory.readBytes(start, 3 * PAGE_SIZE)).toEqual(filled(3 * PAGE_SIZE, 0x11));
    });

    test('the pages stay locked when the application frees them', () => {
      const client = new OverlappedClient(app, request.device);
      const driverSide = new TransferClient(other, request.device);
      const buffer = app.allocBytes(filled(PAGE_SIZE, 0xcc));
      client.keepNext();
      request.send(client, buffer, 64, client.overlapped());
      app.VirtualFree(buffer);
      expect(driverSide.peek(64).data).toEqual(filled(64, 0xcc));
      expect(driverSide.poke(pattern(64)).ok).toBe(true);
      expect(driverSide.release(nt.STATUS_SUCCESS, 64).ok).toBe(true);
    });
  });

  describe.each(named(NEITHER))('%s', (_name, request) => {
    test('its address means other bytes in another process', () => {
      const client = new OverlappedClient(app, request.device);
      const driverSide = new TransferClient(other, request.device);
      const buffer = sharedAddress(PAGE_SIZE);
      client.keepNext();
      expect(request.send(client, buffer, 64, client.overlapped())).toMatchObject(PENDING);
      expect(client.peek(8).data).toEqual(filled(8, 0xcc));
      expect(driverSide.peek(8).data).toEqual(filled(8, 0x11));
      expect(driverSide.poke(filled(8, 0x99)).ok).toBe(true);
      expect(app.memory.readBytes(buffer, 8)).toEqual(filled(8, 0xcc));
      expect(other.memory.readBytes(buffer, 8)).toEqual(filled(8, 0x99));
    });

    test('or a fault, where that process has nothing there', () => {
      const client = new OverlappedClient(app, request.device);
      const driverSide = new TransferClient(other, request.device);
      const buffer = sharedAddress(PAGE_SIZE);
      other.VirtualFree(buffer);
      client.keepNext();
      request.send(client, buffer, 64, client.overlapped());
      expect(client.peek(8)).toMatchObject({ ok: true });
      expect(driverSide.peek(8)).toMatchObject({ ok: false, status: nt.STATUS_ACCESS_VIOLATION });
      expect(driverSide.poke(filled(8, 1))).toMatchObject({ ok: false, status: nt.STATUS_ACCESS_VIOLATION });
    });
  });

  test.each(DEVICES)('%s keeps one request at a time', device => {
    const client = new OverlappedClient(app, device);
    client.keepNext();
    client.read(app.alloc(8), 8, client.overlapped());
    expect(client.keepNext()).toMatchObject({ ok: false, status: nt.STATUS_DEVICE_BUSY });
  });

  test('an event of the OVERLAPPED is signalled when the request is complete', () => {
    const client = new OverlappedClient(app, 'TransferBuffered');
    const releaser = new TransferClient(other, 'TransferBuffered');
    const { handle: event } = app.CreateEvent(true, false);
    const overlapped = client.overlapped();
    app.memory.writePointer(overlapped + 0x18, event);
    client.keepNext();
    client.read(app.alloc(8), 8, overlapped);
    expect(app.WaitForSingleObject(event, 0)).toBe(nt.STATUS_TIMEOUT);
    releaser.release(nt.STATUS_SUCCESS, 8);
    expect(app.WaitForSingleObject(event, 0)).toBe(0);
  });

  if (stack.depth > 1) {
    test('the filter passed everything down and saw it come back', async () => {
      const { FILTER_COUNTS, IOCTL_FILTER_GET_COUNTS } = await import('../../drivers/filter-interface.ts');
      // A machine of its own: it counts from the start.
      const own = boot(stack).createProcess('own.exe');
      const client = new TransferClient(own, 'TransferBuffered');
      const buffer = own.alloc(128);
      client.read(buffer, 100);
      client.write(buffer, 28);
      client.ioctl(transfer.IOCTL_TRANSFER_REVERSE_BUFFERED, buffer, 8, buffer, 8);
      expect(client.ioctl(IOCTL_FILTER_GET_COUNTS, 0, 0, buffer, FILTER_COUNTS.size).ok).toBe(true);
      expect(FILTER_COUNTS.at(own.memory, buffer)).toMatchObject({
        Reads: 1,
        Writes: 1,
        Controls: 1,
        Completions: 2,
        Bytes: 128n,
      });
    });
  }
});
