import { describe, expect, test } from 'vitest';
import { KernelMemory } from '../../test/support/kernel-memory.ts';
import { UNICODE_STRING } from '../wdm/layouts.ts';
import * as status from '../wdm/ntstatus.ts';
import { ANSI, OEM } from './code-page.ts';
import * as convert from './convert-string.ts';

test('every byte of a code page goes there and back', () => {
  for (const page of [ANSI, OEM]) {
    for (let byte = 0; byte < 256; byte++) expect(page.fromUnicode(page.toUnicode[byte]!)).toBe(byte);
  }
  expect(ANSI.toUnicode[0x80]).toBe(0x20ac);
  expect(OEM.toUnicode[0x81]).toBe(0xfc);
  expect(OEM.toUnicode[0xff]).toBe(0xa0);
});

describe('strings', () => {
  test('ANSI to Unicode and back', () => {
    const kernel = new KernelMemory();
    const { memory } = kernel;
    const wide = kernel.unicode('', 20);
    expect(convert.toUnicodeString(memory, ANSI, wide, kernel.ansi('a\x80'))).toBe(status.STATUS_SUCCESS);
    expect(kernel.textOf(wide)).toBe('a\u20ac');
    const narrow = kernel.ansi('', 10);
    expect(convert.fromUnicodeString(memory, ANSI, narrow, kernel.unicode('a\u20ac\u4e2d'))).toBe(
      status.STATUS_SUCCESS,
    );
    expect(kernel.bytesOf(narrow)).toBe('a\x80?');
  });

  test('the terminator needs room, too', () => {
    const kernel = new KernelMemory();
    const { memory } = kernel;
    expect(convert.toUnicodeString(memory, ANSI, kernel.unicode('', 4), kernel.ansi('ab'))).toBe(
      status.STATUS_BUFFER_OVERFLOW,
    );
    const narrow = kernel.ansi('', 3);
    expect(convert.fromUnicodeString(memory, ANSI, narrow, kernel.unicode('abc'))).toBe(status.STATUS_BUFFER_OVERFLOW);
    expect(kernel.bytesOf(narrow)).toBe('ab');
    expect(convert.unicodeSize(memory, kernel.ansi('abc'))).toBe(8);
    expect(convert.ansiSize(memory, kernel.unicode('abc'))).toBe(4);
  });

  test('counted OEM strings have no terminator, empty ones no buffer', () => {
    const kernel = new KernelMemory();
    const { memory } = kernel;
    const to = kernel.room(16);
    const allocate = (bytes: number) => kernel.room(bytes);
    convert.fromUnicodeStringCounted(memory, OEM, to, kernel.unicode('ü'), true, allocate);
    expect([kernel.bytesOf(to), UNICODE_STRING.at(memory, to).MaximumLength]).toEqual(['\x9a', 1]);
    convert.toCountedUnicodeString(memory, OEM, to, kernel.ansi(''), allocate);
    expect(UNICODE_STRING.at(memory, to).Buffer).toBe(0);
  });
});

describe('counted buffers', () => {
  test('convert what fits and say so', () => {
    const kernel = new KernelMemory();
    const { memory } = kernel;
    const [to, written] = [kernel.room(16), kernel.room(4)];
    const from = kernel.narrow('abc');
    expect(convert.toUnicodeN(memory, ANSI, to, 16, written, from, 3)).toBe(status.STATUS_SUCCESS);
    expect(memory.readU32(written)).toBe(6);
    expect(convert.toUnicodeN(memory, ANSI, to, 5, written, from, 3)).toBe(status.STATUS_BUFFER_OVERFLOW);
    expect(memory.readU32(written)).toBe(4);
    expect(convert.fromUnicodeN(memory, ANSI, to, 2, 0, kernel.wide('xyz'), 6, true)).toBe(
      status.STATUS_BUFFER_OVERFLOW,
    );
    expect([...memory.readBytes(to, 2)]).toEqual([0x58, 0x59]);
  });

  const utf8 = (text: string) => [...new TextEncoder().encode(text)];

  test.each(['', 'abc', 'é€😀', '\u07ff\u0800\uffff', '\u{10ffff}'])('UTF-8 of %j', text => {
    const kernel = new KernelMemory();
    const { memory } = kernel;
    const [to, back, written] = [kernel.room(64), kernel.room(64), kernel.room(4)];
    const bytes = utf8(text);
    expect(convert.RtlUnicodeToUTF8N(memory, to, 64, written, kernel.wide(text), text.length * 2)).toBe(0);
    expect([...memory.readBytes(to, memory.readU32(written))]).toEqual(bytes);
    expect(convert.RtlUTF8ToUnicodeN(memory, back, 64, written, to, bytes.length)).toBe(0);
    memory.writeU16(back + memory.readU32(written), 0);
    expect(kernel.wideAt(back)).toBe(text);
    expect(convert.RtlUTF8ToUnicodeN(memory, 0, 0, written, to, bytes.length)).toBe(0);
    expect(memory.readU32(written)).toBe(text.length * 2);
  });

  test.each([
    [[0xff]],
    [[0xc0, 0x80]],
    [[0xe0, 0x80, 0x80]],
    [[0xed, 0xa0, 0x80]],
    [[0xf4, 0x90, 0x80, 0x80]],
    [[0xe2, 0x82]],
  ])('%j is no UTF-8', bytes => {
    const kernel = new KernelMemory();
    const { memory } = kernel;
    const [to, written, from] = [kernel.room(64), kernel.room(4), kernel.room(8)];
    memory.writeBytes(from, Uint8Array.from(bytes));
    expect(convert.RtlUTF8ToUnicodeN(memory, to, 64, written, from, bytes.length)).toBe(status.STATUS_SOME_NOT_MAPPED);
    expect(memory.readU16(to)).toBe(0xfffd);
    const decoded = new TextDecoder().decode(Uint8Array.from(bytes));
    expect(memory.readU32(written)).toBe(decoded.length * 2);
  });

  test('a lone surrogate has no UTF-8', () => {
    const kernel = new KernelMemory();
    const [to, written] = [kernel.room(64), kernel.room(4)];
    expect(convert.RtlUnicodeToUTF8N(kernel.memory, to, 64, written, kernel.wide('\ud800a'), 4)).toBe(
      status.STATUS_SOME_NOT_MAPPED,
    );
    expect([...kernel.memory.readBytes(to, 4)]).toEqual([0xef, 0xbf, 0xbd, 0x61]);
  });
});
