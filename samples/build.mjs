#!/usr/bin/env node
/**
 * Rebuilds the samples' .sys files, byte for byte: `node samples/build.mjs`.
 *
 * Needs clang, lld-link, llvm-dlltool (Debian: clang lld llvm) and the DDK headers of mingw-w64
 * (mingw-w64-x86-64-dev), which are used to compile and never copied. Another version of clang makes other bytes.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const samples = fileURLToPath(new URL('.', import.meta.url));

/** The version that the committed .sys files were built with. */
export const CLANG_VERSION = '14.0.6';

export const DRIVERS = ['transfer', 'filter', 'seh', 'hostile'];

const INCLUDE = ['/usr/x86_64-w64-mingw32/include', '/usr/x86_64-w64-mingw32/sys-root/mingw/include'].find(directory =>
  existsSync(join(directory, 'ddk', 'ntddk.h')),
);

const COMPILE = [
  '--target=x86_64-w64-mingw32',
  '-std=gnu11',
  '-O2',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-Wno-sign-compare', // CTL_CODE is an int in these headers
  '-ffreestanding',
  '-ffunction-sections',
  '-fms-extensions',
  // A __try may hold nothing that clang believes can raise: without this flag it keeps values in registers across the
  // exception and drops the handler of a __try that holds only loads and stores. Even with it, clang before 17 writes
  // only the calls of a __try into the table of protected ranges, so what may fault is a call (transfer/touch.c).
  '-fasync-exceptions',
  // .pdata for every function, also for those that clang believes cannot raise.
  '-fasynchronous-unwind-tables',
  // Function names and lines for reports; -gcolumn-info would double it.
  '-gdwarf-4',
  '-gline-tables-only',
  '-gno-column-info',
  // Four-byte wchar_t and stack probes are not a driver's.
  '-fshort-wchar',
  '-mno-stack-arg-probe',
  '-D_WIN32_WINNT=0x0A00',
  '-DNTDDI_VERSION=0x0A000000',
  '-D_AMD64_',
];

const LINK = [
  '/driver',
  '/entry:DriverEntry',
  '/subsystem:native,10.00',
  '/nodefaultlib',
  '/dynamicbase',
  '/nxcompat',
  '/timestamp:0',
  '/debug:dwarf',
  '/lldmingw', // mingw's objects
  // mingw's wdm.h gives two unused inline functions external linkage: all copies are equal, and then dropped.
  '/force:multiple',
  '/opt:ref',
  '/section:INIT,ERD', // discardable
];

function run(command, args, cwd) {
  const { status, error, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (error || status !== 0) throw new Error(`${command} ${args.join(' ')}\n${error ?? stdout + stderr}`);
}

/** Builds every sample; `target` says where a driver goes. */
export function build(target) {
  if (INCLUDE === undefined) throw new Error('the DDK headers (mingw-w64-x86-64-dev) are not installed');
  const objects = mkdtempSync(join(tmpdir(), 'samples-'));
  try {
    const library = join(objects, 'ntoskrnl.lib');
    run('llvm-dlltool', ['-m', 'i386:x86-64', '-d', 'ntoskrnl.def', '-l', library], samples);
    for (const name of DRIVERS) {
      const directory = join(samples, name);
      const built = readdirSync(directory)
        .filter(file => file.endsWith('.c'))
        .sort()
        .map(source => {
          const object = join(objects, `${name}-${source}.o`);
          // No path of this machine gets into the debug information.
          const paths = [`-fdebug-prefix-map=${directory}=.`, '-isystem', INCLUDE, '-isystem', join(INCLUDE, 'ddk')];
          run('clang', [...COMPILE, ...paths, '-c', source, '-o', object], directory);
          return object;
        });
      run('lld-link', [...LINK, `/out:${target(name)}`, ...built, library], samples);
    }
  } finally {
    rmSync(objects, { recursive: true });
  }
}

/** Where the prebuilt driver lies. */
export const prebuilt = name => join(samples, name, `${name}.sys`);

/** The version of the clang on this machine, or undefined. */
export function clangVersion() {
  return /clang version ([\d.]+)/.exec(spawnSync('clang', ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  build(prebuilt);
  for (const name of DRIVERS) chmodSync(prebuilt(name), 0o644); // the linker makes programs
}
