#!/usr/bin/env node
/** The program `irpwright`. An error that is no mistake of the user's is one of ours: it is shown with its stack. */
import process from 'node:process';
import { runCommandLine } from './command-line.ts';

process.exitCode = 2;
process.exitCode = await runCommandLine(process.argv.slice(2), process);
