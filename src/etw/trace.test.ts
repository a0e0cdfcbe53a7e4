import { describe, expect, it } from 'vitest';
import { NON_CANONICAL } from '../wdm/address.ts';
import { parseTrace, Recorder, Trace, type TraceEvent, traceHeader, traceLine } from './index.ts';

const IRP = -0x1f7000000000;

function created(trace: Trace, irp = IRP) {
  trace.emit({
    type: 'irp-created', irp, major: 0x0e, minor: 0, stackCount: 1, device: IRP - 0x1000, method: 'buffered',
    ioControlCode: 0x9c402000, inputBuffer: 0x10000, inputLength: 4, requestorMode: 'user',
  }); // biome-ignore format: one event
}

describe('Trace', () => {
  it('is enabled exactly while somebody listens', () => {
    const trace = new Trace();
    expect(trace.enabled).toBe(false);
    const first = new Recorder(trace);
    const second = new Recorder(trace);
    first.stop();
    expect(trace.enabled).toBe(true);
    second.stop();
    expect(trace.enabled).toBe(false);
    created(trace);
    expect(first.events).toEqual([]);
  });

  it('stamps events with where the machine stands', () => {
    const trace = new Trace();
    let time = 10;
    trace.stampWith(() => ({ time: time++, thread: 8, process: 4, irql: 2 }));
    const recorder = new Recorder(trace);
    created(trace);
    trace.emit({ type: 'debug-print', text: 'hello' });
    expect(recorder.events[0]).toMatchObject({ sequence: 1, time: 10, thread: 8, process: 4, irql: 2, request: 1 });
    expect(recorder.events[1]).toMatchObject({ sequence: 2, time: 11, text: 'hello' });
    expect(recorder.events[1]).not.toHaveProperty('request');
  });

  it('numbers requests, not IRP addresses: an address that is used again is another request', () => {
    const trace = new Trace();
    const recorder = new Recorder(trace);
    for (let i = 0; i < 2; i++) {
      created(trace);
      trace.emit({ type: 'irp-freed', irp: IRP });
    }
    expect(recorder.of('irp-freed').map(event => event.request)).toEqual([1, 2]);
  });

  it('records up to its limit and counts the rest', () => {
    const trace = new Trace();
    const recorder = new Recorder(trace, 1);
    created(trace);
    created(trace, IRP - 0x1000);
    expect(recorder.events).toHaveLength(1);
    expect(recorder.dropped).toBe(1);
  });
});

describe('JSON Lines', () => {
  const roundTrip = (event: TraceEvent) => parseTrace(traceHeader() + traceLine(event))[0];

  it('prints addresses and codes in hexadecimal and reads them back', () => {
    const trace = new Trace();
    const recorder = new Recorder(trace);
    created(trace);
    trace.emit({ type: 'completed', irp: IRP, status: 0xc0000005, information: 4n, priorityBoost: 0 });
    trace.emit({ type: 'bug-check', code: 0x50, parameters: [0xfffff80000000000n, 0n, 1n, 2n], frames: ['a!b+0x1'] });
    trace.emit({ type: 'pages-locked', mdl: IRP, access: 'write', frames: [7, 9] });
    trace.emit({ type: 'exception-raised', status: 0xc0000005, at: NON_CANONICAL, information: [1n, 2n ** 64n - 1n] });
    const [first, second] = recorder.events.map(traceLine);
    expect(first).toContain('"irp":"0xffffe09000000000"');
    expect(first).toContain('"ioControlCode":"0x9c402000"');
    expect(second).toContain('"status":"0xc0000005"');
    for (const event of recorder.events) expect(roundTrip(event)).toEqual(event);
  });

  it('refuses what is not a trace, with the reason', () => {
    expect(() => parseTrace('{}\n')).toThrow('its first line is no header');
    expect(() => parseTrace('{"trace":"irpwright","version":99}\n')).toThrow('version 99');
    expect(() => parseTrace(`${traceHeader()}{"type":\n`)).toThrow('line 2 of the trace');
  });
});
