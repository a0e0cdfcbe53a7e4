/**
 * The trap handlers: what the scheduler asks when the processor cannot go on, and when a thread gets the processor.
 *
 * A page fault goes to the memory manager first, below DISPATCH_LEVEL; what it cannot mend is an exception for the
 * guest's handlers or a bug check (ke/faults.ts). Here, too, the current thread's stack becomes text.
 */

import type { Trace } from '../etw/trace.ts';
import type { PageTables } from '../hw/page-tables.ts';
import type { Ram } from '../hw/ram.ts';
import type { Exit, Registers } from '../ke/cpu.ts';
import type { ExceptionDispatcher } from '../ke/exception.ts';
import { type FaultOptions, translateFault, translatePageFault } from '../ke/faults.ts';
import type { ProcessorControlRegion } from '../ke/processor-control-region.ts';
import type { Routine } from '../ke/routine.ts';
import type { Scheduler, SchedulerHooks } from '../ke/scheduler.ts';
import { stackFrames } from '../ke/stack-trace.ts';
import type { ProcessIdentity, Thread } from '../ke/thread.ts';
import { captureRegisters, loadRegisters } from '../ke/thread-frames.ts';
import type { Context } from '../rtl/context.ts';
import { type Address, fromAddress } from '../wdm/address.ts';
import { KMODE_EXCEPTION_NOT_HANDLED, SYSTEM_SERVICE_EXCEPTION } from '../wdm/bugcheck-codes.ts';
import { DISPATCH_LEVEL, KernelMode } from '../wdm/constants-ke.ts';
import { BugCheck, type GuestException, type Hang, Unsupported } from '../wdm/failures.ts';
import type { Access, PageFault } from '../wdm/memory.ts';

export interface TrapHandlerOptions {
  readonly scheduler: Scheduler;
  readonly registers: Registers;
  readonly exceptions: ExceptionDispatcher;
  readonly pcr: ProcessorControlRegion;
  readonly trace: Trace;
  readonly ram: Ram;
  readonly tables: PageTables;
  /** Tries to make the access possible. */
  accessFault(address: Address, access: Access, mode: number): boolean;
  /** Makes the process's user half the current one. */
  attach(process: ProcessIdentity): void;
  currentRoot(): number;
}

const PAGE_FAULT = 14;
const PF_WRITE = 2;
const PF_EXECUTE = 16;

export class TrapHandlers implements SchedulerHooks {
  readonly #options: TrapHandlerOptions;
  readonly #faults: FaultOptions;

  constructor(options: TrapHandlerOptions) {
    this.#options = options;
    const { exceptions, registers, trace } = options;
    exceptions.onHandled = (status, at) => {
      if (trace.enabled) trace.emit({ type: 'exception-handled', status, at, where: exceptions.images.symbol(at) });
    };
    this.#faults = {
      memory: exceptions.memory,
      images: exceptions.images,
      mxcsr: () => registers.mxcsr,
      pageTableEntry: address => this.#pageTableEntry(address),
    };
  }

  exceptionOf(exit: Exit & { kind: 'fault' }): GuestException | undefined {
    const { registers } = this.#options;
    if (exit.vector === PAGE_FAULT && registers.irql < DISPATCH_LEVEL) {
      const access = exit.errorCode & PF_EXECUTE ? 'execute' : exit.errorCode & PF_WRITE ? 'write' : 'read';
      if (access !== 'execute' && this.#options.accessFault(exit.address, access, KernelMode)) return undefined;
    }
    return this.#traced(translateFault(exit, registers, this.#faults));
  }

  exceptionOfFault(fault: PageFault): GuestException {
    const { rip, irql } = this.#options.registers;
    return this.#traced(translatePageFault(fault, { rip, irql }, this.#faults));
  }

  #traced(exception: GuestException): GuestException {
    const { trace, registers, exceptions } = this.#options;
    if (trace.enabled) {
      const { status, information } = exception;
      const at = registers.rip;
      trace.emit({ type: 'exception-raised', status, at, information, where: exceptions.images.symbol(at) });
    }
    return exception;
  }

  dispatch(exception: GuestException): Routine<Context> {
    const { exceptions, registers } = this.#options;
    return exceptions.dispatchException(exception, captureRegisters(registers));
  }

  load(context: Context): void {
    loadRegisters(this.#options.registers, context);
  }

  /** An exception that left a routine of the kernel's own, outside any driver's frame. */
  unhandled(exception: GuestException, thread: Thread): BugCheck {
    const address = fromAddress(this.#options.registers.rip);
    const [first = 0n, second = 0n] = exception.information;
    return thread.previousMode === KernelMode
      ? new BugCheck(
          KMODE_EXCEPTION_NOT_HANDLED,
          [BigInt(exception.status | 0), address, first, second],
          exception.message,
        )
      : new BugCheck(SYSTEM_SERVICE_EXCEPTION, [BigInt(exception.status), address, 0n, 0n], exception.message);
  }

  switchTo(thread: Thread, process: ProcessIdentity): void {
    this.#options.pcr.currentThread = thread.object;
    this.#options.attach(process);
  }

  strayTrap(address: Address): Error {
    const name = this.#options.exceptions.images.symbol(address);
    return new Unsupported(`a jump into the middle of ${name}`, address);
  }

  frames(): string[] {
    const { exceptions, registers, scheduler } = this.#options;
    const thread = scheduler.current;
    if (!thread) return [];
    return stackFrames(captureRegisters(registers), {
      memory: exceptions.memory,
      images: exceptions.images,
      activationAt: frame => thread.activations.find(activation => activation.frame === frame),
    });
  }

  stopped(error: BugCheck | Unsupported | Hang): void {
    const { trace } = this.#options;
    if (!trace.enabled) return;
    if (error instanceof BugCheck) {
      const { code, parameters, frames, why } = error;
      trace.emit({ type: 'bug-check', code, parameters, frames, ...(why === '' ? {} : { why }) });
    } else if (error instanceof Unsupported) {
      const { what, address } = error;
      trace.emit({ type: 'unsupported', what, ...(address === undefined ? {} : { address }) });
    }
  }

  #pageTableEntry(address: Address): bigint {
    const { tables, ram, currentRoot } = this.#options;
    const index = tables.entryIndex(currentRoot(), address);
    return index < 0 ? 0n : (BigInt(ram.u32[index + 1]!) << 32n) | BigInt(ram.u32[index]!);
  }
}
