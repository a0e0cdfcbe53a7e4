import { describe, expect, test } from 'vitest';
import { KernelMemory } from '../../test/support/kernel-memory.ts';
import { Random } from '../../test/support/random.ts';
import { type Address, fromAddress } from '../wdm/address.ts';
import { PageFault } from '../wdm/memory.ts';
import { format, vaList } from './printf.ts';

type Value = number | bigint;

function setUp() {
  const kernel = new KernelMemory();
  const slots = (values: readonly Value[]) => {
    let i = 0;
    return {
      next: () => {
        const value = values[i++] ?? 0;
        return typeof value === 'bigint' ? BigInt.asUintN(64, value) : fromAddress(value);
      },
    };
  };
  const narrow = (text: string, ...values: Value[]) =>
    String.fromCharCode(...format(kernel.memory, kernel.narrow(text), slots(values), 1, 4096).units);
  const wide = (text: string, ...values: Value[]) =>
    String.fromCharCode(...format(kernel.memory, kernel.wide(text), slots(values), 2, 4096).units);
  return { kernel, slots, narrow, wide };
}

describe('numbers', () => {
  test.each<[string, Value[], string]>([
    ['%d', [-5], '-5'],
    ['%d', [0xffff_ffffn], '-1'],
    ['%u', [0xffff_ffff_ffff_ffffn], '4294967295'],
    ['%i|%5d|%-5d|%05d', [1, 2, 3, -4], '1|    2|3    |-0004'],
    ['%+d % d %+d', [1, 2, -3], '+1  2 -3'],
    ['%.3d|%6.3d|%06.3d', [7, 7, 7], '007|   007|   007'],
    ['%.0d|%.0x', [0, 0], '|'],
    ['%x %X %#x %#X %#x', [0xbeef, 0xbeef, 0xbeef, 0xbeef, 0], 'beef BEEF 0xbeef 0XBEEF 0'],
    ['%08x|%#010x', [0x1234, 0x1234], '00001234|0x00001234'],
    ['%o %#o', [8, 8], '10 010'],
    ['%hd %hu', [0x1_ffffn, 0x1_ffffn], '-1 65535'],
    ['%ld %lu %lx', [0x1_0000_0001n, -1, 0x1_0000_00ffn], '1 4294967295 ff'],
    ['%lld %llu %I64d %I64x', [-1n, 2n ** 63n, -(2n ** 63n), 2n ** 40n], `-1 ${2n ** 63n} ${-(2n ** 63n)} 10000000000`],
    ['%I32x %Ix %zu %td', [2n ** 40n + 1n, 2n ** 40n, 2n ** 40n, -1n], `1 10000000000 ${2n ** 40n} -1`],
    ['%p', [0xffff_8000_dead_beefn], 'FFFF8000DEADBEEF'],
    ['%*d|%-*d|%.*d', [4, 1, 4, 2, 3, 5], '   1|2   |005'],
    ['%*d|', [-4, 1], '1   |'],
    ['100%% %y %I6 %I3', [], '100% y 6 3'],
  ])('%s', (text, values, expected) => {
    const { narrow, wide } = setUp();
    expect(narrow(text, ...values)).toBe(expected);
    expect(wide(text, ...values)).toBe(expected);
  });

  test('a floating-point argument is skipped, so that the others stay right', () => {
    expect(setUp().narrow('%f %d', 0x4000_0000_0000_0000n, 7)).toBe('f 7');
  });
});

describe('strings', () => {
  test('of the routine’s own kind and of the other', () => {
    const { kernel, narrow, wide } = setUp();
    const a = kernel.narrow('abc');
    const w = kernel.wide('wxyz');
    expect(narrow('%s %hs %S %ls %ws', a, a, w, w, w)).toBe('abc abc wxyz wxyz wxyz');
    expect(wide('%s %ws %S %hs', w, w, a, a)).toBe('wxyz wxyz abc abc');
  });

  test('counted', () => {
    const { kernel, narrow, wide } = setUp();
    const u = kernel.unicode('\\Device\\X');
    const a = kernel.ansi('ansi');
    expect(narrow('%wZ [%12wZ] [%-12.3wZ] %Z', u, u, u, a)).toBe('\\Device\\X [   \\Device\\X] [\\De         ] ansi');
    expect(wide('%wZ %lZ %Z', u, u, a)).toBe('\\Device\\X \\Device\\X ansi');
  });

  test('NULL is (null), also as a buffer', () => {
    const { kernel, narrow, wide } = setUp();
    const empty = kernel.room(16);
    kernel.memory.fill(empty, 16, 0);
    expect(narrow('%s|%S|%wZ|%wZ|%.3s', 0, 0, 0, empty, 0)).toBe('(null)|(null)|(null)|(null)|(nu');
    expect(wide('%s', 0)).toBe('(null)');
  });

  test('width and precision', () => {
    const { kernel, narrow } = setUp();
    const a = kernel.narrow('abc');
    expect(narrow('[%5s] [%-5s] [%.2s] [%5.1s]', a, a, a, a)).toBe('[  abc] [abc  ] [ab] [    a]');
  });

  test('characters', () => {
    const { narrow, wide } = setUp();
    expect(narrow('%c%C%3c', 0x41, 0x42, 0x43)).toBe('AB  C');
    expect(wide('%c%C', 0x20ac, 0x80)).toBe('\u20ac\u20ac');
  });

  test('what the ANSI code page lacks is a question mark', () => {
    const { kernel, narrow } = setUp();
    expect(narrow('%S', kernel.wide('a\u20ac\u4e2d'))).toBe('a\x80?');
  });

  test('a precision keeps an unterminated string from being read beyond it', () => {
    const { kernel, narrow } = setUp();
    const last: Address = kernel.end - 3;
    kernel.memory.writeBytes(last, Uint8Array.from([0x61, 0x62, 0x63]));
    expect(narrow('%.3s', last)).toBe('abc');
    expect(() => narrow('%s', last)).toThrow(PageFault);
  });
});

describe('hostile formats', () => {
  test('a width of two thousand million costs no more than the limit', () => {
    const { kernel, slots } = setUp();
    const { units, truncated } = format(kernel.memory, kernel.narrow('%2147483647d'), slots([1]), 1, 100);
    expect([units.length, truncated]).toEqual([100, true]);
  });

  test('ten thousand random ones end in text or in a fault', () => {
    const random = new Random(2);
    const kernel = new KernelMemory(1);
    const at = kernel.room(64);
    const pointers = [kernel.narrow('abc'), kernel.unicode('abc'), kernel.end - 1, 0, 0x1000, -0x1000].map(fromAddress);
    const pieces = [...'%%%%%%dsSZwlhI64I32pxXcCn*.-+ #0123456789zj\x80a'];
    let texts = 0;
    for (let i = 0; i < 10_000; i++) {
      const bytes = Array.from({ length: random.below(20) }, () => random.pick(pieces).charCodeAt(0));
      kernel.memory.writeBytes(at, Uint8Array.from([...bytes, 0, 0, 0]));
      const next = () => (random.oneIn(3) ? BigInt(random.u32()) << BigInt(random.below(33)) : random.pick(pointers));
      try {
        const { units } = format(kernel.memory, at, { next }, random.oneIn(2) ? 1 : 2, 200);
        expect(units.length).toBeLessThanOrEqual(200);
        texts++;
      } catch (error) {
        if (!(error instanceof PageFault)) throw error;
      }
    }
    expect(texts).toBeGreaterThan(1000);
  });

  test('exactly the limit is not truncated', () => {
    const { kernel, slots } = setUp();
    expect(format(kernel.memory, kernel.narrow('%5d'), slots([1]), 1, 5).truncated).toBe(false);
    expect(format(kernel.memory, kernel.narrow('%6d'), slots([1]), 1, 5).truncated).toBe(true);
  });

  test('%n fails and writes nothing', () => {
    const { kernel, slots } = setUp();
    const target = kernel.room(8);
    kernel.memory.writeU32(target, 0x1234);
    expect(format(kernel.memory, kernel.narrow('abc%n'), slots([target]), 1, 100).invalid).toBe(true);
    expect(kernel.memory.readU32(target)).toBe(0x1234);
  });

  test.each(['%', '%-', '%5', '%5.', '%l', '%I', '%h', '%*'])('%j ends within a specification', text => {
    const { kernel, narrow } = setUp();
    expect(narrow(text)).toBe('');
    // Nor is anything read behind the terminator.
    const at = kernel.end - text.length - 1;
    kernel.memory.writeBytes(at, Uint8Array.from([...text, '\0'].map(c => c.charCodeAt(0))));
    expect(format(kernel.memory, at, { next: () => 0n }, 1, 10).units).toEqual([]);
  });

  test.each([0x1000, -0x1000, 0x7fff_ffff_0000])('a bad string pointer %d is a fault', address => {
    expect(() => setUp().narrow('%s', address)).toThrow(PageFault);
    expect(() => setUp().narrow('%wZ', address)).toThrow(PageFault);
  });

  test('so is one that is not canonical', () => {
    expect(() => setUp().narrow('%s', 0x1234_5678_9abc_def0n)).toThrow(PageFault);
  });
});

test('a va_list is read slot by slot', () => {
  const { kernel } = setUp();
  const list = kernel.room(16);
  kernel.memory.writeU64(list, 1n);
  kernel.memory.writeU64(list + 8, 2n);
  const { units } = format(kernel.memory, kernel.narrow('%d %d'), vaList(kernel.memory, list), 1, 100);
  expect(String.fromCharCode(...units)).toBe('1 2');
});
