/** Where a report goes: text on standard output, JSON and the trace into files. */
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { type TraceEvent, traceHeader, traceLine } from '../etw/index.ts';
import { UsageError } from './files.ts';
import { reportJson } from './report/json.ts';
import type { Report } from './report/model.ts';
import { renderReport } from './report/render.ts';
import { createStyle } from './report/style.ts';

/** What a command talks to; the process's own, but for tests. */
export interface Terminal {
  readonly stdout: { readonly isTTY?: boolean; write(text: string): unknown };
  readonly stderr: { readonly isTTY?: boolean; readonly columns?: number; write(text: string): unknown };
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface OutputOptions {
  readonly json?: string;
  readonly trace?: string;
}

/** On a terminal, unless https://no-color.org is asked for. */
export function wantsColours({ stdout, env }: Terminal): boolean {
  return stdout.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
}

/** A trace file that grows machine by machine; `-` is not accepted, the report is there. */
export class TraceFile {
  readonly #path: string;
  readonly #file: number;

  constructor(path: string) {
    this.#path = path;
    this.#file = writing(path, () => openSync(path, 'w'));
    this.#write(traceHeader());
  }

  write(events: readonly TraceEvent[]): void {
    const CHUNK = 10_000;
    for (let n = 0; n < events.length; n += CHUNK) {
      this.#write(
        events
          .slice(n, n + CHUNK)
          .map(traceLine)
          .join(''),
      );
    }
  }

  #write(text: string): void {
    writing(this.#path, () => writeSync(this.#file, text));
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** The text goes first: a JSON file that cannot be written does not cost what was found out. */
export function writeReport(report: Report, { json }: OutputOptions, terminal: Terminal): void {
  terminal.stdout.write(renderReport(report, createStyle(wantsColours(terminal))));
  if (json !== undefined) writing(json, () => writeFileSync(json, reportJson(report)));
}

function writing<T>(path: string, write: () => T): T {
  if (path === '-') throw new UsageError('-: name a file; standard output has the report as text');
  try {
    return write();
  } catch (error) {
    throw new UsageError(`${path}: cannot be written: ${(error as Error).message}`);
  }
}
