/**
 * Our processor, run like the real one by harness.c: the same arena at the same addresses, one case after the other.
 *
 * The pages are supervisor pages in the user half, as a driver's own would be; the code may be executed, not written.
 */
import * as iced from 'iced-x86';
import { PageTables, PTE_PRESENT, PTE_WRITABLE } from '../../src/hw/page-tables.ts';
import { Ram } from '../../src/hw/ram.ts';
import { NON_CANONICAL } from '../../src/wdm/address.ts';
import { type Exit, Processor } from '../../src/x86/index.ts';
import { REGISTERS, XMM } from '../../src/x86/layout.ts';
import {
  ARENA,
  ARENA_BYTES,
  arenaContents,
  CODE,
  CODE_BYTES,
  FS_BASE,
  GS_BASE,
  OUTCOME,
  outcomeSize,
  STATE,
  WRITABLE_BYTES,
  windowsOf,
} from './layout.ts';

const PAGE = 4096;
/** Where no case goes. */
const TRAP_AREA = -0x1234_5678_9000;
/** Instructions that a case may take; no case takes more than a few. */
const PATIENCE = 100_000;
const DEADLINE_VECTOR = 255;

export class TranslatedProcessor {
  readonly #ram = new Ram(0x40_0000);
  readonly #processor: Processor;
  readonly #contents = arenaContents();
  readonly #code: number;
  readonly #arena: number;

  constructor() {
    let next = 0;
    const frames = { allocate: () => next++, free: () => {} };
    const tables = new PageTables(this.#ram, frames);
    const root = tables.createRoot();
    const map = (address: number, bytes: number, bits: number, noExecute: boolean) => {
      const first = next;
      next += bytes / PAGE;
      for (let i = 0; i < bytes / PAGE; i++) tables.write(root, address + i * PAGE, first + i, bits, noExecute);
      return this.#ram.offsetOf(first);
    };
    this.#code = map(CODE, CODE_BYTES, PTE_PRESENT, false);
    this.#arena = map(ARENA, WRITABLE_BYTES, PTE_PRESENT | PTE_WRITABLE, true);
    const readOnly = map(ARENA + WRITABLE_BYTES, ARENA_BYTES - WRITABLE_BYTES, PTE_PRESENT, true);
    this.#ram.u8.set(this.#contents.subarray(0, WRITABLE_BYTES), this.#arena);
    this.#ram.u8.set(this.#contents.subarray(WRITABLE_BYTES), readOnly);
    this.#processor = new Processor({
      ram: this.#ram,
      tables,
      root,
      decoder: iced,
      trapArea: { start: TRAP_AREA, end: TRAP_AREA + PAGE },
    });
    this.#processor.registers.fsBase = FS_BASE;
    this.#processor.registers.gsBase = GS_BASE;
  }

  /** Puts the code area's contents in place: once, before anything runs. */
  load(code: Uint8Array): void {
    this.#ram.u8.set(code, this.#code);
  }

  /** Throws Unsupported for an instruction that is not translated. */
  run(state: Uint8Array): Uint8Array {
    const { registers } = this.#processor;
    const { u8 } = this.#ram;
    const view = new DataView(state.buffer, state.byteOffset, state.byteLength);
    const windows = windowsOf(state);
    for (const { address, length, at } of windows) u8.set(state.subarray(at, at + length), this.#hostOf(address));
    u8.set(state.subarray(STATE.gpr, STATE.gpr + 128), REGISTERS);
    u8.set(state.subarray(STATE.xmm, STATE.xmm + 256), XMM);
    registers.rip = view.getUint32(STATE.rip, true);
    registers.rflags = view.getUint32(STATE.rflags, true);
    registers.mxcsr = view.getUint32(STATE.mxcsr, true);
    this.#processor.deadline = this.#processor.retired + PATIENCE;
    const exit = this.#processor.run();
    const outcome = new Uint8Array(outcomeSize(state));
    const out = new DataView(outcome.buffer);
    out.setBigInt64(OUTCOME.rip, BigInt(registers.rip), true);
    out.setUint32(OUTCOME.rflags, registers.rflags, true);
    outcome.set(u8.subarray(REGISTERS, REGISTERS + 128), OUTCOME.gpr);
    outcome.set(u8.subarray(XMM, XMM + 256), OUTCOME.xmm);
    out.setUint32(OUTCOME.mxcsr, registers.mxcsr, true);
    report(exit, out);
    let to: number = OUTCOME.size;
    for (const { address, length } of windows) {
      const host = this.#hostOf(address);
      outcome.set(u8.subarray(host, host + length), to);
      u8.set(this.#contents.subarray(address - ARENA, address - ARENA + length), host);
      to += length;
    }
    return outcome;
  }

  /** An address in the arena that a case changed outside of its windows, since the machine was made. */
  strayWrite(): number | undefined {
    const now = this.#ram.u8.subarray(this.#arena, this.#arena + WRITABLE_BYTES);
    const at = now.findIndex((byte, i) => byte !== this.#contents[i]);
    return at < 0 ? undefined : ARENA + at;
  }

  #hostOf(address: number): number {
    return this.#arena + (address - ARENA);
  }
}

function report(exit: Exit, out: DataView): void {
  if (exit.kind !== 'fault') {
    out.setUint32(OUTCOME.vector, DEADLINE_VECTOR, true);
    return;
  }
  out.setUint32(OUTCOME.vector, exit.vector, true);
  out.setUint32(OUTCOME.error, exit.errorCode, true);
  if (exit.address !== NON_CANONICAL) out.setBigInt64(OUTCOME.cr2, BigInt(exit.address), true);
}
