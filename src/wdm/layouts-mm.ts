/**
 * What describes memory to a device: MDLs and scatter/gather lists.
 */
import { LARGE_INTEGER } from './layouts-basic.ts';
import { i16, nested, ptr, struct, u16, u32, u64 } from './struct.ts';

/** Followed by the page frame numbers, 8 bytes each ("Using MDLs": only Next and MdlFlags are for drivers). */
export const MDL = struct('MDL', 0x30, {
  Next: ptr(0x00),
  Size: i16(0x08), // of this header and the page frame numbers
  MdlFlags: u16(0x0a), // MDL_*; CSHORT in the header
  AllocationProcessorNumber: u16(0x0c),
  Process: ptr(0x10), // whose pages are locked; NULL for system memory
  MappedSystemVa: ptr(0x18), // valid with MDL_MAPPED_TO_SYSTEM_VA or MDL_SOURCE_IS_NONPAGED_POOL
  StartVa: ptr(0x20), // page-aligned; the buffer starts ByteOffset after it
  ByteCount: u32(0x28),
  ByteOffset: u32(0x2c),
});

export const SCATTER_GATHER_ELEMENT = struct('SCATTER_GATHER_ELEMENT', 0x18, {
  Address: nested(0x00, LARGE_INTEGER),
  Length: u32(0x08),
  Reserved: u64(0x10),
});

/** Followed by NumberOfElements elements, the first at 0x10. */
export const SCATTER_GATHER_LIST = struct('SCATTER_GATHER_LIST', 0x10, {
  NumberOfElements: u32(0x00),
  Reserved: u64(0x08),
});
