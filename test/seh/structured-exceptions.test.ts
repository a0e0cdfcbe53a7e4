/**
 * Structured exceptions, from compiled C to the last bug check: the seh sample (samples/seh/cases.c says what each case
 * does), alone and with TypeScript drivers on the same stack.
 */
import { describe, expect, test } from 'vitest';
import { type Address, BugCheck, call, call32, type GuestException, type Nt, ntstatus } from '../../src/index.ts';
import { answer, asDriver, bootSeh, runCase, sehExport } from './machine.ts';

const AV = ntstatus.STATUS_ACCESS_VIOLATION;
const BUSY = ntstatus.STATUS_DEVICE_BUSY;
const NOT_READY = ntstatus.STATUS_DEVICE_NOT_READY;
const NONCONTINUABLE = ntstatus.STATUS_NONCONTINUABLE_EXCEPTION;

/** By number, as in seh.h. */
const CASES: readonly (readonly [name: string, log: readonly number[]])[] = [
  ['a constant filter', [1, AV, 2]],
  ['a filter expression sees code, parameters and context', [AV, 2, 1, 0x1234, 1, AV]],
  ['a filter that declines: inner, outer, then __finally, then the handler', [1, 2, 3, 4]],
  ['AbnormalTermination', [1, 10, 21, 2]],
  ['ExRaiseStatus through a callee with a __finally', [11, NOT_READY]],
  ['a filter that mends a register and continues', [1, 0x600d, 2]],
  ['RtlRaiseException that is continued', [0x77, 2, 1]],
  ['a filter that continues what cannot be', [NOT_READY, NONCONTINUABLE, NONCONTINUABLE]],
  ['a __try within a filter', [BUSY, AV, 2]],
  ['an exception in a filter is a nested one, and its __try is asked about it', [AV, 0, BUSY, 0x10, 1, BUSY, 2]],
  ['an exception in a __finally collides: no __finally runs twice', [AV, 1, BUSY, 11, 2, BUSY, 3]],
  ['an exception in an __except block goes to the next', [AV, BUSY]],
  ['sixteen frames are unwound, innermost first', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, AV]],
  ['nonvolatile registers are restored', [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x11, 0x22, 0x33]],
  ['frames of dynamic size', [16, 199, 2]],
  ['traps and their codes', [ntstatus.STATUS_INTEGER_DIVIDE_BY_ZERO, ntstatus.STATUS_INTEGER_OVERFLOW, ntstatus.STATUS_ILLEGAL_INSTRUCTION, ntstatus.STATUS_BREAKPOINT, AV]],
  ['RtlCaptureStackBackTrace', [3, 1, 1]],
  ['__leave is a normal way out', [1, 10, 2]],
  ['_local_unwind runs the __finally and lands in the same function', [11, 2, 3, 20]],
  ['_local_unwind out of a __finally ends the unwind that runs it', [1, 11, 2, 3]],
]; // biome-ignore format: a table

test.each(CASES.map(([name, log], number) => [name, number, log] as const))('%s', (_, number, log) => {
  expect(runCase(bootSeh(), number)).toEqual(log);
});

test('one machine runs them all, again and again, and its stack stays where it is', () => {
  const machine = bootSeh();
  for (let round = 0; round < 3; round++) {
    CASES.forEach(([name, log], number) => {
      expect(runCase(machine, number), name).toEqual(log);
    });
  }
});

/** What the machine stops with. */
function stop(number: number): BugCheck {
  const machine = bootSeh();
  try {
    runCase(machine, number);
  } catch (error) {
    if (error instanceof BugCheck) return error;
    throw error;
  }
  throw new Error(`case ${number} came back`);
}

describe('what nobody handles', () => {
  test.each([
    ['an access violation in a system call', 100, 0x3b, ['seh!FaultLoad', 'seh!NullPointer', 'seh!SehRun', 'seh!SehDeviceControl']],
    ['a bad kernel address, in spite of __except', 101, 0x50, ['seh!FaultStore', 'seh!KernelAddress', 'seh!SehRun']],
    ['a page fault at DISPATCH_LEVEL, in spite of __except', 102, 0xd1, ['seh!FaultLoad', 'seh!RaisedIrql', 'seh!SehRun']],
    ['a store into read-only memory', 103, 0xbe, ['seh!FaultStore', 'seh!ReadOnly', 'seh!SehRun']],
    ['__fastfail', 104, 0x139, ['seh!FaultFastFail', 'seh!FastFail', 'seh!SehRun']],
    ['a call through a null pointer', 105, 0x3b, ['00000000`00000000', 'seh!NullCall', 'seh!SehRun']],
  ])('%s stops the machine, with its stack', (_, number, code, stack) => {
    const { code: actual, frames } = stop(number);
    expect(actual).toBe(code);
    expect(frames.slice(0, stack.length).map(frame => frame.replace(/[+ ].*/, ''))).toEqual(stack);
    expect(frames.slice(1, 3).every(frame => /\(cases\.c:\d+\)$/.test(frame))).toBe(true);
  }); // biome-ignore format: a table

  test('says which exception, and where', () => {
    const { parameters } = stop(100);
    expect(parameters[0]).toBe(BigInt(AV));
    expect(stop(102).parameters.slice(0, 3)).toEqual([0x20n, 2n, 0n]);
  });
});

/** Calls SehGuard in seh.sys, which calls back in a __try; returns its log. */
function* guard(nt: Nt, guardAddress: Address, callback: Address) {
  const log = nt.alloca(260);
  yield* call(guardAddress, callback, 0, log);
  return readLog(nt, log);
}

function readLog(nt: Nt, log: Address): number[] {
  return Array.from({ length: nt.memory.readU32(log) }, (_, i) => nt.memory.readU32(log + 4 + i * 4));
}

describe('with TypeScript on the stack', () => {
  test('C handles what a TypeScript routine raises', () => {
    const machine = bootSeh();
    const address = sehExport(machine, 'SehGuard');
    const log = asDriver(machine, function* (nt) {
      const raise = nt.routine('Raise', ['Context: ptr'], 'void', () => nt.ExRaiseStatus(BUSY));
      return yield* guard(nt, address, raise);
    });
    expect(log).toEqual([11, BUSY]);
  });

  test('C handles what a TypeScript routine raises between two calls of its own', () => {
    const machine = bootSeh();
    const address = sehExport(machine, 'SehGuard');
    const run = sehExport(machine, 'SehRun');
    const log = asDriver(machine, function* (nt) {
      const raise = nt.routine('Raise', ['Context: ptr'], 'void', function* () {
        yield* call32(run, 4, nt.alloca(260));
        nt.ExRaiseStatus(BUSY);
      });
      return yield* guard(nt, address, raise);
    });
    expect(log).toEqual([11, BUSY]);
  });

  test('a handler in TypeScript may raise again', () => {
    const machine = bootSeh();
    const address = sehExport(machine, 'SehGuard');
    const run = sehExport(machine, 'SehRun');
    const log = asDriver(machine, function* (nt) {
      const raise = nt.routine('Raise', ['Context: ptr'], 'void', function* () {
        yield* nt.tryExcept(
          () => call32(run, 100, nt.alloca(260)),
          () => 1,
          ({ status }) => {
            nt.ExRaiseStatus(status === AV ? NOT_READY : BUSY);
            return answer(0);
          },
        );
      });
      return yield* guard(nt, address, raise);
    });
    expect(log).toEqual([11, NOT_READY]);
  });

  test('C handles what a TypeScript routine touches', () => {
    const machine = bootSeh();
    const address = sehExport(machine, 'SehGuard');
    const log = asDriver(machine, function* (nt) {
      const touch = nt.routine('Touch', ['Context: ptr'], 'void', () => nt.memory.writeU8(0x40, 1));
      return yield* guard(nt, address, touch);
    });
    expect(log).toEqual([11, AV]);
  });

  test('TypeScript handles what C raises; the __finally in between runs first', () => {
    const machine = bootSeh();
    const run = sehExport(machine, 'SehRun');
    const seen = asDriver(machine, function* (nt) {
      const log = nt.alloca(260);
      const handled: GuestException[] = [];
      yield* nt.tryExcept(
        () => call32(run, 100, log),
        exception => (exception.status === AV ? 1 : 0),
        exception => {
          handled.push(exception);
          return answer(0);
        },
      );
      return { log: readLog(nt, log), handled };
    });
    expect(seen.log).toEqual([1]);
    expect(seen.handled.map(({ status, information }) => [status, information])).toEqual([[AV, [0n, 0n]]]);
  });

  test('an exception passes a TypeScript routine, whose finally runs, on its way from C to C', () => {
    const machine = bootSeh();
    const address = sehExport(machine, 'SehGuard');
    const run = sehExport(machine, 'SehRun');
    const steps: string[] = [];
    const log = asDriver(machine, function* (nt) {
      const middle = nt.routine('Middle', ['Context: ptr'], 'void', function* () {
        const inner = nt.alloca(260);
        try {
          yield* nt.tryExcept(
            () => call32(run, 100, inner),
            () => {
              steps.push('filter');
              return 0;
            },
            () => {
              steps.push('handler');
              return answer(0);
            },
          );
        } finally {
          steps.push('finally');
        }
      });
      return yield* guard(nt, address, middle);
    });
    expect(steps).toEqual(['filter', 'finally']);
    expect(log).toEqual([11, AV]);
  });

  test('a routine may call C as often as it likes: each call gives its stack back', () => {
    const machine = bootSeh();
    const run = sehExport(machine, 'SehRun');
    const log = asDriver(machine, function* (nt) {
      const at = nt.alloca(260);
      for (let i = 0; i < 2000; i++) yield* call32(run, i % 2 ? 17 : 4, at);
      return readLog(nt, at);
    });
    expect(log).toEqual([1, 10, 2]);
  });

  test('what a DPC raises is not for the thread that it interrupted', () => {
    const machine = bootSeh();
    const address = sehExport(machine, 'SehGuard');
    const interrupted = () =>
      asDriver(machine, function* (nt) {
        const raise = nt.routine('Raise', ['Dpc: ptr', 'Context: ptr', 'One: ptr', 'Two: ptr'], 'void', () =>
          nt.ExRaiseStatus(BUSY),
        );
        const queue = nt.routine('Queue', ['Context: ptr'], 'void', function* () {
          const dpc = nt.alloca(0x40);
          nt.KeInitializeDpc(dpc, raise, 0n);
          const old = nt.KeRaiseIrqlToDpcLevel();
          yield* nt.KeInsertQueueDpc(dpc, 0n, 0n);
          yield* nt.KfLowerIrql(old);
        });
        return yield* guard(nt, address, queue);
      });
    expect(interrupted).toThrow(expect.objectContaining({ name: 'BugCheck', code: 0x1e }));
  });

  test('a TypeScript filter can say: continue', () => {
    const machine = bootSeh();
    const address = sehExport(machine, 'SehGuard');
    const log = asDriver(machine, function* (nt) {
      const record = nt.alloca(0x98);
      nt.memory.fill(record, 0x98, 0);
      nt.memory.writeU32(record, 0xe000_0001);
      // The record outlives this routine's callees: it lies in its frame.
      const raise = nt.routine('Raise', ['Context: ptr'], 'void', function* () {
        yield* nt.tryExcept(
          () => call32(continuing, 0),
          () => -1,
          () => answer(0),
        );
      });
      const continuing = nt.routine('Continuing', ['Context: ptr'], 'u32', function* () {
        yield* nt.RtlRaiseException(record);
        return 0;
      });
      return yield* guard(nt, address, raise);
    });
    expect(log).toEqual([1, 10]);
  });
});
