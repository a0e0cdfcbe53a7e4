/**
 * The kernel as an exported routine sees it: the rooms that it may call into.
 *
 * `machine.ts` fills it once at boot. It is the only place where rooms meet as a whole; a room itself gets through its
 * constructor just what it needs.
 */
import type { VirtualMemory } from '../hw/virtual-memory.ts';
import type { Ke } from '../ke/ke.ts';

export interface Kernel {
  /** Supervisor view of the current address space. */
  readonly memory: VirtualMemory;
  readonly ke: Ke;
}
