/**
 * The report, as data: what `check` and `run` know in the end. Everything that is printed and everything in `--json` is
 * made from this; it holds no machine, and can be made by hand in a test.
 */
import type { Severity, TransferMethod } from '../../etw/index.ts';
import type { Address } from '../../wdm/address.ts';

export const REPORT_VERSION = 1;

export interface DriverReport {
  /** As given on the command line. */
  readonly file: string;
  /** DRIVER_OBJECT.DriverName. */
  readonly name: string;
  readonly bytes: number;
  readonly base?: Address;
  readonly size?: number;
  /** Of DriverEntry, or of the loader if it came not so far. */
  readonly status: number;
}

export type DeviceMethod = 'buffered' | 'direct' | 'neither' | 'both flags';

export interface DeviceReport {
  readonly driver: string;
  readonly address: Address;
  readonly name?: string;
  readonly links: readonly string[];
  readonly deviceType: number;
  readonly characteristics: number;
  readonly flags: number;
  readonly method: DeviceMethod;
  readonly stackSize: number;
}

export interface IoctlReport {
  readonly code: number;
  /** Found by watching the driver, or given by the user. */
  readonly origin: 'found' | 'given';
  /** Names of the devices that know it. */
  readonly devices: readonly string[];
}

export interface BufferReport {
  readonly address: Address;
  readonly bytes: number;
}

/** One step of a request's way. Addresses of the user's buffers are those of the requesting process. */
export type Step =
  | { readonly kind: 'allocated'; readonly address: Address; readonly bytes: number; readonly pool: string }
  | { readonly kind: 'copied'; readonly direction: 'in' | 'out'; readonly from: Address; readonly to: Address; readonly bytes: number }
  | { readonly kind: 'locked'; readonly mdl: Address; readonly address?: Address; readonly bytes?: number; readonly access: 'read' | 'write'; readonly frames: readonly number[]; readonly byDriver: boolean }
  | { readonly kind: 'mapped'; readonly mdl: Address; readonly address: Address; readonly bytes: number }
  | { readonly kind: 'dispatched'; readonly driver: string; readonly device: Address; readonly irql: number; readonly raw: readonly Address[] }
  | { readonly kind: 'pended'; readonly driver: string }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'completed'; readonly status: number; readonly information: bigint; readonly irql: number; readonly thread: number }
  | { readonly kind: 'exception'; readonly status: number; readonly address?: Address; readonly where?: string; readonly handled: boolean }
  | { readonly kind: 'print'; readonly text: string }; // biome-ignore format: a table

export type Ending =
  /** Completed; `status` and `information` are its IoStatus. */
  | 'completed'
  /** The I/O manager refused the call: no driver saw it. */
  | 'refused'
  | 'never completed'
  /** The driver keeps the processor busy, or the calling thread waiting, for ever. */
  | 'never returned'
  | 'stopped the machine';

export interface RequestReport {
  /** From 1, over all machines of a check. */
  readonly id: number;
  /** Machines are numbered from 1; a new one is booted after a bug check. */
  readonly machine: number;
  readonly major: number;
  readonly device: string;
  readonly method: TransferMethod;
  readonly ioControlCode?: number;
  readonly input?: BufferReport;
  readonly output?: BufferReport;
  readonly requestorMode: 'user' | 'kernel';
  readonly thread: number;
  readonly steps: readonly Step[];
  readonly ending: Ending;
  readonly status?: number;
  readonly information?: bigint;
}

export interface BugCheckReport {
  readonly code: number;
  readonly parameters: readonly [bigint, bigint, bigint, bigint];
  readonly frames: readonly string[];
  readonly why?: string;
  /** The last requests, newest first. */
  readonly lastRequests: readonly number[];
}

export interface Finding {
  /** Stable: scripts and suppressions may rely on it. */
  readonly id: string;
  readonly severity: Severity;
  readonly message: string;
  /** The request during which it showed, if it was during one. */
  readonly request?: number;
  /** Requests that ended alike, beyond the first. */
  readonly also?: readonly number[];
  readonly bugCheck?: BugCheckReport;
  /** Findings with the same one are the same, whatever the request. Default: the message. */
  readonly signature?: string;
}

export type Verdict = 'clean' | 'misbehaved' | 'unchecked';

export const EXIT_CODES: Record<Verdict, number> = { clean: 0, misbehaved: 1, unchecked: 2 };

export interface Report {
  readonly version: number;
  readonly seed: number;
  /** The driver under test first. */
  readonly drivers: readonly DriverReport[];
  readonly devices: readonly DeviceReport[];
  readonly ioctls: readonly IoctlReport[];
  readonly requests: readonly RequestReport[];
  /** Outside any request: at load, open, unload. */
  readonly prints: readonly string[];
  readonly findings: readonly Finding[];
  /** Worth saying, and no defect: no DriverUnload, discovery that ran out of its budget. */
  readonly notes: readonly string[];
  readonly verdict: Verdict;
  /** Why it could not be checked. */
  readonly reason?: string;
}
