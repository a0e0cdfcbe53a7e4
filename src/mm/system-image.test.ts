import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { mutateImage } from '../../test/bad-input/mutate-image.ts';
import { Random } from '../../test/support/random.ts';
import { ImageTable, isRefusal } from '../pe/index.ts';
import type { Address } from '../wdm/address.ts';
import { PageFault } from '../wdm/memory.ts';
import { NT_SUCCESS, STATUS_NOT_SUPPORTED } from '../wdm/ntstatus.ts';
import { MemoryManager } from './memory-manager.ts';
import { SeededRandom } from './random.ts';
import { type GuardRoutines, SystemImageLoader } from './system-image.ts';

const driver = new Uint8Array(readFileSync(new URL('../../samples/seh/seh.sys', import.meta.url)));

const KERNEL_ROUTINE: Address = -0x7fe_0000_0000;
const MISSING = { base: -0x7fd_0000_0000, size: 0x10_0000 };

/** A loader in a machine of its own. The kernel provides everything, or all but what is named. */
function machine({ seed = 1, without = [] as string[], guard = undefined as GuardRoutines | undefined } = {}) {
  const mm = new MemoryManager({ bytes: 0x100_0000, seed });
  const random = new SeededRandom(seed);
  const images = new ImageTable(MISSING);
  const loader = new SystemImageLoader({
    memory: mm.images,
    images,
    resolver: {
      provides: dll => dll === 'ntoskrnl.exe',
      resolve: (_, key) => (without.includes(String(key)) ? undefined : KERNEL_ROUTINE),
    },
    range: mm.images.range,
    random: () => random.below(0x1_0000_0000),
    guard,
  });
  const load = (bytes = driver, name = 'seh.sys') => {
    const result = loader.load(name, bytes);
    if (isRefusal(result)) throw new Error(result.message);
    return result;
  };
  return { mm, images, loader, load, memory: mm.images.memory };
}

describe('a loaded image', () => {
  test('lies 64 KiB aligned in kernel space, elsewhere with another seed, in the same place with the same', () => {
    const [a, b, again] = [1, 2, 1].map(seed => machine({ seed }).load().image.base);
    expect(Math.abs(a! % 0x1_0000)).toBe(0);
    expect(a).toBeLessThan(-0x780_0000_0000);
    expect(b).not.toBe(a);
    expect(again).toBe(a);
  });

  test('is relocated: pointers in its tables point into it', () => {
    const { load, memory } = machine();
    const { image } = load();
    const cases = image.base + image.symbols.find('Cases')!;
    const first = memory.readPointer(cases);
    expect(image.symbol(first)).toMatch(/^seh!ConstantFilter/);
  });

  test('has its imports bound', () => {
    const { load, memory } = machine();
    const { image, pe } = load();
    for (const { slot } of pe.imports) expect(memory.readPointer(image.base + slot)).toBe(KERNEL_ROUTINE);
  });

  test('is protected as its sections say, its headers read-only', () => {
    const { load, memory, mm } = machine();
    const { image } = load();
    const text = image.base + image.sections.find(s => s.name === '.text')!.address;
    expect(() => memory.writeU8(text, 0)).toThrow(PageFault);
    expect(() => memory.writeU8(image.base, 0)).toThrow(PageFault);
    const entry = (address: Address) => mm.tables.read(mm.systemRoot, address)!;
    expect(entry(text).noExecute).toBe(false);
    expect(entry(image.base).noExecute).toBe(true);
  });

  test('binds what is missing to an address of its own, which names it', () => {
    const { load, memory, images } = machine({ without: ['ExRaiseStatus', 'memset'] });
    const { image, pe, missingImports } = load();
    expect(missingImports).toEqual(['ntoskrnl.exe!ExRaiseStatus', 'ntoskrnl.exe!memset']);
    const slot = pe.imports.find(({ name }) => name === 'memset')!.slot;
    const address = memory.readPointer(image.base + slot);
    expect(images.missingImportAt(address)).toBe('ntoskrnl.exe!memset');
    expect(images.missingImportAt(address + 8)).toBe('ntoskrnl.exe!memset');
    expect(() => memory.readU8(address)).toThrow(PageFault);
  });

  test('imports what another driver exports', () => {
    const { load, memory } = machine({ without: ['memset'] });
    const renamed = driver.slice();
    const text = new TextDecoder('latin1').decode(renamed);
    // The same file with its import of ntoskrnl.exe!memset turned into one of first.sys!SehRun.
    renamed.set(new TextEncoder().encode('SehRun\0'), text.indexOf('memset\0'));
    renamed.set(new TextEncoder().encode('first.sys\0'), text.indexOf('ntoskrnl.exe\0'));
    const first = load(driver, 'first.sys');
    const second = load(renamed, 'second.sys');
    const slot = second.pe.imports.find(({ name }) => name === 'SehRun')!.slot;
    expect(second.missingImports).not.toContain('first.sys!SehRun');
    expect([KERNEL_ROUTINE, first.image.base + first.image.export('SehRun')!.address]).toContain(
      memory.readPointer(second.image.base + slot),
    );
  });

  test('is found by address, until it is unloaded; then everything is free again', () => {
    const { load, loader, images, mm, memory } = machine();
    const before = mm.pfn.available;
    const { image } = load();
    expect(images.find(image.base + 0x1234)).toBe(image);
    expect(images.find(image.base + image.size)).toBeUndefined();
    loader.unload(image);
    expect(images.find(image.base + 0x1234)).toBeUndefined();
    expect(images.findUnloaded(image.base + 0x1234)).toBe(image);
    expect(() => memory.readU8(image.base)).toThrow(PageFault);
    expect(mm.pfn.available).toBe(before);
  });

  test('loses its discardable sections, and nothing else, after DriverEntry', () => {
    const { load, loader, memory } = machine();
    const { image } = load();
    const at = (name: string) => image.base + image.sections.find(s => s.name === name)!.address;
    loader.discardInit(image);
    expect(() => memory.readU8(at('.reloc'))).toThrow(PageFault);
    expect(memory.readU8(at('.text'))).not.toBe(0);
    loader.unload(image);
  });

  test('names places: function, offset, source line', () => {
    const { image } = machine().load();
    const address = image.base + image.symbols.find('FaultLoad')!;
    expect(image.symbol(address)).toMatch(/^seh!FaultLoad \(fault\.c:\d+\)$/);
    expect(image.symbol(address + 1)).toMatch(/^seh!FaultLoad\+0x1 \(fault\.c:\d+\)$/);
  });
});

describe('load configuration', () => {
  const COOKIE = 0x2b99_2ddf_a232n;
  const OWN = 0x1122n;

  /** The sample with a load configuration in the unused rest of its .buildid section: cookie and guard pointers behind it. */
  function configured(cookie = COOKIE) {
    const bytes = driver.slice();
    const view = new DataView(bytes.buffer);
    const { image, pe } = machine().load();
    const section = image.sections.find(({ name }) => name === '.buildid')!;
    const config = section.address + 0x60;
    const at = (rva: number) => section.rawOffset + rva - section.address;
    const pointer = (offset: number, rva: number) =>
      view.setBigUint64(at(config) + offset, pe.imageBase + BigInt(rva), true);
    view.setUint32(at(config), 0x100, true); // Size
    pointer(0x58, config + 0x110); // SecurityCookie
    pointer(0x70, config + 0x118); // GuardCFCheckFunctionPointer
    pointer(0x78, config + 0x120); // GuardCFDispatchFunctionPointer
    view.setBigUint64(at(config) + 0x110, cookie, true);
    view.setBigUint64(at(config) + 0x118, OWN, true);
    view.setBigUint64(at(config) + 0x120, OWN, true);
    const directory = view.getUint32(0x3c, true) + 24 + 112 + 10 * 8;
    view.setUint32(directory, config, true);
    view.setUint32(directory + 4, 0x100, true);
    return { bytes, cookieAt: config + 0x110 };
  }

  test('the security cookie is drawn from the seed: 48 bits, never the default', () => {
    const { bytes, cookieAt } = configured();
    const cookies = [1, 2, 1].map(seed => {
      const { load, memory } = machine({ seed });
      return memory.readU64(load(bytes).image.base + cookieAt);
    });
    expect(cookies[0]).not.toBe(COOKIE);
    expect(cookies[0]).not.toBe(0n);
    expect(cookies[0]! >> 48n).toBe(0n);
    expect(cookies[1]).not.toBe(cookies[0]);
    expect(cookies[2]).toBe(cookies[0]);
  });

  test('a cookie that the driver has chosen itself stays', () => {
    const { bytes, cookieAt } = configured(0x1234n);
    const { load, memory } = machine();
    expect(memory.readU64(load(bytes).image.base + cookieAt)).toBe(0x1234n);
  });

  test("Control Flow Guard's pointers lead to the kernel's routines; without those they stay the image's own", () => {
    const { bytes, cookieAt } = configured();
    const guarded = machine({ guard: { check: -0x100, dispatch: -0x200 } });
    const { base } = guarded.load(bytes).image;
    expect(guarded.memory.readPointer(base + cookieAt + 8)).toBe(-0x100);
    expect(guarded.memory.readPointer(base + cookieAt + 16)).toBe(-0x200);
    const plain = machine();
    expect(plain.memory.readU64(plain.load(bytes).image.base + cookieAt + 8)).toBe(OWN);
  });
});

test('a driver of a framework that is missing is refused by that name', () => {
  const wdf = driver.slice();
  wdf.set(new TextEncoder().encode('WDFLDR.SYS\0'), new TextDecoder('latin1').decode(wdf).indexOf('ntoskrnl.exe\0'));
  const result = machine().loader.load('wdf.sys', wdf);
  expect(result).toEqual({
    status: STATUS_NOT_SUPPORTED,
    message: 'is a KMDF driver (Kernel-Mode Driver Framework): it imports from WDFLDR.SYS, which is not provided here',
  });
});

test('a thousand damaged drivers are loaded or refused with a status and a sentence, and leave nothing behind', () => {
  const { loader, mm } = machine();
  const before = mm.pfn.available;
  const outcomes = { loaded: 0, refused: 0 };
  for (let seed = 0; seed < 1000; seed++) {
    const result = loader.load('damaged.sys', mutateImage(driver, new Random(seed)));
    if (isRefusal(result)) {
      expect(NT_SUCCESS(result.status), `seed ${seed}: ${result.message}`).toBe(false);
      expect(result.message, `seed ${seed}`).toMatch(/^(is|has|does|wants) [\x20-\x7e…]{4,200}$/);
      outcomes.refused++;
    } else {
      for (let at = 0; at < result.image.size; at += 97) result.image.symbol(result.image.base + at);
      loader.unload(result.image);
      outcomes.loaded++;
    }
    expect(mm.pfn.available, `seed ${seed}`).toBe(before);
  }
  expect(outcomes.refused).toBeGreaterThan(100);
  expect(outcomes.loaded).toBeGreaterThan(100);
});
