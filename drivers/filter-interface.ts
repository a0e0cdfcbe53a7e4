/**
 * What an application and the filter driver agree on: samples/filter/filter.h in TypeScript. A test compares the two.
 */
import { CTL_CODE, FILE_ANY_ACCESS, METHOD_BUFFERED } from '../src/wdm/constants.ts';
import { struct, u32, u64 } from '../src/wdm/struct.ts';

export const FILE_DEVICE_FILTER = 0x8e01;

export const IOCTL_FILTER_GET_COUNTS = CTL_CODE(FILE_DEVICE_FILTER, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS);

export const FILTER_COUNTS = struct('FILTER_COUNTS', 0x18, {
  Reads: u32(0x00),
  Writes: u32(0x04),
  Controls: u32(0x08),
  Completions: u32(0x0c),
  Bytes: u64(0x10),
});
