/**
 * The emitter's ground: locals, registers, memory, and the way out of a region. emitter.ts says how it is used.
 *
 * An access tries the TLB inline (hw/tlb.ts) and otherwise calls a companion function of the region with all registers
 * that the region writes, the fuel and the lazy flags, which puts them into the register file and asks TypeScript.
 */
import { TLB_ADDEND, TLB_INDEX_MASK, TLB_READ, TLB_WRITE } from '../hw/tlb.ts';
import { Body, type ValueType } from '../wasm/body.ts';
import type { MemoryOp, Plain } from '../wasm/opcodes.ts';
import { type Address, PAGE_SIZE } from '../wdm/address.ts';
import type { Instruction, MemoryOperand, Operand } from './decode.ts';
import type { IntegerSize } from './flags.ts';
import type { Helper } from './helper.ts';
import { CC_A, CC_B, CC_OP, FS_BASE, FUEL, GS_BASE, RIP, SCRATCH, SCRATCH_SIZE } from './layout.ts';

export type AccessSize = IntegerSize | 16;

/** A place where translated code meets TypeScript: which instruction, and what it wants. */
export interface Site {
  readonly instruction: Instruction;
  /** Instructions of the block retired before this one and not yet taken from the fuel. */
  readonly index: number;
  readonly access: 'read' | 'write';
  readonly size: number;
  /** The scratch slot that stands in for memory that cannot be reached directly. */
  readonly slot: number;
  readonly helper: Helper | undefined;
}

/** Functions that a region calls, by their place in its module. */
export interface Callees {
  /** (address, …state) -> host address; one per region. */
  readonly miss: number;
  /** (address, value, …state). */
  readonly missStore: number;
  readonly missStoreVector: number;
  /** (region, site). Writes a scratch slot back. */
  readonly commit: number;
  /** (…state) -> LEAVE code or -1. */
  readonly help: number;
  /** (op, a, b) -> status flags. */
  readonly flags: number;
  /** (source, destination, bytes, element) and (destination, bytes, element, pattern) -> bytes done (bulk.ts). */
  readonly copy: number;
  readonly fill: number;
  /** (…state). Tells the observer of instructions. */
  readonly before: number;
}

/** What a piece leaves open until its region is complete. */
export const MARK = {
  /** Push every register that the region writes. */
  pushRegisters: 0,
  /** Store every register that the region writes. */
  storeRegisters: 1,
  /** Load every register that the region uses. */
  loadRegisters: 2,
} as const;

/** Locals that every region has; others follow in the order of their first use. */
export const LOCAL = { entry: 0, fuel: 1, ccOp: 2, ccA: 3, ccB: 4 } as const;
const FIXED_LOCALS: readonly ValueType[] = ['i64', 'i32', 'i64', 'i64'];

/** CC_OP is not known here, but in its local. */
export const DYNAMIC = -1;

/** Memory opened for read and write: the host address is in a local. */
export interface OpenMemory {
  readonly host: number;
  readonly site: number;
  readonly size: AccessSize;
}

export class StateEmitter {
  /** The code of the current block. */
  w = new Body();
  /** Types of the region's locals after parameter 0. */
  readonly locals: ValueType[] = [...FIXED_LOCALS];
  readonly sites: Site[] = [];
  readonly usedGprs = new Map<number, number>();
  readonly usedXmms = new Map<number, number>();
  readonly writtenGprs = new Set<number>();
  readonly writtenXmms = new Set<number>();
  usesStoreVector = false;
  /** Static CC_OP, or DYNAMIC. */
  cc: number = DYNAMIC;
  /** The direct call being emitted goes to a block of this region: it only pushes. */
  callStays = false;
  /** Calls of this region stay in it: a return leaves its target in a local, `returnTarget`. */
  returnsHere = false;
  returnTarget = -1;
  protected instruction!: Instruction;
  protected index = 0;
  #slot = 0;
  readonly #temps = new Map<ValueType, { locals: number[]; used: number }>();
  protected readonly callees: Callees;
  protected readonly region: number;

  /** @param region the number by which TypeScript finds this region's sites. */
  constructor(callees: Callees, region: number) {
    this.callees = callees;
    this.region = region;
  }

  // ---- blocks and instructions (region.ts)

  beginBlock(cc: number): void {
    this.w = new Body();
    this.cc = cc;
    this.index = 0;
  }

  begin(i: Instruction): void {
    this.instruction = i;
    this.#slot = 0;
    for (const pool of this.#temps.values()) pool.used = 0;
  }

  /** The instruction is complete: the next one begins. */
  end(): void {
    this.index++;
  }

  /** Takes the block's instructions, this one included, from the fuel: at the end of the block. */
  retire(): this {
    this.w
      .get(LOCAL.fuel)
      .i64(this.index + 1)
      .op('i64.sub')
      .set(LOCAL.fuel);
    this.index = -1;
    return this;
  }

  /** Brings the op of the lazy flags into its local, for a place where paths join. */
  settle(): void {
    if (this.cc !== DYNAMIC) this.w.i32(this.cc).set(LOCAL.ccOp);
    this.cc = DYNAMIC;
  }

  /** Leaves the region with all state in the register file. RIP is on the stack (i64). The fuel must be settled. */
  leave(code: number): void {
    const rip = this.temp('i64');
    this.w.set(rip).i32(0).get(rip).memory('i64.store', RIP);
    this.storeState();
    this.w.i32(code).op('return');
  }

  /** Leaves for a known address. */
  leaveFor(address: Address, code: number): void {
    this.w.i64(BigInt(address));
    this.leave(code);
  }

  storeState(): void {
    const { w } = this;
    w.i32(0).get(LOCAL.fuel).memory('i64.store', FUEL);
    this.#pushCc((offset, op) => {
      w.memory(op, offset);
    });
    w.mark(MARK.storeRegisters);
  }

  #pushCc(store: (offset: number, op: MemoryOp) => void): void {
    const { w } = this;
    w.i32(0);
    this.pushOp();
    store(CC_OP, 'i32.store');
    w.i32(0).get(LOCAL.ccA);
    store(CC_A, 'i64.store');
    w.i32(0).get(LOCAL.ccB);
    store(CC_B, 'i64.store');
  }

  /** Pushes the lazy flags' op, i32. */
  protected pushOp(): void {
    if (this.cc === DYNAMIC) this.w.get(LOCAL.ccOp);
    else this.w.i32(this.cc);
  }

  // ---- locals

  /** A local for this instruction; its content is undefined at first. */
  temp(type: ValueType): number {
    let pool = this.#temps.get(type);
    if (!pool) {
      pool = { locals: [], used: 0 };
      this.#temps.set(type, pool);
    }
    if (pool.used === pool.locals.length) pool.locals.push(this.#local(type));
    return pool.locals[pool.used++]!;
  }

  /** Pops into a fresh temporary. */
  save(type: ValueType): number {
    const local = this.temp(type);
    this.w.set(local);
    return local;
  }

  #local(type: ValueType): number {
    return this.locals.push(type);
  }

  /** 'i64' for 8 bytes, 'i32' below, 'v128' for 16. */
  type(size: AccessSize): ValueType {
    return size === 16 ? 'v128' : size === 8 ? 'i64' : 'i32';
  }

  /** The integer instruction of the type that values of this size have: typed(4, 'add') is i32.add. */
  typed(size: IntegerSize, name: string): this {
    this.w.op(`${size === 8 ? 'i64' : 'i32'}.${name}` as Plain);
    return this;
  }
  /** An integer constant of the type that values of this size have. */
  constant(size: IntegerSize, value: number | bigint): this {
    if (size === 8) this.w.i64(value);
    else this.w.i32(Number(BigInt.asIntN(32, BigInt(value))));
    return this;
  }
  /** Cuts rubbish above a 1- or 2-byte value off. */
  zeroExtend(size: IntegerSize): this {
    if (size < 4) this.w.i32(size === 1 ? 0xff : 0xffff).op('i32.and');
    return this;
  }
  signExtend(size: IntegerSize): this {
    if (size < 4) this.w.op(size === 1 ? 'i32.extend8_s' : 'i32.extend16_s');
    return this;
  }
  /** From the type of `size` to i64, zero-extending. */
  toI64(size: IntegerSize): this {
    if (size !== 8) this.w.op('i64.extend_i32_u');
    return this;
  }
  /** From the type of `size` to i32: the low half of an 8-byte value. */
  toI32(size: IntegerSize): this {
    if (size === 8) this.w.op('i32.wrap_i64');
    return this;
  }
  /** From i64 to the type of `size`. */
  fromI64(size: IntegerSize): this {
    if (size !== 8) this.w.op('i32.wrap_i64');
    return this;
  }

  // ---- registers

  #gpr(index: number): number {
    let local = this.usedGprs.get(index);
    if (local === undefined) {
      local = this.#local('i64');
      this.usedGprs.set(index, local);
    }
    return local;
  }
  #xmm(index: number): number {
    let local = this.usedXmms.get(index);
    if (local === undefined) {
      local = this.#local('v128');
      this.usedXmms.set(index, local);
    }
    return local;
  }

  getGpr(index: number, size: IntegerSize, high = false): this {
    const { w } = this;
    w.get(this.#gpr(index));
    if (size === 8) return this;
    w.op('i32.wrap_i64');
    if (high) w.i32(8).op('i32.shr_u');
    return this.zeroExtend(size);
  }

  /** Pops the value: 4 bytes clear the upper half, 1 and 2 keep the rest of the register. */
  setGpr(index: number, size: IntegerSize, high = false): this {
    const { w } = this;
    const local = this.#gpr(index);
    this.writtenGprs.add(index);
    if (size === 4) w.op('i64.extend_i32_u');
    if (size < 4) {
      const mask = (size === 1 ? 0xffn : 0xffffn) << (high ? 8n : 0n);
      w.op('i64.extend_i32_u');
      if (high) w.i64(8).op('i64.shl');
      w.i64(mask).op('i64.and').get(local).i64(~mask).op('i64.and').op('i64.or');
    }
    w.set(local);
    return this;
  }

  /** Pushes an XMM register, v128. */
  getXmm(index: number): this {
    this.w.get(this.#xmm(index));
    return this;
  }
  setXmm(index: number): this {
    const local = this.#xmm(index);
    this.writtenXmms.add(index);
    this.w.set(local);
    return this;
  }

  // ---- memory

  /** Pushes the effective address, i64, segment base included. */
  address(memory: MemoryOperand, extra = 0, withSegment = true): this {
    const { w } = this;
    let terms = 0;
    const add = () => {
      if (terms++ > 0) w.op('i64.add');
    };
    if (memory.base >= 0) {
      w.get(this.#gpr(memory.base));
      add();
    }
    if (memory.index >= 0) {
      w.get(this.#gpr(memory.index));
      if (memory.scale > 1) w.i64(Math.log2(memory.scale)).op('i64.shl');
      add();
    }
    const displacement = memory.displacement + BigInt(extra);
    if (displacement !== 0n || terms === 0) {
      w.i64(displacement);
      add();
    }
    if (memory.addressSize === 4) w.i64(0xffff_ffffn).op('i64.and');
    if (memory.segment && withSegment) {
      w.i32(0).memory('i64.load', memory.segment === 'gs' ? GS_BASE : FS_BASE);
      add();
    }
    return this;
  }

  /** Loads from a memory operand. */
  load(memory: MemoryOperand, size: AccessSize): this {
    return this.address(memory).loadAt(size);
  }

  /** Pops an address, pushes the memory there. */
  loadAt(size: AccessSize): this {
    this.#hostAddress(size, 'read', TLB_READ);
    this.w.memory(LOADS[size]);
    return this;
  }

  /** Stores what `value` pushes. */
  store(memory: MemoryOperand, size: AccessSize, value: () => void): this {
    this.address(memory);
    const address = this.save('i64');
    value();
    return this.storeAt(address, this.save(this.type(size)), size);
  }

  /** Stores a local to the address in another. */
  storeAt(address: number, value: number, size: AccessSize): this {
    const { w } = this;
    const entry = this.temp('i32');
    this.#missed(address, entry, size, TLB_WRITE);
    w.if();
    w.get(address).get(value);
    if (size < 8) w.op('i64.extend_i32_u');
    this.pushState('write', size);
    w.call(size === 16 ? this.callees.missStoreVector : this.callees.missStore);
    if (size === 16) this.usesStoreVector = true;
    this.reloadFuel();
    w.else();
    this.#hit(address, entry, TLB_WRITE);
    w.get(value).memory(STORES[size]).end();
    return this;
  }

  /** Opens a memory operand for reading and writing; the instruction can no longer fault because of it. */
  open(memory: MemoryOperand, size: AccessSize): OpenMemory {
    this.address(memory);
    return this.openAt(size);
  }

  /** Pops an address and opens the memory there for reading and writing. */
  openAt(size: AccessSize): OpenMemory {
    const site = this.#hostAddress(size, 'write', TLB_WRITE);
    return { host: this.save('i32'), site, size };
  }

  loadOpened({ host, size }: OpenMemory): this {
    this.w.get(host).memory(LOADS[size]);
    return this;
  }

  /** Stores a local. At most once for each `open`. */
  storeOpened({ host, size, site }: OpenMemory, value: number): this {
    const { w } = this;
    w.get(host).get(value).memory(STORES[size]);
    w.get(host)
      .i32(SCRATCH + 4 * SCRATCH_SIZE)
      .op('i32.lt_u')
      .if();
    w.i32(this.region).i32(site).call(this.callees.commit);
    w.end();
    return this;
  }

  /** Pops an address and pushes the host's; TypeScript fills the TLB, or stands a scratch slot in, or faults. */
  #hostAddress(size: AccessSize, access: 'read' | 'write', table: number): number {
    const { w } = this;
    const address = this.save('i64');
    const entry = this.temp('i32');
    this.#missed(address, entry, size, table);
    w.if('i32');
    w.get(address);
    const site = this.pushState(access, size);
    w.call(this.callees.miss);
    this.reloadFuel();
    w.else();
    this.#hit(address, entry, table);
    w.end();
    return site;
  }

  /** Pushes whether the TLB does not hold the page, or the access leaves it. */
  #missed(address: number, entry: number, size: number, table: number): void {
    const { w } = this;
    w.get(address);
    w.get(address).op('i32.wrap_i64').i32(8).op('i32.shr_u').i32(TLB_INDEX_MASK).op('i32.and').tee(entry);
    w.memory('i64.load', table).op('i64.sub');
    w.i64(PAGE_SIZE + 1 - size).op('i64.ge_u');
  }

  #hit(address: number, entry: number, table: number): void {
    const { w } = this;
    w.get(address)
      .op('i32.wrap_i64')
      .get(entry)
      .memory('i32.load', table + TLB_ADDEND)
      .op('i32.add');
  }

  protected reloadFuel(): void {
    this.w.i32(0).memory('i64.load', FUEL).set(LOCAL.fuel);
  }

  /** Pushes a site and the whole state, as companion functions take them. */
  protected pushState(access: 'read' | 'write', size: number, helper?: Helper): number {
    const { w } = this;
    const site = this.sites.length;
    this.sites.push({
      instruction: this.instruction,
      index: this.index,
      access,
      size,
      slot: helper ? 0 : this.#slot++,
      helper,
    });
    w.i32(site).get(LOCAL.fuel);
    this.pushOp();
    w.get(LOCAL.ccA).get(LOCAL.ccB).mark(MARK.pushRegisters);
    return site;
  }
}

const LOADS: Record<AccessSize, MemoryOp> = {
  1: 'i32.load8_u',
  2: 'i32.load16_u',
  4: 'i32.load',
  8: 'i64.load',
  16: 'v128.load',
};
const STORES: Record<AccessSize, MemoryOp> = {
  1: 'i32.store8',
  2: 'i32.store16',
  4: 'i32.store',
  8: 'i64.store',
  16: 'v128.store',
};

export function memoryOf(operand: Operand): MemoryOperand {
  if (operand.kind !== 'memory') throw new Error(`a memory operand is needed, not ${operand.kind}`);
  return operand;
}
