/**
 * Waiting for an object by its handle.
 *
 * A type says where in its objects' bodies the dispatcher header is: at the beginning for an event, a process or a
 * thread; a file object has an event inside. What has none cannot be waited for.
 */
import type { Routine } from '../ke/routine.ts';
import type { Address } from '../wdm/address.ts';
import { SYNCHRONIZE, UserRequest } from '../wdm/constants.ts';
import { NT_SUCCESS, STATUS_OBJECT_TYPE_MISMATCH } from '../wdm/ntstatus.ts';
import type { Handles } from './handles.ts';
import type { ObjectManager } from './object-manager.ts';

export interface WaitKernel {
  KeWaitForSingleObject(
    object: Address,
    reason: number,
    mode: number,
    alertable: boolean,
    timeout?: bigint,
  ): Routine<number>;
}

/** NtWaitForSingleObject. PASSIVE_LEVEL. */
export function* waitForHandle(
  objects: ObjectManager,
  handles: Handles,
  kernel: WaitKernel,
  wait: {
    readonly handle: number;
    readonly alertable: boolean;
    readonly timeout: bigint | undefined;
    readonly mode: number;
  },
): Routine<number> {
  const found = handles.ObReferenceObjectByHandle(wait.handle, SYNCHRONIZE, 0, wait.mode);
  if (!NT_SUCCESS(found.status)) return found.status;
  const { dispatcher } = objects.typeOf(found.object);
  const status =
    dispatcher === undefined
      ? STATUS_OBJECT_TYPE_MISMATCH
      : yield* kernel.KeWaitForSingleObject(
          found.object + dispatcher,
          UserRequest,
          wait.mode,
          wait.alertable,
          wait.timeout,
        );
  yield* objects.ObfDereferenceObject(found.object);
  return status;
}
