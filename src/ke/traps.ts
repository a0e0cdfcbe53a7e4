/**
 * Trap addresses: how TypeScript code comes to have an address in guest memory.
 *
 * The trap area is a range of kernel addresses that belongs to pseudo-images: `ntoskrnl.exe`, and one for each
 * TypeScript driver. Every 16 bytes of it are the slot of one routine. When RIP enters the area, the processor comes
 * back to the scheduler, which finds the routine here. To the guest a slot is the first byte of a function without a
 * prologue.
 */
import type { Address } from '../wdm/address.ts';
import type { MaybeRoutine } from './routine.ts';

/** The trap area: 16 MiB at the end of the kernel's image range (mm/layout.ts), where no seed puts an image. */
export const TRAP_AREA_BASE: Address = -0x781_0000_0000; // fffff87f`00000000
export const TRAP_AREA_SIZE = 0x100_0000;

const SLOT = 16;

/** A routine's arguments as the x64 convention passes them: RCX, RDX, R8, R9, then the stack above the home space. */
export interface ArgumentReader {
  /** Argument `index`, raw 64 bits, unsigned. */
  u64(index: number): bigint;
  /** The low 32 bits of argument `index`, unsigned. */
  u32(index: number): number;
  /** Argument `index` as an address; NON_CANONICAL if it is none. */
  address(index: number): Address;
  /** Where the call's return address lies: arguments from the fifth on stay readable there until it returns. */
  readonly entryRsp: Address;
}

/** What goes to RAX: raw bits, a number (sign-extended to 64 bits), or nothing (RAX keeps its value). */
export type TrapResult = bigint | number | undefined;

export type TrapBody = (args: ArgumentReader) => MaybeRoutine<TrapResult>;

export interface Trap {
  readonly name: string;
  readonly address: Address;
  readonly image: PseudoImage;
  readonly body: TrapBody;
  /** Virtual time that a call takes, in nanoseconds. */
  readonly cost: number;
}

/** A range of the trap area that reads as one image. Slot 0 is never a routine: an image's base is its header. */
export class PseudoImage {
  readonly name: string;
  readonly base: Address;
  readonly size: number;
  used = 1;

  constructor(name: string, base: Address, size: number) {
    this.name = name;
    this.base = base;
    this.size = size;
  }
}

export class TrapTable {
  readonly #slots: (Trap | undefined)[] = [];
  #nextImage = TRAP_AREA_BASE;

  /** A new pseudo-image with room for `routines` routines. Throws RangeError when the trap area is used up. */
  createImage(name: string, routines: number): PseudoImage {
    const size = Math.ceil(((routines + 1) * SLOT) / 0x1_0000) * 0x1_0000;
    if (this.#nextImage + size > TRAP_AREA_BASE + TRAP_AREA_SIZE) throw new RangeError('the trap area is used up');
    const image = new PseudoImage(name, this.#nextImage, size);
    this.#nextImage += size;
    return image;
  }

  /** Gives `body` an address in `image`. */
  register(image: PseudoImage, name: string, body: TrapBody, cost = 0): Address {
    if ((image.used + 1) * SLOT > image.size) throw new RangeError(`pseudo-image ${image.name} has no slot left`);
    const address = image.base + image.used++ * SLOT;
    this.#slots[(address - TRAP_AREA_BASE) / SLOT] = { name, address, image, body, cost };
    return address;
  }

  /** The routine whose slot begins at `address`. */
  at(address: Address): Trap | undefined {
    return this.#slots[(address - TRAP_AREA_BASE) / SLOT];
  }

  /** The routine whose slot holds `address`. */
  containing(address: Address): Trap | undefined {
    return this.#slots[Math.floor((address - TRAP_AREA_BASE) / SLOT)];
  }

  /** Forgets an image's routines: its driver is unloaded. The addresses are not used again. */
  removeImage(image: PseudoImage): void {
    const first = (image.base - TRAP_AREA_BASE) / SLOT;
    this.#slots.fill(undefined, first, first + image.used);
  }
}

export function inTrapArea(address: Address): boolean {
  return address >= TRAP_AREA_BASE && address < TRAP_AREA_BASE + TRAP_AREA_SIZE;
}
