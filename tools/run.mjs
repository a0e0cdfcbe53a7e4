#!/usr/bin/env node
/**
 * What `npm start`, `npm test`, `npm run soak` and `npm run bench` do on any machine that has Node and npm:
 * install if package-lock.json is not what was installed last, build, and run.
 *
 * Plain JavaScript with nothing but Node, because it runs before anything is installed.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, lstatSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const cli = join(root, 'dist', 'src', 'cli', 'main.js');

/** Runs a command to its end; a failure ends this process with the same exit code. */
function run(command, args, options = {}) {
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? (signal ? 1 : 0));
}

const node = (...args) => run(process.execPath, args);
const tool = (path, ...args) => node(join(modules, ...path.split('/')), ...args);
const tsc = (...args) => tool('typescript/bin/tsc', ...args);
const vitest = (...args) => tool('vitest/vitest.mjs', ...args);

function install() {
  const stamp = join(modules, '.irpwright-installed');
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  console.log('irpwright: installing the packages that package-lock.json names');
  // npm is a .cmd on Windows, which only a shell can start.
  run('npm', ['ci', '--no-fund', '--no-audit'], { shell: process.platform === 'win32' });
  writeFileSync(stamp, wanted);
}

/** Compiles the library and the command line into dist/, and puts `npx irpwright` where npx looks first. */
function build() {
  tsc('-p', 'tsconfig.build.json');
  const link = join(modules, '.bin', 'irpwright');
  if (process.platform === 'win32') {
    writeFileSync(`${link}.cmd`, `@node "${cli}" %*\r\n`);
    return;
  }
  chmodSync(cli, 0o755);
  if (lstatSync(link, { throwIfNoEntry: false })) rmSync(link);
  symlinkSync(join('..', '..', 'dist', 'src', 'cli', 'main.js'), link);
}

/** The core must compile without host types, and everything else with them. */
function types() {
  tsc('-p', 'tsconfig.json', '--noEmit');
  tsc('-p', 'tsconfig.node.json', '--noEmit');
}

const tasks = {
  start: args => node(cli, ...(args.length > 0 ? args : ['check', join('samples', 'transfer', 'transfer.sys')])),
  test: args => {
    types();
    vitest('run', ...args);
  },
  soak: args => vitest('run', '--config', 'vitest.soak.config.mjs', ...args),
  bench: args => node(join(root, 'dist', 'bench', 'index.js'), ...args),
  build: () => {},
};

const [name = '', ...args] = process.argv.slice(2);
if (!Object.hasOwn(tasks, name)) {
  console.error(`usage: node tools/run.mjs ${Object.keys(tasks).join('|')} [arguments]`);
  process.exit(2);
}
install();
build();
tasks[name](args);
