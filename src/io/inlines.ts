/**
 * The accessors that wdm.h defines inline: every driver carries its own copies of these, and TypeScript code has ours.
 * They work on guest memory alone, at any IRQL.
 */
import type { Address } from '../wdm/address.ts';
import {
  SL_INVOKE_ON_CANCEL,
  SL_INVOKE_ON_ERROR,
  SL_INVOKE_ON_SUCCESS,
  SL_PENDING_RETURNED,
} from '../wdm/constants.ts';
import { IO_STACK_LOCATION, IRP } from '../wdm/layouts.ts';
import type { GuestMemory } from '../wdm/memory.ts';
import type { ViewOf } from '../wdm/struct.ts';

type IoStackLocation = ViewOf<typeof IO_STACK_LOCATION>;

const { CompletionRoutine } = IO_STACK_LOCATION.fields;

export function IoGetCurrentIrpStackLocation(memory: GuestMemory, irp: Address): IoStackLocation {
  return IO_STACK_LOCATION.at(memory, IRP.at(memory, irp).Tail.Overlay.CurrentStackLocation);
}

export function IoGetNextIrpStackLocation(memory: GuestMemory, irp: Address): IoStackLocation {
  return IO_STACK_LOCATION.at(memory, IRP.at(memory, irp).Tail.Overlay.CurrentStackLocation - IO_STACK_LOCATION.size);
}

/** Makes the lower driver get this driver's own location. Not together with a completion routine. */
export function IoSkipCurrentIrpStackLocation(memory: GuestMemory, irp: Address): void {
  const view = IRP.at(memory, irp);
  view.CurrentLocation++;
  view.Tail.Overlay.CurrentStackLocation += IO_STACK_LOCATION.size;
}

/** A driver that makes its own IRP may take a location for itself. */
export function IoSetNextIrpStackLocation(memory: GuestMemory, irp: Address): void {
  const view = IRP.at(memory, irp);
  view.CurrentLocation--;
  view.Tail.Overlay.CurrentStackLocation -= IO_STACK_LOCATION.size;
}

/** Copies all but the completion routine and its context, and clears Control. */
export function IoCopyCurrentIrpStackLocationToNext(memory: GuestMemory, irp: Address): void {
  const current = IoGetCurrentIrpStackLocation(memory, irp);
  const next = IoGetNextIrpStackLocation(memory, irp);
  memory.copy(next.address, current.address, CompletionRoutine.offset);
  next.Control = 0;
}

export interface InvokeOn {
  readonly success?: boolean;
  readonly error?: boolean;
  readonly cancel?: boolean;
}

export function IoSetCompletionRoutine(
  memory: GuestMemory,
  irp: Address,
  routine: Address,
  context: Address,
  on: InvokeOn = { success: true, error: true, cancel: true },
): void {
  const next = IoGetNextIrpStackLocation(memory, irp);
  next.CompletionRoutine = routine;
  next.Context = context;
  next.Control =
    (on.success ? SL_INVOKE_ON_SUCCESS : 0) |
    (on.error ? SL_INVOKE_ON_ERROR : 0) |
    (on.cancel ? SL_INVOKE_ON_CANCEL : 0);
}

export function IoMarkIrpPending(memory: GuestMemory, irp: Address): void {
  IoGetCurrentIrpStackLocation(memory, irp).Control |= SL_PENDING_RETURNED;
}

/** Returns the routine that was set before. */
export function IoSetCancelRoutine(memory: GuestMemory, irp: Address, routine: Address): Address {
  const view = IRP.at(memory, irp);
  const before = view.CancelRoutine;
  view.CancelRoutine = routine;
  return before;
}
