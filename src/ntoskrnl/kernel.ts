/**
 * The kernel as an exported routine sees it: the rooms that it may call into.
 *
 * `machine.ts` fills it once at boot. It is the only place where rooms meet as a whole; a room itself gets through its
 * constructor just what it needs.
 */
import type { Trace } from '../etw/trace.ts';
import type { FastMutexes } from '../ex/fast-mutex.ts';
import type { Resources } from '../ex/resource.ts';
import type { WorkQueues } from '../ex/work-queue.ts';
import type { Io } from '../io/index.ts';
import type { ExceptionDispatcher } from '../ke/exception.ts';
import type { Ke } from '../ke/ke.ts';
import type { AddressSpace, MemoryManager } from '../mm/index.ts';
import type { Ob } from '../ob/index.ts';
import type { ImageTable } from '../pe/index.ts';
import type { Ps } from '../ps/ps.ts';
import type { Address } from '../wdm/address.ts';
import type { GuestMemory } from '../wdm/memory.ts';

export interface Kernel {
  /** Supervisor view of the current address space. */
  readonly memory: GuestMemory;
  readonly trace: Trace;
  readonly ke: Ke;
  readonly exceptions: ExceptionDispatcher;
  readonly images: ImageTable;
  readonly mm: MemoryManager;
  readonly ob: Ob;
  readonly ps: Ps<AddressSpace>;
  readonly io: Io;
  readonly fastMutexes: FastMutexes;
  readonly resources: Resources;
  readonly workQueues: WorkQueues;
  /**
   * The address of an exported routine or variable. For a name that we lack it is one whose use stops with the name:
   * NULL would send the driver a way that it does not go on Windows.
   */
  systemRoutine(name: string): Address;
}
