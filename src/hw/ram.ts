/**
 * Physical memory: page frames in one WebAssembly memory.
 *
 * The memory opens with the host area, which no guest address reaches: the register file, the software TLB and the
 * dispatch tables that translated code uses (x86/ lays it out). Frame 0 of the guest begins at RAM_BASE. Everything is
 * sized once and never grows, so that the typed views stay valid.
 */
import { PAGE_SHIFT, PAGE_SIZE } from '../wdm/address.ts';
import { Watches } from './watch.ts';

/** Bytes of host area before frame 0. */
export const RAM_BASE = 0x20_0000;

const WASM_PAGE = 0x1_0000;

export class Ram {
  readonly memory: WebAssembly.Memory;
  /** Number of page frames; frame numbers are 0 to frames - 1. */
  readonly frames: number;
  readonly u8: Uint8Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly u64: BigUint64Array;
  readonly view: DataView;
  /** Who wants to see accesses to which page or frame. */
  readonly watches: Watches;

  /** @param bytes size of guest memory, a multiple of 64 KiB, at most 2 GiB less the host area. */
  constructor(bytes: number) {
    if (!(Number.isInteger(bytes) && bytes % WASM_PAGE === 0 && bytes > 0 && bytes <= 0x8000_0000 - RAM_BASE)) {
      throw new RangeError(`memory of ${bytes} bytes: give a multiple of 65536 below ${0x8000_0000 - RAM_BASE}`);
    }
    const pages = (RAM_BASE + bytes) / WASM_PAGE;
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.frames = bytes >>> PAGE_SHIFT;
    const { buffer } = this.memory;
    this.u8 = new Uint8Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u64 = new BigUint64Array(buffer);
    this.view = new DataView(buffer);
    this.watches = new Watches(this.frames);
  }

  /** Byte offset, in the WebAssembly memory, of a frame's first byte. */
  offsetOf(frame: number): number {
    if (!(frame >= 0 && frame < this.frames)) throw new RangeError(`no frame ${frame}: there are ${this.frames}`);
    return RAM_BASE + frame * PAGE_SIZE;
  }

  zeroFrame(frame: number): void {
    const offset = this.offsetOf(frame);
    this.u8.fill(0, offset, offset + PAGE_SIZE);
  }
}
