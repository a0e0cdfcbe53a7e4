/**
 * Asking the DDK headers: C expressions are compiled with clang for x64 Windows against the mingw-w64 headers, and
 * their values read from the assembly. Nothing is linked or run, so it works on any host with clang.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import process from 'node:process';

const INCLUDE = ['/usr/x86_64-w64-mingw32/include', '/usr/x86_64-w64-mingw32/sys-root/mingw/include'].find(directory =>
  existsSync(`${directory}/ddk/ntifs.h`),
);

const PROLOGUE = ['#include <ntifs.h>', '#include <ntimage.h>', '#include <bugcodes.h>'];

function clang(lines: readonly string[], ...options: string[]) {
  const { stdout, stderr, status, error } = spawnSync(
    'clang',
    [
      '--target=x86_64-w64-mingw32',
      '-D_WIN32_WINNT=0x0A00',
      '-DNTDDI_VERSION=0x0A000000',
      ...['-isystem', `${INCLUDE}`, '-isystem', `${INCLUDE}/ddk`, '-w', '-ferror-limit=0'],
      ...['-x', 'c', '-', '-o', '-', ...options],
    ],
    { input: [...PROLOGUE, ...lines, ''].join('\n'), encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  return { stdout, stderr, ok: !error && status === 0 };
}

/** Why nothing can be asked on this machine, or undefined. */
export const ddkMissing: string | undefined =
  INCLUDE === undefined
    ? 'the mingw-w64 DDK headers (mingw-w64-x86-64-dev) are not installed'
    : clang([], '-fsyntax-only').ok
      ? undefined
      : 'clang is not installed';

/** CI installs both, so a skip there would hide a failure. */
export const skipWithoutDdk = ddkMissing !== undefined && process.env['CI'] !== 'true';

/** Those of `expressions` that the headers do not know. */
export function unknownToDdk(expressions: readonly string[]): Set<string> {
  const { stderr } = clang(
    expressions.map((e, i) => `unsigned long long P${i} = (unsigned long long)(long long)(${e});`),
    '-fsyntax-only',
  );
  const unknown = new Set<string>();
  for (const [, line] of stderr.matchAll(/^<stdin>:(\d+):\d+: error/gm)) {
    const expression = expressions[Number(line) - 1 - PROLOGUE.length];
    if (expression !== undefined) unknown.add(expression);
  }
  return unknown;
}

/** The value of each expression, as signed 64 bits. Throws clang's words if one does not compile. */
export function askDdk(expressions: readonly string[]): Map<string, bigint> {
  const { stdout, stderr, ok } = clang(
    expressions.map((e, i) => `unsigned long long P${i} = (unsigned long long)(long long)(${e});`),
    '-S',
  );
  if (!ok) throw new Error(`clang: ${stderr || ddkMissing}`);
  const values = new Map<string, bigint>();
  for (const [, index, value] of stdout.matchAll(/^P(\d+):\n\s+\.quad\s+(-?\d+)/gm)) {
    values.set(expressions[Number(index)]!, BigInt(value!));
  }
  return values;
}
