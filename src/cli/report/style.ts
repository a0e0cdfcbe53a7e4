/**
 * How text is set: colours by meaning, not by name, and addresses the way a debugger prints them. Plain text when the
 * output is no terminal or NO_COLOR is set (https://no-color.org).
 */
import { stripVTControlCharacters } from 'node:util';
import picocolors from 'picocolors';
import { type Address, formatAddress, fromAddress, isUserAddress, NON_CANONICAL } from '../../wdm/address.ts';
import { formatStatus, NT_SUCCESS, NT_WARNING } from '../../wdm/ntstatus.ts';

type Paint = (text: string) => string;

export interface Style {
  readonly heading: Paint;
  readonly strong: Paint;
  readonly faint: Paint;
  readonly good: Paint;
  readonly warning: Paint;
  readonly bad: Paint;
  /** The user's side of a transfer, and the system's. */
  readonly user: Paint;
  readonly system: Paint;
}

export function createStyle(colours: boolean): Style {
  const c = picocolors.createColors(colours);
  return {
    heading: text => c.bold(text),
    strong: c.bold,
    faint: c.dim,
    good: c.green,
    warning: c.yellow,
    bad: text => c.bold(c.red(text)),
    user: c.cyan,
    system: c.magenta,
  };
}

export const PLAIN = createStyle(false);

/** A user address short (d10000), a kernel address in full (ffffe08f`12345000). */
export function placeText(style: Style, address: Address): string {
  if (address === NON_CANONICAL) return style.bad('non-canonical');
  if (address === 0) return 'NULL';
  return isUserAddress(address) ? style.user(fromAddress(address).toString(16)) : style.system(formatAddress(address));
}

export function statusText(style: Style, status: number): string {
  const text = formatStatus(status);
  if (NT_SUCCESS(status)) return style.good(text);
  return NT_WARNING(status) ? style.warning(text) : text;
}

export function hex(value: number, digits = 1): string {
  return `0x${(value >>> 0).toString(16).toUpperCase().padStart(digits, '0')}`;
}

export function count(n: number, noun: string, plural = `${noun}s`): string {
  // Intl is slow to wake up, and this is all that is wanted of it.
  const digits = n.toString().replace(/\B(?=(\d{3})+$)/g, ',');
  return `${digits} ${n === 1 ? noun : plural}`;
}

/** Text of a driver, in which only printable characters reach the terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not get out
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, c => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

export function widthOf(text: string): number {
  return [...stripVTControlCharacters(text)].length;
}

export function pad(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)));
  return align === 'left' ? text + space : space + text;
}
