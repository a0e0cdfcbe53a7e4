/**
 * I/O control codes, taken apart and put together ("Defining I/O Control Codes").
 *
 *     31      30..16      15..14     13       12..2      1..0
 *     common  DeviceType  Access     custom   Function   METHOD
 *
 * "common" is the top bit of DeviceType as the macro takes it, "custom" that of Function: numbers from 0x8000 and from
 * 0x800 are for vendors. The METHOD decides how the I/O manager hands over both buffers, whatever the device's flags.
 */
import { METHOD_NAMES } from './constants-io.ts';

export interface ControlCode {
  /** 16 bits, the vendor bit included: as given to CTL_CODE. */
  readonly deviceType: number;
  /** 12 bits, the vendor bit included. */
  readonly function: number;
  /** METHOD_BUFFERED … METHOD_NEITHER. */
  readonly method: number;
  /** FILE_ANY_ACCESS, FILE_READ_ACCESS, FILE_WRITE_ACCESS or both. */
  readonly access: number;
}

export function CTL_CODE(deviceType: number, func: number, method: number, access: number): number {
  return ((deviceType << 16) | (access << 14) | (func << 2) | method) >>> 0;
}

export function decodeControlCode(code: number): ControlCode {
  return {
    deviceType: code >>> 16,
    access: (code >>> 14) & 3,
    function: (code >>> 2) & 0xfff,
    method: code & 3,
  };
}

export function METHOD_FROM_CTL_CODE(code: number): number {
  return code & 3;
}

export function DEVICE_TYPE_FROM_CTL_CODE(code: number): number {
  return code >>> 16;
}

const ACCESS_NAMES = [
  'FILE_ANY_ACCESS',
  'FILE_READ_ACCESS',
  'FILE_WRITE_ACCESS',
  'FILE_READ_ACCESS | FILE_WRITE_ACCESS',
];

/** As one writes it in C: CTL_CODE(0x8000, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS). */
export function formatControlCode(code: number): string {
  const { deviceType, function: func, method, access } = decodeControlCode(code);
  const hex = (value: number) => `0x${value.toString(16)}`;
  return `CTL_CODE(${hex(deviceType)}, ${hex(func)}, ${METHOD_NAMES[method]}, ${ACCESS_NAMES[access]})`;
}
