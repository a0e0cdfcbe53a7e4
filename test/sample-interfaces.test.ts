/**
 * The C headers of the samples are the source; the TypeScript drivers' copies of them must say the same.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import * as filter from '../drivers/filter-interface.ts';
import * as transfer from '../drivers/transfer-interface.ts';
import * as wdm from '../src/wdm/constants.ts';
import type { Fields, Struct } from '../src/wdm/struct.ts';

const SIZES: Readonly<Record<string, number>> = { ULONG: 4, ULONG64: 8 };

/** Names and offsets of a C structure whose members are ULONG and ULONG64, each at its natural alignment. */
function cStructure(header: string, name: string): { fields: Record<string, [number, number]>; size: number } {
  const body = new RegExp(`typedef struct _${name} \\{([^}]*)\\}`).exec(header)?.[1] ?? '';
  const fields: Record<string, [number, number]> = {};
  let offset = 0;
  for (const [, type, field] of body.replace(/\/\*.*?\*\//gs, '').matchAll(/(\w+) (\w+);/g)) {
    const size = SIZES[type!]!;
    offset = Math.ceil(offset / size) * size;
    fields[field!] = [offset, size];
    offset += size;
  }
  return { fields, size: offset };
}

describe.each([
  ['transfer', transfer as Record<string, unknown>, ['TRANSFER_COMPLETION', 'TRANSFER_VIEW']],
  ['filter', filter as Record<string, unknown>, ['FILTER_COUNTS']],
])('%s.h', (name, typescript, structures) => {
  const header = readFileSync(new URL(`../samples/${name}/${name}.h`, import.meta.url), 'utf8');

  test('every IOCTL code is the same', () => {
    const codes = [...header.matchAll(/#define (IOCTL_\w+)\s+CTL_CODE\((\w+), (\w+), (\w+), (\w+)\)/g)];
    expect(codes.length).toBeGreaterThan(0);
    const constants = wdm as unknown as Record<string, number>;
    for (const [, code, device, func, method, access] of codes) {
      const value = wdm.CTL_CODE(typescript[device!] as number, Number(func), constants[method!]!, constants[access!]!);
      expect(typescript[code!], code).toBe(value);
    }
    expect(Object.keys(typescript).filter(key => key.startsWith('IOCTL_'))).toHaveLength(codes.length);
  });

  test.each(structures)('%s has the same layout', structure => {
    const view = typescript[structure] as Struct<Fields>;
    const actual = Object.fromEntries(
      Object.entries(view.fields).map(([key, { offset, size }]) => [key, [offset, size]]),
    );
    expect({ fields: actual, size: view.size }).toEqual(cStructure(header, structure));
  });

  test('every number is the same', () => {
    for (const [, constant, value] of header.matchAll(/#define ([A-Z_]+)\s+(0x\w+)$/gm)) {
      expect(typescript[constant!], constant).toBe(Number(value));
    }
  });
});
