/**
 * The first event of a request: an IRP has been made, for this device, with these buffers of the caller's.
 */
import type { TransferMethod } from '../etw/index.ts';
import type { Address } from '../wdm/address.ts';
import { KernelMode } from '../wdm/constants.ts';
import type { IoEnvironment } from './environment.ts';
import type { Irp } from './transfer/index.ts';

export interface IrpFacts {
  readonly major: number;
  readonly minor?: number;
  readonly device: Address;
  readonly method: TransferMethod;
  readonly ioControlCode?: number;
  readonly inputBuffer?: Address;
  readonly inputLength?: number;
  readonly outputBuffer?: Address;
  readonly outputLength?: number;
  readonly byteOffset?: bigint;
}

export function traceIrpCreated(environment: IoEnvironment, irp: Irp, facts: IrpFacts): void {
  const { trace } = environment;
  if (!trace.enabled) return;
  const file = irp.Tail.Overlay.OriginalFileObject;
  trace.emit({
    type: 'irp-created',
    irp: irp.address,
    minor: 0,
    stackCount: irp.StackCount,
    ...(file === 0 ? {} : { file }),
    requestorMode: irp.RequestorMode === KernelMode ? 'kernel' : 'user',
    ...facts,
  });
}
