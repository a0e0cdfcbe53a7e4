/**
 * The prebuilt samples: what they must have in them, and that they are what their sources make.
 *
 * Another version of clang makes other bytes, so the comparison needs the version that made the prebuilt ones.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { describe, expect, test } from 'vitest';
import { build, CLANG_VERSION, clangVersion, DRIVERS, prebuilt } from '../samples/build.mjs';
import { isRefusal, type PeImage, parsePe } from '../src/pe/index.ts';
import { ddkMissing } from './ddk.ts';

const version = clangVersion();
const missing = ddkMissing ?? (version === CLANG_VERSION ? undefined : `clang is ${version}, not ${CLANG_VERSION}`);
const skip = missing !== undefined && !(ddkMissing !== undefined && process.env['CI'] === 'true');

const UNW_FLAG_HANDLERS = 3;
const MEM_DISCARDABLE = 0x0200_0000;

/** The protected ranges of each function with a handler: of its C scope table. */
function scopeTables({ layout, functionTable }: PeImage): { begin: number; end: number; scopes: [number, number][] }[] {
  const view = new DataView(layout.buffer, layout.byteOffset, layout.byteLength);
  const tables = [];
  for (let i = 0; i < functionTable.length; i += 3) {
    const [begin, end, unwind] = [functionTable[i]!, functionTable[i + 1]!, functionTable[i + 2]!];
    if (!((layout[unwind]! >> 3) & UNW_FLAG_HANDLERS)) continue;
    // Behind the unwind codes, an even number of them: the handler's RVA, then the table's count and entries.
    const codes = layout[unwind + 2]!;
    const table = unwind + 4 + (codes + (codes & 1)) * 2 + 4;
    const scopes = Array.from({ length: view.getUint32(table, true) }, (_, n): [number, number] => {
      const at = table + 4 + n * 16;
      return [view.getUint32(at, true), view.getUint32(at + 4, true)];
    });
    tables.push({ begin, end, scopes });
  }
  return tables;
}

describe.each(DRIVERS)('%s.sys', name => {
  const image = parsePe(new Uint8Array(readFileSync(prebuilt(name))));
  if (isRefusal(image)) throw new Error(`${name}.sys ${image.message}`);

  test('names its routines and their lines', () => {
    expect(image.symbols.find('DriverEntry')).toBe(image.entryPoint);
    expect(image.lines.at(image.entryPoint)).toMatchObject({ file: expect.stringMatching(/\.c$/) });
  });

  test('holds no time and no path of the machine that built it', () => {
    expect(image.timeDateStamp).toBe(0);
    const text = readFileSync(prebuilt(name), 'latin1');
    expect(text).not.toMatch(/\/(home|root|tmp|work)\//);
  });

  test('throws its INIT section away', () => {
    const section = image.sections.find(
      ({ address, size }) => image.entryPoint >= address && image.entryPoint < address + size,
    )!;
    if (section.name === 'INIT') expect(section.characteristics & MEM_DISCARDABLE).toBe(MEM_DISCARDABLE);
    else expect(name).toBe('seh');
  });

  test('protects something in every function with a handler', () => {
    const tables = scopeTables(image);
    for (const { begin, end, scopes } of tables) {
      const where = image.symbols.at(begin)?.name;
      expect(scopes.length, where).toBeGreaterThan(0);
      for (const [from, to] of scopes) {
        expect(from, where).toBeGreaterThanOrEqual(begin);
        expect(to, where).toBeGreaterThan(from);
        expect(to, where).toBeLessThanOrEqual(end);
      }
    }
    const expected: Readonly<Record<string, number>> = { transfer: 4, filter: 0, hostile: 1 };
    if (name in expected) expect(tables).toHaveLength(expected[name]!);
  });
});

describe.skipIf(skip)(`samples${missing ? ` (${missing})` : ''}`, () => {
  test('are rebuilt byte for byte', { timeout: 60_000 }, () => {
    expect(missing).toBeUndefined();
    const out = mkdtempSync(join(tmpdir(), 'rebuilt-'));
    try {
      build(name => join(out, `${name}.sys`));
      for (const name of DRIVERS) {
        const same = readFileSync(join(out, `${name}.sys`)).equals(readFileSync(prebuilt(name)));
        expect(same, `${name}.sys: run node samples/build.mjs`).toBe(true);
      }
    } finally {
      rmSync(out, { recursive: true });
    }
  });
});
