import { describe, expect, test } from 'vitest';
import { KernelMemory } from '../../test/support/kernel-memory.ts';
import { UNICODE_STRING } from '../wdm/layouts.ts';
import { PageFault } from '../wdm/memory.ts';
import * as status from '../wdm/ntstatus.ts';
import * as strings from './unicode-string.ts';

const view = (kernel: KernelMemory, address: number) => {
  const { Length, MaximumLength, Buffer } = UNICODE_STRING.at(kernel.memory, address);
  return { Length, MaximumLength, Buffer };
};

describe('initialising', () => {
  test('describes a terminated string', () => {
    const kernel = new KernelMemory();
    const text = kernel.wide('abc');
    const string = kernel.room(16);
    strings.initString(kernel.memory, string, text, 2);
    expect(view(kernel, string)).toEqual({ Length: 6, MaximumLength: 8, Buffer: text });
    const narrow = kernel.narrow('abcd');
    strings.initString(kernel.memory, string, narrow, 1);
    expect(view(kernel, string)).toEqual({ Length: 4, MaximumLength: 5, Buffer: narrow });
  });

  test('of NULL is empty', () => {
    const kernel = new KernelMemory();
    const string = kernel.room(16);
    kernel.memory.fill(string, 16, 0xff);
    strings.initString(kernel.memory, string, 0, 2);
    expect(view(kernel, string)).toEqual({ Length: 0, MaximumLength: 0, Buffer: 0 });
  });

  test('cuts off, or refuses, what is too long', () => {
    const kernel = new KernelMemory(20);
    const string = kernel.room(16);
    const text = kernel.room(0x10010);
    for (let i = 0; i < 0x10000; i += 2) kernel.memory.writeU16(text + i, 0x41);
    kernel.memory.writeU16(text + 0x10000, 0);
    strings.initString(kernel.memory, string, text, 2);
    expect(view(kernel, string)).toEqual({ Length: 0xfffc, MaximumLength: 0xfffe, Buffer: text });
    expect(strings.initStringEx(kernel.memory, string, text, 2)).toBe(status.STATUS_NAME_TOO_LONG);
    expect(strings.initStringEx(kernel.memory, string, text + 4, 2)).toBe(status.STATUS_SUCCESS);
    expect(view(kernel, string).Length).toBe(0xfffc);
  });

  test('of a string that runs out of its page is a fault', () => {
    const kernel = new KernelMemory();
    const string = kernel.room(16);
    kernel.memory.writeU16(kernel.end - 2, 0x41);
    expect(() => strings.initString(kernel.memory, string, kernel.end - 2, 2)).toThrow(PageFault);
  });
});

describe('copying and appending', () => {
  test('copies what fits and terminates where there is room', () => {
    const kernel = new KernelMemory();
    const to = kernel.unicode('zzzzzzz', 14);
    strings.copyString(kernel.memory, to, kernel.unicode('abc'), 2);
    expect(kernel.textOf(to)).toBe('abc');
    expect(kernel.wideAt(view(kernel, to).Buffer)).toBe('abc');
    const small = kernel.unicode('', 4);
    strings.copyString(kernel.memory, small, kernel.unicode('abc'), 2);
    expect(kernel.textOf(small)).toBe('ab');
    strings.copyString(kernel.memory, small, 0, 2);
    expect(view(kernel, small).Length).toBe(0);
  });

  test('appends all or nothing', () => {
    const kernel = new KernelMemory();
    const to = kernel.unicode('ab', 8);
    expect(strings.appendString(kernel.memory, to, kernel.unicode('cd'), 2)).toBe(status.STATUS_SUCCESS);
    expect(strings.appendTerminated(kernel.memory, to, kernel.wide('e'), 2)).toBe(status.STATUS_BUFFER_TOO_SMALL);
    expect(strings.appendTerminated(kernel.memory, to, 0, 2)).toBe(status.STATUS_SUCCESS);
    expect(kernel.textOf(to)).toBe('abcd');
  });
});

describe('comparing', () => {
  const kernel = new KernelMemory();
  const compare = (a: string, b: string, ignoreCase: boolean) =>
    Math.sign(strings.compareStrings(kernel.memory, kernel.unicode(a), kernel.unicode(b), ignoreCase, 2));

  test('by code units, with or without case', () => {
    expect(compare('abc', 'abd', false)).toBe(-1);
    expect(compare('abc', 'ab', false)).toBe(1);
    expect(compare('ABC', 'abc', false)).toBe(-1);
    expect(compare('ÄBC', 'äbc', true)).toBe(0);
    expect(compare('', '', false)).toBe(0);
  });

  test('equal, prefix, suffix', () => {
    const { memory } = kernel;
    const name = kernel.unicode('\\Device\\Foo');
    expect(strings.equalStrings(memory, name, kernel.unicode('\\DEVICE\\FOO'), true, 2)).toBe(true);
    expect(strings.equalStrings(memory, name, kernel.unicode('\\DEVICE\\FOO'), false, 2)).toBe(false);
    expect(strings.prefixString(memory, kernel.unicode('\\device'), name, true, 2)).toBe(true);
    expect(strings.prefixString(memory, name, kernel.unicode('\\Device'), true, 2)).toBe(false);
    expect(strings.suffixString(memory, kernel.unicode('foo'), name, true)).toBe(true);
    expect(strings.suffixString(memory, kernel.unicode('bar'), name, true)).toBe(false);
  });

  test('hash', () => {
    const hash = kernel.room(4);
    const { memory } = kernel;
    expect(strings.RtlHashUnicodeString(memory, kernel.unicode('ab'), true, 1, hash)).toBe(status.STATUS_SUCCESS);
    expect(memory.readU32(hash)).toBe((0x41 * 65599 + 0x42) >>> 0);
    expect(strings.RtlHashUnicodeString(memory, kernel.unicode('ab'), true, 2, hash)).toBe(
      status.STATUS_INVALID_PARAMETER,
    );
  });
});

describe('case', () => {
  test('one unit becomes one unit', () => {
    const kernel = new KernelMemory();
    const to = kernel.unicode('', 40);
    const from = kernel.unicode('aZéÿßıµſя');
    expect(strings.RtlUpcaseUnicodeString(kernel.memory, to, from)).toBe(status.STATUS_SUCCESS);
    expect(kernel.textOf(to)).toBe('AZÉŸßıµſЯ');
    expect(strings.RtlDowncaseUnicodeString(kernel.memory, to, kernel.unicode('AZÉŸЯ'))).toBe(status.STATUS_SUCCESS);
    expect(kernel.textOf(to)).toBe('azéÿя');
  });

  test('refuses what does not fit', () => {
    const kernel = new KernelMemory();
    const small = kernel.unicode('', 2);
    expect(strings.RtlUpcaseUnicodeString(kernel.memory, small, kernel.unicode('ab'))).toBe(
      status.STATUS_BUFFER_OVERFLOW,
    );
  });
});

describe('allocating', () => {
  test('takes exactly what it needs', () => {
    const kernel = new KernelMemory();
    const sizes: number[] = [];
    const allocate = (bytes: number) => {
      sizes.push(bytes);
      return kernel.room(bytes);
    };
    const to = kernel.room(16);
    expect(strings.RtlCreateUnicodeString(kernel.memory, to, kernel.wide('abc'), allocate)).toBe(true);
    expect([kernel.textOf(to), view(kernel, to).MaximumLength]).toEqual(['abc', 8]);
    expect(strings.RtlDuplicateUnicodeString(kernel.memory, 0, to, to, allocate)).toBe(status.STATUS_SUCCESS);
    expect(view(kernel, to).MaximumLength).toBe(6);
    expect(sizes).toEqual([8, 6]);
  });

  test('fails without memory', () => {
    const kernel = new KernelMemory();
    const to = kernel.room(16);
    const none = () => 0;
    expect(strings.RtlCreateUnicodeString(kernel.memory, to, kernel.wide('abc'), none)).toBe(false);
    expect(strings.RtlUpcaseUnicodeString(kernel.memory, to, kernel.unicode('a'), none)).toBe(status.STATUS_NO_MEMORY);
  });
});
