/**
 * One request on a line: from the user's address through the system's to the status.
 *
 *     buffered  d10000 ─64→ ffffe08f`12345000 ─12→ d20000
 *     direct    d20000 ═ MDL ffffe08f`1230a000, frames 1a3-1a4 ═ ffffb000`00401000
 *     neither   raw d10000, raw d20000
 *
 * `─n→` is a copy of n bytes, `═` is the same memory under another address. What is not ordinary about a request (a
 * stack of drivers, pending, exceptions, debug prints, its own MDLs) follows on lines below.
 */
import { IRP_MJ_NAMES } from '../../wdm/constants.ts';
import type { Ending, RequestReport, Step } from './model.ts';
import { count, hex, placeText, type Style, statusText } from './style.ts';

type StepOf<K extends Step['kind']> = Extract<Step, { kind: K }>;

function stepsOf<K extends Step['kind']>(request: RequestReport, kind: K): StepOf<K>[] {
  return request.steps.filter((step): step is StepOf<K> => step.kind === kind);
}

/** IRP_MJ_DEVICE_CONTROL → DEVICE_CONTROL. */
export function majorName(major: number): string {
  return (IRP_MJ_NAMES[major] ?? hex(major, 2)).replace('IRP_MJ_', '');
}

/** Runs of consecutive frames that fit into a line. */
const MOST_RUNS = 4;

/** 1a3-1a5, 1c0. */
export function frameText(frames: readonly number[]): string {
  const runs: [first: number, last: number][] = [];
  for (const frame of frames) {
    const run = runs.at(-1);
    if (run && frame === run[1] + 1) run[1] = frame;
    else runs.push([frame, frame]);
  }
  const shown = runs
    .slice(0, runs.length > MOST_RUNS ? 2 : MOST_RUNS)
    .map(([a, b]) => (a === b ? a.toString(16) : `${a.toString(16)}-${b.toString(16)}`));
  const rest = runs.length > shown.length ? ' …' : '';
  return `${count(frames.length, 'frame')} ${shown.join(' ')}${rest}`;
}

/** The request's way through its buffers, in parts: beside each other, or below where that gets too long. */
export function wayOf(request: RequestReport, style: Style): string[] {
  const place = (address: number) => placeText(style, address);
  const parts: string[] = [];
  const raw = [...new Set(stepsOf(request, 'dispatched').flatMap(step => step.raw))].filter(address => address !== 0);
  if (raw.length > 0) parts.push(`raw ${raw.map(place).join(', ')}`);
  const copies = stepsOf(request, 'copied');
  for (const { address, bytes } of stepsOf(request, 'allocated')) {
    const from = copies.find(copy => copy.direction === 'in' && copy.to === address);
    const to = copies.find(copy => copy.direction === 'out' && copy.from === address);
    const left = from ? `${place(from.from)} ─${from.bytes}→ ` : '';
    const right = to ? ` ─${to.bytes}→ ${place(to.to)}` : '';
    parts.push(`${left}${place(address)}${left || right ? '' : ` (${count(bytes, 'byte')}, nothing copied)`}${right}`);
  }
  for (const locked of stepsOf(request, 'locked')) {
    const mapped = request.steps.find(step => step.kind === 'mapped' && step.mdl === locked.mdl);
    const user = locked.address === undefined ? `MDL ${place(locked.mdl)}` : place(locked.address);
    const system = mapped?.kind === 'mapped' ? ` ═ ${place(mapped.address)}` : '';
    const own = locked.byDriver ? 'own MDL ' : '';
    parts.push(`${own}${user} ═ ${frameText(locked.frames)} ${style.faint(locked.access)}${system}`);
  }
  if (parts.length > 0) return parts;
  const given = [request.input, request.output].filter(buffer => buffer !== undefined && buffer.bytes > 0);
  const named = request.ending === 'refused' ? given.map(buffer => place(buffer?.address ?? 0)) : [];
  return [named.length > 0 ? named.join(', ') : style.faint('no buffer')];
}

const STUCK: ReadonlySet<Ending> = new Set(['stopped the machine', 'never completed', 'never returned']);

/** Its outcome in the status column. */
export function outcomeOf(request: RequestReport, style: Style): string {
  if (STUCK.has(request.ending)) return style.bad(request.ending);
  const status = request.status === undefined ? '' : statusText(style, request.status);
  return request.ending === 'refused' ? `${status} ${style.faint('(not sent)')}` : status;
}

const NOTES: { [K in Step['kind']]?: (step: StepOf<K>, request: RequestReport, style: Style) => string | undefined } = {
  pended: ({ driver }) => `pending, says ${driver}`,
  cancelled: () => 'cancelled',
  completed: ({ irql, thread }, request) => {
    const where = [irql > 0 ? `at IRQL ${irql}` : '', thread === request.thread ? '' : `in thread ${thread}`];
    const text = where.filter(part => part !== '').join(' ');
    return text === '' ? undefined : `completed ${text}`;
  },
  exception: ({ status, address, where, handled }, _request, style) => {
    const at = address === undefined ? '' : ` at ${placeText(style, address)}`;
    const by = where === undefined ? '' : ` in ${where}`;
    return `${handled ? 'caught' : style.bad('raised')} ${statusText(style, status)}${at}${by}`;
  },
  print: ({ text }, _request, style) => style.faint(`"${text}"`),
};

/** What was out of the ordinary, and what the driver printed, in the order in which it happened. */
export function notesOf(request: RequestReport, style: Style): string[] {
  const notes: string[] = [];
  const stack = [...new Set(stepsOf(request, 'dispatched').map(step => step.driver))];
  if (stack.length > 1) notes.push(`through ${stack.join(' → ')}`);
  for (const step of request.steps) {
    const note = NOTES[step.kind] as
      | ((step: Step, request: RequestReport, style: Style) => string | undefined)
      | undefined;
    const text = note?.(step, request, style);
    if (text !== undefined) notes.push(text);
  }
  return notes;
}
