/**
 * `irpwright run`: a user's own script, with the public API under the name `irpwright`, reported as `check` reports.
 *
 * The script need not be compiled or be anywhere near this package. What it prints goes to standard output before the
 * report. A bug check that it lets through ends the script, and is a finding as in `check`.
 */
import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { createJiti } from 'jiti';
import type { TraceEvent } from '../etw/index.ts';
import { BugCheck, Hang, Unsupported } from '../wdm/failures.ts';
import { bugCheckFinding, deviceFindings, hangFinding, mergeFindings } from './check/findings.ts';
import { devicesOf } from './devices.ts';
import { UsageError } from './files.ts';
import { type RecordedMachine, recording } from './recording.ts';
import { type DriverReport, type Finding, type IoctlReport, REPORT_VERSION, type Report, type RequestReport, type Verdict } from './report/model.ts'; // biome-ignore format: one line
import { requestsOf } from './report/requests.ts';

export interface RunOptions {
  /** What each machine did, once the script is over. */
  readonly onEvents: (events: readonly TraceEvent[]) => void;
  /** What the script threw, but for a machine's own stops. The report says so and holds what was done until then. */
  readonly onScriptError: (error: unknown) => void;
}

type Stop = BugCheck | Hang | Unsupported;

/** Anything can be thrown, also undefined. */
interface Failure {
  readonly error: unknown;
}

/** @throws UsageError for a script that is not there */
export async function runScript(path: string, { onEvents, onScriptError }: RunOptions): Promise<Report> {
  const file = resolve(path);
  if (!existsSync(file)) throw new UsageError(`${path}: there is no such file`);
  if (statSync(file).isDirectory()) throw new UsageError(`${path}: it is a directory; name a script in it`);
  const machines: RecordedMachine[] = [];
  const end = await recording.run(machines, () => endOf(() => load(file)));
  for (const { recorder } of machines) onEvents(recorder.events);
  if (end && !isStop(end.error)) onScriptError(end.error);
  return reportOf(path, machines, end);
}

async function load(file: string): Promise<void> {
  const jiti = createJiti(import.meta.url, { moduleCache: false, virtualModules: { irpwright: await scriptApi() } });
  const module: unknown = await jiti.import(file);
  const body = (module as { default?: unknown }).default;
  if (typeof body === 'function') await body();
}

/** A plain object: the script's loader does not take a module's namespace. */
async function scriptApi(): Promise<object> {
  return { ...(await import('./recording.ts')) };
}

/** What it threw. */
async function endOf(work: () => Promise<void>): Promise<Failure | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return { error };
  }
}

function isStop(error: unknown): error is Stop {
  return error instanceof BugCheck || error instanceof Hang || error instanceof Unsupported;
}

function reasonOf(path: string, machines: readonly RecordedMachine[], end: Failure | undefined): string | undefined {
  const error = end?.error;
  if (error instanceof Unsupported) return error.message;
  if (end && !isStop(error)) return `${path} failed: ${error instanceof Error ? error.message : error}`;
  return machines.length === 0 ? `${path} has made no machine` : undefined;
}

function reportOf(path: string, machines: readonly RecordedMachine[], end: Failure | undefined): Report {
  const error = end?.error;
  const requests: RequestReport[] = [];
  const prints: string[] = [];
  const findings: Finding[] = [];
  machines.forEach(({ machine, recorder }, n) => {
    const own = requestsOf(recorder.events, n + 1, requests.length + 1);
    requests.push(...own.requests);
    prints.push(...own.prints);
    const dead = machine.stopped;
    if (dead instanceof BugCheck) findings.push(bugCheckFinding(dead, own.requests, `in ${path}`));
  });
  if (error instanceof Hang) findings.push(hangFinding(error, requests.findLast(r => r.ending === 'never completed'), `in ${path}`)); // biome-ignore format: one line
  const devices = machines.flatMap(({ machine, recorder }) => devicesOf(machine, recorder));
  const merged = mergeFindings([...deviceFindings(devices), ...findings]);
  const reason = reasonOf(path, machines, end);
  const verdict: Verdict = merged.length > 0 ? 'misbehaved' : reason === undefined ? 'clean' : 'unchecked';
  return {
    version: REPORT_VERSION,
    seed: machines[0]?.machine.seed ?? 0,
    drivers: machines.flatMap(driversOf),
    devices,
    ioctls: ioctlsOf(requests),
    requests,
    prints,
    findings: merged,
    notes: [],
    verdict,
    ...(reason === undefined ? {} : { reason }),
  };
}

function driversOf({ recorder }: RecordedMachine): DriverReport[] {
  const statuses = new Map(recorder.of('driver-entry-returned').map(event => [event.driver, event.status]));
  return recorder.of('driver-loaded').map(({ driver, image, base, size }) => ({
    file: image,
    name: driver,
    bytes: size,
    base,
    size,
    status: statuses.get(driver) ?? 0,
  }));
}

function ioctlsOf(requests: readonly RequestReport[]): IoctlReport[] {
  const codes = new Map<number, Set<string>>();
  for (const { ioControlCode, device } of requests) {
    if (ioControlCode === undefined) continue;
    codes.set(ioControlCode, (codes.get(ioControlCode) ?? new Set()).add(device));
  }
  return [...codes].map(([code, devices]) => ({ code, origin: 'given', devices: [...devices] }));
}
