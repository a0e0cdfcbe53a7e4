import { describe, expect, it } from 'vitest';
import { IRP, sampleEvents, sampleReport } from '../../../test/sample-report.ts';
import { Recorder, Trace } from '../../etw/index.ts';
import { explainParameters, stopLine } from './bug-check.ts';
import { reportJson } from './json.ts';
import { renderReport } from './render.ts';
import { frameText } from './request-text.ts';
import { requestsOf } from './requests.ts';
import { createStyle, printable } from './style.ts';

describe('requests from the trace', () => {
  const { requests, prints } = requestsOf(sampleEvents());

  it('joins a call and its IRP to one request', () => {
    const [first] = requests;
    expect(requests).toHaveLength(5);
    expect(first).toMatchObject({ id: 1, device: '\\Device\\Sample', method: 'buffered', status: 0, information: 12n });
    expect(first?.steps.map(step => step.kind)).toEqual([
      'allocated',
      'copied',
      'dispatched',
      'print',
      'completed',
      'copied',
    ]);
  });

  it('gives an event without an IRP to the request whose dispatch routine runs in that thread', () => {
    expect(requests[1]?.steps).toContainEqual(expect.objectContaining({ kind: 'mapped' }));
    expect(requests[2]?.steps).toContainEqual(expect.objectContaining({ kind: 'exception', handled: true }));
    expect(prints).toEqual(['loaded']);
  });

  it('knows how each request ended', () => {
    expect(requests.map(request => request.ending)).toEqual([
      'completed',
      'completed',
      'completed',
      'refused',
      'stopped the machine',
    ]);
  });
});

it('knows a request that no driver saw: its buffer could not be captured', () => {
  const trace = new Trace();
  trace.stampWith(() => ({ time: 0, thread: 8, process: 4, irql: 0 }));
  const recorder = new Recorder(trace);
  const [entered, created] = sampleEvents().filter(event => event.type === 'call-entered' || event.type === 'irp-created'); // biome-ignore format: one line
  trace.emit(entered!);
  trace.emit(created!);
  trace.emit({ type: 'irp-freed', irp: IRP });
  trace.emit({ type: 'call-returned', name: 'DeviceIoControl', status: 0xc0000005 });
  const [request] = requestsOf(recorder.events).requests;
  expect(request).toMatchObject({ ending: 'refused', status: 0xc0000005 });
});

describe('the report as text', () => {
  const text = renderReport(sampleReport());
  /** Columns are as wide as they need be. */
  const squeezed = text.replace(/ +/g, ' ');

  it.each([
    ['the driver', 'sample.sys \\Driver\\sample 12,800 bytes at ffff8000`10000000 seed 1'],
    ['a device', '\\Device\\Sample \\\\.\\Sample both flags FILE_DEVICE_UNKNOWN'],
    ['an IOCTL', '0x0022E000 FILE_DEVICE_UNKNOWN 0x800 METHOD_BUFFERED read and write access found'],
    ['a buffered way', 'd10000 ─64→ ffffe090`00003000 ─12→ d20000 12 STATUS_SUCCESS'],
    ['a direct way', 'd20010 ═ 3 frames 1a3-1a4 1c0 write ═ ffffe090`00010010 8192 STATUS_BUFFER_OVERFLOW'],
    ['a raw pointer', 'raw d30000'],
    ['a handled exception', 'caught STATUS_ACCESS_VIOLATION at ffffe090`00000000 in sample!Write+0x12'],
    ['a refused call', 'd30000 STATUS_ACCESS_VIOLATION (not sent)'],
    ['the blue screen', '*** STOP 0x000000D1 (0x0000000000000000,0x0000000000000002,0x0000000000000001,0xFFFFF80000001234)'],
    ['its parameters', 'parameter 2: IRQL 2 (DISPATCH_LEVEL)'],
    ['its stack', '00 sample!Read+0x4 (read.c:12)'],
    ['the verdict', 'The driver misbehaved: 1 finding in 5 requests.'],
  ])('shows %s', (_what, line) => expect(squeezed).toContain(line)); // biome-ignore format: a table

  it('lets no control character of the driver through', () => {
    expect(text).toContain('"hello\\x1b[31m"');
    const named = { ...sampleReport(), reason: 'nt!\x1b[2J is not supported', verdict: 'unchecked' as const };
    expect(renderReport(named)).toContain('nt!\\x1b[2J is not supported');
    expect(printable('a\x07\u009bb\t')).toBe('a\\x07\\x9bb\\x09');
  });

  it('is the same text under the colours', () => {
    const coloured = renderReport(sampleReport(), createStyle(true));
    expect(coloured).not.toBe(text);
    expect(coloured.replace(new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, 'g'), '')).toBe(text);
  });

  it('gives the reason when there is no verdict', () => {
    const unchecked = { ...sampleReport(), verdict: 'unchecked' as const, reason: 'sgdt is not supported' };
    expect(renderReport(unchecked)).toContain('Could not be checked: sgdt is not supported');
  });
});

describe('--json', () => {
  const json = JSON.parse(reportJson(sampleReport()));

  it('holds what is promised', () => {
    expect(json).toMatchObject({ verdict: 'misbehaved', driver: { name: '\\Driver\\sample', status: '0x00000000' } });
    expect(json.devices).toHaveLength(1);
    expect(json.ioctls[0]).toMatchObject({ code: '0x0022e000', method: 'METHOD_BUFFERED', function: 0x800 });
    expect(json.requests[1]).toMatchObject({ statusName: 'STATUS_BUFFER_OVERFLOW', information: 8192 });
    expect(json.findings[0]).toMatchObject({ id: 'bug-check', severity: 'S2', request: 5 });
    expect(json.findings[0].bugCheck.name).toBe('DRIVER_IRQL_NOT_LESS_OR_EQUAL');
  });

  it('writes addresses as strings', () => {
    expect(json.requests[0].steps[1]).toMatchObject({
      from: '0x0000000000d10000',
      to: '0xffffe09000003000',
      bytes: 64,
    });
  });
});

describe('bug checks', () => {
  it('explains the parameters of the ones it knows, and is silent about others', () => {
    expect(explainParameters({ code: 0x50, parameters: [0n, 0n, 0n, 0n] })).toContain('parameter 2: read');
    expect(explainParameters({ code: 0x12345678, parameters: [1n, 2n, 3n, 4n] })).toEqual([]);
    expect(stopLine({ code: 0xe2, parameters: [0n, 0n, 0n, 0n] })).toMatch(/^\*\*\* STOP 0x000000E2 \(0x0{16},/);
  });
});

it('shortens runs of frames', () => {
  expect(frameText([1, 2, 3, 7])).toBe('4 frames 1-3 7');
  expect(frameText([1, 3, 5, 7])).toBe('4 frames 1 3 5 7');
  expect(frameText([1, 3, 5, 7, 9, 11])).toBe('6 frames 1 3 …');
});
