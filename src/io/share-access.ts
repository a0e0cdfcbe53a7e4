/**
 * Share access: what the open files of one device or stream allow each other.
 *
 * The driver that keeps a SHARE_ACCESS calls these from its CREATE and CLEANUP; the I/O manager does not by itself. All
 * are called under the driver's own synchronisation, at PASSIVE_LEVEL. Source: DDI pages of IoCheckShareAccess,
 * IoSetShareAccess, IoUpdateShareAccess, IoRemoveShareAccess.
 */
import type { Address } from '../wdm/address.ts';
import {
  DELETE,
  FILE_APPEND_DATA,
  FILE_EXECUTE,
  FILE_READ_DATA,
  FILE_SHARE_DELETE,
  FILE_SHARE_READ,
  FILE_SHARE_WRITE,
  FILE_WRITE_DATA,
} from '../wdm/constants.ts';
import { FILE_OBJECT } from '../wdm/layouts.ts';
import type { GuestMemory } from '../wdm/memory.ts';
import { STATUS_SHARING_VIOLATION, STATUS_SUCCESS } from '../wdm/ntstatus.ts';
import { struct, u32 } from '../wdm/struct.ts';

export const SHARE_ACCESS = struct('SHARE_ACCESS', 0x1c, {
  OpenCount: u32(0x00),
  Readers: u32(0x04),
  Writers: u32(0x08),
  Deleters: u32(0x0c),
  SharedRead: u32(0x10),
  SharedWrite: u32(0x14),
  SharedDelete: u32(0x18),
});

export class ShareAccess {
  readonly #memory: GuestMemory;

  constructor(memory: GuestMemory) {
    this.#memory = memory;
  }

  /** The first open: notes in the file what it does and allows, and starts the counts. */
  IoSetShareAccess(desiredAccess: number, desiredShare: number, file: Address, share: Address): void {
    this.#memory.fill(share, SHARE_ACCESS.size, 0);
    this.#note(desiredAccess, desiredShare, file);
    this.IoUpdateShareAccess(file, share);
  }

  /** STATUS_SHARING_VIOLATION if the open does, or forbids, what the others forbid or do. */
  IoCheckShareAccess(
    desiredAccess: number,
    desiredShare: number,
    file: Address,
    share: Address,
    update: boolean,
  ): number {
    this.#note(desiredAccess, desiredShare, file);
    const own = FILE_OBJECT.at(this.#memory, file);
    if (!(own.ReadAccess || own.WriteAccess || own.DeleteAccess)) return STATUS_SUCCESS;
    const all = SHARE_ACCESS.at(this.#memory, share);
    const clash =
      (own.ReadAccess && all.SharedRead < all.OpenCount) ||
      (own.WriteAccess && all.SharedWrite < all.OpenCount) ||
      (own.DeleteAccess && all.SharedDelete < all.OpenCount) ||
      (all.Readers !== 0 && !own.SharedRead) ||
      (all.Writers !== 0 && !own.SharedWrite) ||
      (all.Deleters !== 0 && !own.SharedDelete);
    if (clash) return STATUS_SHARING_VIOLATION;
    if (update) this.IoUpdateShareAccess(file, share);
    return STATUS_SUCCESS;
  }

  IoUpdateShareAccess(file: Address, share: Address): void {
    this.#count(file, share, 1);
  }

  IoRemoveShareAccess(file: Address, share: Address): void {
    this.#count(file, share, -1);
  }

  #note(desiredAccess: number, desiredShare: number, file: Address): void {
    const view = FILE_OBJECT.at(this.#memory, file);
    const bit = (set: number) => (set === 0 ? 0 : 1);
    view.ReadAccess = bit(desiredAccess & (FILE_EXECUTE | FILE_READ_DATA));
    view.WriteAccess = bit(desiredAccess & (FILE_WRITE_DATA | FILE_APPEND_DATA));
    view.DeleteAccess = bit(desiredAccess & DELETE);
    const uses = view.ReadAccess || view.WriteAccess || view.DeleteAccess;
    view.SharedRead = uses ? bit(desiredShare & FILE_SHARE_READ) : 0;
    view.SharedWrite = uses ? bit(desiredShare & FILE_SHARE_WRITE) : 0;
    view.SharedDelete = uses ? bit(desiredShare & FILE_SHARE_DELETE) : 0;
  }

  #count(file: Address, share: Address, by: number): void {
    const own = FILE_OBJECT.at(this.#memory, file);
    if (!(own.ReadAccess || own.WriteAccess || own.DeleteAccess)) return;
    const all = SHARE_ACCESS.at(this.#memory, share);
    all.OpenCount += by;
    all.Readers += by * own.ReadAccess;
    all.Writers += by * own.WriteAccess;
    all.Deleters += by * own.DeleteAccess;
    all.SharedRead += by * own.SharedRead;
    all.SharedWrite += by * own.SharedWrite;
    all.SharedDelete += by * own.SharedDelete;
  }
}
