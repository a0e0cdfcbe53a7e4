/**
 * Extended attributes: a chain of FILE_FULL_EA_INFORMATION in one buffer, as NtCreateFile takes it.
 *
 *   0x00 NextEntryOffset  ULONG, a multiple of 4; 0 for the last
 *   0x04 Flags            UCHAR
 *   0x05 EaNameLength     UCHAR, without the zero byte that follows the name
 *   0x06 EaValueLength    USHORT
 *   0x08 EaName, a zero byte, the value
 *
 * IoCheckEaBufferValidity: "IoCheckEaBufferValidity routine" in the DDI reference.
 */
import { STATUS_EA_LIST_INCONSISTENT, STATUS_SUCCESS } from '../wdm/ntstatus.ts';

const HEADER = 8;

/** `offset` is that of the first entry that is wrong. */
export function checkEaBuffer(bytes: Uint8Array): { status: number; offset: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let offset = 0;
  for (;;) {
    const inconsistent = { status: STATUS_EA_LIST_INCONSISTENT, offset };
    if (offset + HEADER > bytes.length) return inconsistent;
    const next = view.getUint32(offset, true);
    const nameLength = view.getUint8(offset + 5);
    const size = HEADER + nameLength + 1 + view.getUint16(offset + 6, true);
    if (offset + size > bytes.length || bytes[offset + HEADER + nameLength] !== 0) return inconsistent;
    if (next === 0) return { status: STATUS_SUCCESS, offset: 0 };
    if (next % 4 !== 0 || next < size || next > 0x7fff_ffff) return inconsistent;
    offset += next;
  }
}
