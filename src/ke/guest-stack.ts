/**
 * The frames that TypeScript routines own on the guest's kernel stack: made, entered and left here.
 *
 * Every write may hit the guard page below the stack. A stack that cannot take a frame is a double fault on hardware:
 * UNEXPECTED_KERNEL_MODE_TRAP with parameter 8 (its bug check page: "a kernel stack overflow").
 */
import { type Address, fromAddress } from '../wdm/address.ts';
import { UNEXPECTED_KERNEL_MODE_TRAP } from '../wdm/bugcheck-codes.ts';
import { BugCheck } from '../wdm/failures.ts';
import { PageFault } from '../wdm/memory.ts';
import type { Activation } from './activation.ts';
import type { Arguments } from './arguments.ts';
import { type Cpu, RBP } from './cpu.ts';
import type { CallArgument } from './routine.ts';

/** The two return addresses of calls that activations make, inside the ntoskrnl pseudo-image. */
export interface ReturnAddresses {
  /** From an activation that guest code called. */
  readonly callout: Address;
  /** From one that lies on interrupted code, behind a machine frame. */
  readonly calloutTrap: Address;
}

const HOME_SPACE = 0x20;
const MACHINE_FRAME = 0x28;
const KERNEL_CS = 0x10n;
const KERNEL_SS = 0x18n;

export class GuestStack {
  readonly #cpu: Cpu;
  readonly #returns: ReturnAddresses;
  readonly #arguments: Arguments;

  constructor(cpu: Cpu, returns: ReturnAddresses, args: Arguments) {
    this.#cpu = cpu;
    this.#returns = returns;
    this.#arguments = args;
  }

  isReturn(address: Address): boolean {
    return address === this.#returns.callout || address === this.#returns.calloutTrap;
  }

  returnAddress(activation: Activation): Address {
    const { callout, calloutTrap } = this.#returns;
    return activation.kind === 'call' || activation.kind === 'base' ? callout : calloutTrap;
  }

  /** Sets the registers and the stack for a call that `activation` makes. */
  callOut(activation: Activation, target: Address, args: readonly CallArgument[]): void {
    const { registers, memory } = this.#cpu;
    this.guarded(() => {
      this.makeFrame(activation);
      activation.localsRsp = registers.rsp;
      const space = Math.max(HOME_SPACE, args.length * 8);
      const rsp = alignDown(registers.rsp - space);
      for (let i = 4; i < args.length; i++) {
        const value = args[i]!;
        memory.writeU64(rsp + i * 8, typeof value === 'bigint' ? value : fromAddress(value));
      }
      memory.writePointer(rsp - 8, this.returnAddress(activation));
      activation.calloutRsp = rsp;
      registers.rsp = rsp - 8;
    });
    this.#arguments.load(args);
    registers.rip = target;
  }

  makeFrame(activation: Activation): void {
    if (activation.hasFrame) return;
    const { registers, memory } = this.#cpu;
    memory.writeU64(activation.frame, registers.gpr(RBP));
    registers.setAddress(RBP, activation.frame);
    registers.rsp = Math.min(registers.rsp, activation.frame);
    activation.hasFrame = true;
  }

  /** RBP is the caller's again. */
  dropFrame(activation: Activation): void {
    if (!activation.hasFrame) return;
    this.guarded(() => this.#cpu.registers.setGpr(RBP, this.#cpu.memory.readU64(activation.frame)));
  }

  /** Returns from the routine that was entered with RSP = `entryRsp`. */
  ret(entryRsp: Address): void {
    const { registers, memory } = this.#cpu;
    try {
      registers.rip = memory.readPointer(entryRsp);
    } catch (error) {
      throw this.#exhausted(error);
    }
    registers.rsp = entryRsp + 8;
  }

  /** A machine frame as an interrupt would push it here. Returns its address: the entryRsp of what comes on top. */
  pushMachineFrame(): Address {
    const { registers, memory } = this.#cpu;
    const at = alignDown(registers.rsp - MACHINE_FRAME) - 8;
    this.guarded(() => {
      const words = [
        fromAddress(registers.rip),
        KERNEL_CS,
        BigInt(registers.rflags),
        fromAddress(registers.rsp),
        KERNEL_SS,
      ];
      words.forEach((word, i) => {
        memory.writeU64(at + i * 8, word);
      });
    });
    return at;
  }

  /** `bytes` of locals of the running routine, 16-byte aligned. Their contents are what the stack held. */
  alloca(activation: Activation | undefined, bytes: number): Address {
    const { registers, memory } = this.#cpu;
    return this.guarded(() => {
      if (activation) this.makeFrame(activation);
      const rsp = alignDown(registers.rsp - bytes);
      for (let page = rsp; page < registers.rsp; page += 4096) memory.readU8(page);
      registers.rsp = rsp;
      return rsp;
    });
  }

  guarded<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw this.#exhausted(error);
    }
  }

  /** What an error of a touch of the stack is. */
  #exhausted(error: unknown): unknown {
    if (!(error instanceof PageFault)) return error;
    const { rsp, rip } = this.#cpu.registers;
    const parameters = [8n, fromAddress(error.address), fromAddress(rsp), fromAddress(rip)] as const;
    return new BugCheck(UNEXPECTED_KERNEL_MODE_TRAP, parameters, 'the kernel stack is used up');
  }
}

function alignDown(address: Address): Address {
  return Math.floor(address / 16) * 16;
}
