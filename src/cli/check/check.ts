/**
 * `irpwright check`: loads a driver, finds out what it offers, sends it ordinary requests, unloads it, and tells.
 *
 * One machine is enough for a driver that behaves. A request that stops its machine is reported, and the ones after it
 * are sent on the next machine, so that one bug check does not hide the rest. All machines have the same configuration
 * and seed.
 */
import type { TraceEvent } from '../../etw/index.ts';
import type { Driver } from '../../machine.ts';
import { formatAddress } from '../../wdm/address.ts';
import { BugCheck, Hang, Unsupported } from '../../wdm/failures.ts';
import { formatStatus, NT_SUCCESS, STATUS_SUCCESS } from '../../wdm/ntstatus.ts';
import { sameName } from '../devices.ts';
import type { InputFile } from '../files.ts';
import {
  type DeviceReport,
  type DriverReport,
  type Finding,
  type IoctlReport,
  REPORT_VERSION,
  type Report,
  type RequestReport,
  type Verdict,
} from '../report/model.ts';
import { requestsOf } from '../report/requests.ts';
import { count, hex } from '../report/style.ts';
import { discoverIoctls } from './discover-ioctls.ts';
import * as findings from './findings.ts';
import { type PlannedDevice, type PlannedRequest, planRequests } from './plan.ts';
import { type Outcome, Session, type Stop } from './session.ts';

export interface CheckOptions {
  readonly driver: InputFile;
  /** Loaded before the driver under test, in this order: what it attaches to. */
  readonly with: readonly InputFile[];
  /** Codes to send besides those that are found. */
  readonly ioctls: readonly number[];
  readonly seed: number;
  /** What each reported machine did, once it is over. */
  readonly onEvents?: (events: readonly TraceEvent[]) => void;
  readonly onProgress?: (text: string) => void;
  /** Irpwright itself failed. The report says so and holds what was found until then. */
  readonly onInternalError?: (error: Error) => void;
}

/** Machines that a driver may stop, by ordinary requests and by discovery's probes: then it has misbehaved enough. */
const MOST_MACHINES = { requests: 200, probes: 50 } as const;

/**
 * Processor time of one call, in virtual nanoseconds, before it counts as a hang. A probe runs watched and slowly; a hang
 * in it is none yet, the ordinary request with the same code decides.
 */
const PROCESSOR_TIME = { requests: 2e8, probes: 5e6 } as const;

/** Machines that one kind of request may end before its other sizes are left out. */
const ENOUGH_STOPS = 3;

type Purpose = keyof typeof MOST_MACHINES;

/** Why a check ends before it has a verdict on the driver. */
class Unchecked extends Error {}

export function check(options: CheckOptions): Report {
  return new Check(options).run();
}

class Check {
  readonly #options: CheckOptions;
  readonly #findings: Finding[] = [];
  readonly #requests: RequestReport[] = [];
  readonly #prints: string[] = [];
  readonly #notes: string[] = [];
  readonly #ioctls = new Map<number, IoctlReport>();
  #drivers: DriverReport[] = [];
  #devices: readonly DeviceReport[] = [];
  #reason: string | undefined;
  readonly #machines: Record<Purpose, number> = { requests: 0, probes: 0 };
  /** What discovery ran into; told if no ordinary request runs into it again. */
  readonly #probeFindings: Finding[] = [];
  /** The machine that discovery uses now. */
  #probing: Session | undefined;
  /** The driver under test, in the machine at hand. */
  #driver: Driver | undefined;

  constructor(options: CheckOptions) {
    this.#options = options;
  }

  run(): Report {
    try {
      const first = this.#boot('requests');
      this.#devices = first.devices();
      const targets = this.#openable(first);
      const planned = targets.map(device => ({ name: device.name ?? '', codes: this.#codesOf(device) }));
      this.#sendAll(first, targets, planned);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      if (!(error instanceof Unchecked)) this.#options.onInternalError?.(error);
      const internal = `Irpwright itself failed, which is no fault of the driver's: ${error.message}`;
      this.#reason ??= error instanceof Unchecked ? error.message : internal;
    }
    return this.#report();
  }

  #report(): Report {
    const own = [...findings.deviceFindings(this.#devices), ...this.#findings];
    const merged = findings.mergeFindings([...own, ...this.#probeFindings]);
    const verdict: Verdict = merged.length > 0 ? 'misbehaved' : this.#reason === undefined ? 'clean' : 'unchecked';
    if (verdict === 'misbehaved' && this.#reason !== undefined)
      this.#notes.push(`not all was checked: ${this.#reason}`);
    return {
      version: REPORT_VERSION,
      seed: this.#options.seed,
      drivers: this.#drivers,
      devices: this.#devices,
      ioctls: [...this.#ioctls.values()].sort((a, b) => a.code - b.code),
      requests: this.#requests,
      prints: this.#prints,
      findings: merged,
      notes: this.#notes,
      verdict,
      ...(this.#reason === undefined ? {} : { reason: this.#reason }),
    };
  }

  // --- Machines

  /** A machine with all drivers loaded. Throws Unchecked if there cannot be one. */
  #boot(purpose: Purpose): Session {
    const { driver, seed } = this.#options;
    const number = ++this.#machines[purpose];
    const most = MOST_MACHINES[purpose];
    if (number > most) throw new Unchecked(`it has stopped ${most} machines, which is enough`);
    const session = new Session(number, seed, PROCESSOR_TIME[purpose]);
    const loads = [...this.#options.with, driver].map(file => ({ file, outcome: session.load(file) }));
    const reports = loads.map(({ file, outcome }) => driverReport(session, file, outcome));
    // The driver under test comes first in the report, and last in the machine.
    this.#drivers = [...reports.slice(-1), ...reports.slice(0, -1)];
    for (const { file, outcome } of loads) {
      if (outcome.stop) this.#stoppedWhile(session, outcome.stop, `while ${file.path} was loaded`);
      const load = outcome.stop ? undefined : outcome.value;
      if (load?.driver === undefined) throw this.#notLoaded(session, file, load);
      if (purpose === 'requests' && number === 1) this.#noteMissing(file, load.missingImports);
      this.#driver = load.driver;
    }
    return session;
  }

  #noteMissing(file: InputFile, missing: readonly string[]): void {
    if (missing.length === 0) return;
    this.#notes.push(
      `${file.path} imports what this version does not have, and stops if it uses it: ${missing.join(', ')}`,
    );
  }

  #notLoaded(
    session: Session,
    file: InputFile,
    load: { status: number; message: string | undefined } | undefined,
  ): Unchecked {
    // biome-ignore format: one line
    this.#keep(session);
    if (!load) return new Unchecked(`${file.path} did not survive its DriverEntry`);
    if (load.message !== undefined) return new Unchecked(`${file.path} ${load.message} (${formatStatus(load.status)})`);
    return new Unchecked(`DriverEntry of ${file.path} returned ${formatStatus(load.status)}`);
  }

  /** Ends a machine that is reported: its events become requests. Returns those. */
  #keep(session: Session, stop?: Stop): RequestReport[] {
    const { requests, prints } = requestsOf(session.events, session.number, this.#requests.length + 1);
    const stuck = requests.findLastIndex(({ ending }) => ending === 'never completed');
    const last = requests[stuck];
    if (stop instanceof Hang && last) requests[stuck] = { ...last, ending: 'never returned' };
    this.#requests.push(...requests);
    if (this.#prints.length === 0) this.#prints.push(...prints);
    this.#options.onEvents?.(session.events);
    return requests;
  }

  /** A stop outside the reported requests: at load, open or unload, or in a probe. */
  #stoppedWhile(session: Session, stop: Stop, during: string): void {
    this.#judge(stop, this.#keep(session, stop), during);
  }

  #judge(stop: Stop, requests: readonly RequestReport[], during: string): void {
    if (stop instanceof BugCheck) this.#findings.push(findings.bugCheckFinding(stop, requests, during));
    if (stop instanceof Hang) {
      const request = requests.findLast(({ ending }) => ending === 'never returned');
      this.#findings.push(findings.hangFinding(stop, request, during));
    }
    if (stop instanceof Unsupported) this.#reason ??= `${stop.message}, which the driver needs ${during}`;
  }

  // --- What the driver offers

  /** The devices that the driver under test has a hand in, and that an application can open. */
  #openable(session: Session): DeviceReport[] {
    const driver = this.#driver as Driver;
    const own = this.#drivers[0]?.name ?? '';
    const mine = this.#devices.filter(device => session.isReachedThrough(device, own));
    if (mine.length === 0 && session.hasAddDevice(driver)) {
      throw new Unchecked(
        `${own} is a Plug and Play driver: it makes its devices in AddDevice, when one is plugged in, which this version cannot do yet`,
      );
    }
    if (mine.length === 0) this.#notes.push(`${own} has made no device: there is nothing to open`);
    const named = mine.filter(device => device.name !== undefined);
    const below = this.#devices.filter(device => device.name !== undefined && !mine.includes(device));
    if (below.length > 0) this.#notes.push(`not tested: ${count(below.length, 'device')} of the drivers beside it`);
    if (mine.length > 0 && named.length === 0)
      this.#notes.push(`${own} has only unnamed devices: nothing can open them`);
    return named;
  }

  #codesOf(device: DeviceReport): number[] {
    const name = device.name ?? '';
    const discovered = discoverIoctls(device, {
      session: () => this.#probeSession(device),
      stopped: (over, stop) => {
        this.#probing = undefined;
        this.#stoppedProbing(over, stop, name);
      },
      probing: code => this.#options.onProgress?.(`finding the I/O control codes of ${name}: ${hex(code, 8)}`),
    });
    if (!discovered.complete)
      this.#notes.push(`${name}: there may be more I/O control codes: the search ran out of its budget`);
    const given = this.#options.ioctls.filter(code => !discovered.codes.includes(code));
    for (const code of discovered.codes) this.#known(code, 'found', name);
    for (const code of given) this.#known(code, 'given', name);
    return [...discovered.codes, ...given].sort((a, b) => a - b);
  }

  #stoppedProbing(session: Session, stop: Stop, device: string): void {
    if (!(stop instanceof BugCheck)) return;
    const { requests } = requestsOf(session.events, 0, 1);
    const stopping = requests.filter(({ ending }) => ending === 'stopped the machine').slice(-1);
    const { request: _, ...finding } = findings.bugCheckFinding(stop, stopping, `in a request to ${device}`);
    const bugCheck = finding.bugCheck && { ...finding.bugCheck, lastRequests: [] };
    this.#probeFindings.push({ ...finding, ...(bugCheck ? { bugCheck } : {}) });
  }

  #known(code: number, origin: IoctlReport['origin'], device: string): void {
    const known = this.#ioctls.get(code);
    this.#ioctls.set(code, {
      code,
      origin: known?.origin === 'found' ? 'found' : origin,
      devices: [...(known?.devices ?? []), device],
    });
  }

  /** A machine in which the device is open; undefined if it cannot be opened, or too many machines are gone. */
  #probeSession(device: DeviceReport): Session | undefined {
    if (!this.#probing && this.#machines.probes >= MOST_MACHINES.probes) return undefined;
    this.#probing ??= this.#boot('probes');
    const opened = this.#probing.open(device);
    if (opened.stop) this.#probing = undefined;
    return opened.stop || !NT_SUCCESS(opened.value) ? undefined : this.#probing;
  }

  // --- The requests

  #sendAll(first: Session, targets: readonly DeviceReport[], planned: readonly PlannedDevice[]): void {
    const plan = planRequests(planned);
    /** Devices and kinds of request that are not tried any more. */
    const closed = new Set<string>();
    const stops = new Map<string, number>();
    let session = first;
    for (const [n, request] of plan.entries()) {
      this.#options.onProgress?.(`request ${n + 1} of ${plan.length}: ${requestText(request)}`);
      const device = targets.find(({ name }) => name === request.device);
      if (!device || closed.has(request.device) || closed.has(kindOf(request))) continue;
      const opened = session.open(device);
      if (opened.stop || !NT_SUCCESS(opened.value)) closed.add(request.device);
      if (!opened.stop && !NT_SUCCESS(opened.value)) {
        this.#notes.push(`${request.device} cannot be opened: ${formatStatus(opened.value)}`);
        continue;
      }
      if (opened.stop) {
        this.#stoppedWhile(session, opened.stop, `while ${request.device} was opened`);
        session = this.#boot('requests');
        continue;
      }
      const sent = session.send(request);
      if (sent.stop) this.#stoppedWhile(session, sent.stop, `in ${requestText(request)}`);
      else if (sent.value.unfinished) this.#findings.push(...findings.unfinishedFindings(this.#keep(session)));
      else continue;
      session = this.#boot('requests');
      this.#giveUpOn(request, stops, closed);
    }
    this.#end(session, targets);
  }

  #giveUpOn(request: PlannedRequest, stops: Map<string, number>, closed: Set<string>): void {
    const kind = kindOf(request);
    const times = (stops.get(kind) ?? 0) + 1;
    stops.set(kind, times);
    if (times < ENOUGH_STOPS) return;
    closed.add(kind);
    this.#notes.push(`${kind} has ended ${times} machines: its other sizes were left out`);
  }

  /** Closes, unloads, and looks at what is left. */
  #end(session: Session, targets: readonly DeviceReport[]): void {
    for (const device of targets) {
      const closing = session.close(device.name ?? '');
      if (!closing.stop) continue;
      this.#stoppedWhile(session, closing.stop, `while ${device.name} was closed`);
      return;
    }
    const driver = this.#driver as Driver;
    const name = this.#drivers[0]?.name ?? '';
    if (!session.hasUnload(driver)) {
      this.#notes.push(`${name} has no DriverUnload: it cannot be unloaded`);
      this.#findings.push(...findings.unfinishedFindings(this.#keep(session)));
      return;
    }
    const before = session.devices().filter(device => device.driver === name);
    const links = session.links().filter(({ target }) => before.some(device => sameName(device.name, target)));
    const unloading = session.unload(driver);
    if (unloading.stop) {
      this.#stoppedWhile(session, unloading.stop, `while ${name} was unloaded`);
      return;
    }
    const unfinished = findings.unfinishedFindings(this.#keep(session));
    this.#findings.push(...unfinished);
    if (unloading.value !== STATUS_SUCCESS) {
      this.#notes.push(`${name} could not be unloaded: ${formatStatus(unloading.value)}`);
      return;
    }
    this.#leftBehind(session, name, links.map(({ path }) => path)); // biome-ignore format: one line
  }

  #leftBehind(session: Session, driver: string, links: readonly string[]): void {
    const called = session.events.some(event => event.type === 'driver-unload-called' && event.driver === driver);
    const left = session.devices().filter(device => device.driver === driver);
    const names = left.map(({ name, address }) => name ?? `the unnamed device at ${formatAddress(address)}`);
    const still = new Set(session.links().map(({ path }) => path));
    if (called) this.#findings.push(...findings.leftDeviceFindings(driver, names));
    if (called) this.#findings.push(...findings.leftLinkFindings(driver, links.filter(path => still.has(path)))); // biome-ignore format: one line
  }
}

function driverReport(session: Session, file: InputFile, outcome: Outcome<{ status: number }>): DriverReport {
  const image = `${file.name}.sys`.toLowerCase();
  const loaded = session.events.find(event => event.type === 'driver-loaded' && event.image.toLowerCase() === image);
  const where = loaded?.type === 'driver-loaded' ? { base: loaded.base, size: loaded.size } : {};
  return {
    file: file.path,
    name: loaded?.type === 'driver-loaded' ? loaded.driver : '',
    bytes: file.bytes.length,
    status: outcome.stop ? STATUS_SUCCESS : outcome.value.status,
    ...where,
  };
}

/** What requests that differ only in their sizes have in common. */
function kindOf(request: PlannedRequest): string {
  return `${request.kind === 'ioctl' ? hex(request.code, 8) : request.kind} to ${request.device}`;
}

function requestText(request: PlannedRequest): string {
  if (request.kind === 'ioctl')
    return `${hex(request.code, 8)} to ${request.device}, in ${request.input}, out ${request.output}`;
  return `${request.kind} of ${count(request.bytes, 'byte')} to ${request.device}`;
}
