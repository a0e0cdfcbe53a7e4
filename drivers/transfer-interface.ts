/**
 * What an application and the transfer driver agree on: samples/transfer/transfer.h in TypeScript, where the rules are
 * written down. A test compares the two.
 */
import {
  CTL_CODE,
  FILE_ANY_ACCESS,
  FILE_READ_ACCESS,
  FILE_WRITE_ACCESS,
  METHOD_BUFFERED,
  METHOD_IN_DIRECT,
  METHOD_NEITHER,
  METHOD_OUT_DIRECT,
} from '../src/wdm/constants.ts';
import { struct, u32, u64 } from '../src/wdm/struct.ts';

export const FILE_DEVICE_TRANSFER = 0x8e00;
export const TRANSFER_STORE_BYTES = 0x10000;
export const TRANSFER_PATTERN = (i: number): number => (i * 31 + (i >> 8) * 17 + 7) & 0xff;

const code = (func: number, method: number, access: number) => CTL_CODE(FILE_DEVICE_TRANSFER, func, method, access);

export const IOCTL_TRANSFER_REVERSE_BUFFERED = code(0x801, METHOD_BUFFERED, FILE_ANY_ACCESS);
export const IOCTL_TRANSFER_PUT_IN_DIRECT = code(0x842, METHOD_IN_DIRECT, FILE_WRITE_ACCESS);
export const IOCTL_TRANSFER_GET_OUT_DIRECT = code(0x9a3, METHOD_OUT_DIRECT, FILE_READ_ACCESS);
export const IOCTL_TRANSFER_REVERSE_NEITHER = code(0xb04, METHOD_NEITHER, FILE_ANY_ACCESS);
export const IOCTL_TRANSFER_REVERSE_OWN_MDL = code(0xc05, METHOD_NEITHER, FILE_ANY_ACCESS);

export const IOCTL_TRANSFER_LAST_VIEW = code(0x810, METHOD_BUFFERED, FILE_ANY_ACCESS);
export const IOCTL_TRANSFER_KEEP_NEXT = code(0x811, METHOD_BUFFERED, FILE_ANY_ACCESS);
export const IOCTL_TRANSFER_COMPLETE_NEXT = code(0x812, METHOD_BUFFERED, FILE_ANY_ACCESS);
export const IOCTL_TRANSFER_PEEK = code(0x813, METHOD_BUFFERED, FILE_ANY_ACCESS);
export const IOCTL_TRANSFER_POKE = code(0x814, METHOD_BUFFERED, FILE_ANY_ACCESS);
export const IOCTL_TRANSFER_RELEASE = code(0x815, METHOD_BUFFERED, FILE_ANY_ACCESS);

export const TRANSFER_COMPLETION = struct('TRANSFER_COMPLETION', 0x0c, {
  Status: u32(0x00),
  Information: u32(0x04),
  Fill: u32(0x08),
});

export const TRANSFER_VIEW = struct('TRANSFER_VIEW', 0x80, {
  // The request
  MajorFunction: u32(0x00),
  IoControlCode: u32(0x04),
  InputBufferLength: u32(0x08),
  OutputBufferLength: u32(0x0c),
  // Its buffers, as the IRP names them
  SystemBuffer: u64(0x10),
  MdlAddress: u64(0x18),
  UserBuffer: u64(0x20),
  Type3InputBuffer: u64(0x28),
  // The MDL's contents
  MdlVirtualAddress: u64(0x30),
  MdlSystemAddress: u64(0x38),
  MdlFirstFrame: u64(0x40),
  MdlByteCount: u32(0x48),
  MdlFlags: u32(0x4c),
  // The context
  IrpFlags: u32(0x50),
  Irql: u32(0x54),
  RequestorMode: u32(0x58),
  StackCount: u32(0x5c),
  Process: u64(0x60),
  Thread: u64(0x68),
  IrpThread: u64(0x70),
  DeviceObject: u64(0x78),
});
