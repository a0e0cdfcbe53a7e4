/**
 * The command line. Exit codes: 0 clean, 1 the driver misbehaved, 2 it could not be checked or the command was wrong.
 */
import { Command, CommanderError } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { parseCode, parseSeed } from './arguments.ts';
import { check } from './check/check.ts';
import { readInput, UsageError } from './files.ts';
import { type OutputOptions, type Terminal, TraceFile, writeReport } from './output.ts';
import { Progress } from './progress.ts';
import { EXIT_CODES, type Report } from './report/model.ts';
import { runScript } from './run.ts';

interface CheckFlags extends OutputOptions {
  readonly with?: readonly string[];
  readonly ioctl?: readonly number[];
  readonly seed: number;
}

const collect = <T>(parse: (text: string) => T) => (text: string, before: readonly T[] = []): T[] => [...before, parse(text)]; // biome-ignore format: one line

const EXAMPLES = `
Examples:
  $ irpwright check transfer.sys
  $ irpwright check filter.sys --with transfer.sys          load transfer.sys first: filter.sys attaches to its devices
  $ irpwright check driver.sys --ioctl 0x222004             send this code, too, besides those that are found
  $ irpwright check driver.sys --json report.json           the report for other programs
  $ irpwright check driver.sys --trace trace.jsonl          every step of every request, one JSON object a line

Exit code: 0 clean, 1 the driver misbehaved, 2 it could not be checked (the reason is printed).`;

const RUN_EXAMPLES = `
Examples:
  $ irpwright run requests.ts

requests.ts:
  import { readFileSync } from 'node:fs';
  import { boot } from 'irpwright';

  const machine = boot({ seed: 7 });
  machine.loadDriver(readFileSync('transfer.sys'), 'transfer.sys');
  const app = machine.createProcess('app.exe');
  const { handle } = app.CreateFile('\\\\\\\\.\\\\TransferBuffered');
  app.WriteFile(handle, new TextEncoder().encode('hello'));
  app.CloseHandle(handle);

Exit code: as for check; 2 also if the script fails.`;

function program(terminal: Terminal, finished: (report: Report) => void): Command {
  const root = new Command('irpwright')
    .description("Runs x64 Windows drivers and shows what they do with the user's buffers.")
    .version(packageJson.version)
    .exitOverride()
    .configureOutput({
      writeOut: text => terminal.stdout.write(text),
      writeErr: text => terminal.stderr.write(text),
    })
    .configureHelp({ showGlobalOptions: true });
  root
    .command('check')
    .argument('<driver.sys>', 'the driver to check')
    .description('load a driver, find its devices and I/O control codes, send ordinary requests, unload it, and report')
    .option('--with <other.sys>', 'load this driver first; may be repeated', collect(String))
    .option('--ioctl <code>', 'send this I/O control code, too; may be repeated', collect(parseCode))
    .option('--seed <n>', 'everything random follows from it', parseSeed, 1)
    .option('--json <file>', 'write the report as JSON')
    .option('--trace <file>', 'write every event as JSON Lines')
    .addHelpText('after', EXAMPLES)
    .action((path: string, flags: CheckFlags) => {
      const report = checkCommand(path, flags, terminal);
      writeReport(report, flags, terminal);
      finished(report);
    });
  root
    .command('run')
    .argument('<script.ts>', 'a module that uses the public API; a default-exported function is called')
    .description('run your own requests, with the same trace and report')
    .option('--json <file>', 'write the report as JSON')
    .option('--trace <file>', 'write every event as JSON Lines')
    .addHelpText('after', RUN_EXAMPLES)
    .action(async (path: string, flags: OutputOptions) => {
      const trace = flags.trace === undefined ? undefined : new TraceFile(flags.trace);
      const report = await runScript(path, {
        onEvents: events => trace?.write(events),
        onScriptError: error => terminal.stderr.write(`${(error as Error)?.stack ?? error}\n`),
      });
      trace?.close();
      writeReport(report, flags, terminal);
      finished(report);
    });
  return root;
}

function checkCommand(path: string, flags: CheckFlags, terminal: Terminal): Report {
  const driver = readInput(path);
  const others = (flags.with ?? []).map(readInput);
  const trace = flags.trace === undefined ? undefined : new TraceFile(flags.trace);
  const progress = new Progress(terminal.stderr);
  try {
    return check({
      driver,
      with: others,
      ioctls: flags.ioctl ?? [],
      seed: flags.seed,
      onEvents: events => trace?.write(events),
      onProgress: text => progress.show(text),
      onInternalError: error => {
        progress.clear();
        terminal.stderr.write(`${error.stack ?? error.message}\n`);
      },
    });
  } finally {
    progress.clear();
    trace?.close();
  }
}

/** Runs a command line, without `node` and the script's name. Returns the exit code. */
export async function runCommandLine(args: readonly string[], terminal: Terminal): Promise<number> {
  let exitCode = EXIT_CODES.unchecked;
  try {
    await program(terminal, report => {
      exitCode = EXIT_CODES[report.verdict];
    }).parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_CODES.unchecked;
    if (!(error instanceof UsageError)) throw error;
    terminal.stderr.write(`irpwright: ${error.message}\n`);
    return EXIT_CODES.unchecked;
  }
}
