/** A hand-made run of an imaginary driver, for the report's tests: one request of each kind, and a blue screen. */

import type { Report } from '../src/cli/report/model.ts';
import { REPORT_VERSION } from '../src/cli/report/model.ts';
import { requestsOf } from '../src/cli/report/requests.ts';
import { type EventBody, Recorder, Trace, type TraceEvent } from '../src/etw/index.ts';

const KERNEL = -0x1f7000000000;
export const DEVICE = KERNEL + 0x1000;
export const IRP = KERNEL + 0x2000;
const BUFFER = KERNEL + 0x3000;
const MDL = KERNEL + 0x4000;
const DRIVER = '\\Driver\\sample';
const driver = { irp: IRP, driver: DRIVER, device: DEVICE };
const dispatched = { type: 'dispatched', ...driver, routine: KERNEL, minor: 0, location: 1 } as const;

const BUFFERED_IOCTL: EventBody[] = [
  {
    type: 'call-entered', name: 'DeviceIoControl', handle: 4, ioControlCode: 0x22e000,
    inputBuffer: 0xd10000, inputLength: 64, outputBuffer: 0xd20000, outputLength: 32,
  },
  {
    type: 'irp-created', irp: IRP, major: 0x0e, minor: 0, stackCount: 1, device: DEVICE, method: 'buffered', ioControlCode: 0x22e000,
    inputBuffer: 0xd10000, inputLength: 64, outputBuffer: 0xd20000, outputLength: 32, requestorMode: 'user',
  },
  { type: 'buffer-allocated', irp: IRP, address: BUFFER, bytes: 64, pool: 'NonPagedPoolNx' },
  { type: 'copied', irp: IRP, direction: 'in', from: 0xd10000, to: BUFFER, bytes: 64 },
  { ...dispatched, major: 0x0e, systemBuffer: BUFFER },
  { type: 'debug-print', text: 'hello\x1b[31m\n' },
  { type: 'completed', irp: IRP, driver: DRIVER, status: 0, information: 12n, priorityBoost: 0 },
  { type: 'returned', ...driver, status: 0 },
  { type: 'copied', irp: IRP, direction: 'out', from: BUFFER, to: 0xd20000, bytes: 12 },
  { type: 'buffer-freed', irp: IRP, address: BUFFER },
  { type: 'irp-freed', irp: IRP },
  { type: 'call-returned', name: 'DeviceIoControl', status: 0, information: 12n },
]; // biome-ignore format: one line an event

const DIRECT_READ: EventBody[] = [
  { type: 'irp-created', irp: IRP, major: 3, minor: 0, stackCount: 1, device: DEVICE, method: 'direct', outputBuffer: 0xd20010, outputLength: 8192, requestorMode: 'user' },
  { type: 'mdl-created', irp: IRP, mdl: MDL, address: 0xd20010, bytes: 8192 },
  { type: 'pages-locked', irp: IRP, mdl: MDL, access: 'write', frames: [0x1a3, 0x1a4, 0x1c0] },
  { ...dispatched, major: 3, mdl: MDL },
  { type: 'pended', irp: IRP, driver: DRIVER },
  { type: 'mapped', mdl: MDL, address: KERNEL + 0x10010, bytes: 8192, mode: 'kernel' },
  { type: 'returned', ...driver, status: 0x103 },
  { type: 'completed', irp: IRP, driver: DRIVER, status: 0x80000005, information: 8192n, priorityBoost: 0 },
  { type: 'irp-freed', irp: IRP },
]; // biome-ignore format: one line an event

const NEITHER_WRITE: EventBody[] = [
  { type: 'irp-created', irp: IRP, major: 4, minor: 0, stackCount: 1, device: DEVICE, method: 'neither', inputBuffer: 0xd30000, inputLength: 1, requestorMode: 'user' },
  { ...dispatched, major: 4, userBuffer: 0xd30000 },
  { type: 'exception-raised', status: 0xc0000005, at: KERNEL, information: [0n, 0xd30000n], where: 'sample!Write+0x12' },
  { type: 'exception-handled', status: 0xc0000005, at: KERNEL },
  { type: 'completed', irp: IRP, driver: DRIVER, status: 0xc0000005, information: 0n, priorityBoost: 0 },
  { type: 'returned', ...driver, status: 0xc0000005 },
  { type: 'irp-freed', irp: IRP },
]; // biome-ignore format: one line an event

const REFUSED: EventBody[] = [
  { type: 'call-entered', name: 'WriteFile', handle: 4, inputBuffer: 0xd30000, inputLength: 4096 },
  { type: 'call-returned', name: 'WriteFile', status: 0xc0000005 },
];

const CRASH: EventBody[] = [
  { type: 'irp-created', irp: IRP, major: 3, minor: 0, stackCount: 1, device: DEVICE, method: 'neither', outputBuffer: 0, outputLength: 0, requestorMode: 'user' },
  { ...dispatched, major: 3 },
  { type: 'bug-check', code: 0xd1, parameters: [0n, 2n, 1n, 0xfffff80000001234n], frames: ['sample!Read+0x4 (read.c:12)', 'nt!IofCallDriver'] },
]; // biome-ignore format: one line an event

export function sampleEvents(): TraceEvent[] {
  const trace = new Trace();
  let time = 0;
  trace.stampWith(() => ({ time: time++, thread: 8, process: 4, irql: 0 }));
  const recorder = new Recorder(trace);
  trace.emit({ type: 'debug-print', text: 'loaded' });
  trace.emit({ type: 'device-created', driver: DRIVER, device: DEVICE, name: '\\Device\\Sample', deviceType: 0x22, characteristics: 0, exclusive: false }); // biome-ignore format: one event
  trace.emit({ type: 'handle-opened', handle: 4, file: KERNEL, device: DEVICE, name: '\\Device\\Sample' });
  for (const event of [BUFFERED_IOCTL, DIRECT_READ, NEITHER_WRITE, REFUSED, CRASH].flat()) trace.emit(event);
  return recorder.events;
}

export function sampleReport(): Report {
  const { requests, prints } = requestsOf(sampleEvents());
  return {
    version: REPORT_VERSION,
    seed: 1,
    drivers: [{ file: 'sample.sys', name: DRIVER, bytes: 12800, base: -0x7ffff0000000, size: 0x6000, status: 0 }],
    devices: [
      {
        driver: DRIVER, address: DEVICE, name: '\\Device\\Sample', links: ['\\\\.\\Sample'], deviceType: 0x22, characteristics: 0,
        flags: 0x14, method: 'both flags', stackSize: 1,
      },
    ],
    ioctls: [{ code: 0x22e000, origin: 'found', devices: ['\\Device\\Sample'] }],
    requests,
    prints,
    findings: [
      {
        id: 'bug-check', severity: 'S2', message: 'DRIVER_IRQL_NOT_LESS_OR_EQUAL in sample!Read+0x4', request: 5,
        bugCheck: { code: 0xd1, parameters: [0n, 2n, 1n, 0xfffff80000001234n], frames: ['sample!Read+0x4 (read.c:12)', 'nt!IofCallDriver'], lastRequests: [5, 4, 3] },
      },
    ],
    notes: ['\\Driver\\sample has no DriverUnload: it cannot be unloaded'],
    verdict: 'misbehaved',
  }; // biome-ignore format: a table
}
