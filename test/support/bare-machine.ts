/** A processor with memory and page tables and nothing else: for tests and benchmarks of the processor itself. */
import * as iced from 'iced-x86';
import { PageTables, PTE_PRESENT, PTE_USER, PTE_WRITABLE } from '../../src/hw/page-tables.ts';
import { Ram } from '../../src/hw/ram.ts';
import { type Address, PAGE_SIZE } from '../../src/wdm/address.ts';
import { type Exit, GPR, Processor } from '../../src/x86/index.ts';

export const CODE: Address = -0x7000_0000_0000;
export const DATA: Address = -0x6000_0000_0000;
export const STACK_TOP: Address = -0x5000_0000_0000;
/** The trap area: a call that returns here is over. */
export const TRAP: Address = -0x1000_0000;

export class BareMachine {
  readonly ram: Ram;
  readonly tables: PageTables;
  readonly root: number;
  readonly processor: Processor;
  #nextFrame = 1;
  readonly #free: number[] = [];

  constructor(megabytes = 16) {
    this.ram = new Ram(megabytes << 20);
    const frames = {
      allocate: () => {
        const frame = this.allocate();
        this.ram.zeroFrame(frame);
        return frame;
      },
      free: (frame: number) => void this.#free.push(frame),
    };
    this.tables = new PageTables(this.ram, frames);
    this.root = this.tables.createRoot();
    this.processor = new Processor({
      ram: this.ram,
      tables: this.tables,
      root: this.root,
      decoder: iced,
      trapArea: { start: TRAP, end: TRAP + 0x1_0000 },
    });
    this.map(STACK_TOP - 0x1_0000, 0x1_0000);
    this.processor.registers.rsp = STACK_TOP - 0x1000;
  }

  allocate(): number {
    return this.#free.pop() ?? this.#nextFrame++;
  }

  /** Maps fresh frames, writable and executable unless told otherwise. Returns the frames. */
  map(address: Address, length: number, rights: { write?: boolean; execute?: boolean; user?: boolean } = {}): number[] {
    const frames: number[] = [];
    for (let at = address; at < address + length; at += PAGE_SIZE) {
      const frame = this.allocate();
      frames.push(frame);
      this.mapFrame(at, frame, rights);
    }
    return frames;
  }

  mapFrame(address: Address, frame: number, rights: { write?: boolean; execute?: boolean; user?: boolean } = {}): void {
    const { write = true, execute = true, user = false } = rights;
    const bits = PTE_PRESENT | (write ? PTE_WRITABLE : 0) | (user ? PTE_USER : 0);
    this.tables.write(this.root, address, frame, bits, !execute);
    this.processor.invalidatePage(address);
  }

  /** Puts code at an address whose pages it maps if they are not. */
  load(code: Uint8Array, address: Address = CODE): Address {
    for (let at = address; at < address + code.length + 1; at += PAGE_SIZE) {
      if (!this.tables.read(this.root, at)?.bits) this.map(at, 1);
    }
    this.processor.memory.writeBytes(address, code);
    return address;
  }

  /** Calls by the Windows x64 convention; returns when the callee does. */
  call(entry: Address, ...args: bigint[]): bigint {
    const exit = this.start(entry, ...args);
    if (exit.kind !== 'trap' || exit.address !== TRAP) throw new Error(`call ended with ${JSON.stringify(exit)}`);
    return this.processor.registers.gpr(GPR.RAX);
  }

  start(entry: Address, ...args: bigint[]): Exit {
    const { registers, memory } = this.processor;
    registers.rsp = STACK_TOP - 0x1000 - 0x28 - 8;
    memory.writePointer(registers.rsp + 0, TRAP);
    [GPR.RCX, GPR.RDX, GPR.R8, GPR.R9].forEach((register, n) => {
      registers.setGpr(register, args[n] ?? 0n);
    });
    registers.rip = entry;
    return this.processor.run();
  }
}

export function bytes(hex: string): Uint8Array {
  const clean = hex.replace(/\s+/g, '');
  return Uint8Array.from({ length: clean.length / 2 }, (_, n) => Number.parseInt(clean.slice(n * 2, n * 2 + 2), 16));
}
