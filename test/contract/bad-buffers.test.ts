/**
 * Buffers that are none, over every kind of stack and every method. With buffered and direct transfers the I/O manager
 * refuses them and no driver sees a request; with neither, the driver does, and its __try turns them into a status.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import * as transfer from '../../drivers/transfer-interface.ts';
import type { Process } from '../../src/index.ts';
import { PAGE_SIZE } from '../../src/wdm/address.ts';
import * as wdm from '../../src/wdm/constants.ts';
import * as nt from '../../src/wdm/ntstatus.ts';
import { ERROR_NOACCESS } from '../../src/win32/index.ts';
import { SharedMachine } from '../support/shared-machine.ts';
import { EACH_STACK } from '../support/stacks.ts';
import { DEVICES, filled, pattern, TransferClient } from '../support/transfer-client.ts';

const REFUSED = { ok: false, status: nt.STATUS_ACCESS_VIOLATION, error: ERROR_NOACCESS, bytes: 0 };

/** Addresses that no process may use, by what is wrong with them. */
const BAD: readonly [string, (app: Process) => number | bigint][] = [
  ['NULL', () => 0],
  ['near NULL', () => 0x10],
  ['freed', app => freed(app)],
  ['straddling into a freed page', app => straddling(app)],
  ['of system space', () => -0x8000_0000_0000],
  ['non-canonical', () => 0x8000_0000_0000_0000n >> 3n],
  ['all ones', () => 0xffff_ffff_ffff_ffffn],
  ['no access', app => protectedPage(app, wdm.PAGE_NOACCESS)],
];

function freed(app: Process): number {
  const address = app.alloc(PAGE_SIZE);
  app.VirtualFree(address);
  return address;
}

function straddling(app: Process): number {
  const address = app.alloc(2 * PAGE_SIZE);
  app.VirtualFree(address + PAGE_SIZE, PAGE_SIZE, wdm.MEM_DECOMMIT);
  return address + PAGE_SIZE - 16;
}

function protectedPage(app: Process, protect: number): number {
  const address = app.allocBytes(pattern(PAGE_SIZE));
  app.VirtualProtect(address, PAGE_SIZE, protect);
  return address;
}

describe.each(EACH_STACK)('%s', (_name, stack) => {
  const shared = new SharedMachine(stack);
  let app: Process;
  beforeEach(() => {
    app = shared.process('app.exe');
  });

  describe.each(DEVICES)('%s', device => {
    test.each(BAD)('a buffer that is %s is refused', (_what, make) => {
      const client = new TransferClient(app, device);
      const buffer = make(app);
      const dispatches = shared.dispatches(() => {
        expect(client.read(buffer, 100)).toMatchObject(REFUSED);
        expect(client.write(buffer, 100)).toMatchObject(REFUSED);
      });
      // Refused by the I/O manager, but for neither: there the driver was asked.
      expect(dispatches).toBe(device === 'TransferNeither' ? 2 * stack.depth : 0);
    });

    test('a read into read-only memory is refused, with the memory as it was', () => {
      const client = new TransferClient(app, device);
      const buffer = protectedPage(app, wdm.PAGE_READONLY);
      expect(client.read(buffer, 100)).toMatchObject(REFUSED);
      expect(app.memory.readBytes(buffer, 100)).toEqual(pattern(100));
      expect(client.write(buffer, 100)).toMatchObject({ ok: true, bytes: 100 });
    });

    test('4 GiB - 1 bytes are refused', () => {
      const client = new TransferClient(app, device);
      const buffer = app.alloc(PAGE_SIZE);
      expect(client.read(buffer, 0xffff_ffff).ok).toBe(false);
      expect(client.write(buffer, 0xffff_ffff).ok).toBe(false);
    });

    test('the driver goes on as if nothing had been', () => {
      const client = new TransferClient(app, device);
      const buffer = app.alloc(64);
      client.read(freed(app), 64);
      expect(client.read(buffer, 64)).toMatchObject({ ok: true, bytes: 64 });
    });
  });

  const METHODS: readonly [string, number, input: 'probed' | 'driver', output: 'read' | 'write'][] = [
    ['METHOD_BUFFERED', transfer.IOCTL_TRANSFER_REVERSE_BUFFERED, 'probed', 'write'],
    ['METHOD_IN_DIRECT', transfer.IOCTL_TRANSFER_PUT_IN_DIRECT, 'probed', 'read'],
    ['METHOD_OUT_DIRECT', transfer.IOCTL_TRANSFER_GET_OUT_DIRECT, 'probed', 'write'],
    ['METHOD_NEITHER', transfer.IOCTL_TRANSFER_REVERSE_NEITHER, 'driver', 'write'],
    ['METHOD_NEITHER with its own MDLs', transfer.IOCTL_TRANSFER_REVERSE_OWN_MDL, 'driver', 'write'],
  ];

  describe.each(METHODS)('%s', (_method, code, who, access) => {
    const bad = BAD.filter(([what]) => what !== 'NULL');

    test.each(bad)('an input buffer that is %s is refused', (_what, make) => {
      const client = new TransferClient(app, 'TransferBuffered');
      const output = app.allocBytes(filled(64, 0xcc));
      const input = make(app);
      const dispatches = shared.dispatches(() => {
        expect(client.ioctl(code, input, 64, output, 64)).toMatchObject(REFUSED);
      });
      expect(app.memory.readBytes(output, 64)).toEqual(filled(64, 0xcc));
      expect(dispatches).toBe(who === 'driver' ? stack.depth : 0);
    });

    test.each(bad)('an output buffer that is %s is refused', (_what, make) => {
      const client = new TransferClient(app, 'TransferBuffered');
      const [input, output] = [app.alloc(64), make(app)];
      const dispatches = shared.dispatches(() => {
        expect(client.ioctl(code, input, 64, output, 64)).toMatchObject(REFUSED);
      });
      expect(dispatches).toBe(who === 'driver' ? stack.depth : 0);
    });

    test(`read-only memory is ${access === 'read' ? 'enough for' : 'not enough for'} the second buffer`, () => {
      const client = new TransferClient(app, 'TransferBuffered');
      const output = protectedPage(app, wdm.PAGE_READONLY);
      const result = client.ioctl(code, app.alloc(64), 64, output, 64);
      expect(result).toMatchObject(access === 'read' ? { ok: true, bytes: 64 } : REFUSED);
      expect(app.memory.readBytes(output, 64)).toEqual(pattern(64));
    });

    test('lengths of 4 GiB - 1 end in a status', () => {
      const client = new TransferClient(app, 'TransferBuffered');
      const buffer = app.alloc(PAGE_SIZE);
      expect(client.ioctl(code, buffer, 0xffff_ffff, buffer, 64).ok).toBe(false);
      // A driver that gets the lengths as they are may be content with as much of the output as it needs.
      expect(client.ioctl(code, buffer, 64, buffer, 0xffff_ffff).ok).toBe(who === 'driver');
    });
  });

  test.each([
    ['METHOD_BUFFERED', transfer.IOCTL_TRANSFER_REVERSE_BUFFERED],
    ['METHOD_IN_DIRECT', transfer.IOCTL_TRANSFER_PUT_IN_DIRECT],
    ['METHOD_OUT_DIRECT', transfer.IOCTL_TRANSFER_GET_OUT_DIRECT],
  ])('%s: a NULL buffer is an empty one, whatever its length says', (_method, code) => {
    const client = new TransferClient(app, 'TransferBuffered');
    expect(client.ioctl(code, 0, 100, 0, 100)).toMatchObject({ ok: true, bytes: 0 });
    expect(client.lastView()).toMatchObject({
      InputBufferLength: 0,
      OutputBufferLength: 0,
      SystemBuffer: 0n,
      MdlAddress: 0n,
    });
  });
});
