/**
 * Just enough of an x64 processor, in the plainest words, to run the integer code of switches.c: the discovery of IOCTL
 * codes is tested without a machine around it. An instruction that is missing throws with its text.
 */
import * as iced from 'iced-x86';
import type { MachineState } from '../../src/vf/ioctl-discovery/index.ts';

const STACK_TOP = 0x7000_0000n;
const RETURN_TO = 0x6660_0000n;

const mask = (width: number) => (1n << BigInt(width)) - 1n;
const signed = (value: bigint, width: number) => BigInt.asIntN(width, value);

export class ToyProcessor implements MachineState {
  readonly #bytes = new Map<bigint, number>();
  readonly #gpr: bigint[] = new Array(16).fill(0n);
  #flags = { c: false, z: false, s: false, o: false };
  #rip = 0n;

  write(address: bigint, bytes: Iterable<number>): void {
    for (const byte of bytes) this.#bytes.set(address++, byte);
  }

  register(index: number): bigint {
    return this.#gpr[index] ?? 0n;
  }

  flags(): number {
    const { c, z, s, o } = this.#flags;
    return Number(c) | (Number(z) << 6) | (Number(s) << 7) | (Number(o) << 11);
  }

  /** Memory that was never written reads as zero below 2 GiB and in the images, and is not mapped elsewhere. */
  readonly read = (address: bigint, bytes: number): bigint | undefined => {
    if (address < 0n || address > 0x1_5000_0000n) return undefined;
    let value = 0n;
    for (let n = bytes - 1; n >= 0; n--) value = (value << 8n) | BigInt(this.#bytes.get(address + BigInt(n)) ?? 0);
    return value;
  };

  fetch = (address: bigint): Uint8Array =>
    Uint8Array.from({ length: 15 }, (_, n) => this.#bytes.get(address + BigInt(n)) ?? 0);

  /** Calls a function with one argument; returns EAX. */
  call(entry: bigint, argument: bigint, before: (rip: bigint) => void): number {
    this.#gpr[1] = argument;
    this.#gpr[4] = STACK_TOP - 0x28n;
    this.#store(STACK_TOP - 0x28n, RETURN_TO, 64);
    this.#rip = entry;
    for (let left = 10_000; this.#rip !== RETURN_TO; left--) {
      if (left === 0) throw new Error('the toy processor was kept busy too long');
      before(this.#rip);
      this.#execute();
    }
    return Number(this.register(0) & 0xffff_ffffn);
  }

  #execute(): void {
    const decoder = new iced.Decoder(64, this.fetch(this.#rip), iced.DecoderOptions.None);
    decoder.ip = this.#rip;
    const i = decoder.decode();
    decoder.free();
    this.#rip = i.nextIP;
    const name = (iced.Mnemonic[i.mnemonic] ?? '').toLowerCase();
    const condition = i.conditionCode === iced.ConditionCode.None ? undefined : this.#holds(i.conditionCode);
    const width = i.opCount > 0 ? this.#width(i, 0) : 64;
    const first = () => this.#get(i, 0);
    const second = () => (i.opCount > 1 ? this.#get(i, i.opCount - 1) & mask(width) : 1n);
    const keep = (value: bigint) => this.#set(i, 0, value & mask(width));
    const logic = (value: bigint) => {
      const low = value & mask(width);
      this.#flags = { c: false, z: low === 0n, s: signed(low, width) < 0n, o: false };
      return low;
    };
    const subtract = (a: bigint, b: bigint) => {
      const low = (a - b) & mask(width);
      const o = signed(a, width) - signed(b, width) !== signed(low, width);
      this.#flags = { c: a < b, z: low === 0n, s: signed(low, width) < 0n, o };
      return low;
    };
    const counts = second() & (width === 64 ? 63n : 31n);
    const rotated = (n: bigint) => ((first() << n) | (first() >> (BigInt(width) - n))) & mask(width);
    const table: Record<string, () => void> = {
      nop: () => undefined,
      mov: () => keep(this.#get(i, 1)),
      movabs: () => keep(this.#get(i, 1)),
      movzx: () => keep(this.#get(i, 1)),
      movsx: () => keep(signed(this.#get(i, 1), this.#width(i, 1))),
      movsxd: () => keep(signed(this.#get(i, 1), 32)),
      cdqe: () => this.#setRegister(iced.Register.RAX, BigInt.asUintN(64, signed(this.register(0), 32))),
      lea: () => keep(this.#address(i)),
      push: () => {
        const value = first();
        this.#gpr[4] = this.register(4) - 8n;
        this.#store(this.register(4), value, 64);
      },
      pop: () => {
        const value = this.read(this.register(4), 8) ?? 0n;
        this.#gpr[4] = this.register(4) + 8n;
        keep(value);
      },
      leave: () => {
        const frame = this.register(5);
        this.#gpr[5] = this.read(frame, 8) ?? 0n;
        this.#gpr[4] = frame + 8n;
      },
      add: () => {
        const [a, b] = [first(), second()];
        const low = logic(a + b);
        this.#flags.c = a + b > mask(width);
        keep(low);
      },
      sub: () => keep(subtract(first(), second())),
      cmp: () => subtract(first(), second()),
      and: () => keep(logic(first() & second())),
      or: () => keep(logic(first() | second())),
      xor: () => keep(logic(first() ^ second())),
      test: () => logic(first() & second()),
      not: () => keep(~first()),
      neg: () => keep(subtract(0n, first())),
      inc: () => keep(logic(first() + 1n)),
      dec: () => keep(logic(first() - 1n)),
      imul: () => keep(i.opCount === 3 ? this.#get(i, 1) * this.#get(i, 2) : first() * second()),
      shl: () => keep(logic(first() << counts)),
      shr: () => keep(logic(first() >> counts)),
      sar: () => keep(logic(signed(first(), width) >> counts)),
      rol: () => keep(rotated(counts % BigInt(width))),
      ror: () => keep(rotated(BigInt(width) - (counts % BigInt(width)))),
      bswap: () =>
        keep(
          BigInt(
            `0x${first()
              .toString(16)
              .padStart(width / 4, '0')
              .match(/../g)
              ?.toReversed()
              .join('')}`,
          ),
        ),
      bt: () => {
        this.#flags.c = ((first() >> (second() % BigInt(width))) & 1n) === 1n;
      },
      sbb: () => keep(subtract(first(), second() + (this.#flags.c ? 1n : 0n))),
      adc: () => keep(logic(first() + second() + (this.#flags.c ? 1n : 0n))),
      jmp: () => {
        this.#rip = this.#target(i);
      },
      call: () => {
        const target = this.#target(i);
        this.#gpr[4] = this.register(4) - 8n;
        this.#store(this.register(4), this.#rip, 64);
        this.#rip = target;
      },
      ret: () => {
        this.#rip = this.read(this.register(4), 8) ?? 0n;
        this.#gpr[4] = this.register(4) + 8n;
      },
    };
    if (name.startsWith('cmov')) keep(condition ? this.#get(i, 1) : first());
    else if (name.startsWith('set')) keep(condition ? 1n : 0n);
    else if (condition !== undefined) this.#rip = condition ? i.nearBranchTarget : this.#rip;
    else if (table[name]) table[name]();
    else throw new Error(`the toy processor has no ${i.toString()}`);
    i.free();
  }

  #holds(condition: iced.ConditionCode): boolean {
    const { c, z, s, o } = this.#flags;
    const { ConditionCode: C } = iced;
    const tests: [iced.ConditionCode, boolean][] = [
      [C.o, o], [C.no, !o], [C.b, c], [C.ae, !c], [C.e, z], [C.ne, !z], [C.be, c || z], [C.a, !(c || z)],
      [C.s, s], [C.ns, !s], [C.l, s !== o], [C.ge, s === o], [C.le, z || s !== o], [C.g, !(z || s !== o)],
    ]; // biome-ignore format: a table
    return tests.find(([code]) => code === condition)?.[1] ?? false;
  }

  #target(i: iced.Instruction): bigint {
    return i.op0Kind === iced.OpKind.NearBranch64 ? i.nearBranchTarget : this.#get(i, 0);
  }

  #width(i: iced.Instruction, n: number): number {
    if (i.opKind(n) === iced.OpKind.Register) return iced.RegisterExt.size(i.opRegister(n)) * 8;
    return i.opKind(n) === iced.OpKind.Memory ? iced.MemorySizeExt.size(i.memorySize) * 8 : 64;
  }

  #address(i: iced.Instruction): bigint {
    const part = (register: iced.Register) => (iced.RegisterExt.isGPR(register) ? this.#getRegister(register) : 0n);
    const index = part(i.memoryIndex) * BigInt(i.memoryIndexScale);
    return BigInt.asUintN(64, part(i.memoryBase) + index + i.memoryDisplacement);
  }

  #getRegister(register: iced.Register): bigint {
    const whole = this.register(iced.RegisterExt.number(iced.RegisterExt.fullRegister(register)));
    const high = register >= iced.Register.AH && register <= iced.Register.BH;
    return (high ? whole >> 8n : whole) & mask(iced.RegisterExt.size(register) * 8);
  }

  #setRegister(register: iced.Register, value: bigint): void {
    const index = iced.RegisterExt.number(iced.RegisterExt.fullRegister(register));
    const width = iced.RegisterExt.size(register) * 8;
    const high = register >= iced.Register.AH && register <= iced.Register.BH ? 8n : 0n;
    const kept = width >= 32 ? 0n : this.register(index) & ~(mask(width) << high);
    this.#gpr[index] = kept | (value << high);
  }

  #get(i: iced.Instruction, n: number): bigint {
    const kind = i.opKind(n);
    if (kind === iced.OpKind.Register) return this.#getRegister(i.opRegister(n));
    if (kind === iced.OpKind.Memory) return this.read(this.#address(i), this.#width(i, n) / 8) ?? 0n;
    return BigInt.asUintN(64, BigInt(i.immediate(n)));
  }

  #set(i: iced.Instruction, n: number, value: bigint): void {
    if (i.opKind(n) === iced.OpKind.Register) this.#setRegister(i.opRegister(n), value);
    else this.#store(this.#address(i), value, this.#width(i, n));
  }

  #store(address: bigint, value: bigint, width: number): void {
    for (let n = 0; n < width / 8; n++) this.#bytes.set(address + BigInt(n), Number((value >> BigInt(n * 8)) & 0xffn));
  }
}
