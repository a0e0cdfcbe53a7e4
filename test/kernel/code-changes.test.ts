/** Drivers that change code: never a stale translation. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { boot, type Nt } from '../../src/index.ts';
import { call32, isRoutine, type MaybeRoutine, type Routine } from '../../src/ke/routine.ts';
import type { Address } from '../../src/wdm/address.ts';
import * as wdm from '../../src/wdm/constants.ts';
import { inDriver } from './in-driver.ts';

const TAG = 0x65646f43;
const PAGE = 4096;

function* settle<T>(value: MaybeRoutine<T>): Routine<T> {
  return isRoutine(value) ? yield* value : value;
}

const bytes = (text: string) => Uint8Array.from(text.match(/[0-9a-f]{2}/g)!.map(byte => Number.parseInt(byte, 16)));

/** mov eax, value; ret */
const returning = (value: number) => bytes(`b8 ${value.toString(16).padStart(2, '0')}000000 c3`);

function* executable(nt: Nt, code: Uint8Array): Routine<Address> {
  const at = yield* settle(nt.ExAllocatePoolWithTag(wdm.NonPagedPoolExecute, PAGE, TAG));
  nt.memory.writeBytes(at, code);
  return at;
}

describe('a driver that changes code', () => {
  it('patches what it has run, from outside', () => {
    const { result } = inDriver(function* (nt) {
      const code = yield* executable(nt, returning(1));
      const results = [yield* call32(code)];
      for (let value = 2; value < 6; value++) {
        nt.memory.writeU8(code + 1, value);
        results.push(yield* call32(code));
      }
      return results;
    });
    expect(result).toEqual([1, 2, 3, 4, 5]);
  });

  it('patches its own next instruction', () => {
    // mov byte [rip+1], cl (the immediate below); mov eax, 0; ret
    const selfPatching = bytes('880d01000000 b800000000 c3');
    const { result } = inDriver(function* (nt) {
      const code = yield* executable(nt, selfPatching);
      return [yield* call32(code, 7), yield* call32(code, 9), yield* call32(code, 9), yield* call32(code, 200)];
    });
    expect(result).toEqual([7, 9, 9, 200]);
  });

  it('maps a code page twice and writes through the second mapping', () => {
    const { result } = inDriver(function* (nt) {
      const code = yield* executable(nt, returning(1));
      const mdl = yield* settle(nt.IoAllocateMdl(code, PAGE, false, false, 0));
      yield* settle(nt.MmBuildMdlForNonPagedPool(mdl));
      // A partial MDL can be mapped a second time; one for nonpaged pool has its mapping already.
      const partial = yield* settle(nt.IoAllocateMdl(code, PAGE, false, false, 0));
      yield* settle(nt.IoBuildPartialMdl(mdl, partial, code, PAGE));
      const second = yield* settle(
        nt.MmMapLockedPagesSpecifyCache(partial, wdm.KernelMode, wdm.MmCached, 0, 0, wdm.NormalPagePriority),
      );
      const results = [yield* call32(code), yield* call32(second)];
      nt.memory.writeU8(second + 1, 42);
      results.push(yield* call32(code));
      nt.memory.writeU8(code + 1, 43);
      results.push(yield* call32(second));
      return { results, same: second === code };
    });
    expect(result.same).toBe(false);
    expect(result.results).toEqual([1, 1, 42, 43]);
  });

  it('frees code and gets other code at the same address', () => {
    const { result } = inDriver(function* (nt) {
      const seen: { at: Address; value: number }[] = [];
      for (let value = 1; value < 20; value++) {
        const code = yield* executable(nt, returning(value));
        seen.push({ at: code, value: yield* call32(code) });
        yield* settle(nt.ExFreePoolWithTag(code, TAG));
      }
      return seen;
    });
    expect(result.map(({ value }) => value)).toEqual(Array.from({ length: 19 }, (_, i) => i + 1));
    expect(new Set(result.map(({ at }) => at)).size).toBeLessThan(19);
  });
});

describe('drivers that come and go', () => {
  it('one is unloaded and another loaded over it, again and again', () => {
    const images = ['transfer', 'hostile'].map(name => ({ name, file: readFileSync(`samples/${name}/${name}.sys`) }));
    const machine = boot({ memory: 0x200_0000 });
    const frames: number[] = [];
    for (let round = 0; round < 6; round++) {
      for (const { name, file } of images) {
        const { status, driver } = machine.loadDriver(file, `${name}.sys`);
        expect(status).toBe(0);
        if (name === 'transfer') {
          const app = machine.createProcess();
          const { handle } = app.CreateFile('\\\\.\\TransferBuffered');
          expect(app.ReadFile(handle, app.alloc(64), 64)).toMatchObject({ ok: true, bytes: 64 });
          app.ExitProcess();
        }
        expect(machine.unloadDriver(driver!)).toBe(0);
      }
      frames.push(machine.kernel.mm.usage().framesInUse);
    }
    expect(frames.at(-1)).toBe(frames[1]);
  });
});
