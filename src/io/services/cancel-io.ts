/**
 * NtCancelIoFile: what this thread has under way on a file.
 */
import type { Routine } from '../../ke/routine.ts';
import type { Address } from '../../wdm/address.ts';
import { IO_STATUS_BLOCK } from '../../wdm/layouts.ts';
import { NT_SUCCESS, STATUS_SUCCESS } from '../../wdm/ntstatus.ts';
import type { Cancel } from '../cancel.ts';
import type { Requests } from './request.ts';

export class CancelIo {
  readonly #requests: Requests;
  readonly #cancel: Cancel;

  constructor(requests: Requests, cancel: Cancel) {
    this.#requests = requests;
    this.#cancel = cancel;
  }

  /** Returns when the drivers have completed the requests. PASSIVE_LEVEL. */
  *NtCancelIoFile(handle: number, statusBlock: Address): Routine<number> {
    const requests = this.#requests;
    const { ob, ke } = requests.environment;
    const mode = ke.currentThread.previousMode;
    const probed = yield* requests.attempt(() => requests.probeForWrite(statusBlock, IO_STATUS_BLOCK.size, 4, mode));
    if (!NT_SUCCESS(probed)) return probed;
    const found = ob.handles.ObReferenceObjectByHandle(handle, 0, requests.parts.files.type.address, mode);
    if (!NT_SUCCESS(found.status)) return found.status;
    yield* this.#cancel.cancelThreadIo(found.object);
    yield* ob.objects.ObfDereferenceObject(found.object);
    return yield* requests.attempt(() => requests.writeStatusBlock(statusBlock, STATUS_SUCCESS, 0n));
  }
}
