/**
 * The pseudo-image ntoskrnl.exe: where the kernel's routines have their addresses.
 *
 * Its pages are real and read-only, and hold nothing but `int3` and the unwind data of the two return addresses that
 * calls from TypeScript use. Two routines are machine code, because they cannot be TypeScript behind a trap: what
 * Control Flow Guard's pointers of a driver are aimed at.
 */
import type { PageTables } from '../hw/page-tables.ts';
import { PTE_GLOBAL, PTE_PRESENT, PTE_WRITABLE } from '../hw/page-tables.ts';
import type { Ram } from '../hw/ram.ts';
import type { ReturnAddresses } from '../ke/guest-stack.ts';
import type { PseudoImage, TrapTable } from '../ke/traps.ts';
import { CALLOUT_UNWIND_DATA_SIZE, type ImageTable, pseudoImage, writeCalloutUnwindData } from '../pe/index.ts';
import { type Address, PAGE_SIZE } from '../wdm/address.ts';
import type { GuestMemory } from '../wdm/memory.ts';

/** Slots for exported routines and the kernel's own. */
const ROUTINES = 4000;
const INT3 = 0xcc;
/** _guard_check_icall: the target in RCX is good. */
const GUARD_CHECK = [0xc3];
/** _guard_dispatch_icall: jmp rax. */
const GUARD_DISPATCH = [0xff, 0xe0];

export interface NtoskrnlImage {
  readonly image: PseudoImage;
  readonly returns: ReturnAddresses;
}

/** Takes the pseudo-image's place in the trap area; the two return addresses are its first routines. */
export function reserveNtoskrnl(traps: TrapTable): NtoskrnlImage {
  const image = traps.createImage('ntoskrnl.exe', ROUTINES);
  const never = () => {
    throw new Error('a return address was called as a routine');
  };
  const callout = traps.register(image, 'KiCallUserMode', never);
  const calloutTrap = traps.register(image, 'KiCallFromTrap', never);
  return { image, returns: { callout, calloutTrap } };
}

/** Maps the image's pages and puts it into the table of images. */
export function mapNtoskrnl(
  { image, returns }: NtoskrnlImage,
  traps: TrapTable,
  images: ImageTable,
  hardware: { ram: Ram; tables: PageTables; root: number; takeFrame: () => number; memory: GuestMemory },
): void {
  const { ram, tables, root, takeFrame, memory } = hardware;
  const map = (address: Address, frame: number, bits: number) =>
    tables.write(root, address, frame, PTE_PRESENT | PTE_GLOBAL | bits, true);
  const frames = Array.from({ length: image.size / PAGE_SIZE }, takeFrame);
  frames.forEach((frame, page) => {
    const offset = ram.offsetOf(frame);
    ram.u8.fill(INT3, offset, offset + PAGE_SIZE);
    map(image.base + page * PAGE_SIZE, frame, PTE_WRITABLE);
  });
  const unwindData = image.base + image.size - Math.ceil(CALLOUT_UNWIND_DATA_SIZE / 16) * 16;
  const directory = writeCalloutUnwindData(memory, image.base, unwindData, returns.callout, returns.calloutTrap);
  frames.forEach((frame, page) => {
    map(image.base + page * PAGE_SIZE, frame, 0);
  });
  images.add(
    pseudoImage({
      name: image.name,
      base: image.base,
      size: image.size,
      ...directory,
      nameAt: address => traps.containing(address)?.name,
    }),
  );
}

/** Writes the Control Flow Guard routines into executable memory. */
export function writeGuardRoutines(memory: GuestMemory, at: Address): { check: Address; dispatch: Address } {
  memory.writeBytes(at, new Uint8Array([...GUARD_CHECK, INT3, INT3, INT3, ...GUARD_DISPATCH]));
  return { check: at, dispatch: at + 4 };
}
