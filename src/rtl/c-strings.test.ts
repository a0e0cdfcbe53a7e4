import { describe, expect, test } from 'vitest';
import { KernelMemory } from '../../test/support/kernel-memory.ts';
import { PageFault } from '../wdm/memory.ts';
import * as c from './c-strings.ts';
import { terminatedLength, type Width } from './units.ts';

describe.each<[string, Width]>([
  ['char', 1],
  ['wchar_t', 2],
])('%s', (_, width) => {
  const setUp = () => {
    const kernel = new KernelMemory();
    const put = (text: string) => (width === 1 ? kernel.narrow(text) : kernel.wide(text));
    const at = (address: number) => (width === 1 ? kernel.narrowAt(address) : kernel.wideAt(address));
    return { kernel, memory: kernel.memory, put, at };
  };

  test('lengths', () => {
    const { memory, put } = setUp();
    expect(terminatedLength(memory, put('abc'), width)).toBe(3);
    expect(terminatedLength(memory, put('abc'), width, 2)).toBe(2);
    expect(terminatedLength(memory, put(''), width)).toBe(0);
  });

  test('comparisons', () => {
    const { memory, put } = setUp();
    expect(c.strcmp(memory, width, put('abc'), put('abd'))).toBe(-1);
    expect(c.strcmp(memory, width, put('b'), put('abd'))).toBe(1);
    expect(c.strncmp(memory, width, put('abc'), put('abd'), 2)).toBe(0);
    expect(c.stricmp(memory, width, put('aBc'), put('AbC'))).toBe(0);
    expect(c.strnicmp(memory, width, put('aBx'), put('Aby'), 2)).toBe(0);
  });

  test('copies', () => {
    const { kernel, memory, put, at } = setUp();
    const to = kernel.room(64);
    expect(at(c.strcpy(memory, width, to, put('abc')))).toBe('abc');
    expect(at(c.strcat(memory, width, to, put('def')))).toBe('abcdef');
    expect(at(c.strncat(memory, width, to, put('ghi'), 2))).toBe('abcdefgh');
    memory.fill(to, 64, 0x7a);
    c.strncpy(memory, width, to, put('ab'), 4);
    expect([...memory.readBytes(to, 5 * width)].filter((__, i) => i % width === 0)).toEqual([0x61, 0x62, 0, 0, 0x7a]);
    c.strncpy(memory, width, to, put('wxyz'), 2);
    expect(memory.readU8(to + 2 * width)).toBe(0); // the third unit is as it was: no terminator
  });

  test('searches', () => {
    const { memory, put } = setUp();
    const text = put('banana');
    expect(c.strchr(memory, width, text, 0x6e)).toBe(text + 2 * width);
    expect(c.strrchr(memory, width, text, 0x6e)).toBe(text + 4 * width);
    expect(c.strchr(memory, width, text, 0)).toBe(text + 6 * width);
    expect(c.strchr(memory, width, text, 0x78)).toBe(0);
    expect(c.strstr(memory, width, text, put('nan'))).toBe(text + 2 * width);
    expect(c.strstr(memory, width, text, put(''))).toBe(text);
    expect(c.strstr(memory, width, text, put('nab'))).toBe(0);
    expect(c.strspn(memory, width, text, put('ab'), true)).toBe(2);
    expect(c.strpbrk(memory, width, text, put('xn'))).toBe(text + 2 * width);
    expect(c.strpbrk(memory, width, text, put('x'))).toBe(0);
  });

  test('changes in place', () => {
    const { memory, put, at } = setUp();
    expect(at(c.strmap(memory, width, put('aBc1'), c.asciiUpper))).toBe('ABC1');
    expect(at(c.strrev(memory, width, put('abc')))).toBe('cba');
    expect(at(c.strset(memory, width, put('abc'), 0x78))).toBe('xxx');
  });

  test('the safe forms', () => {
    const { kernel, memory, put, at } = setUp();
    const to = kernel.room(64);
    const all = c._TRUNCATE - 1n;
    expect(c.strncpy_s(memory, width, to, 4, put('abc'), all)).toBe(0);
    expect(at(to)).toBe('abc');
    expect(c.strncpy_s(memory, width, to, 3, put('abc'), all)).toBe(c.ERANGE);
    expect(at(to)).toBe('');
    expect(c.strncpy_s(memory, width, to, 3, put('abc'), c._TRUNCATE)).toBe(c.STRUNCATE);
    expect(at(to)).toBe('ab');
    expect(c.strncpy_s(memory, width, to, 3, put('abc'), 1n)).toBe(0);
    expect(c.strncat_s(memory, width, to, 4, put('xy'), all)).toBe(0);
    expect(at(to)).toBe('axy');
    expect(c.strncat_s(memory, width, to, 2, put('z'), all)).toBe(c.EINVAL);
    expect(c.strncpy_s(memory, width, to, 4, 0, all)).toBe(c.EINVAL);
    expect(c.strncpy_s(memory, width, 0, 4, put('a'), all)).toBe(c.EINVAL);
    expect(c.strncpy_s(memory, width, to, 0, put('a'), all)).toBe(c.EINVAL);
  });

  test('numbers', () => {
    const { memory, put } = setUp();
    const value = (text: string, base: number) => c.parseNumber(memory, width, put(text), base).value;
    expect(value(' \t-12x', 10)).toBe(-12n);
    expect(value('0x1F', 0)).toBe(0x1fn);
    expect(value('0x1F', 16)).toBe(0x1fn);
    expect(value('017', 0)).toBe(15n);
    expect(value('z', 36)).toBe(35n);
    const text = put('0xg');
    expect(c.parseNumber(memory, width, text, 0)).toEqual({ value: 0n, end: text + width });
    const none = put(' +x');
    expect(c.parseNumber(memory, width, none, 10)).toEqual({ value: 0n, end: none });
    expect(value('9'.repeat(1000), 10)).toBeGreaterThan(2n ** 64n);
  });

  test('an unterminated string is a fault, and nothing has been written', () => {
    const { kernel, memory } = setUp();
    const to = kernel.room(64);
    const from = kernel.end - 4;
    memory.fill(from, 4, 0x61);
    memory.fill(to, 8, 0x7a);
    expect(() => c.strcpy(memory, width, to, from)).toThrow(PageFault);
    expect(() => c.strncpy(memory, width, to, from, 2 ** 60)).toThrow(PageFault);
    expect([...memory.readBytes(to, 8)]).toEqual(new Array(8).fill(0x7a));
  });

  test('a count beyond memory is a fault, not a wait', () => {
    const { kernel, memory, put } = setUp();
    expect(() => c.strncpy(memory, width, kernel.room(8), put('a'), 2 ** 60)).toThrow(PageFault);
  });
});
