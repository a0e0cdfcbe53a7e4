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

/** @throws UsageError for a script that is not there; what the script throws, but for the machine's own stops */
export async function runScript(path: string, onEvents: (events: readonly TraceEvent[]) => void): Promise<Report> {
  const file = resolve(path);
  if (!existsSync(file)) throw new UsageError(`${path}: there is no such file`);
  if (statSync(file).isDirectory()) throw new UsageError(`${path}: it is a directory; name a script in it`);
  const machines: RecordedMachine[] = [];
  const stop = await recording.run(machines, () => stopOf(() => load(file)));
  for (const { recorder } of machines) onEvents(recorder.events);
  return reportOf(path, machines, stop);
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

async function stopOf(work: () => Promise<void>): Promise<BugCheck | Hang | Unsupported | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (error instanceof BugCheck || error instanceof Hang || error instanceof Unsupported) return error;
    throw error;
  }
}

function reportOf(
  path: string,
  machines: readonly RecordedMachine[],
  stop: BugCheck | Hang | Unsupported | undefined,
): Report {
  // biome-ignore format: one line
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
  if (stop instanceof Hang) findings.push(hangFinding(stop, requests.findLast(r => r.ending === 'never completed'), `in ${path}`)); // biome-ignore format: one line
  const devices = machines.flatMap(({ machine, recorder }) => devicesOf(machine, recorder));
  const merged = mergeFindings([...deviceFindings(devices), ...findings]);
  const reason =
    stop instanceof Unsupported ? stop.message : machines.length === 0 ? `${path} has made no Machine` : undefined;
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
