/**
 * The run-time library as drivers call it: by its exports' argument kinds, with results in guest memory, and with memory
 * that is not there yet.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { boot, type Machine, type Nt, type Process, type TypeScriptDriver } from '../src/index.ts';
import { isRoutine, type MaybeRoutine, type Routine } from '../src/ke/routine.ts';
import type { Address } from '../src/wdm/address.ts';
import * as wdm from '../src/wdm/constants.ts';
import { DRIVER_OBJECT, IO_STACK_LOCATION, IRP, UNICODE_STRING } from '../src/wdm/layouts.ts';
import * as status from '../src/wdm/ntstatus.ts';

type Body = (nt: Nt, input: Address, output: Address) => Routine<number>;

/** \\.\Run: METHOD_NEITHER requests run `body` with the caller's two addresses; its result is the status. */
function run(body: Body): TypeScriptDriver {
  return {
    name: 'run',
    *DriverEntry(nt, driverObject) {
      const complete = function* (irp: Address, result: number): Routine<number> {
        IRP.at(nt.memory, irp).IoStatus.Status = result;
        yield* nt.IofCompleteRequest(irp, 0);
        return result;
      };
      const dispatch = nt.routine('RunDispatch', ['DeviceObject: ptr', 'Irp: ptr'], 'ntstatus', function* (_, irp) {
        const stack = IO_STACK_LOCATION.at(nt.memory, IRP.at(nt.memory, irp).Tail.Overlay.CurrentStackLocation);
        if (stack.MajorFunction !== wdm.IRP_MJ_DEVICE_CONTROL) return yield* complete(irp, status.STATUS_SUCCESS);
        const { Type3InputBuffer } = stack.Parameters.DeviceIoControl;
        const { UserBuffer } = IRP.at(nt.memory, irp);
        const result = yield* nt.tryExcept(
          () => body(nt, Type3InputBuffer, UserBuffer),
          () => wdm.EXCEPTION_EXECUTE_HANDLER,
          // biome-ignore lint/correctness/useYield: nothing to wait for
          function* (exception) {
            return exception.status;
          },
        );
        return yield* complete(irp, result);
      });
      const { MajorFunction } = DRIVER_OBJECT.at(nt.memory, driverObject);
      for (const major of [wdm.IRP_MJ_CREATE, wdm.IRP_MJ_CLOSE, wdm.IRP_MJ_CLEANUP, wdm.IRP_MJ_DEVICE_CONTROL]) {
        MajorFunction.set(major, dispatch);
      }
      const device = nt.alloca(8);
      const made = yield* settled(
        nt.IoCreateDevice(
          driverObject,
          0,
          nt.unicodeString('\\Device\\Run'),
          wdm.FILE_DEVICE_UNKNOWN,
          0,
          false,
          device,
        ),
      );
      if (made !== status.STATUS_SUCCESS) return made;
      return yield* settled(
        nt.IoCreateSymbolicLink(nt.unicodeString('\\DosDevices\\Run'), nt.unicodeString('\\Device\\Run')),
      );
    },
  };
}

function* settled<T>(result: MaybeRoutine<T>): Routine<T> {
  return isRoutine(result) ? yield* result : result;
}

function setUp(body: Body) {
  const machine = boot();
  expect(machine.loadDriver(run(body)).status).toBe(status.STATUS_SUCCESS);
  const app = machine.createProcess('app.exe');
  return { machine, app };
}

/** Sends one request with two buffers of `length` bytes; the output has never been touched. */
function request(app: Process, input: Address, output: Address, length: number): number {
  const { handle } = app.CreateFile('\\\\.\\Run');
  const code = wdm.CTL_CODE(wdm.FILE_DEVICE_UNKNOWN, 0x800, wdm.METHOD_NEITHER, wdm.FILE_ANY_ACCESS);
  return app.DeviceIoControl(handle, code, input, length, output, length).status;
}

describe('memory that is not there yet', () => {
  const LENGTH = 5 * 4096;

  test('is brought in by memcpy, on both sides', () => {
    const { app } = setUp(function* (nt, input, output) {
      return (yield* settled(nt.memcpy(output, input, LENGTH))) === output ? 0 : status.STATUS_UNSUCCESSFUL;
    });
    const [input, output] = [app.alloc(LENGTH), app.alloc(LENGTH)];
    app.memory.writeU8(input + LENGTH - 1, 0x5a); // the pages before it are untouched
    expect(request(app, input, output, LENGTH)).toBe(status.STATUS_SUCCESS);
    expect(app.memory.readU8(output + LENGTH - 1)).toBe(0x5a);
    expect(app.memory.readU8(output)).toBe(0);
  });

  test('is brought in by strings and formats', () => {
    const { app } = setUp(function* (nt, input, output) {
      const length = yield* settled(nt.strlen(input + 4096));
      const text = yield* settled(nt.sprintf(output, input, { next: () => 42n }));
      return length === 0 && text === 7 ? 0 : status.STATUS_UNSUCCESSFUL;
    });
    const [input, output] = [app.alloc(2 * 4096), app.alloc(4096)];
    app.memory.writeBytes(input, new TextEncoder().encode('[%5d]\0'));
    expect(request(app, input, output, 4096)).toBe(status.STATUS_SUCCESS);
    expect(new TextDecoder().decode(app.memory.readBytes(output, 8))).toBe('[   42]\0');
  });

  test('that never comes is an access violation', () => {
    const { app } = setUp(function* (nt, input, output) {
      yield* settled(nt.memcpy(output, input, LENGTH));
      return status.STATUS_SUCCESS;
    });
    expect(request(app, 0x10_0000_0000, app.alloc(LENGTH), LENGTH)).toBe(status.STATUS_ACCESS_VIOLATION);
  });

  test.each(['wcslen', 'strlen'] as const)('an unterminated string that runs off its page: %s', name => {
    const { app } = setUp(function* (nt, input) {
      yield* settled(nt[name](input));
      return status.STATUS_SUCCESS;
    });
    // The last page of an allocation granule: what follows is free.
    const input = app.alloc(0x1_0000);
    app.memory.fill(input, 0x1_0000, 0x41);
    expect(request(app, input, 0, 0x1_0000)).toBe(status.STATUS_ACCESS_VIOLATION);
  });
});

test('strings that the library allocates are pool, and freed by the library', () => {
  const { machine, app } = setUp(function* (nt) {
    const string = nt.alloca(UNICODE_STRING.size);
    const ansi = nt.alloca(UNICODE_STRING.size);
    const made = [
      yield* settled(nt.RtlUpcaseUnicodeString(string, nt.unicodeString('abc'), true)),
      yield* settled(nt.RtlUnicodeStringToAnsiString(ansi, string, true)),
    ];
    const text = nt.memory.readBytes(UNICODE_STRING.at(nt.memory, ansi).Buffer, 4);
    nt.RtlFreeAnsiString(ansi);
    nt.RtlFreeUnicodeString(string);
    nt.RtlFreeUnicodeString(string); // already empty
    const right = made.every(result => result === 0) && String.fromCharCode(...text) === 'ABC\0';
    return right ? 0 : status.STATUS_UNSUCCESSFUL;
  });
  const events: string[] = [];
  const before = poolEvents(machine, events);
  expect(request(app, 0, 0, 0)).toBe(status.STATUS_SUCCESS);
  before();
  expect(events.filter(type => type === 'pool-allocated')).toHaveLength(2);
  expect(events.filter(type => type === 'pool-freed')).toHaveLength(2);
});

/** Pool events of strings, by type. */
function poolEvents(machine: Machine, into: string[]): () => void {
  const ours = new Set<Address>();
  return machine.trace.subscribe(event => {
    if (event.type === 'pool-allocated' && event.tag === 'Strg') {
      ours.add(event.address);
      into.push(event.type);
    } else if (event.type === 'pool-freed' && ours.has(event.address)) into.push(event.type);
  });
}

test('qsort and bsearch call the comparison, which may be any code', () => {
  const values = [5, 3, 9, 1, 7];
  const { app } = setUp(function* (nt) {
    const compare = nt.routine(
      'Compare',
      ['a: ptr', 'b: ptr'],
      'i32',
      (a, b) => nt.memory.readU32(a) - nt.memory.readU32(b),
    );
    const base = nt.alloca(values.length * 4);
    for (const [i, value] of values.entries()) nt.memory.writeU32(base + 4 * i, value);
    yield* nt.qsort(base, values.length, 4, compare);
    const sorted = values.map((_, i) => nt.memory.readU32(base + 4 * i));
    const key = nt.alloca(4);
    nt.memory.writeU32(key, 7);
    const found = yield* nt.bsearch(key, base, values.length, 4, compare);
    return sorted.join() === '1,3,5,7,9' && found === base + 12 ? 0 : status.STATUS_UNSUCCESSFUL;
  });
  expect(request(app, 0, 0, 0)).toBe(status.STATUS_SUCCESS);
});

test('the processor says what it can', () => {
  // biome-ignore lint/correctness/useYield: nothing to wait for
  const { app } = setUp(function* (nt) {
    const known = nt.ExIsProcessorFeaturePresent(wdm.PF_XMMI64_INSTRUCTIONS_AVAILABLE);
    const unknown = nt.ExIsProcessorFeaturePresent(0xffff_ffff);
    return known && !unknown ? 0 : status.STATUS_UNSUCCESSFUL;
  });
  expect(request(app, 0, 0, 0)).toBe(status.STATUS_SUCCESS);
});

test('DbgPrint takes the arguments of a .sys from registers and stack', () => {
  const machine = boot();
  const texts: string[] = [];
  machine.trace.subscribe(event => {
    if (event.type === 'debug-print') texts.push(event.text);
  });
  const load = (name: string) => {
    const bytes = new Uint8Array(readFileSync(new URL(`../samples/${name}/${name}.sys`, import.meta.url)));
    return machine.loadDriver(bytes, `${name}.sys`).driver!;
  };
  load('transfer');
  const filter = load('filter');
  const app = machine.createProcess('app.exe');
  const { handle } = app.CreateFile('\\\\.\\TransferBuffered');
  expect(app.ReadFile(handle, app.alloc(100), 100).bytes).toBe(100);
  expect(app.WriteFile(handle, app.alloc(10), 10).bytes).toBe(10);
  app.CloseHandle(handle);
  expect(machine.unloadDriver(filter)).toBe(status.STATUS_SUCCESS);
  expect(texts[0]).toMatch(/^transfer: loaded from \\REGISTRY\\MACHINE\\.*transfer\n$/i);
  expect(texts).toContain('filter: attached above \\Device\\TransferDirect\n');
  expect(texts).toContain('filter: detached after 1 reads, 1 writes, 0 controls, 110 bytes\n');
});
