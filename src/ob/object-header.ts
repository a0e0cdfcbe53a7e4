/**
 * What stands before every object's body.
 *
 * An object that a driver holds a pointer to (device, driver, file, event, thread) is a *body*; the object manager's
 * bookkeeping lies in guest memory just before it: the header with the two counts, and before that, for an object with
 * a name, the name information. Offsets are those of x64 Windows 10 as its public symbols give them
 * (nt!_OBJECT_HEADER, nt!_OBJECT_HEADER_NAME_INFO, nt!_OBJECT_TYPE).
 */
import type { Address } from '../wdm/address.ts';
import { OBJECT_HEADER, UNICODE_STRING } from '../wdm/layouts.ts';
import { nested, ptr, struct, u8, u32 } from '../wdm/struct.ts';

export { OBJECT_HEADER };

/** Bytes from the header to the body. */
export const OBJECT_HEADER_SIZE = OBJECT_HEADER.fields.Body.offset;

export const OBJECT_HEADER_NAME_INFO = struct('OBJECT_HEADER_NAME_INFO', 0x20, {
  Directory: ptr(0x00), // 0 when the name has been taken out of the namespace
  Name: nested(0x08, UNICODE_STRING), // the last component
  ReferenceCount: u32(0x18),
});

/** OBJECT_TYPE: what IoFileObjectType, PsProcessType and their like point to. */
export const OBJECT_TYPE = struct('OBJECT_TYPE', 0xd8, {
  Name: nested(0x10, UNICODE_STRING),
  Index: u8(0x28),
  TotalNumberOfObjects: u32(0x2c),
  TotalNumberOfHandles: u32(0x30),
  HighWaterNumberOfObjects: u32(0x34),
  HighWaterNumberOfHandles: u32(0x38),
});

export const OB_INFO_NAME = 0x02;

/** OBJECT_HEADER.Flags */
export const OB_FLAG_KERNEL_OBJECT = 0x02;
export const OB_FLAG_EXCLUSIVE_OBJECT = 0x08;
export const OB_FLAG_PERMANENT_OBJECT = 0x10;
/** Its count has reached zero and its delete procedure is due or running. */
export const OB_FLAG_DELETED_INLINE = 0x40;

export function headerOf(object: Address): Address {
  return object - OBJECT_HEADER_SIZE;
}
