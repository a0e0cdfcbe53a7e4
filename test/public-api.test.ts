/** The public face, used rightly and wrongly. A wrong argument is an error that says what would be right. */
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { boot, type Nt, ntstatus, type Process } from '../src/index.ts';

const TRANSFER = fileURLToPath(new URL('../samples/transfer/transfer.sys', import.meta.url));

describe('loadDriver', () => {
  it('takes a path, and the name from it', () => {
    const { status, driver } = boot().loadDriver(TRANSFER);
    expect(status).toBe(ntstatus.STATUS_SUCCESS);
    expect(driver?.name).toBe('transfer.sys');
  });

  it('says that a path leads nowhere, in the words of the file system', () => {
    expect(() => boot().loadDriver('no-such.sys')).toThrow('ENOENT');
  });

  it.each([undefined, null, 5, {}, new ArrayBuffer(4), new Uint16Array(4)])('%s: says what a driver is', source => {
    expect(() => boot().loadDriver(source as never)).toThrow('bytes of a .sys');
  });
});

describe('boot', () => {
  it.each([
    [{ seed: Number.NaN }, 'a seed is an integer'],
    [{ seed: 1.5 }, 'a seed is an integer'],
    [{ limits: { processorTime: Number.NaN } }, 'limits.processorTime'],
    [{ limits: { elapsedTime: -1 } }, 'limits.elapsedTime'],
    [{ memory: 4096 }, 'a multiple of 65536'],
  ])('%j: says what is wrong', (options, text) => {
    expect(() => boot(options)).toThrow(text);
  });
});

describe('an application', () => {
  let app: Process;
  let handle: number;
  beforeAll(() => {
    const machine = boot();
    machine.loadDriver(TRANSFER);
    app = machine.createProcess();
    handle = app.CreateFile('\\\\.\\TransferBuffered').handle;
  });

  it.each([Number.NaN, 1.5, Number.POSITIVE_INFINITY, null, undefined, 'text', {}, [1], new Uint16Array(2)])(
    '%s is no buffer: says what is',
    wrong => {
      expect(() => app.ReadFile(handle, wrong as never, 4)).toThrow('is no pointer');
      expect(() => app.WriteFile(handle, wrong as never, 4)).toThrow('is no pointer');
      expect(() => app.DeviceIoControl(handle, 0x8e002004, 0, 0, (wrong ?? 'nothing') as never, 4)).toThrow(
        'is no pointer',
      );
      expect(() => app.DeviceIoControl(handle, 0x8e002004, (wrong ?? 'nothing') as never)).toThrow(
        'a buffer is a Uint8Array',
      );
    },
  );

  it.each([-1, 1.5, 2 ** 32, 2 ** 53, Number.NaN, null, '4'])('%s is no length', wrong => {
    const buffer = app.alloc(16);
    expect(() => app.ReadFile(handle, buffer, wrong as never)).toThrow('is no DWORD');
    expect(() => app.DeviceIoControl(handle, 0x8e002004, 0, 0, buffer, wrong as never)).toThrow('is no DWORD');
  });

  it('a code is 32 bits, with or without a sign', () => {
    const [signed, output] = [0x8e002004 | 0, new Uint8Array(4)];
    expect(app.DeviceIoControl(handle, signed, Uint8Array.of(1, 2, 3, 4), output)).toMatchObject({
      ok: true,
      bytes: 4,
    });
    expect(output).toEqual(Uint8Array.of(4, 3, 2, 1));
    for (const wrong of [2 ** 32, 1.5, Number.NaN, undefined])
      expect(() => app.DeviceIoControl(handle, wrong as never)).toThrow('is no I/O control code');
  });
});

describe('a driver in TypeScript that is wrong JavaScript', () => {
  it.each<[string, unknown, string]>([
    [
      'is called without the star of yield*',
      function* (nt: Nt) {
        yield nt.IofCompleteRequest(0, 0) as never;
        return 0;
      },
      'yield*',
    ],
    [
      'yields nothing',
      function* () {
        yield undefined as never;
        return 0;
      },
      'yield*',
    ],
    ['returns nothing', () => undefined, 'returned undefined for an NTSTATUS'],
    ['returns nothing in a generator', function* () {}, 'returned undefined for an NTSTATUS'],
    ['is async', async () => 0, 'never async'],
  ])('%s: the machine stops, with its name', (_what, DriverEntry, text) => {
    const machine = boot();
    expect(() => machine.loadDriver({ name: 'wrong', DriverEntry: DriverEntry as never })).toThrow(text);
    expect(machine.stopped?.message).toContain('wrong.ts!DriverEntry');
  });
});

describe('misuse says what would be right', () => {
  it('a TypeScript driver without a name', () => {
    expect(() => boot().loadDriver({ DriverEntry: () => 0 } as never)).toThrow('needs a name');
  });

  it('unloading what was never loaded leaves the machine alive', () => {
    const machine = boot();
    expect(() => machine.unloadDriver({ name: 'x.sys', object: 0x1234 })).toThrow('is not loaded in this machine');
    expect(machine.stopped).toBeUndefined();
  });

  it('a driver that is loaded already', () => {
    const machine = boot();
    machine.loadDriver('samples/transfer/transfer.sys');
    const { message, driver } = machine.loadDriver('samples/transfer/transfer.sys');
    expect(message).toBe('is loaded already, as \\Driver\\transfer');
    expect(driver).toBeUndefined();
  });

  it('a process in a machine that has stopped', () => {
    const machine = boot();
    const stops = (nt: Nt) => {
      nt.KeBugCheckEx(0xe2, 0n, 0n, 0n, 0n);
      return 0;
    };
    expect(() => machine.loadDriver({ name: 'stops', DriverEntry: stops })).toThrow('0x000000E2');
    expect(() => machine.createProcess()).toThrow('the machine has stopped');
  });
});
