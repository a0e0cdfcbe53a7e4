#!/usr/bin/env node
/**
 * The program `irpwright`. An error that is no mistake of the user's is one of ours, or of a script's stray promise: it
 * is shown with its stack, and the exit code is 2. Node's own would be 1, which says that the driver misbehaved.
 */
import process from 'node:process';
import { runCommandLine } from './command-line.ts';
import { EXIT_CODES } from './report/model.ts';

const say = (text: string) => process.stderr.write(`irpwright: ${text}\n`);

process.exitCode = EXIT_CODES.unchecked;
process.on('uncaughtException', error => {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exit(EXIT_CODES.unchecked);
});

// Whoever reads a pipe may stop early (`| head`): the verdict stands. Any other failure to print is one.
process.stderr.on('error', () => undefined);
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') return;
  say(`standard output cannot be written: ${error.message}`);
  process.exit(EXIT_CODES.unchecked);
});

process.on('beforeExit', waitsForever);
process.exitCode = await runCommandLine(process.argv.slice(2), process);
process.off('beforeExit', waitsForever);

function waitsForever(): void {
  say('the script never ended: it awaits something that cannot happen any more');
}
