/** The program as a process: what only its streams, its exit code and its event loop show. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
// The sources as they are: the tests do not need a build.
const PROGRAM = [here('../node_modules/jiti/lib/jiti-cli.mjs'), here('../src/cli/main.ts')];
const TRANSFER = here('../samples/transfer/transfer.sys');

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'program-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

function script(name: string, text: string): string {
  const file = join(directory, name);
  writeFileSync(file, `import { boot } from 'irpwright';\nboot();\n${text}`);
  return file;
}

/** `reads` false: whoever reads standard output is gone before there is any. */
function irpwright(args: readonly string[], { reads = true } = {}) {
  return new Promise<{ exitCode: number | null; stdout: string; stderr: string }>((resolve, reject) => {
    const child = spawn(process.execPath, [...PROGRAM, ...args]);
    const printed = { stdout: '', stderr: '' };
    if (reads) child.stdout.on('data', bytes => (printed.stdout += bytes));
    else child.stdout.destroy();
    child.stderr.on('data', bytes => (printed.stderr += bytes));
    child.on('error', reject);
    child.on('close', exitCode => resolve({ exitCode, ...printed }));
  });
}

it('is quiet, and keeps its verdict, if its output goes into a pipe that was closed', { timeout: 60_000 }, async () => {
  expect(await irpwright(['check', TRANSFER], { reads: false })).toMatchObject({ exitCode: 0, stderr: '' });
});

it.each([
  ['stray.ts', "Promise.reject(new Error('nobody waits for this'));\nawait new Promise(r => setImmediate(r));", 'nobody waits for this'], // biome-ignore format: one line
  ['forever.ts', 'await new Promise(() => undefined);', 'never ended'],
])('%s: no verdict, exit code 2, and why', { timeout: 60_000 }, async (name, text, why) => {
  const { exitCode, stderr } = await irpwright(['run', script(name, text)]);
  expect(stderr).toContain(why);
  expect(exitCode).toBe(2);
});
