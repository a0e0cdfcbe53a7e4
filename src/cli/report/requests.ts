/**
 * From the trace to requests: events of one machine, in their order, become one record a request.
 *
 * Most events name their IRP. A driver's own MDL, an exception or a debug print does not: it belongs to the request
 * whose dispatch routine is running in that thread, innermost first. A call that the I/O manager refuses before it
 * makes an IRP is a request, too: it begins and ends with the call's own events.
 */
import type { EventOf, EventType, TraceEvent, TransferMethod } from '../../etw/index.ts';
import type { Address } from '../../wdm/address.ts';
import { IRP_MJ_DEVICE_CONTROL, IRP_MJ_READ, IRP_MJ_WRITE } from '../../wdm/constants.ts';
import { STATUS_PENDING } from '../../wdm/ntstatus.ts';
import type { BufferReport, Ending, RequestReport, Step } from './model.ts';

interface Draft {
  id: number;
  irp: Address | undefined;
  major: number;
  device: string;
  method: TransferMethod;
  ioControlCode: number | undefined;
  input: BufferReport | undefined;
  output: BufferReport | undefined;
  requestorMode: 'user' | 'kernel';
  thread: number;
  steps: Step[];
  ending: Ending;
  status: number | undefined;
  information: bigint | undefined;
}

export interface TraceSummary {
  readonly requests: RequestReport[];
  /** Debug prints outside requests. */
  readonly prints: string[];
}

const CALLS: Readonly<Record<string, number>> = {
  ReadFile: IRP_MJ_READ,
  WriteFile: IRP_MJ_WRITE,
  DeviceIoControl: IRP_MJ_DEVICE_CONTROL,
};

type Handlers = { [K in EventType]?: (event: EventOf<K>) => void };

/** `machine` and `firstId` number the requests within a check of several machines. */
export function requestsOf(events: readonly TraceEvent[], machine = 1, firstId = 1): TraceSummary {
  const drafts: Draft[] = [];
  const prints: string[] = [];
  const byRequest = new Map<number, Draft>();
  /** Dispatch routines that run, per thread, innermost last; below them the call that the thread is in. */
  const running = new Map<number, Draft[]>();
  const deviceNames = new Map<Address, string>();
  const handles = new Map<number, string>();
  const mdls = new Map<Address, BufferReport & { byDriver: boolean }>();

  const stackOf = (thread: number) => {
    const stack = running.get(thread) ?? [];
    running.set(thread, stack);
    return stack;
  };
  const ownerOf = (event: TraceEvent): Draft | undefined =>
    (event.request === undefined ? undefined : byRequest.get(event.request)) ?? stackOf(event.thread).at(-1);
  const add = (event: TraceEvent, step: Step) => ownerOf(event)?.steps.push(step);
  const buffer = (address: Address | undefined, bytes: number | undefined): BufferReport | undefined =>
    address === undefined && !bytes ? undefined : { address: address ?? 0, bytes: bytes ?? 0 };
  const draft = (fields: Partial<Draft> & Pick<Draft, 'major' | 'device' | 'thread'>): Draft => {
    const made: Draft = {
      id: firstId + drafts.length,
      irp: undefined,
      method: 'none',
      ioControlCode: undefined,
      input: undefined,
      output: undefined,
      requestorMode: 'user',
      steps: [],
      ending: 'never completed',
      status: undefined,
      information: undefined,
      ...fields,
    };
    drafts.push(made);
    return made;
  };

  const stopped = (event: TraceEvent) => {
    const made = ownerOf(event);
    if (made) made.ending = 'stopped the machine';
  };

  const handlers: Handlers = {
    'device-created': event => {
      deviceNames.set(event.device, event.name ?? `unnamed device of ${event.driver}`);
    },
    'handle-opened': event => {
      handles.set(event.handle, deviceNames.get(event.device) ?? event.name);
    },
    'call-entered': event => {
      const major = CALLS[event.name];
      if (major === undefined) return;
      const made = draft({
        major,
        device: handles.get(event.handle ?? -1) ?? '',
        thread: event.thread,
        ioControlCode: event.ioControlCode,
        input: buffer(event.inputBuffer, event.inputLength),
        output: buffer(event.outputBuffer, event.outputLength),
      });
      stackOf(event.thread).push(made);
    },
    'call-returned': event => {
      if (CALLS[event.name] === undefined) return;
      const made = stackOf(event.thread).pop();
      if (!made || (made.irp !== undefined && made.ending !== 'refused')) return;
      made.ending = 'refused';
      made.status = event.status;
    },
    'irp-created': event => {
      const outer = stackOf(event.thread).at(-1);
      const fields = {
        irp: event.irp,
        major: event.major,
        device: deviceNames.get(event.device) ?? '',
        method: event.method,
        ioControlCode: event.ioControlCode,
        input: buffer(event.inputBuffer, event.inputLength),
        output: buffer(event.outputBuffer, event.outputLength),
        requestorMode: event.requestorMode,
        thread: event.thread,
      };
      const isTheCalls = outer && outer.irp === undefined && outer.major === event.major;
      const made = isTheCalls ? Object.assign(outer, fields) : draft(fields);
      if (event.request !== undefined) byRequest.set(event.request, made);
    },
    'buffer-allocated': event => {
      add(event, { kind: 'allocated', address: event.address, bytes: event.bytes, pool: event.pool });
    },
    copied: event => {
      add(event, { kind: 'copied', direction: event.direction, from: event.from, to: event.to, bytes: event.bytes });
    },
    'mdl-created': event => {
      const byDriver = event.irp === undefined;
      mdls.set(event.mdl, { address: event.address, bytes: event.bytes, byDriver });
    },
    'pages-locked': event => {
      const { mdl, access, frames } = event;
      const made = mdls.get(mdl);
      const range = made ? { address: made.address, bytes: made.bytes } : {};
      add(event, { kind: 'locked', mdl, access, frames, byDriver: made?.byDriver ?? false, ...range });
    },
    mapped: event => {
      add(event, { kind: 'mapped', mdl: event.mdl, address: event.address, bytes: event.bytes });
    },
    dispatched: event => {
      const made = ownerOf(event);
      if (!made) return;
      stackOf(event.thread).push(made);
      const raw = made.method === 'neither' ? [event.type3InputBuffer, event.userBuffer] : [];
      const { driver, device, irql } = event;
      add(event, { kind: 'dispatched', driver, device, irql, raw: raw.filter(address => address !== undefined) });
    },
    returned: event => {
      const stack = stackOf(event.thread);
      const made = ownerOf(event);
      const at = made ? stack.lastIndexOf(made) : -1;
      if (at >= 0) stack.splice(at, 1);
      // IoMarkIrpPending is inlined into drivers: what shows is what they return.
      const said = made?.steps.some(step => step.kind === 'pended' && step.driver === event.driver);
      if (event.status === STATUS_PENDING && !said) made?.steps.push({ kind: 'pended', driver: event.driver });
    },
    pended: event => {
      add(event, { kind: 'pended', driver: event.driver });
    },
    'cancel-called': event => {
      add(event, { kind: 'cancelled' });
    },
    completed: event => {
      const made = ownerOf(event);
      const { status, information, irql, thread } = event;
      add(event, { kind: 'completed', status, information, irql, thread });
      if (made) Object.assign(made, { ending: 'completed', status, information });
    },
    'irp-freed': event => {
      const made = event.request === undefined ? undefined : byRequest.get(event.request);
      const sent = made?.steps.some(step => step.kind === 'dispatched');
      // A buffer that cannot be captured or locked: no driver has seen the IRP.
      if (made?.ending === 'never completed' && !sent) made.ending = 'refused';
    },
    'exception-raised': event => {
      const address = event.information.length > 1 ? { address: event.at } : {};
      const where = event.where === undefined ? {} : { where: event.where };
      add(event, { kind: 'exception', status: event.status, handled: false, ...address, ...where });
    },
    'exception-handled': event => {
      const steps = ownerOf(event)?.steps ?? [];
      const at = steps.findLastIndex(
        step => step.kind === 'exception' && !step.handled && step.status === event.status,
      );
      const raised = steps[at];
      if (raised?.kind === 'exception') steps[at] = { ...raised, handled: true };
    },
    'debug-print': event => {
      const made = ownerOf(event);
      if (made) made.steps.push({ kind: 'print', text: event.text });
      else prints.push(event.text);
    },
    'bug-check': event => stopped(event),
    unsupported: event => stopped(event),
  };

  for (const event of events) (handlers[event.type] as ((event: TraceEvent) => void) | undefined)?.(event);
  return { requests: drafts.map(made => finish(made, machine)), prints };
}

function finish(made: Draft, machine: number): RequestReport {
  const { id, major, device, method, requestorMode, thread, steps, ending } = made;
  const { ioControlCode, input, output, status, information } = made;
  return {
    id,
    machine,
    major,
    device,
    method,
    requestorMode,
    thread,
    // A driver that completed the request has survived whatever was raised meanwhile.
    steps: steps.map(step => (step.kind === 'exception' && ending === 'completed' ? { ...step, handled: true } : step)),
    ending,
    ...(ioControlCode === undefined ? {} : { ioControlCode }),
    ...(input === undefined ? {} : { input }),
    ...(output === undefined ? {} : { output }),
    ...(status === undefined ? {} : { status }),
    ...(information === undefined ? {} : { information }),
  };
}
