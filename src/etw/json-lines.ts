/**
 * Events as JSON Lines: a header line `{"trace":"irpwright","version":1}`, then one object a line.
 *
 * Addresses, statuses, codes and 64-bit data are hexadecimal strings ("0xffffe08f12345678"), so that a line reads like
 * a debugger and no JSON reader loses bits. The field's name decides; `parse` turns them back into what they were.
 */
import { type Address, fromAddress, NON_CANONICAL, toAddress } from '../wdm/address.ts';
import { TRACE_VERSION, type TraceEvent } from './event.ts';

const ADDRESSES: ReadonlySet<string> = new Set([
  'address', 'at', 'base', 'device', 'entryPoint', 'file', 'from', 'inputBuffer', 'irp', 'lower', 'mdl', 'outputBuffer',
  'routine', 'systemBuffer', 'to', 'type3InputBuffer', 'userBuffer',
]); // biome-ignore format: a table

/** 32-bit words that people read in hexadecimal; `code` is a bug check's. */
const WORDS: ReadonlySet<string> = new Set(['characteristics', 'code', 'ioControlCode', 'result', 'status']);

/** 64-bit data, alone or in arrays, but for `information` of a completed request, which is a count of bytes. */
const QUADS: ReadonlySet<string> = new Set(['byteOffset', 'information', 'parameters']);

const hex = (value: bigint, digits: number) => `0x${value.toString(16).padStart(digits, '0')}`;

/** NON_CANONICAL has no 64 bits of its own and is written by name. */
function addressText(address: Address): string {
  return address === NON_CANONICAL ? 'non-canonical' : hex(fromAddress(address), 16);
}

function encode(key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return hex(BigInt.asUintN(64, value), 1);
  if (typeof value !== 'number') return value;
  if (ADDRESSES.has(key)) return addressText(value);
  return WORDS.has(key) ? hex(BigInt(value >>> 0), 8) : value;
}

function decode(key: string, value: unknown): unknown {
  if (Array.isArray(value)) return QUADS.has(key) ? value.map(item => decode(key, item)) : value;
  if (typeof value !== 'string') return value;
  if (ADDRESSES.has(key)) return value === 'non-canonical' ? NON_CANONICAL : toAddress(BigInt(value));
  if (WORDS.has(key)) return Number(BigInt(value));
  return QUADS.has(key) ? BigInt(value) : value;
}

export function traceHeader(): string {
  return `${JSON.stringify({ trace: 'irpwright', version: TRACE_VERSION })}\n`;
}

/** One event's line, with its line end. The same event always gives the same bytes. */
export function traceLine(event: TraceEvent): string {
  return `${JSON.stringify(event, encode)}\n`;
}

/** The events of a whole file. Throws an Error with the line number for text that is not a trace of this version. */
export function parseTrace(text: string): TraceEvent[] {
  const lines = text.split('\n').filter(line => line !== '');
  const parseLine = (line: string, index: number): unknown => {
    try {
      return JSON.parse(line, decode);
    } catch (error) {
      throw new Error(`line ${index + 1} of the trace is not an event: ${(error as Error).message}`);
    }
  };
  const [header, ...events] = lines.map(parseLine) as [{ trace?: unknown; version?: unknown }?, ...TraceEvent[]];
  if (header?.trace !== 'irpwright') throw new Error('this is not an Irpwright trace: its first line is no header');
  if (header.version !== TRACE_VERSION) {
    throw new Error(`the trace has version ${header.version}; this Irpwright reads version ${TRACE_VERSION}`);
  }
  return events;
}
