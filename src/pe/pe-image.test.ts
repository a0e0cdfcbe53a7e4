import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  NT_SUCCESS,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_IMAGE_FORMAT,
  STATUS_INVALID_IMAGE_LE_FORMAT,
  STATUS_INVALID_IMAGE_NE_FORMAT,
  STATUS_INVALID_IMAGE_NOT_MZ,
  STATUS_INVALID_IMAGE_PROTECT,
} from '../wdm/ntstatus.ts';
import { findFramework, frameworkOf } from './frameworks.ts';
import { isRefusal, type PeImage, parsePe } from './pe-image.ts';

const driver = new Uint8Array(readFileSync(new URL('../../samples/seh/seh.sys', import.meta.url)));
const PE = new DataView(driver.buffer, driver.byteOffset).getUint32(0x3c, true);
const OPTIONAL = PE + 24;
const SECTIONS = OPTIONAL + 240;

/** The sample with bytes changed. */
function changed(change: (view: DataView) => void, length = driver.length): Uint8Array {
  const copy = driver.slice(0, length);
  change(new DataView(copy.buffer));
  return copy;
}

function image(bytes: Uint8Array = driver): PeImage {
  const result = parsePe(bytes);
  if (isRefusal(result)) throw new Error(result.message);
  return result;
}

describe('a driver', () => {
  test('imports by name', () => {
    const { imports } = image();
    expect(imports.map(entry => `${entry.dll}!${entry.name}`)).toContain('ntoskrnl.exe!__C_specific_handler');
    expect(new Set(imports.map(entry => entry.slot)).size).toBe(imports.length);
  });

  test('imports by ordinal', () => {
    const { imports } = image();
    const slot = imports[0]!;
    // The lookup table lies before the address table, at the same distance for every slot.
    const { layout, directories } = image();
    const lookup = new DataView(layout.buffer).getUint32(directories[1]!.address, true);
    const section = image().sections.find(s => lookup >= s.address && lookup < s.address + s.size)!;
    const bytes = changed(view =>
      view.setBigUint64(section.rawOffset + lookup - section.address, 0x8000_0000_0000_0011n, true),
    );
    expect(image(bytes).imports[0]).toEqual({ dll: 'ntoskrnl.exe', name: undefined, ordinal: 0x11, slot: slot.slot });
  });

  test('exports a routine, which is a symbol', () => {
    const { exports, symbols } = image();
    const entry = exports.find(({ name }) => name === 'SehRun')!;
    expect(symbols.at(entry.address + 3)).toEqual({ name: 'SehRun', address: entry.address });
  });

  test('has source lines', () => {
    const { symbols, lines } = image();
    const line = lines.at(symbols.find('FaultLoad')!)!;
    expect(line.file).toBe('fault.c');
    const source = readFileSync(new URL('../../samples/seh/fault.c', import.meta.url), 'utf8').split('\n');
    expect(source.slice(line.line - 2, line.line + 1).join('\n')).toContain('return *Address');
  });

  test('has a sorted function table', () => {
    const { functionTable } = image();
    expect(functionTable.length).toBeGreaterThan(30);
    for (let i = 3; i < functionTable.length; i += 3)
      expect(functionTable[i]!).toBeGreaterThanOrEqual(functionTable[i - 2]!);
  });

  test('is laid out as in memory: zeros behind the file bytes of a section', () => {
    const { layout, sections } = image();
    const text = sections[0]!;
    expect(layout.length % 4096).toBe(0);
    expect(layout.subarray(text.address, text.address + 16)).toEqual(
      driver.subarray(text.rawOffset, text.rawOffset + 16),
    );
    expect(layout[text.address + Math.ceil(text.size / 4096) * 4096 - 1]).toBe(0);
  });
});

const refusals: [what: string, bytes: Uint8Array, status: number, sentence: RegExp][] = [
  ['nothing', new Uint8Array(0), STATUS_INVALID_IMAGE_NOT_MZ, /^is empty$/],
  ['text', new TextEncoder().encode('#!/bin/sh\n'), STATUS_INVALID_IMAGE_NOT_MZ, /does not begin with MZ/],
  ['ELF', new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 2, 1]), STATUS_INVALID_IMAGE_NOT_MZ, /^is an ELF file$/],
  ['an MS-DOS program', changed(v => v.setUint32(PE, 0)), STATUS_INVALID_IMAGE_PROTECT, /MS-DOS program/],
  ['a PE offset far outside', changed(v => v.setUint32(0x3c, 0xffff_fff0, true)), STATUS_INVALID_IMAGE_PROTECT, /no PE header/],
  ['NE', changed(v => v.setUint32(PE, 0x454e, true)), STATUS_INVALID_IMAGE_NE_FORMAT, /16-bit/],
  ['LE', changed(v => v.setUint32(PE, 0x454c, true)), STATUS_INVALID_IMAGE_LE_FORMAT, /VxD/],
  ['32-bit', changed(v => v.setUint16(PE + 4, 0x14c, true)), STATUS_INVALID_IMAGE_FORMAT, /^is 32-bit \(x86\)/],
  ['Arm64', changed(v => v.setUint16(PE + 4, 0xaa64, true)), STATUS_INVALID_IMAGE_FORMAT, /^is Arm64/],
  ['an unknown machine', changed(v => v.setUint16(PE + 4, 0x1234, true)), STATUS_INVALID_IMAGE_FORMAT, /0x1234/],
  ['PE32', changed(v => v.setUint16(OPTIONAL, 0x10b, true)), STATUS_INVALID_IMAGE_FORMAT, /PE32/],
  ['a user-mode program', changed(v => v.setUint16(OPTIONAL + 68, 3, true)), STATUS_INVALID_IMAGE_FORMAT, /^is a user-mode program or DLL/],
  ['an EFI driver', changed(v => v.setUint16(OPTIONAL + 68, 11, true)), STATUS_INVALID_IMAGE_FORMAT, /EFI boot service/],
  ['.NET', changed(v => { v.setUint32(OPTIONAL + 112 + 14 * 8, 0x2000, true); v.setUint32(OPTIONAL + 116 + 14 * 8, 72, true); }), STATUS_INVALID_IMAGE_FORMAT, /\.NET/],
  ['cut in the MS-DOS header', changed(() => {}, 40), STATUS_INVALID_IMAGE_FORMAT, /truncated/],
  ['cut in the PE header', changed(() => {}, PE + 40), STATUS_INVALID_IMAGE_FORMAT, /truncated/],
  ['cut in the section table', changed(() => {}, SECTIONS + 20), STATUS_INVALID_IMAGE_FORMAT, /truncated: its section table/],
  ['cut in a section', changed(() => {}, 5000), STATUS_INVALID_IMAGE_FORMAT, /truncated: its section \.text/],
  ['a gigabyte', changed(v => v.setUint32(OPTIONAL + 56, 0x4000_0000, true)), STATUS_INSUFFICIENT_RESOURCES, /0x40000000 bytes/],
  ['sections out of order', changed(v => v.setUint32(SECTIONS + 40 + 12, 0x9000, true)), STATUS_INVALID_IMAGE_FORMAT, /out of order/],
  ['an import directory outside', changed(v => v.setUint32(OPTIONAL + 120, 0x7fff_0000, true)), STATUS_INVALID_IMAGE_FORMAT, /points outside/],
  ['an entry point outside', changed(v => v.setUint32(OPTIONAL + 16, 0x7fff_0000, true)), STATUS_INVALID_IMAGE_FORMAT, /entry point/],
]; // biome-ignore format: a table

test.each(refusals)('%s is refused with a sentence', (_, bytes, status, sentence) => {
  const result = parsePe(bytes);
  expect(isRefusal(result) && result.message).toMatch(sentence);
  expect(isRefusal(result) && result.status).toBe(status);
  expect(isRefusal(result) && NT_SUCCESS(result.status)).toBe(false);
});

describe('frameworks', () => {
  const importing = (...dlls: string[]) => dlls.map((dll, slot) => ({ dll, name: 'X', ordinal: undefined, slot }));

  test.each([
    ['WDFLDR.SYS', /KMDF/],
    ['NDIS.SYS', /network driver/],
    ['FLTMGR.SYS', /minifilter/],
    ['storport.sys', /Storport/],
    ['dxgkrnl.sys', /display/],
    ['portcls.sys', /audio/],
    ['ks.sys', /kernel streaming/],
    ['USBD.SYS', /USB/],
    ['HIDCLASS.SYS', /HID/],
  ])('%s is named', (dll, what) => {
    expect(frameworkOf(dll)?.what).toMatch(what);
    expect(findFramework(importing('ntoskrnl.exe', dll), () => false)?.message).toMatch(what);
    expect(findFramework(importing('ntoskrnl.exe', dll), () => true)).toBeUndefined();
  });

  test('a helper library does not hide the framework', () => {
    expect(findFramework(importing('NETIO.SYS', 'NDIS.SYS'), () => false)?.what).toMatch(/NDIS/);
  });

  test.each(['WMILIB.SYS', 'HIDPARSE.SYS', 'other.sys'])('%s is no framework: its routines may be missing', dll => {
    expect(findFramework(importing('ntoskrnl.exe', dll), () => false)).toBeUndefined();
  });

  test('the kernel and the HAL are none', () => {
    expect(findFramework(importing('ntoskrnl.exe', 'HAL.dll'), () => false)).toBeUndefined();
  });
});
