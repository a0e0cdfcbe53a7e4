/**
 * The emitter: what an instruction family writes translated code with.
 *
 * A family file (semantics/*.ts) exports a table from iced's mnemonic to a function `(e: Emitter, i: Instruction) => void`
 * that emits WebAssembly for one instruction. Its tools are `e.w`, the code under construction (wasm/body.ts: opcodes by
 * their text names), and the methods below, which push and pop guest state on WebAssembly's stack:
 *
 *     export const move: Family = { Mov: (e, i) => e.write(i, 0, () => e.read(i, 1)) };
 *
 * Types. An integer operand of 8 bytes is an i64 on the stack; one of 1, 2 or 4 bytes is an i32. What `read` pushes is
 * zero-extended; what `write` pops may carry rubbish above the operand's size. A 16-byte operand is a v128.
 * `e.typed(size, 'add')` is `i32.add` or `i64.add` as the size needs.
 *
 * Rules, for every family:
 *  - All accesses of an instruction come before its first effect on a register, a flag or memory: a load, `open` or
 *    store may fault, and then the state is what it was before the instruction. (A `write` to memory is at once access
 *    and effect: it comes first among the effects, and so do flags after it. `update` opens before it computes.)
 *  - A register is changed by setGpr/setXmm/write only. The local of a temporary (`e.temp('i32')`) is free again at the
 *    next instruction.
 *  - Flags are set by `setFlags` with a kind of flags.ts, or `setEflags`; read by `condition`, `carry`, `eflags`, on the
 *    instruction's straight path only (not inside an `if`), for these change what is known about the lazy flags.
 *    `settle` before an `if` one of whose arms calls `help` or sets flags.
 *  - `raise(vector)` stops the instruction with a fault before it has any effect: `e.w.<push i32>.if(); e.raise(6); end()`.
 *  - What is rare or long is written in TypeScript: `e.help(helper)` puts all registers into the register file, calls
 *    the helper (helper.ts) and takes the registers back.
 *  - A mnemonic in `ENDS_BLOCK` is the last of its block; one in no table ends it, too, and is Unsupported when executed.
 *
 * Behind the scenes: each access tries the TLB inline and otherwise calls a companion function of the region with all
 * written registers, which puts them into the register file and asks TypeScript (processor.ts). A fault there is thrown
 * through the translated code. A `Mark` stands where the list of the region's registers goes, known only at its end.
 */
import { TLB_ADDEND, TLB_INDEX_MASK, TLB_READ, TLB_WRITE } from '../hw/tlb.ts';
import { Body, type ValueType } from '../wasm/body.ts';
import type { MemoryOp, Plain } from '../wasm/opcodes.ts';
import { type Address, PAGE_SIZE } from '../wdm/address.ts';
import type { Instruction, MemoryOperand, Operand } from './decode.ts';
import { ccOp, FLAG, type IntegerSize, KIND, type Kind, kindOf, sizeOf } from './flags.ts';
import type { Helper } from './helper.ts';
import { CC_A, CC_B, CC_OP, FS_BASE, FUEL, GS_BASE, LEAVE, RIP, SCRATCH, SCRATCH_SIZE } from './layout.ts';

export type Emit = (e: Emitter, i: Instruction) => void;
export type Family = Readonly<Record<string, Emit>>;
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

export class Emitter {
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
  #instruction!: Instruction;
  #index = 0;
  #slot = 0;
  readonly #temps = new Map<ValueType, { locals: number[]; used: number }>();
  readonly #callees: Callees;
  readonly #region: number;

  /** @param region the number by which TypeScript finds this region's sites. */
  constructor(callees: Callees, region: number) {
    this.#callees = callees;
    this.#region = region;
  }

  // ---- blocks and instructions (region.ts)

  beginBlock(cc: number): void {
    this.w = new Body();
    this.cc = cc;
    this.#index = 0;
  }

  begin(i: Instruction): void {
    this.#instruction = i;
    this.#slot = 0;
    for (const pool of this.#temps.values()) pool.used = 0;
  }

  /** The instruction is complete: the next one begins. */
  end(): void {
    this.#index++;
  }

  /** Takes the block's instructions, this one included, from the fuel: at the end of the block. */
  retire(): this {
    this.w
      .get(LOCAL.fuel)
      .i64(this.#index + 1)
      .op('i64.sub')
      .set(LOCAL.fuel);
    this.#index = -1;
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
    this.#op();
    store(CC_OP, 'i32.store');
    w.i32(0).get(LOCAL.ccA);
    store(CC_A, 'i64.store');
    w.i32(0).get(LOCAL.ccB);
    store(CC_B, 'i64.store');
  }

  #op(): void {
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

  // ---- operands

  /** The size of an integer operand. An immediate or implied one has the size of the first operand. */
  size(i: Instruction, n = 0): IntegerSize {
    const operand = i.operands[n];
    if (operand?.kind === 'gpr' || operand?.kind === 'memory') return (operand.size || 8) as IntegerSize;
    if (n > 0) return this.size(i, 0);
    return 8;
  }

  /** Pushes operand n, an integer, at `size` (default: its own). */
  read(i: Instruction, n: number, size: IntegerSize = this.size(i, n)): this {
    const operand = i.operands[n]!;
    switch (operand.kind) {
      case 'gpr':
        return this.getGpr(operand.index, size, operand.high);
      case 'memory':
        return this.load(operand, size);
      case 'immediate':
        return size < 4
          ? this.constant(4, operand.value & (size === 1 ? 0xffn : 0xffffn))
          : this.constant(size, operand.value);
      default:
        throw new Error(`${i.code}: operand ${n} is ${operand.kind}, not an integer`);
    }
  }

  /** Writes operand n with what `value` pushes. */
  write(i: Instruction, n: number, value: () => void, size: IntegerSize = this.size(i, n)): this {
    const operand = i.operands[n]!;
    if (operand.kind === 'gpr') {
      value();
      return this.setGpr(operand.index, size, operand.high);
    }
    return this.store(memoryOf(operand), size, value);
  }

  /** Reads operand n, lets `compute` turn the value on the stack into the new one, and writes it back. */
  update(i: Instruction, n: number, compute: () => void, size: IntegerSize = this.size(i, n)): this {
    const operand = i.operands[n]!;
    if (operand.kind === 'gpr') {
      this.getGpr(operand.index, size, operand.high);
      compute();
      return this.setGpr(operand.index, size, operand.high);
    }
    const opened = this.open(memoryOf(operand), size);
    this.loadOpened(opened);
    compute();
    const value = this.save(this.type(size));
    return this.storeOpened(opened, value);
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
    this.#state('write', size);
    w.call(size === 16 ? this.#callees.missStoreVector : this.#callees.missStore);
    if (size === 16) this.usesStoreVector = true;
    this.#reloadFuel();
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
    w.i32(this.#region).i32(site).call(this.#callees.commit);
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
    const site = this.#state(access, size);
    w.call(this.#callees.miss);
    this.#reloadFuel();
    w.else();
    this.#hit(address, entry, table);
    w.end();
    return site;
  }

  /** Pushes whether the TLB does not hold the page, or the access leaves it. */
  #missed(address: number, entry: number, size: number, table: number): void {
    const { w } = this;
    w.get(address);
    w.get(address).i64(8).op('i64.shr_u').op('i32.wrap_i64').i32(TLB_INDEX_MASK).op('i32.and').tee(entry);
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

  #reloadFuel(): void {
    this.w.i32(0).memory('i64.load', FUEL).set(LOCAL.fuel);
  }

  /** Pushes a site and the whole state, as companion functions take them. */
  #state(access: 'read' | 'write', size: number, helper?: Helper): number {
    const { w } = this;
    const site = this.sites.length;
    this.sites.push({
      instruction: this.#instruction,
      index: this.#index,
      access,
      size,
      slot: helper ? 0 : this.#slot++,
      helper,
    });
    w.i32(site).get(LOCAL.fuel);
    this.#op();
    w.get(LOCAL.ccA).get(LOCAL.ccB).mark(MARK.pushRegisters);
    return site;
  }

  // ---- flags

  /** Sets the flags lazily from two locals of the size's type (flags.ts says what A and B mean for each kind). */
  setFlags(kind: Kind, size: IntegerSize, a: number, b?: number): this {
    const { w } = this;
    w.get(a);
    this.#wide(size).set(LOCAL.ccA);
    if (b !== undefined) {
      w.get(b);
      this.#wide(size).set(LOCAL.ccB);
    }
    this.cc = ccOp(kind, size);
    return this;
  }

  /** Sets ZF, SF and PF by a result in a local, and CF, AF and OF from the i32 on the stack, at their places. */
  setResultFlags(size: IntegerSize, result: number): this {
    this.w.op('i64.extend_i32_u').set(LOCAL.ccB);
    return this.setFlags(KIND.RESULT, size, result);
  }

  /** As setResultFlags where the local `unless` is not zero; else all flags stay (a shift by zero). */
  setResultFlagsUnlessZero(size: IntegerSize, result: number, count: number): this {
    const { w } = this;
    w.op('i64.extend_i32_u').get(LOCAL.ccB).get(count).op('select').set(LOCAL.ccB);
    w.get(result);
    this.#wide(size).get(LOCAL.ccA).get(count).op('select').set(LOCAL.ccA);
    w.i32(ccOp(KIND.RESULT, size));
    this.#op();
    w.get(count).op('select').set(LOCAL.ccOp);
    this.cc = DYNAMIC;
    return this;
  }

  /** Pops new values for the flags of `mask` (some of CF, AF and OF), at their places; the other flags stay. */
  replaceFlags(mask: number): this {
    const { w } = this;
    const bits = this.save('i32');
    const kind = this.cc === DYNAMIC ? KIND.EFLAGS : kindOf(this.cc);
    const size = this.cc === DYNAMIC ? 4 : sizeOf(this.cc);
    if (kind === KIND.EFLAGS || (kind !== KIND.RESULT && (mask & ~FLAG.AF) !== (FLAG.CF | FLAG.OF))) {
      this.eflags().w.i32(~mask).op('i32.and').get(bits).op('i32.or');
      return this.setEflags();
    }
    if (kind === KIND.RESULT) {
      w.get(LOCAL.ccB).i64(~mask).op('i64.and').get(bits).op('i64.extend_i32_u').op('i64.or').set(LOCAL.ccB);
      return this;
    }
    // ADD, SUB, LOGIC with CF and OF replaced: only AF has to be computed.
    const old = this.temp('i64');
    w.get(LOCAL.ccA).set(old);
    if (kind === KIND.SUB) {
      w.get(LOCAL.ccA).get(LOCAL.ccB).op('i64.sub');
      if (size < 8) w.i64((1n << BigInt(size * 8)) - 1n).op('i64.and');
      w.set(LOCAL.ccA);
    }
    w.get(bits).op('i64.extend_i32_u');
    if (kind !== KIND.LOGIC) {
      if (kind === KIND.ADD) w.get(old).get(LOCAL.ccB).op('i64.sub').set(old);
      w.get(old).get(LOCAL.ccB).op('i64.xor').get(LOCAL.ccA).op('i64.xor').i64(FLAG.AF).op('i64.and').op('i64.or');
    }
    w.set(LOCAL.ccB);
    this.cc = ccOp(KIND.RESULT, size);
    return this;
  }

  /** Pops all six status flags, i32. */
  setEflags(): this {
    this.w.op('i64.extend_i32_u').set(LOCAL.ccA);
    this.cc = ccOp(KIND.EFLAGS, 4);
    return this;
  }

  #wide(size: IntegerSize): Body {
    if (size < 4) this.zeroExtend(size);
    return size === 8 ? this.w : this.w.op('i64.extend_i32_u');
  }

  /** Pushes the six status flags, i32. */
  eflags(): this {
    const { w } = this;
    if (this.cc < 0 || kindOf(this.cc) !== KIND.EFLAGS) {
      this.#op();
      w.get(LOCAL.ccA).get(LOCAL.ccB).call(this.#callees.flags).op('i64.extend_i32_u').set(LOCAL.ccA);
      this.cc = ccOp(KIND.EFLAGS, 4);
    }
    w.get(LOCAL.ccA).op('i32.wrap_i64');
    return this;
  }

  /** Pushes CF, 0 or 1. */
  carry(): this {
    if (this.cc !== DYNAMIC) return this.condition(2);
    // Without a call, so that it costs nothing where nobody looks: ADD and SUB have A < B, LOGIC none, the others a bit.
    const { w } = this;
    w.get(LOCAL.ccA).get(LOCAL.ccB).op('i64.lt_u');
    w.get(LOCAL.ccA).get(LOCAL.ccB).get(LOCAL.ccOp).i32(4).op('i32.lt_u').op('select').op('i32.wrap_i64');
    w.get(LOCAL.ccOp)
      .i32(KIND.LOGIC * 4)
      .op('i32.lt_u')
      .get(LOCAL.ccOp)
      .i32(KIND.RESULT * 4)
      .op('i32.ge_u')
      .op('i32.or');
    w.op('i32.and').i32(1).op('i32.and');
    w.get(LOCAL.ccOp).i32(4).op('i32.sub').i32(8).op('i32.lt_u').op('select');
    return this;
  }

  /** Pushes 1 if the condition (its encoding, 0 = O to 15 = G) holds, else 0. */
  condition(condition: number): this {
    if (this.#direct(condition & ~1)) {
      if (condition & 1) this.w.op('i32.eqz');
      return this;
    }
    this.eflags();
    this.#test(condition & ~1);
    if (condition & 1) this.w.op('i32.eqz');
    return this;
  }

  /** Pushes the (even) condition from the lazy operands where that is short. */
  #direct(condition: number): boolean {
    if (this.cc === DYNAMIC) return false;
    const kind = kindOf(this.cc);
    const size = sizeOf(this.cc);
    if (kind === KIND.EFLAGS) return false;
    const { w } = this;
    const value = (local: number, signed: boolean) => {
      w.get(local);
      this.fromI64(size);
      if (signed) this.signExtend(size);
    };
    const compare = (name: string, signed = false) => {
      value(LOCAL.ccA, signed);
      value(LOCAL.ccB, signed);
      this.typed(size, name);
      return true;
    };
    if (kind === KIND.SUB) {
      const names: Record<number, string> = { 2: 'lt_u', 4: 'eq', 6: 'le_u', 12: 'lt_s', 14: 'le_s' };
      const name = names[condition];
      if (name) return compare(name, condition >= 12);
      if (condition !== 8) return false;
      value(LOCAL.ccA, false);
      value(LOCAL.ccB, false);
      this.typed(size, 'sub').signExtend(size).constant(size, 0).typed(size, 'lt_s');
      return true;
    }
    if (condition === 4) {
      w.get(LOCAL.ccA).op('i64.eqz');
      return true;
    }
    if (condition === 8 || (kind === KIND.LOGIC && condition === 12)) {
      value(LOCAL.ccA, true);
      this.constant(size, 0).typed(size, 'lt_s');
      return true;
    }
    if (kind === KIND.LOGIC) {
      if (condition === 0 || condition === 2) w.i32(0);
      else if (condition === 6) w.get(LOCAL.ccA).op('i64.eqz');
      else if (condition === 14) {
        value(LOCAL.ccA, true);
        this.constant(size, 0).typed(size, 'le_s');
      } else return false;
      return true;
    }
    if (kind === KIND.ADD && condition === 2) return compare('lt_u');
    if (kind === KIND.RESULT && (condition === 0 || condition === 2)) {
      w.get(LOCAL.ccB).op('i32.wrap_i64');
      if (condition === 0) w.i32(11).op('i32.shr_u');
      w.i32(1).op('i32.and');
      return true;
    }
    return false;
  }

  /** Turns status flags into the (even) condition. */
  #test(condition: number): void {
    const { w } = this;
    const masks: Record<number, number> = {
      0: FLAG.OF,
      2: FLAG.CF,
      4: FLAG.ZF,
      6: FLAG.CF | FLAG.ZF,
      8: FLAG.SF,
      10: FLAG.PF,
    };
    const mask = masks[condition];
    if (mask !== undefined) {
      w.i32(mask).op('i32.and').i32(0).op('i32.ne');
      return;
    }
    // SF != OF: OF is four places above SF.
    const flags = this.temp('i32');
    w.tee(flags).get(flags).i32(4).op('i32.shr_u').op('i32.xor').i32(FLAG.SF).op('i32.and');
    if (condition === 14) w.get(flags).i32(FLAG.ZF).op('i32.and').op('i32.or');
    w.i32(0).op('i32.ne');
  }

  // ---- TypeScript

  /** Performs the instruction in TypeScript. Registers and flags are in the register file meanwhile. */
  help(helper: Helper): this {
    const { w } = this;
    const code = this.temp('i32');
    this.#state('read', 0, helper);
    w.call(this.#callees.help).tee(code).i32(0).op('i32.ge_s').if();
    w.get(code).op('return').end();
    this.#reloadFuel();
    w.i32(0).memory('i32.load', CC_OP).set(LOCAL.ccOp);
    w.i32(0).memory('i64.load', CC_A).set(LOCAL.ccA);
    w.i32(0).memory('i64.load', CC_B).set(LOCAL.ccB);
    w.mark(MARK.loadRegisters);
    this.cc = DYNAMIC;
    return this;
  }

  /** Performs the instruction, the last of its block, in TypeScript; the helper says how to leave. */
  helpAndLeave(helper: Helper): this {
    const { w } = this;
    const code = this.temp('i32');
    this.retire();
    this.#state('read', 0, helper);
    w.call(this.#callees.help).tee(code).i32(LEAVE.check).get(code).i32(0).op('i32.ge_s').op('select').op('return');
    return this;
  }

  /** Observed mode: puts all registers into the register file and tells the observer. */
  observe(): void {
    this.#state('read', 0);
    this.w.call(this.#callees.before);
    this.#reloadFuel();
  }

  /** Stops before the instruction with a fault: 0 #DE, 6 #UD, 13 #GP. */
  raise(vector: number, errorCode = 0): this {
    const { w } = this;
    this.#state('read', 0, cpu => cpu.raise(vector, errorCode));
    w.call(this.#callees.help).op('drop').op('unreachable');
    return this;
  }
}

export function memoryOf(operand: Operand): MemoryOperand {
  if (operand.kind !== 'memory') throw new Error(`a memory operand is needed, not ${operand.kind}`);
  return operand;
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
