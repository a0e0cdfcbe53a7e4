/**
 * The processor: x86-64 code in guest memory, translated to WebAssembly a region at a time, run in ring 0.
 *
 *     const processor = new Processor({ ram, tables, root, decoder: iced, trapArea: { start, end } });
 *     processor.registers.rip = entry;
 *     const exit = processor.run();
 *
 * `run` goes on from the register file until something is due that is not the processor's: a trap address, a fault, the
 * deadline, a window for interrupts, `hlt`. It throws Unsupported for an instruction that is not there, when it is
 * executed, with RIP at it; and whatever an observer throws. Between runs all state is in the register file, so a thread
 * can be left after any exit and another taken up.
 *
 * Time is `retired`: one for each instruction (one for a whole `rep`), the same whatever is watched, observed or cached.
 * Whoever charges for work done elsewhere adds to it. The deadline is seen at taken backward branches, calls, returns and
 * indirect jumps.
 *
 * What is not visible here: dispatching (runtime.ts), which code is translated together (discover.ts), the translation
 * (region.ts, emitter.ts, semantics/), when it is stale (code-cache.ts), accesses that miss the TLB (slow-access.ts).
 */
import type { PageTables } from '../hw/page-tables.ts';
import { RAM_BASE, type Ram } from '../hw/ram.ts';
import { REFUSED, Tlb } from '../hw/tlb.ts';
import { VirtualMemory } from '../hw/virtual-memory.ts';
import type { PageObserver, Watch } from '../hw/watch.ts';
import { type Address, addressFromHalves, NON_CANONICAL, PAGE_SHIFT, PAGE_SIZE, pageOf } from '../wdm/address.ts';
import { Unsupported } from '../wdm/failures.ts';
import { CodeCache, type Region, spansOf } from './code-cache.ts';
import { type DecodeWindow, type IcedModule, type Instruction, InstructionDecoder } from './decode.ts';
import { discover } from './discover.ts';
import type { Site } from './emitter.ts';
import type { Exit, InstructionObserver } from './exit.ts';
import { emitFor } from './families.ts';
import { type HelperContext, type Ports, STAY } from './helper.ts';
import { FUEL, JUMP_OBSERVED, JUMP_PLAIN, LEAVE, MISS_ADDRESS, SCRATCH, SCRATCH_SIZE } from './layout.ts';
import { IMPORTS, translate } from './region.ts';
import { RegisterFile } from './registers.ts';
import { buildRuntime, type Runtime } from './runtime.ts';
import { endsBlock } from './semantics/system.ts';
import { SlowAccess } from './slow-access.ts';

export interface ProcessorOptions {
  readonly ram: Ram;
  readonly tables: PageTables;
  /** The frame of the first page-table root. */
  readonly root: number;
  /** The module `iced-x86`. */
  readonly decoder: IcedModule;
  /** Addresses that belong to TypeScript routines: [start, end). */
  readonly trapArea: { readonly start: Address; readonly end: Address };
  /** What `in` and `out` reach. Default: no device, which reads as all ones on a PC's bus. */
  readonly ports?: Ports;
  /** Seed of `rdrand`. */
  readonly seed?: bigint;
}

const NO_DEVICE: Ports = { read: (_port, size) => (size === 4 ? 0xffff_ffff : (1 << (size * 8)) - 1), write: () => {} };

/** Thrown through translated code; what it means stands in the processor. */
const SIGNAL = Object.freeze({ signal: 'leave translated code' });

/** V8 replaces a function's code when it is entered next, not while a loop in it runs: so leave now and then. */
const SLICE = 4_000_000;

const X86_MAX_LENGTH = 15;

/** Each rewriting costs translations, a millisecond or so: a loop that does nothing else would be a hang. */
const MAX_REWRITES = 20_000;

export class Processor {
  readonly registers: RegisterFile;
  /** Supervisor's view of the current address space, through the processor's own TLB. */
  readonly memory: VirtualMemory;
  ports: Ports;
  deadline = Number.POSITIVE_INFINITY;

  readonly #ram: Ram;
  readonly #tlb: Tlb;
  readonly #decoder: InstructionDecoder;
  readonly #trapStart: Address;
  readonly #trapEnd: Address;
  readonly #runtime: Runtime;
  readonly #cache: CodeCache;
  readonly #slow: SlowAccess;
  readonly #context: HelperContext;
  readonly #imports: Record<string, Record<string, unknown>>;
  #observer: InstructionObserver | undefined;
  #random: bigint;
  /** RETIRED = #limit - FUEL, plus what the running block has not yet taken from the fuel. */
  #limit = 0;
  #pending = 0;
  #fault: Exit & { kind: 'fault' } = { kind: 'fault', vector: 0, errorCode: 0, address: 0 };
  #faultAddress: Address = 0;
  /** The instruction at RIP writes translated code: run it alone. */
  #alone = false;
  #runningAlone = false;
  /** How often running code has changed translated code. */
  #rewrites = 0;
  /** The site that has called into TypeScript. */
  #site: Site | undefined;
  readonly #opened: { address: Address; size: number }[] = [];

  constructor(options: ProcessorOptions) {
    const { ram, tables, root, decoder, trapArea } = options;
    this.#ram = ram;
    this.#tlb = new Tlb(ram, tables, root);
    this.memory = new VirtualMemory(ram, tables, root, 'supervisor', this.#tlb);
    this.#decoder = new InstructionDecoder(decoder);
    this.#trapStart = trapArea.start;
    this.#trapEnd = trapArea.end;
    this.ports = options.ports ?? NO_DEVICE;
    this.#random = options.seed ?? 1n;
    const table = new WebAssembly.Table({ element: 'anyfunc', initial: 256 });
    this.#runtime = buildRuntime(ram.memory, table);
    this.registers = new RegisterFile(ram, () => this.#runtime.lazyFlags());
    this.registers.reset();
    this.#cache = new CodeCache(ram, table, this.#tlb);
    this.#tlb.onSetRoot = () => this.#cache.forgetUserJumps();
    ram.watches.onCodeWrite = (frame, offset, size) => void this.#cache.invalidateBytes(frame, offset, size);
    this.#slow = new SlowAccess(ram, this.#tlb, {
      fault: (vector, errorCode, address) => this.#raise(vector, errorCode, address),
      codeWrite: (frame, offset, size) => this.#codeWrite(frame, offset, size),
      observe: () => this.#settle(),
    });
    this.#context = this.#helperContext();
    this.#imports = {
      e: {
        [IMPORTS.memory]: ram.memory,
        [IMPORTS.flags]: this.#runtime.flags,
        [IMPORTS.copy]: this.#runtime.copy,
        [IMPORTS.fill]: this.#runtime.fill,
        [IMPORTS.miss]: (region: number, site: number) => this.#miss(region, site),
        [IMPORTS.missStore]: (region: number, site: number) => this.#missStore(region, site),
        [IMPORTS.commit]: (region: number, site: number) => this.#commit(region, site),
        [IMPORTS.help]: (region: number, site: number) => this.#help(region, site),
        [IMPORTS.before]: (region: number, site: number) => this.#before(region, site),
      },
    };
  }

  // ---- time

  /** Instructions since boot, and what was added for work elsewhere: the virtual clock, in nanoseconds. */
  get retired(): number {
    return this.#limit - this.#fuel + this.#pending;
  }
  set retired(value: number) {
    this.#setFuel(this.#limit + this.#pending - value);
  }
  get #fuel(): number {
    const { i32, u32 } = this.#ram;
    return i32[(FUEL >>> 2) + 1]! * 0x1_0000_0000 + u32[FUEL >>> 2]!;
  }
  #setFuel(value: number): void {
    const { i32 } = this.#ram;
    i32[FUEL >>> 2] = value | 0;
    i32[(FUEL >>> 2) + 1] = Math.floor(value / 0x1_0000_0000) | 0;
  }

  // ---- address spaces

  /** CR3: the kernel half is the same in all, so only the user half is forgotten. */
  setRoot(root: number): void {
    if (root !== this.#tlb.root) this.#tlb.setRoot(root);
  }

  /** After a change of a page-table entry. */
  invalidatePage(address: Address): void {
    this.#tlb.invalidate(address);
    this.#cache.invalidatePage(pageOf(address));
  }

  /** Forgets all translations, of addresses and of code. */
  flush(): void {
    this.#tlb.flush();
    this.#cache.flush();
  }

  /** Lets `observer` see every access to the pages that [address, address + length) touches (hw/watch.ts). */
  watch(address: Address, length: number, observer: PageObserver): Watch {
    return this.#ram.watches.watch(address, length, observer);
  }

  watchFrame(frame: number, observer: PageObserver): Watch {
    return this.#ram.watches.watchFrame(frame, observer);
  }

  get observer(): InstructionObserver | undefined {
    return this.#observer;
  }
  /** Takes effect at the next `run`. */
  set observer(observer: InstructionObserver | undefined) {
    this.#observer = observer;
  }

  // ---- running

  run(): Exit {
    const observed = this.#observer !== undefined;
    const cache = observed ? JUMP_OBSERVED : JUMP_PLAIN;
    for (;;) {
      const now = this.retired;
      this.#limit = Math.min(this.deadline, now + SLICE);
      this.#setFuel(this.#limit - now);
      let code: number;
      try {
        code = this.#alone ? this.#runAlone() : this.#runtime.dispatch(cache);
      } catch (error) {
        this.#abandon();
        if (error !== SIGNAL) throw error;
        code = LEAVE.fault;
      }
      this.#cache.bury();
      switch (code) {
        case LEAVE.check:
          if (this.retired >= this.deadline) return { kind: 'deadline' };
          continue;
        case LEAVE.go:
          continue;
        case LEAVE.miss: {
          const exit = this.#enter(observed);
          if (exit) return exit;
          continue;
        }
        case LEAVE.deadline:
          if (this.retired >= this.deadline) return { kind: 'deadline' };
          continue;
        case LEAVE.window:
          return { kind: 'window' };
        case LEAVE.halt:
          return { kind: 'halt' };
        default:
          if (this.#alone) continue;
          return this.#fault;
      }
    }
  }

  /** There is no jump to RIP yet. Returns why it cannot be made. */
  #enter(observed: boolean): Exit | undefined {
    const { rip } = this.registers;
    if (rip >= this.#trapStart && rip < this.#trapEnd) return { kind: 'trap', address: rip };
    if (rip === NON_CANONICAL) return { kind: 'fault', vector: 13, errorCode: 0, address: NON_CANONICAL };
    const region = this.#cache.find(rip, observed, page => this.#codeFrame(page)) ?? this.#translate(rip, observed);
    if ('kind' in region) return region;
    this.#cache.enterJump(region, rip);
    return undefined;
  }

  /** The frame of a page that may be executed, or -1. */
  #codeFrame(page: Address): number {
    const at = this.#tlb.probe(page, 'execute');
    return at < 0 ? -1 : (at - RAM_BASE) >>> PAGE_SHIFT;
  }

  /** Translates the region that begins at `rip`; an exit if there is no instruction to be had. */
  #translate(rip: Address, observed: boolean, limit?: number): Region | Exit {
    const pages = new Map<Address, number>();
    const hostOf = (page: Address) => {
      let at = pages.get(page);
      if (at === undefined) {
        at = this.#tlb.probe(page, 'execute');
        pages.set(page, at);
      }
      return at;
    };
    // A page's bytes, and as many of the next as an instruction that begins in it may have.
    const bytes = (page: Address) => {
      const at = hostOf(page);
      if (at < 0) return new Uint8Array(0);
      const next = hostOf(page + PAGE_SIZE);
      const { u8 } = this.#ram;
      if (next < 0) return u8.subarray(at, at + PAGE_SIZE);
      const both = new Uint8Array(PAGE_SIZE + X86_MAX_LENGTH - 1);
      both.set(u8.subarray(at, at + PAGE_SIZE));
      both.set(u8.subarray(next, next + X86_MAX_LENGTH - 1), PAGE_SIZE);
      return both;
    };
    const windows = new Map<Address, DecodeWindow>();
    const windowOf = (page: Address) => {
      let window = windows.get(page);
      if (!window) {
        window = this.#decoder.window(bytes(page), page);
        windows.set(page, window);
      }
      return window;
    };
    const ranges: [Address, Address][] = [];
    const blocks = discover(
      rip,
      {
        decode: address => {
          if (address >= this.#trapStart && address < this.#trapEnd) return undefined;
          const i = windowOf(pageOf(address)).decode(address);
          if (i) ranges.push([address, i.next]);
          return i;
        },
        ends: i => endsBlock(i) || !emitFor(i),
      },
      limit,
    );
    for (const window of windows.values()) window.free();
    if (!blocks.has(rip)) {
      const offset = rip - pageOf(rip);
      return this.#fetchFault(rip, bytes(pageOf(rip)).subarray(offset, offset + X86_MAX_LENGTH), hostOf);
    }
    const number = this.#cache.nextNumber();
    const { bytes: module, sites, entries } = translate(blocks, number, observed);
    const instance = new WebAssembly.Instance(new WebAssembly.Module(module), this.#imports);
    const spans = spansOf(ranges, page => (hostOf(page) - RAM_BASE) >>> PAGE_SHIFT);
    return this.#cache.add({ number, observed, entries, sites, spans }, instance.exports['f']);
  }

  /** No instruction at `rip`: a page fault where the bytes end, #UD, or #GP for one of more than fifteen bytes. */
  #fetchFault(rip: Address, readable: Uint8Array, hostOf: (page: Address) => number): Exit {
    const fault = (vector: number, errorCode: number, address: Address): Exit => ({
      kind: 'fault',
      vector,
      errorCode,
      address,
    });
    const fetch = (address: Address) => {
      this.#faultAddress = address;
      return fault(14, 0x10 | (hostOf(pageOf(address)) === REFUSED ? 1 : 0), address);
    };
    if (readable.length === 0) return fetch(rip);
    // Really no instruction, whatever follows? Else it was cut off: by the end of what can be read, or by its length.
    if (this.#decoder.isInvalid(readable, rip)) return fault(6, 0, 0);
    return readable.length < X86_MAX_LENGTH ? fetch(pageOf(rip) + PAGE_SIZE) : fault(13, 0, 0);
  }

  #readCode(rip: Address, length: number): Uint8Array {
    const at = this.#tlb.probe(rip, 'execute');
    return this.#ram.u8.slice(at, at + length);
  }

  /** Runs the one instruction at RIP, which writes translated code, from a translation of its own. */
  #runAlone(): number {
    this.#alone = false;
    const region = this.#translate(this.registers.rip, this.#observer !== undefined, 1);
    if ('kind' in region) {
      if (region.kind === 'fault') this.#fault = region;
      return LEAVE.fault;
    }
    this.#runningAlone = true;
    try {
      return this.#cache.call(region);
    } finally {
      this.#runningAlone = false;
      this.#cache.remove(region);
    }
  }

  // ---- what translated code calls

  #miss(region: number, siteNumber: number): number {
    const site = this.#arrive(region, siteNumber);
    const address = this.#missAddress();
    let host = this.#slow.direct(address, site.size, site.access);
    if (host < 0) {
      host = SCRATCH + site.slot * SCRATCH_SIZE;
      if (site.access === 'read') this.#slow.read(address, site.size, host);
      else {
        this.#slow.open(address, site.size, host);
        this.#opened[site.slot] = { address, size: site.size };
      }
    }
    this.#pending = 0;
    return host;
  }

  #missStore(region: number, siteNumber: number): void {
    const site = this.#arrive(region, siteNumber);
    const address = this.#missAddress();
    this.#slow.write(address, site.size, SCRATCH);
    this.#pending = 0;
  }

  /** The instruction has filled a scratch slot. */
  #commit(region: number, siteNumber: number): void {
    const site = this.#arrive(region, siteNumber);
    const { address, size } = this.#opened[site.slot]!;
    this.#slow.write(address, size, SCRATCH + site.slot * SCRATCH_SIZE);
    this.#pending = 0;
  }

  #help(region: number, siteNumber: number): number {
    const site = this.#arrive(region, siteNumber);
    const { instruction, helper, index } = site;
    this.registers.rip = instruction.next;
    let code = helper!(this.#context, instruction);
    // A device that the helper has spoken to may have written code.
    if (code === STAY && this.#cache.isStale(region)) code = LEAVE.go;
    this.#pending = 0;
    if (code >= 0) this.#setFuel(this.#fuel - index - 1);
    return code;
  }

  #before(region: number, siteNumber: number): void {
    const { instruction } = this.#arrive(region, siteNumber);
    this.registers.rip = instruction.address;
    this.#observer?.before(instruction.address);
    this.#pending = 0;
  }

  #arrive(region: number, siteNumber: number): Site {
    const site = this.#cache.region(region).sites[siteNumber]!;
    this.#site = site;
    this.#pending = site.index;
    return site;
  }

  #missAddress(): Address {
    const { i32 } = this.#ram;
    return addressFromHalves(i32[MISS_ADDRESS >>> 2]!, i32[(MISS_ADDRESS >>> 2) + 1]!);
  }

  /** RIP is at the instruction that called. */
  #settle(): void {
    if (this.#site) this.registers.rip = this.#site.instruction.address;
  }

  /** Something was thrown through translated code: the instruction that called has not happened. */
  #abandon(): void {
    this.#settle();
    this.#setFuel(this.#fuel - this.#pending);
    this.#pending = 0;
    this.#site = undefined;
    this.#cache.bury();
  }

  #raise(vector: number, errorCode: number, address: Address): never {
    if (vector === 14) this.#faultAddress = address;
    this.#fault = { kind: 'fault', vector, errorCode, address };
    throw SIGNAL;
  }

  #codeWrite(frame: number, offset: number, size: number): void {
    const dead = this.#cache.invalidateBytes(frame, offset, size);
    if (dead.length === 0 || this.#runningAlone) return;
    if (++this.#rewrites > MAX_REWRITES) this.#unsupported('code that rewrites itself without end');
    this.#alone = true;
    throw SIGNAL;
  }

  #helperContext(): HelperContext {
    const processor = this;
    const { registers } = this;
    const ram = this.#ram;
    const slow = this.#slow;
    const addressOf = (value: bigint) =>
      addressFromHalves(Number(value & 0xffff_ffffn), Number(BigInt.asIntN(32, value >> 32n)));
    return {
      registers,
      bytes: ram.u8,
      get retired() {
        return processor.retired;
      },
      get ports() {
        return processor.ports;
      },
      get root() {
        return processor.#tlb.root;
      },
      get faultAddress() {
        return processor.#faultAddress;
      },
      setRoot: root => processor.#tlb.setRoot(root),
      invalidatePage: address => processor.invalidatePage(address),
      effectiveAddress: i => effectiveAddress(registers, i),
      read(address, size) {
        slow.read(addressOf(address), size, SCRATCH);
        const low = ram.view.getBigUint64(SCRATCH, true);
        if (size === 16) return low | (ram.view.getBigUint64(SCRATCH + 8, true) << 64n);
        return size === 8 ? low : low & ((1n << BigInt(size * 8)) - 1n);
      },
      write(address, size, value) {
        ram.view.setBigUint64(SCRATCH, BigInt.asUintN(64, value), true);
        if (size === 16) ram.view.setBigUint64(SCRATCH + 8, value >> 64n, true);
        slow.write(addressOf(address), size, SCRATCH);
      },
      check: (address, size, access) => slow.check(addressOf(address), size, access),
      range: (address, size, access) => slow.range(addressOf(address), size, access),
      raise: (vector, errorCode = 0) => processor.#raise(vector, errorCode, 0),
      trap(vector) {
        processor.#fault = { kind: 'fault', vector, errorCode: 0, address: 0 };
        return LEAVE.fault;
      },
      unsupported: what => processor.#unsupported(what),
      random() {
        // SplitMix64.
        processor.#random = BigInt.asUintN(64, processor.#random + 0x9e37_79b9_7f4a_7c15n);
        let z = processor.#random;
        z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58_476d_1ce4_e5b9n);
        z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d0_49bb_1331_11ebn);
        return z ^ (z >> 31n);
      },
    };
  }

  #unsupported(what: string): never {
    const { instruction } = this.#site!;
    const bytes = this.#readCode(instruction.address, instruction.length);
    const hex = Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join(' ');
    const text = this.#decoder.format(bytes, instruction.address);
    const why = what === instruction.mnemonic ? '' : ` (${what})`;
    throw new Unsupported(`instruction ${text} [${hex}]${why}`, instruction.address);
  }
}

function effectiveAddress(registers: RegisterFile, i: Instruction): bigint {
  const memory = i.memory!;
  let sum = memory.displacement;
  if (memory.base >= 0) sum += registers.gpr(memory.base);
  if (memory.index >= 0) sum += registers.gpr(memory.index) * BigInt(memory.scale);
  sum = BigInt.asUintN(memory.addressSize * 8, sum);
  if (memory.segment) sum += BigInt(memory.segment === 'gs' ? registers.gsBase : registers.fsBase);
  return BigInt.asUintN(64, sum);
}
