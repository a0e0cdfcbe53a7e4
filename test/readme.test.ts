/**
 * README is true: its commands run, and the examples that it shows are the files that they name.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const readme = read('README.md');

const scratch = mkdtempSync(join(tmpdir(), 'irpwright-readme-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const outputs = new Map<string, string>();

/** What one of README's commands prints, run in the repository, but for the files that it writes. */
function run(command: string): string {
  const known = outputs.get(command) ?? execute(command);
  outputs.set(command, known);
  return known;
}

function execute(command: string): string {
  const [program, ...args] = command.split(' ');
  const own = args.map((argument, i) =>
    /^--(json|trace)$/.test(args[i - 1] ?? '') ? join(scratch, argument) : argument,
  );
  return execFileSync(program!, own, { cwd: root, encoding: 'utf8', timeout: 120_000 });
}

const commands = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block]) => block!.trim().split('\n'));

describe('commands', () => {
  // These two run this suite.
  const outer = ['npm start', 'npm test'];

  test('the two that set everything up stand first', () => {
    expect(commands.slice(0, 2)).toEqual(outer);
  });

  test.each(commands.filter(command => !outer.includes(command)))(
    '%s',
    command => {
      expect(run(command)).not.toBe('');
    },
    120_000,
  );
});

test.each([...readme.matchAll(/<!-- file: (\S+) -->\n+```ts\n([\s\S]*?)```/g)].map(([, file, text]) => [file!, text!]))(
  '%s is what README shows',
  (file, text) => {
    expect(text).toBe(read(file));
  },
);

test('the report that README shows is the one that npm start prints', () => {
  // Where things lie changes with every change of what is allocated before them.
  const withoutAddresses = (line: string) =>
    line.replaceAll(/[0-9a-f`]{9,}/g, '<address>').replaceAll(/frame [0-9a-f]+/g, 'frame');
  const [, excerpt] = /<!-- excerpt -->\n+```text\n([\s\S]*?)```/.exec(readme) ?? [];
  const output = run('npx irpwright check samples/transfer/transfer.sys').split('\n').map(withoutAddresses);
  const lines = (excerpt ?? '').split('\n').filter(line => !/^\s*…?$/.test(line));
  expect(lines.length).toBeGreaterThan(20);
  expect(lines.map(withoutAddresses).filter(line => !output.includes(line))).toEqual([]);
});

test('every path that README names is there', () => {
  for (const [, path] of readme.matchAll(/\]\((?!http)([^)]+)\)/g))
    expect(() => readFileSync(join(root, path!)) ?? '').not.toThrow(/ENOENT/);
});
