/** Numbers as strings, GUIDs, times, versions, sorting, blocks of memory. */
import { describe, expect, test } from 'vitest';
import { KernelMemory } from '../../test/support/kernel-memory.ts';
import type { Address } from '../wdm/address.ts';
import { OSVERSIONINFOEXW, TIME_FIELDS } from '../wdm/layouts.ts';
import { PageFault } from '../wdm/memory.ts';
import * as status from '../wdm/ntstatus.ts';
import * as blocks from './memory-blocks.ts';
import * as number from './number-string.ts';
import { RtlRandomEx } from './random.ts';
import { bsearch, type Compare, qsort } from './sort.ts';
import * as time from './time-fields.ts';
import * as version from './version.ts';

describe('numbers', () => {
  test.each<[bigint, number, string]>([
    [0n, 10, '0'],
    [0xffff_ffffn, 0, '4294967295'],
    [0xbeefn, 16, 'BEEF'],
    [8n, 8, '10'],
    [5n, 2, '101'],
  ])('%d to base %d', (value, base, text) => {
    const kernel = new KernelMemory();
    const exact = kernel.unicode('', text.length * 2);
    expect(number.integerToUnicodeString(kernel.memory, value, base, exact)).toBe(status.STATUS_SUCCESS);
    expect(kernel.textOf(exact)).toBe(text);
    const small = kernel.unicode('', text.length * 2 - 1);
    expect(number.integerToUnicodeString(kernel.memory, value, base, small)).toBe(status.STATUS_BUFFER_OVERFLOW);
    expect(number.integerToUnicodeString(kernel.memory, value, 7, exact)).toBe(status.STATUS_INVALID_PARAMETER);
  });

  test.each<[string, number, number]>([
    ['  42abc', 0, 42],
    ['-1', 0, 0xffff_ffff],
    ['0x1F', 0, 0x1f],
    ['0b101', 0, 5],
    ['0o17', 0, 15],
    ['0x1F', 16, 0],
    ['FF', 16, 0xff],
    ['', 0, 0],
    ['4294967297', 10, 1],
  ])('%j of base %d', (text, base, value) => {
    const kernel = new KernelMemory();
    const result = kernel.room(4);
    expect(number.RtlUnicodeStringToInteger(kernel.memory, kernel.unicode(text), base, result)).toBe(0);
    expect(kernel.memory.readU32(result)).toBe(value);
    expect(number.RtlCharToInteger(kernel.memory, kernel.narrow(text), base, result)).toBe(0);
    expect(kernel.memory.readU32(result)).toBe(value);
  });

  test('GUIDs', () => {
    const kernel = new KernelMemory();
    const [guid, text] = [kernel.room(16), kernel.room(16)];
    const written = '{00112233-4455-6677-8899-AABBCCDDEEFF}';
    expect(number.RtlGUIDFromString(kernel.memory, kernel.unicode(written), guid)).toBe(0);
    expect([...kernel.memory.readBytes(guid, 16)]).toEqual([
      0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
    ]);
    expect(number.RtlStringFromGUID(kernel.memory, guid, text, bytes => kernel.room(bytes))).toBe(0);
    expect(kernel.textOf(text)).toBe(written);
    expect(number.RtlGUIDFromString(kernel.memory, kernel.unicode('{0011}'), guid)).toBe(
      status.STATUS_INVALID_PARAMETER,
    );
  });

  test('random numbers follow from the seed', () => {
    const kernel = new KernelMemory();
    const seed = kernel.room(4);
    const take = () => {
      kernel.memory.writeU32(seed, 1);
      return Array.from({ length: 5 }, () => RtlRandomEx(kernel.memory, seed));
    };
    expect(take()).toEqual(take());
    expect(new Set(take()).size).toBe(5);
  });
});

describe('times', () => {
  const system = (text: string) => (BigInt(Date.parse(text)) + 11_644_473_600_000n) * 10_000n;

  test.each([
    '1601-01-01T00:00:00.000Z',
    '1970-01-01T00:00:00.000Z',
    '2000-02-29T12:34:56.789Z',
    '2100-02-28T23:59:59.999Z',
    '2000-12-31T00:00:00.000Z',
    '2026-01-01T00:00:00.000Z',
    '9999-12-31T23:59:59.999Z',
  ])('%s', text => {
    const kernel = new KernelMemory();
    const { memory } = kernel;
    const [at, fields, back] = [kernel.room(8), kernel.room(16), kernel.room(8)];
    memory.writeU64(at, system(text));
    time.RtlTimeToTimeFields(memory, at, fields);
    const { Year, Month, Day, Hour, Minute, Second, Milliseconds, Weekday } = TIME_FIELDS.at(memory, fields);
    const two = (value: number) => String(value).padStart(2, '0');
    const date = `${String(Year).padStart(4, '0')}-${two(Month)}-${two(Day)}`;
    const clock = `${two(Hour)}:${two(Minute)}:${two(Second)}.${String(Milliseconds).padStart(3, '0')}`;
    expect(`${date}T${clock}Z`).toBe(text);
    expect(Weekday).toBe(new Date(text).getUTCDay());
    expect(time.RtlTimeFieldsToTime(memory, fields, back)).toBe(true);
    expect(memory.readU64(back)).toBe(system(text));
  });

  test('fields out of their range', () => {
    const kernel = new KernelMemory();
    const [fields, at] = [kernel.room(16), kernel.room(8)];
    const view = TIME_FIELDS.at(kernel.memory, fields);
    const set = (Year: number, Month: number, Day: number) => {
      Object.assign(view, { Year, Month, Day, Hour: 0, Minute: 0, Second: 0, Milliseconds: 0 });
      return time.RtlTimeFieldsToTime(kernel.memory, fields, at);
    };
    expect(set(2023, 2, 29)).toBe(false);
    expect(set(2024, 2, 29)).toBe(true);
    expect(set(1600, 1, 1)).toBe(false);
    expect(set(2024, 13, 1)).toBe(false);
    expect(set(2024, 0, 1)).toBe(false);
  });

  test('seconds since 1970 and 1980', () => {
    const kernel = new KernelMemory();
    const [at, seconds] = [kernel.room(8), kernel.room(4)];
    time.RtlSecondsSince1970ToTime(kernel.memory, 1_000_000_000, at);
    expect(kernel.memory.readU64(at)).toBe(system('2001-09-09T01:46:40Z'));
    expect(time.RtlTimeToSecondsSince1970(kernel.memory, at, seconds)).toBe(true);
    expect(kernel.memory.readU32(seconds)).toBe(1_000_000_000);
    time.RtlSecondsSince1980ToTime(kernel.memory, 0, at);
    expect(kernel.memory.readU64(at)).toBe(system('1980-01-01T00:00:00Z'));
    kernel.memory.writeU64(at, 0n);
    expect(time.RtlTimeToSecondsSince1970(kernel.memory, at, seconds)).toBe(false);
  });
});

describe('versions', () => {
  const { size } = OSVERSIONINFOEXW;
  const setUp = () => {
    const kernel = new KernelMemory();
    const at = kernel.room(size);
    return { memory: kernel.memory, at, view: OSVERSIONINFOEXW.at(kernel.memory, at) };
  };

  test('Windows 10, build 19045', () => {
    const { memory, at, view } = setUp();
    view.dwOSVersionInfoSize = size;
    expect(version.RtlGetVersion(memory, at, version.WINDOWS_10_22H2)).toBe(0);
    expect([view.dwMajorVersion, view.dwMinorVersion, view.dwBuildNumber, view.wProductType]).toEqual([
      10, 0, 19045, 1,
    ]);
  });

  test('nothing is written behind the short form', () => {
    const { memory, at, view } = setUp();
    memory.fill(at, size, 0xaa);
    view.dwOSVersionInfoSize = 0x114;
    expect(version.RtlGetVersion(memory, at, version.WINDOWS_10_22H2)).toBe(0);
    expect(view.wServicePackMajor).toBe(0xaaaa);
    view.dwOSVersionInfoSize = 4;
    expect(version.RtlGetVersion(memory, at, version.WINDOWS_10_22H2)).toBe(status.STATUS_INVALID_PARAMETER);
  });

  const GREATER_EQUAL = 3;
  test.each<[number, number, number]>([
    [10, 0, status.STATUS_SUCCESS],
    [6, 3, status.STATUS_SUCCESS],
    [10, 1, status.STATUS_REVISION_MISMATCH],
    [11, 0, status.STATUS_REVISION_MISMATCH],
  ])('at least %d.%d', (major, minor, expected) => {
    const { memory, at, view } = setUp();
    view.dwMajorVersion = major;
    view.dwMinorVersion = minor;
    const mask = version.VerSetConditionMask(version.VerSetConditionMask(0n, 2, GREATER_EQUAL), 1, GREATER_EQUAL);
    expect(version.RtlVerifyVersionInfo(memory, at, 3, mask, version.WINDOWS_10_22H2)).toBe(expected);
  });

  test('device driver interfaces', () => {
    const has = (wanted: number) => version.RtlIsNtDdiVersionAvailable(wanted, version.WINDOWS_10_22H2);
    expect([0x0601_0000, 0x0a00_0000, 0x0b00_0000, 0x0601_0100].map(has)).toEqual([true, true, false, false]);
  });
});

describe('sorting', () => {
  /** Compares ULONGs without calling any guest. */
  const compareIn = (kernel: KernelMemory): Compare<never> =>
    // biome-ignore lint/correctness/useYield: nothing to wait for
    function* (a: Address, b: Address) {
      return kernel.memory.readU32(a) - kernel.memory.readU32(b);
    };

  const run = <T>(routine: Generator<never, T, bigint>): T => {
    const { done, value } = routine.next();
    expect(done).toBe(true);
    return value;
  };

  test.each([
    [[]],
    [[1]],
    [[2, 1]],
    [[5, 3, 9, 1, 5, 7, 0, 2]],
    [Array.from({ length: 200 }, (_, i) => (i * 7919) % 257)],
  ])('qsort of $length', (values: number[]) => {
    const kernel = new KernelMemory();
    const base = kernel.room(values.length * 4);
    for (const [i, value] of values.entries()) kernel.memory.writeU32(base + 4 * i, value);
    run(qsort(kernel.memory, base, values.length, 4, compareIn(kernel)));
    const sorted = values.map((_, i) => kernel.memory.readU32(base + 4 * i));
    expect(sorted).toEqual([...values].sort((a, b) => a - b));
    const key = kernel.room(4);
    for (const value of values) {
      kernel.memory.writeU32(key, value);
      const found = run(bsearch(key, base, values.length, 4, compareIn(kernel)));
      expect(kernel.memory.readU32(found)).toBe(value);
    }
    kernel.memory.writeU32(key, 100_000);
    expect(run(bsearch(key, base, values.length, 4, compareIn(kernel)))).toBe(0);
  });

  test('ends with a comparison that contradicts itself', () => {
    const kernel = new KernelMemory();
    const base = kernel.room(400);
    let calls = 0;
    // biome-ignore lint/correctness/useYield: nothing to wait for
    const liar: Compare<never> = function* () {
      return calls++ % 3 === 0 ? -1 : 1;
    };
    run(qsort(kernel.memory, base, 100, 4, liar));
    expect(calls).toBeLessThan(2000);
  });
});

describe('blocks', () => {
  test('compare up to the first difference, across pages and not beyond', () => {
    const kernel = new KernelMemory();
    const { memory } = kernel;
    const a = kernel.end - 4096 - 8;
    const b = kernel.end - 16;
    memory.fill(a, 32, 1);
    memory.fill(b, 16, 1);
    expect(blocks.RtlCompareMemory(memory, a, b, 16)).toBe(16);
    memory.writeU8(b + 10, 2);
    expect(blocks.RtlCompareMemory(memory, a, b, 2 ** 60)).toBe(10);
    expect(blocks.memcmp(memory, a, b, 16)).toBe(-1);
    expect(blocks.memcmp(memory, b, a, 16)).toBe(1);
    expect(blocks.memcmp(memory, a, b, 10)).toBe(0);
    memory.writeU8(b + 10, 1);
    expect(() => blocks.RtlCompareMemory(memory, a, b, 17)).toThrow(PageFault);
  });

  test('memchr', () => {
    const kernel = new KernelMemory();
    const at = kernel.end - 8;
    kernel.memory.writeU8(kernel.end - 1, 7);
    expect(blocks.memchr(kernel.memory, at, 0x107, 2 ** 60)).toBe(kernel.end - 1);
    expect(blocks.memchr(kernel.memory, at, 7, 7)).toBe(0);
  });

  test('patterns', () => {
    const kernel = new KernelMemory();
    const at = kernel.room(16);
    blocks.RtlFillMemoryUlong(kernel.memory, at, 15, 0x1234_5678);
    expect(blocks.RtlCompareMemoryUlong(kernel.memory, at, 16, 0x1234_5678)).toBe(12);
  });
});
