/**
 * Pseudo-images: modules whose code is TypeScript.
 *
 * ntoskrnl.exe and every TypeScript driver are one, so that their trap addresses have a module and a name like any
 * other code. ntoskrnl.exe also holds the two return addresses of calls from TypeScript into the guest, CALLOUT and
 * CALLOUT_TRAP (ke/activation-frames.ts says what they are); their unwind data, written here into guest memory, lets
 * any unwinder walk such a frame, the guest's own included.
 */
import type { Address } from '../wdm/address.ts';
import type { GuestMemory } from '../wdm/memory.ts';
import { type ImageDescription, LoadedImage } from './image-table.ts';

export type PseudoImage = Pick<
  ImageDescription,
  'name' | 'base' | 'size' | 'functionTable' | 'functionTableAddress'
> & {
  /** The routine or variable that begins at an address, if one does. */
  readonly nameAt: (address: Address) => string | undefined;
};

/** An image of TypeScript code. Its range need not be mapped, but for what is data or unwind data. */
export function pseudoImage(description: PseudoImage): LoadedImage {
  return new LoadedImage({ ...description, pseudo: true });
}

const RUNTIME_FUNCTIONS = 2 * 12;

/** UNWIND_INFO: version 1, no flags; no prologue, so that its codes hold at the return address itself; frame register rbp. */
const CALLOUT_UNWIND = [0x01, 0, 2, 0x05, /* UWOP_SET_FPREG */ 0, 0x03, /* UWOP_PUSH_NONVOL rbp */ 0, 0x50];
const CALLOUT_TRAP_UNWIND = [0x01, 0, 3, 0x05, 0, 0x03, 0, 0x50, /* UWOP_PUSH_MACHFRAME */ 0, 0x0a, 0, 0];

/** Bytes that `writeCalloutUnwindData` writes. */
export const CALLOUT_UNWIND_DATA_SIZE = RUNTIME_FUNCTIONS + CALLOUT_UNWIND.length + CALLOUT_TRAP_UNWIND.length;

/**
 * Writes the exception directory and the unwind information of the two call-out addresses at `at`, inside the
 * pseudo-image's range and 4-byte aligned. Each address is covered by a function of its own, one byte long.
 */
export function writeCalloutUnwindData(
  memory: GuestMemory,
  imageBase: Address,
  at: Address,
  callout: Address,
  calloutTrap: Address,
): Required<Pick<ImageDescription, 'functionTable' | 'functionTableAddress'>> {
  const unwind = at - imageBase + RUNTIME_FUNCTIONS;
  const entries = [
    [callout - imageBase, callout - imageBase + 1, unwind],
    [calloutTrap - imageBase, calloutTrap - imageBase + 1, unwind + CALLOUT_UNWIND.length],
  ].sort((a, b) => a[0]! - b[0]!);
  const functionTable = new Uint32Array(entries.flat());
  memory.writeBytes(at, new Uint8Array(functionTable.buffer));
  memory.writeBytes(at + RUNTIME_FUNCTIONS, new Uint8Array([...CALLOUT_UNWIND, ...CALLOUT_TRAP_UNWIND]));
  return { functionTable, functionTableAddress: at - imageBase };
}
