/**
 * What the I/O manager needs of the rooms below it, and nothing more.
 */
import type { Trace } from '../etw/index.ts';
import type { MaybeRoutine, Routine } from '../ke/routine.ts';
import type { Ob } from '../ob/index.ts';
import type { Address } from '../wdm/address.ts';
import type { Access, GuestMemory } from '../wdm/memory.ts';

export interface IoPool {
  /** 0 when there is none. */
  allocate(poolType: number, bytes: number, tag: number): Address;
  free(address: Address, tag: number): void;
}

export interface IoThread {
  /** KTHREAD. */
  readonly object: Address;
  readonly process: { readonly object: Address; readonly id: number };
  previousMode: number;
  /** Special kernel APCs wait: it is inside a guarded region. */
  readonly apcsHeldOff: boolean;
}

/** Threads, events and IRQL. */
export interface IoKe {
  readonly irql: number;
  readonly currentThread: IoThread;
  KeRaiseIrql(irql: number): number;
  KeLowerIrql(irql: number): Routine;
  KeInitializeEvent(event: Address, type: number, state: boolean): void;
  KeSetEvent(event: Address, increment: number, wait: boolean): Routine<number>;
  KeClearEvent(event: Address): void;
  KeWaitForSingleObject(
    object: Address,
    reason: number,
    mode: number,
    alertable: boolean,
    timeout?: bigint,
  ): Routine<number>;
  KeDelayExecutionThread(mode: number, alertable: boolean, interval: bigint): Routine<number>;
  /** Spin locks: the first returns the old IRQL, at which the second leaves. */
  KeAcquireSpinLockRaiseToDpc(lock: Address): Routine<number>;
  KeReleaseSpinLock(lock: Address, irql: number): Routine;
  /** Runs `apc` in the thread's context at APC_LEVEL, as soon as it is below that. `thread` is a KTHREAD. */
  queueSpecialApc(thread: Address, apc: () => Routine): void;
  /** Bytes on the kernel stack of the running routine; they go when it returns. */
  alloca(bytes: number): Address;
}

/** Probes and MDLs. */
export interface IoMm {
  /** The next three throw GuestException. */
  ProbeForRead(address: Address, length: number, alignment: number): MaybeRoutine<void>;
  ProbeForWrite(address: Address, length: number, alignment: number): MaybeRoutine<void>;
  /** Makes sure that the range can be read or written at once; the page may have to be read in. */
  touch(address: Address, length: number, access: Access): MaybeRoutine<void>;
  IoAllocateMdl(address: Address, length: number, secondary: boolean, chargeQuota: boolean, irp: Address): Address;
  IoFreeMdl(mdl: Address): void;
  MmProbeAndLockPages(mdl: Address, mode: number, operation: number): Routine;
  MmUnlockPages(mdl: Address): void;
}

export interface IoEnvironment {
  /** Supervisor view of the current address space. */
  readonly memory: GuestMemory;
  readonly pool: IoPool;
  readonly ke: IoKe;
  readonly mm: IoMm;
  readonly ob: Ob;
  readonly trace: Trace;
}
