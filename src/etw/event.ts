/**
 * The event schema: everything that a machine tells about what it does.
 *
 * `EventTypes` is a table, one row a kind of event. An emitter fills in its row's fields; the trace stamps when, in
 * which thread and process, at which IRQL, and for which request. Reports, pictures, the verifier and tests read these
 * events and guest memory; none of them reaches into a room's private state.
 *
 * Conventions. Addresses are `Address`; bit words, statuses and codes are unsigned numbers; 64-bit data is BigInt.
 * `driver` is DRIVER_OBJECT.DriverName (\Driver\transfer). An optional field that is absent does not apply; it never
 * means zero. A new field or row keeps the version; a change of meaning raises it.
 */
import type { Address } from '../wdm/address.ts';

export const TRACE_VERSION = 1;

export type TransferMethod = 'buffered' | 'direct' | 'neither' | 'none';

/** How bad, as the verifier grades: S1 corruption, leak or privilege; S2 crash or hang; S3 wrong or latent; S4 hygiene. */
export type Severity = 'S1' | 'S2' | 'S3' | 'S4';

export interface EventTypes {
  // The machine
  'machine-booted': { version: number; seed: number; build: number };
  'bug-check': {
    code: number;
    parameters: readonly [bigint, bigint, bigint, bigint];
    /** innermost first, one line a frame: image!function+offset (file:line). */
    frames: readonly string[];
    /** What happened in a few words, where the code alone does not say it. */
    why?: string;
  };
  /** Something the machine does not have: an instruction, an export, a device register. It stops with its name. */
  unsupported: { what: string; address?: Address };

  // Drivers and the objects they make
  'driver-loaded': { driver: string; image: string; base: Address; size: number; entryPoint: Address };
  'driver-entry-returned': { driver: string; status: number };
  /** Refused before DriverEntry, or DriverEntry failed. */
  'driver-load-failed': { image: string; status: number; message: string };
  /** DriverUnload is about to be called; absent routine: the driver cannot be unloaded. */
  'driver-unload-called': { driver: string; routine?: Address };
  'driver-unloaded': { driver: string };
  'device-created': {
    driver: string;
    device: Address;
    name?: string;
    deviceType: number;
    characteristics: number;
    exclusive: boolean;
  };
  'device-deleted': { device: Address; driver: string };
  'device-attached': { device: Address; lower: Address };
  'device-detached': { device: Address; lower: Address };
  'symbolic-link-created': { link: string; target: string };
  'symbolic-link-deleted': { link: string };
  'handle-opened': { handle: number; file: Address; device: Address; name: string };
  'handle-closed': { handle: number };

  // A call that an application makes, from its first instruction in the kernel to its return
  'call-entered': {
    name: string;
    handle?: number;
    ioControlCode?: number;
    inputBuffer?: Address;
    inputLength?: number;
    outputBuffer?: Address;
    outputLength?: number;
  };
  'call-returned': { name: string; status: number; information?: bigint; lastError?: number };

  // A request's way
  'irp-created': {
    irp: Address;
    major: number;
    minor: number;
    /** StackCount. */
    stackCount: number;
    device: Address;
    file?: Address;
    method: TransferMethod;
    ioControlCode?: number;
    /** What the caller handed over: a write's data and an IOCTL's first buffer. */
    inputBuffer?: Address;
    inputLength?: number;
    /** A read's buffer and an IOCTL's second buffer. */
    outputBuffer?: Address;
    outputLength?: number;
    byteOffset?: bigint;
    requestorMode: 'kernel' | 'user';
  };
  /** The system buffer of a buffered transfer. */
  'buffer-allocated': { irp: Address; address: Address; bytes: number; pool: string };
  /** The I/O manager's own copy: in before dispatch, out in the requester's thread after completion. */
  copied: { irp: Address; direction: 'in' | 'out'; from: Address; to: Address; bytes: number };
  'mdl-created': { irp?: Address; mdl: Address; address: Address; bytes: number };
  'pages-locked': { irp?: Address; mdl: Address; access: 'read' | 'write'; frames: readonly number[] };
  mapped: { irp?: Address; mdl: Address; address: Address; bytes: number; mode: 'kernel' | 'user' };
  /** A dispatch routine is entered. The buffer fields are what the driver finds in the IRP and its stack location. */
  dispatched: {
    irp: Address;
    driver: string;
    device: Address;
    routine: Address;
    major: number;
    minor: number;
    /** IRP.CurrentLocation. */
    location: number;
    systemBuffer?: Address;
    mdl?: Address;
    userBuffer?: Address;
    type3InputBuffer?: Address;
  };
  /** The dispatch routine returned. */
  returned: { irp: Address; request?: number; driver: string; device: Address; status: number };
  /** The dispatch routine returned STATUS_PENDING. By then the IRP may be completed, and its address in use again. */
  pended: { irp: Address; request?: number; driver: string };
  'cancel-called': { irp: Address; routine?: Address };
  /** IoCompleteRequest, with the IRP's IoStatus at that moment. */
  completed: { irp: Address; driver?: string; status: number; information: bigint; priorityBoost: number };
  /** After the routine ran; `result` is what it returned. */
  'completion-routine': { irp: Address; driver?: string; routine: Address; location: number; result: number };
  unmapped: { mdl: Address; address: Address };
  'pages-unlocked': { irp?: Address; mdl: Address };
  'mdl-freed': { irp?: Address; mdl: Address };
  'buffer-freed': { irp: Address; address: Address };
  'irp-freed': { irp: Address };

  // What runs beside requests
  'thread-created': { created: number; owner: number; kind: 'user' | 'system' };
  'thread-exited': { exited: number; status: number };
  'process-created': { created: number; name: string };
  'process-exited': { exited: number; status: number };
  'dpc-run': { routine: Address };
  'work-item-run': { routine: Address };
  'pool-allocated': { address: Address; bytes: number; pool: string; tag: string };
  'pool-freed': { address: Address; tag: string };

  // What was said and what went wrong
  'debug-print': { text: string; component?: number; level?: number };
  'exception-raised': { status: number; at: Address; information: readonly bigint[]; where?: string };
  /** A handler was chosen and control goes on there. */
  'exception-handled': { status: number; at: Address; where?: string };
  finding: { id: string; severity: Severity; message: string; irp?: Address };
}

export type EventType = keyof EventTypes;

/** What an emitter hands over. */
export type EventBody = { [K in EventType]: { readonly type: K } & Readonly<EventTypes[K]> }[EventType];

/** Where the machine stands; thread and process are their ids, 0 before the first thread runs. */
export interface Stamp {
  /** Virtual nanoseconds since boot. */
  readonly time: number;
  readonly thread: number;
  readonly process: number;
  readonly irql: number;
}

/** An event as listeners get it. */
export type TraceEvent = EventBody &
  Stamp & {
    /** From 1, without gaps while the trace is enabled. */
    readonly sequence: number;
    /** Serial number of the IRP that `irp` names, from 1: an address is used again, this is not. */
    readonly request?: number;
  };

export type EventOf<K extends EventType> = Extract<TraceEvent, { type: K }>;
