/**
 * Remove locks: how a driver knows that nobody is inside it when its device goes.
 *
 * An IO_REMOVE_LOCK lies in the device extension. Whoever enters acquires it, whoever leaves releases it; the one who
 * removes the device releases and waits, after which nobody can enter. IoCount counts those inside, plus one for the
 * device itself. Sources: "Using Remove Locks", the DDI pages of IoAcquireRemoveLock and IoReleaseRemoveLockAndWait.
 */
import type { Routine } from '../ke/routine.ts';
import type { Address } from '../wdm/address.ts';
import { Executive, KernelMode, SynchronizationEvent } from '../wdm/constants.ts';
import { IO_REMOVE_LOCK } from '../wdm/layouts.ts';
import type { GuestMemory } from '../wdm/memory.ts';
import { STATUS_DELETE_PENDING, STATUS_SUCCESS } from '../wdm/ntstatus.ts';

/** Events and waiting. */
export interface RemoveLockKe {
  readonly objects: {
    KeInitializeEvent(event: Address, type: number, state: boolean): void;
    KeSetEvent(event: Address, increment: number, wait: boolean): Routine<number>;
  };
  KeWaitForSingleObject(object: Address, reason: number, mode: number, alertable: boolean): Routine<number>;
}

const common = (memory: GuestMemory, lock: Address) => IO_REMOVE_LOCK.at(memory, lock).Common;

/** PASSIVE_LEVEL. */
export function IoInitializeRemoveLock(memory: GuestMemory, ke: RemoveLockKe, lock: Address): void {
  const view = common(memory, lock);
  view.Removed = 0;
  view.IoCount = 1;
  ke.objects.KeInitializeEvent(view.RemoveEvent.address, SynchronizationEvent, false);
}

/** IRQL <= DISPATCH_LEVEL. STATUS_DELETE_PENDING once the device is being removed: the caller is not inside then. */
export function* IoAcquireRemoveLock(memory: GuestMemory, ke: RemoveLockKe, lock: Address): Routine<number> {
  const view = common(memory, lock);
  view.IoCount++;
  if (view.Removed === 0) return STATUS_SUCCESS;
  yield* IoReleaseRemoveLock(memory, ke, lock);
  return STATUS_DELETE_PENDING;
}

/** IRQL <= DISPATCH_LEVEL. */
export function* IoReleaseRemoveLock(memory: GuestMemory, ke: RemoveLockKe, lock: Address): Routine {
  const view = common(memory, lock);
  view.IoCount--;
  if (view.IoCount === 0) yield* ke.objects.KeSetEvent(view.RemoveEvent.address, 0, false);
}

/** PASSIVE_LEVEL. Releases the caller's own acquisition and the device's, and waits for everybody else's. */
export function* IoReleaseRemoveLockAndWait(memory: GuestMemory, ke: RemoveLockKe, lock: Address): Routine {
  const view = common(memory, lock);
  view.Removed = 1;
  view.IoCount -= 2;
  if (view.IoCount > 0) yield* ke.KeWaitForSingleObject(view.RemoveEvent.address, Executive, KernelMode, false);
}
