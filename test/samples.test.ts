/**
 * The prebuilt samples are what their sources make: rebuilt and compared byte for byte.
 *
 * Another version of clang makes other bytes, so the comparison needs the version that made the prebuilt ones.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { describe, expect, test } from 'vitest';
import { build, CLANG_VERSION, clangVersion, DRIVERS, prebuilt } from '../samples/build.mjs';
import { ddkMissing } from './ddk.ts';

const version = clangVersion();
const missing = ddkMissing ?? (version === CLANG_VERSION ? undefined : `clang is ${version}, not ${CLANG_VERSION}`);
const skip = missing !== undefined && !(ddkMissing !== undefined && process.env['CI'] === 'true');

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
