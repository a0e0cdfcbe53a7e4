/**
 * The whole report as text, for people: what the driver is, its devices, its IOCTLs, each request's way, how it ended.
 * A pure function of the report; the same report gives the same bytes.
 */
import Table from 'cli-table3';
import { formatAddress } from '../../wdm/address.ts';
import * as constants from '../../wdm/constants.ts';
import { decodeControlCode } from '../../wdm/ioctl.ts';
import { STATUS_INVALID_DEVICE_REQUEST } from '../../wdm/ntstatus.ts';
import { renderBugCheck } from './bug-check.ts';
import type { Finding, Report, RequestReport, Verdict } from './model.ts';
import { majorName, notesOf, outcomeOf, wayOf } from './request-text.ts';
import { count, hex, PLAIN, pad, printable, type Style, statusText, widthOf } from './style.ts';

const { METHOD_NAMES } = constants;

/** Characteristics that are named like device types. */
const NOT_TYPES: ReadonlySet<string> = new Set([
  'FILE_DEVICE_IS_MOUNTED',
  'FILE_DEVICE_SECURE_OPEN',
  'FILE_DEVICE_ALLOW_APPCONTAINER_TRAVERSAL',
]);

const DEVICE_TYPES: ReadonlyMap<number, string> = new Map(
  Object.entries(constants)
    .filter(([name]) => name.startsWith('FILE_DEVICE_') && !NOT_TYPES.has(name))
    .map(([name, value]) => [value as number, name]),
);

export function deviceTypeName(type: number): string {
  return DEVICE_TYPES.get(type) ?? (type >= 0x8000 ? `${hex(type)} (vendor)` : hex(type));
}

const ACCESS_NAMES = ['any access', 'read access', 'write access', 'read and write access'] as const;

const NO_BORDERS = {
  top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '', 'bottom-left': '',
  'bottom-right': '', left: ' ', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  ',
}; // biome-ignore format: a table

function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  style: Style,
  right: readonly number[] = [],
): string {
  // biome-ignore format: one line
  const colAligns = head.map((_, n) => (right.includes(n) ? ('right' as const) : ('left' as const)));
  const made = new Table({
    chars: NO_BORDERS,
    head: head.map(text => style.faint(text)),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    colAligns,
  });
  for (const row of rows) made.push([...row]);
  return trimEnds(made.toString());
}

function trimEnds(text: string): string {
  const lines = text.split('\n').map(line => line.trimEnd());
  return lines.join('\n');
}

/** Names and texts of the driver's, and what quotes them, with nothing in them that a terminal would obey. */
function harmless<T>(value: T): T {
  if (typeof value === 'string') return printable(value.replace(/[\r\n]+$/, '')) as T;
  if (Array.isArray(value)) return value.map(harmless) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, harmless(inner)])) as T;
}

export function renderReport(raw: Report, style: Style = PLAIN): string {
  const report = harmless(raw);
  const sections = [
    renderDrivers(report, style),
    section('Devices', renderDevices(report, style), style),
    section('I/O control codes', renderIoctls(report, style), style),
    section('Requests', renderRequests(report.requests, style), style),
    section('Debug output outside requests', report.prints.map(text => `  ${style.faint(`"${text}"`)}`).join('\n'), style),
    section('Notes', report.notes.map(note => `  ${note}`).join('\n'), style),
    section('Findings', report.findings.map(finding => renderFinding(finding, style)).join('\n\n'), style),
    renderVerdict(report, style),
  ]; // biome-ignore format: a list
  return `${sections.filter(text => text !== '').join('\n\n')}\n`;
}

function section(title: string, body: string, style: Style): string {
  return body === '' ? '' : `${style.heading(title)}\n${body}`;
}

function renderDrivers({ drivers, seed }: Report, style: Style): string {
  const lines = drivers.map((driver, n) => {
    const at = driver.base === undefined ? '' : `  at ${formatAddress(driver.base)}`;
    const last = n === 0 ? `  seed ${seed}` : '';
    const name = driver.name === '' ? '' : `  ${driver.name}`;
    const entry = driver.status === 0 ? '' : `  ${statusText(style, driver.status)}`;
    return `${style.strong(driver.file)}${name}  ${count(driver.bytes, 'byte')}${at}${entry}${style.faint(last)}`;
  });
  return lines.join('\n');
}

function renderDevices({ devices }: Report, style: Style): string {
  if (devices.length === 0) return '';
  const methods = { buffered: style.good, direct: style.good, neither: style.warning, 'both flags': style.bad };
  const rows = devices.map(device => [
    device.name ?? style.faint('(unnamed)'),
    device.links.join(' ') || style.faint('no link'),
    methods[device.method](device.method),
    deviceTypeName(device.deviceType),
    device.driver,
  ]);
  return table(['device', 'link', 'read and write', 'type', 'driver'], rows, style);
}

function renderIoctls({ ioctls }: Report, style: Style): string {
  if (ioctls.length === 0) return '';
  const rows = ioctls.map(({ code, origin, devices }) => {
    const { deviceType, function: func, method, access } = decodeControlCode(code);
    return [
      style.strong(hex(code, 8)),
      deviceTypeName(deviceType),
      hex(func, 3),
      METHOD_NAMES[method] ?? '',
      ACCESS_NAMES[access] ?? '',
      origin,
      devices.length > 1 ? count(devices.length, 'device') : (devices[0] ?? ''),
    ];
  });
  return table(['code', 'device type', 'function', 'method', 'access', 'origin', 'known to'], rows, style);
}

const QUIET: ReadonlySet<number> = new Set([constants.IRP_MJ_CREATE, constants.IRP_MJ_CLEANUP, constants.IRP_MJ_CLOSE]);

/** Requests that differ only in their sizes stand under one heading. */
function headingOf(request: RequestReport): string {
  const ioctl = request.ioControlCode;
  const what = ioctl === undefined ? majorName(request.major) : `${hex(ioctl, 8)} ${METHOD_NAMES[ioctl & 3]}`;
  const how = ioctl === undefined && request.method !== 'none' ? ` (${request.method})` : '';
  const by = request.requestorMode === 'kernel' && !QUIET.has(request.major) ? ', sent by a driver' : '';
  return `${what}${how}  ${request.device}${by}`;
}

/** An open or a close without a hitch says nothing, nor does the same once more on a later machine. */
function isQuiet(request: RequestReport): boolean {
  // A driver need not handle CLEANUP.
  const refused = request.major === constants.IRP_MJ_CLEANUP && request.status === STATUS_INVALID_DEVICE_REQUEST;
  const ordinary = request.ending === 'completed' && (request.status === 0 || refused);
  return QUIET.has(request.major) && ordinary && (request.machine > 1 || notesOf(request, PLAIN).length === 0);
}

/** Columns of a way on one line, at most. */
const WAY_WIDTH = 64;

/** Request numbers that a finding names, at most. */
const LONGEST_LIST = 8;

function renderRequests(requests: readonly RequestReport[], style: Style): string {
  const shown = requests.filter(request => !isQuiet(request));
  const rows = shown.map(request => ({
    heading: headingOf(request),
    id: `#${request.id}`,
    sizes: sizesOf(request),
    ...folded(wayOf(request, style)),
    outcome: outcomeOf(request, style),
    information: request.information === undefined ? '' : request.information.toString(),
    notes: notesOf(request, style),
  }));
  const widest = (key: 'id' | 'sizes' | 'way' | 'information') =>
    rows.reduce((width, row) => Math.max(width, widthOf(row[key])), 0);
  const [idWidth, sizeWidth, wayWidth, infoWidth] = [
    widest('id'),
    widest('sizes'),
    widest('way'),
    widest('information'),
  ];
  const lines: string[] = [];
  let heading = '';
  for (const row of rows) {
    if (row.heading !== heading) {
      heading = row.heading;
      lines.push(`  ${style.strong(heading)}`);
    }
    const information = pad(row.information, infoWidth, 'right');
    const columns = [
      pad(row.id, idWidth, 'right'),
      pad(row.sizes, sizeWidth),
      pad(row.way, wayWidth),
      information,
      row.outcome,
    ];
    lines.push(`  ${style.faint(columns[0] ?? '')}  ${columns.slice(1).join('  ')}`.trimEnd());
    const indent = ' '.repeat(idWidth + 2 + sizeWidth + 2);
    for (const part of row.below) lines.push(`  ${indent}${part}`);
    for (const note of row.notes) lines.push(`  ${' '.repeat(idWidth)}  ${style.faint('·')} ${note}`);
  }
  if (lines.length === 0) return '';
  const head = [
    pad('', idWidth),
    pad('bytes', sizeWidth),
    pad('way', wayWidth),
    pad('info', infoWidth, 'right'),
    'status',
  ];
  const quiet = requests.length - shown.length;
  const tail =
    quiet > 0
      ? [style.faint(`  and ${count(quiet, 'open, cleanup or close', 'opens, cleanups and closes')} without a hitch`)]
      : [];
  return [style.faint(`  ${head.join('  ').trimEnd()}`), ...lines, ...tail].join('\n');
}

/** What does not fit beside each other stands below each other. */
function folded(parts: readonly string[]): { way: string; below: readonly string[] } {
  const line = parts.join('  ');
  if (widthOf(line) <= WAY_WIDTH) return { way: line, below: [] };
  const [way = '', ...below] = parts;
  return { way, below };
}

function sizesOf({ input, output }: RequestReport): string {
  const parts = [input && `in ${input.bytes}`, output && `out ${output.bytes}`];
  return parts.filter(part => part !== undefined).join(' ');
}

function renderFinding(finding: Finding, style: Style): string {
  const request = finding.request === undefined ? '' : ` #${finding.request}`;
  const named = finding.also?.slice(0, LONGEST_LIST).map(id => `#${id}`) ?? [];
  const more = (finding.also?.length ?? 0) - named.length;
  const also = named.length > 0 ? ` (also ${named.join(' ')}${more > 0 ? ` and ${more} more` : ''})` : '';
  const lines = [
    `  ${style.bad(finding.severity)} ${style.strong(finding.id)}${request}  ${finding.message}${style.faint(also)}`,
  ];
  if (finding.bugCheck) lines.push(...renderBugCheck(finding.bugCheck, style).map(line => `     ${line}`));
  return lines.join('\n');
}

function renderVerdict({ verdict, reason, findings, requests }: Report, style: Style): string {
  const because = reason === undefined ? '' : `: ${reason}`;
  const sentences: Record<Verdict, string> = {
    clean: `${style.good('Clean')}: ${count(requests.length, 'request')}, no findings.`,
    misbehaved: `${style.bad('The driver misbehaved')}: ${count(findings.length, 'finding')} in ${count(requests.length, 'request')}.`,
    unchecked: `${style.warning('Could not be checked')}${because}`,
  };
  return sentences[verdict];
}
