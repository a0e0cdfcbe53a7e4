/**
 * The command line, from its arguments to its exit code, on real drivers. `faulty.sys` does wrong on request
 * (test/faulty-driver/faulty.c); it is loaded under several names.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { check } from '../src/cli/check/check.ts';
import { runCommandLine } from '../src/cli/command-line.ts';
import { readInput } from '../src/cli/files.ts';
import type { Report } from '../src/cli/report/model.ts';
import { renderReport } from '../src/cli/report/render.ts';
import { parseTrace } from '../src/etw/index.ts';
import { STATUS_INVALID_DEVICE_REQUEST } from '../src/wdm/ntstatus.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const TRANSFER = here('../samples/transfer/transfer.sys');
const FILTER = here('../samples/filter/filter.sys');
const FAULTY = here('./faulty-driver/faulty.sys');

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'check-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** The command's exit code and what it printed; neither stream is a terminal. */
async function irpwright(...args: string[]) {
  const printed = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr') => ({ write: (text: string) => (printed[name] += text) });
  const exitCode = await runCommandLine(args, { stdout: stream('stdout'), stderr: stream('stderr'), env: {} });
  return { exitCode, ...printed };
}

const faulty = (name: string, ioctls: number[] = []) =>
  check({ driver: { ...readInput(FAULTY), name }, with: [], ioctls, seed: 1 });

/** What other programs read. */
interface JsonReport {
  readonly verdict: string;
  readonly findings: readonly object[];
  readonly requests: readonly object[];
  readonly devices: readonly { readonly name: string; readonly links: readonly string[]; readonly method: string }[];
  readonly ioctls: readonly { readonly code: string; readonly function: number; readonly method: string }[];
}

const messages = ({ findings }: Report, id: string) =>
  findings.filter(finding => finding.id === id).map(({ message }) => message);

describe('check on a driver that behaves', () => {
  let result: Awaited<ReturnType<typeof irpwright>>;
  let json: JsonReport;
  const files = () => ({ json: join(directory, 'report.json'), trace: join(directory, 'trace.jsonl') });
  beforeAll(async () => {
    result = await irpwright('check', TRANSFER, '--json', files().json, '--trace', files().trace);
    json = JSON.parse(readFileSync(files().json, 'utf8'));
  });

  it('ends with exit code 0', () => {
    expect(result.stderr).toBe('');
    expect(result.stdout).toContain('Clean');
    expect(result.exitCode).toBe(0);
    expect(json).toMatchObject({ verdict: 'clean', findings: [] });
  });

  it('finds the devices and their methods', () => {
    expect(json.devices.map(({ name, links, method }) => [name, links, method])).toEqual([
      ['\\Device\\TransferBuffered', ['\\\\.\\TransferBuffered'], 'buffered'],
      ['\\Device\\TransferDirect', ['\\\\.\\TransferDirect'], 'direct'],
      ['\\Device\\TransferNeither', ['\\\\.\\TransferNeither'], 'neither'],
    ]);
  });

  it('finds the I/O control codes, and no others', () => {
    expect(json.ioctls.map(({ function: number, method }) => `0x${number.toString(16)} ${method}`)).toEqual([
      '0x801 METHOD_BUFFERED',
      '0x810 METHOD_BUFFERED',
      '0x811 METHOD_BUFFERED',
      '0x812 METHOD_BUFFERED',
      '0x813 METHOD_BUFFERED',
      '0x814 METHOD_BUFFERED',
      '0x815 METHOD_BUFFERED',
      '0xb04 METHOD_NEITHER',
      '0xc05 METHOD_NEITHER',
      '0x9a3 METHOD_OUT_DIRECT',
      '0x842 METHOD_IN_DIRECT',
    ]);
  });

  it('writes a trace that can be read back', () => {
    const events = parseTrace(readFileSync(files().trace, 'utf8'));
    expect(events.some(event => event.type === 'pages-locked')).toBe(true);
    expect(events.filter(event => event.type === 'irp-created').length).toBeGreaterThanOrEqual(
      json.requests.length / 2,
    );
  });

  it('says the same again, byte for byte', async () => {
    expect((await irpwright('check', TRANSFER)).stdout).toBe(result.stdout);
  });
});

it('checks a filter over the driver that it attaches to', async () => {
  const { exitCode, stdout } = await irpwright('check', FILTER, '--with', TRANSFER);
  expect(stdout).toContain('through \\Driver\\filter → \\Driver\\transfer');
  expect(exitCode).toBe(0);
});

describe('check on a driver that misbehaves', () => {
  let report: Report;
  beforeAll(() => {
    report = faulty('faulty');
  });

  it('finds all codes, also those behind a bug check', () => {
    expect(report.ioctls.map(({ code }) => code.toString(16))).toEqual([
      '222000',
      '222004',
      '222008',
      '22200f',
      '222012',
      '222401',
    ]);
    expect(report.verdict).toBe('misbehaved');
  });

  it('reports each defect once, and goes on after it', () => {
    expect(report.findings.map(({ id }) => id)).toEqual([
      'do-flags-both',
      'bug-check',
      'bug-check',
      'hang',
      'irp-pending-never-completed',
      'device-not-deleted-at-unload',
      'symlink-not-deleted',
    ]);
    const last = report.requests.filter(({ ioControlCode }) => ioControlCode === 0x222401);
    expect(last.some(({ status }) => status === 0)).toBe(true);
  });

  it('shows the bug check with its stack: function and line', () => {
    const text = renderReport(report);
    expect(messages(report, 'bug-check').join('\n')).toMatch(/faulty!FaultyReadInput/);
    expect(text).toMatch(/faulty!FaultyStop\+0x[0-9a-f]+ \(faulty\.c:\d+\)/);
    expect(text).toContain('*** STOP 0x000000D1');
  });
});

describe('check on a driver that cannot be checked', () => {
  it.each([
    ['entry-fails', 'DriverEntry of'],
    ['pnp', 'Plug and Play'],
  ])('%s: says why', (name, reason) => {
    const report = faulty(name);
    expect(report.reason).toContain(reason);
    expect(report.verdict).toBe('unchecked');
  });

  it('reports a bug check in DriverEntry', () => {
    expect(messages(faulty('entry-stops'), 'bug-check')[0]).toMatch(/DriverEntry/);
  });

  it('accepts a driver without DriverUnload, and sends a code that it was given', () => {
    const report = faulty('stays', [0x222ffc]);
    expect(report.notes.join('\n')).toContain('no DriverUnload');
    expect(report.ioctls.find(({ code }) => code === 0x222ffc)).toMatchObject({ origin: 'given' });
    const given = report.requests.filter(({ ioControlCode }) => ioControlCode === 0x222ffc);
    expect(new Set(given.map(({ status }) => status))).toEqual(new Set([STATUS_INVALID_DEVICE_REQUEST]));
  });
});

describe('mistakes in the command', () => {
  it.each([
    [['check', 'no-such.sys'], 'no-such.sys: there is no such file'],
    [['check', '.'], '.: it is a directory'],
    [['check', here('./check.test.ts')], 'is no'],
    [['check', TRANSFER, '--ioctl', 'zzz'], '--ioctl zzz: a code is 32 bits'],
    [['check', TRANSFER, '--seed', '-1'], '--seed -1'],
    [['check'], "missing required argument 'driver.sys'"],
    [['chekc'], 'check'],
    [['run', 'no-such.ts'], 'no-such.ts: there is no such file'],
    [['check', TRANSFER, '--trace', '-'], '-: name a file'],
  ])('%j: exit code 2, and what is wrong', async (args, text) => {
    const { exitCode, stdout, stderr } = await irpwright(...args);
    expect(stdout + stderr).toContain(text);
    expect(exitCode).toBe(2);
  });

  it('shows the report before it says that the JSON file cannot be written', async () => {
    const { exitCode, stdout, stderr } = await irpwright(
      'check',
      TRANSFER,
      '--json',
      join(directory, 'no', 'such.json'),
    );
    expect(stdout).toContain('no findings');
    expect(stderr).toContain('such.json: cannot be written');
    expect(exitCode).toBe(2);
  });

  it('has help with examples', async () => {
    const { exitCode, stdout } = await irpwright('check', '--help');
    expect(stdout).not.toContain('default: []');
    expect(stdout).toContain('irpwright check filter.sys --with transfer.sys');
    expect(exitCode).toBe(0);
  });
});

describe('run', () => {
  it('reports what a script does through the public API', async () => {
    const script = join(directory, 'requests.ts');
    writeFileSync(
      script,
      `import { readFileSync } from 'node:fs';
       import { boot, type Machine } from 'irpwright';
       export default function () {
         const machine: Machine = boot({ seed: 7 });
         machine.loadDriver(readFileSync(${JSON.stringify(TRANSFER)}), 'transfer.sys');
         const app = machine.createProcess('app.exe');
         const { handle } = app.CreateFile('\\\\\\\\.\\\\TransferBuffered');
         app.WriteFile(handle, new TextEncoder().encode('hello'));
         app.CloseHandle(handle);
       }`,
    );
    const { exitCode, stdout } = await irpwright('run', script);
    expect(stdout).toContain('WRITE (buffered)  \\Device\\TransferBuffered');
    expect(stdout).toContain('seed 7');
    expect(exitCode).toBe(0);
  });

  it('says that a script failed, with its stack and exit code 2', async () => {
    const script = join(directory, 'fails.ts');
    writeFileSync(script, 'throw new RangeError("no such device here");');
    const { exitCode, stdout, stderr } = await irpwright('run', script);
    expect(stdout).toContain('fails.ts failed: no such device here');
    expect(stderr).toContain('RangeError');
    expect(exitCode).toBe(2);
  });

  it('knows that a script failed also if it threw nothing', async () => {
    const script = join(directory, 'throws-nothing.ts');
    writeFileSync(script, "import { boot } from 'irpwright'; boot(); throw undefined;");
    const { exitCode, stdout } = await irpwright('run', script);
    expect(stdout).toContain('throws-nothing.ts failed: undefined');
    expect(exitCode).toBe(2);
  });

  it('reports a bug check that a script runs into', async () => {
    const script = join(directory, 'stops.ts');
    writeFileSync(
      script,
      `import { readFileSync } from 'node:fs';
       import { boot } from 'irpwright';
       const machine = boot();
       machine.loadDriver(readFileSync(${JSON.stringify(FAULTY)}), 'faulty.sys');
       const app = machine.createProcess();
       app.DeviceIoControl(app.CreateFile('\\\\\\\\.\\\\Faulty').handle, 0x222008);`,
    );
    const { exitCode, stdout } = await irpwright('run', script);
    expect(stdout).toContain('*** STOP 0x000000D1');
    expect(exitCode).toBe(1);
  });
});
