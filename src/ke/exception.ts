/**
 * Exception dispatch: RtlDispatchException, RtlUnwindEx and what raises into them.
 *
 * An exception is handled in two passes over the stack. The search pass asks each frame's language handler (usually
 * __C_specific_handler, which asks the __except filters) until one says that execution can go on where it was, or
 * decides to handle; that handler itself starts the second pass, RtlUnwindEx, which runs the __finally blocks of every
 * frame below the chosen one and continues there. Records, contexts and dispatcher contexts lie on the guest's kernel
 * stack, so that filters get real EXCEPTION_POINTERS and may change them.
 *
 * The routines here run inside activations (activation-frames.ts). While one calls a language handler, its activation
 * is marked 'dispatching' or 'unwinding': a further exception inside that handler finds the mark when it walks past,
 * and is a nested exception, or a collided unwind which takes over where the first left off.
 *
 * Nothing here looks at IRQL: a fault that no handler may see never gets here (faults.ts). An exception that nobody
 * handles is a BugCheck. Sources: "x64 exception handling", "Structured Exception Handling", winnt.h (Microsoft); what
 * the nested cases do follows RtlUnwindEx's documented flags.
 */
import type { ImageTable } from '../pe/index.ts';
import {
  Context,
  EXCEPTION_COLLIDED_UNWIND,
  EXCEPTION_CONTINUE_EXECUTION,
  EXCEPTION_CONTINUE_SEARCH,
  EXCEPTION_EXIT_UNWIND,
  EXCEPTION_NESTED_CALL,
  EXCEPTION_NONCONTINUABLE,
  EXCEPTION_TARGET_UNWIND,
  EXCEPTION_UNWINDING,
  ExceptionContinueExecution,
  ExceptionContinueSearch,
  RAX,
} from '../rtl/context.ts';
import {
  type FunctionEntry,
  RtlLookupFunctionEntry,
  RtlVirtualUnwind,
  UNW_FLAG_EHANDLER,
  UNW_FLAG_NHANDLER,
  UNW_FLAG_UHANDLER,
  type UnwindResult,
  unwindLeaf,
} from '../rtl/unwind.ts';
import { type Address, fromAddress } from '../wdm/address.ts';
import {
  KMODE_EXCEPTION_NOT_HANDLED,
  SYSTEM_SERVICE_EXCEPTION,
  SYSTEM_THREAD_EXCEPTION_NOT_HANDLED,
} from '../wdm/bugcheck-codes.ts';
import { BugCheck, GuestException } from '../wdm/failures.ts';
import { CONTEXT, DISPATCHER_CONTEXT, EXCEPTION_POINTERS, EXCEPTION_RECORD } from '../wdm/layouts.ts';
import { type GuestMemory, PageFault } from '../wdm/memory.ts';
import {
  STATUS_BAD_STACK,
  STATUS_INVALID_DISPOSITION,
  STATUS_INVALID_UNWIND_TARGET,
  STATUS_LONGJUMP,
  STATUS_NONCONTINUABLE_EXCEPTION,
  STATUS_UNWIND,
  STATUS_UNWIND_CONSOLIDATE,
} from '../wdm/ntstatus.ts';
import { type ActivationFrame, type ActivationFrames, ContextSwitch } from './activation-frames.ts';
import { readExceptionRecord, writeExceptionRecord } from './exception-record.ts';
import { loadJumpBuffer } from './jump-buffer.ts';
import { call32, type Routine } from './routine.ts';
import { stackFrames } from './stack-trace.ts';

export interface ExceptionOptions {
  readonly memory: GuestMemory;
  readonly images: ImageTable;
  readonly frames: ActivationFrames;
}

/** One frame of a walk: what RtlVirtualUnwind found, and the caller's registers. */
interface Frame extends UnwindResult {
  readonly entry: FunctionEntry | undefined;
  readonly caller: Context;
  /** The TypeScript routine that the frame belongs to. */
  readonly activation: ActivationFrame | undefined;
}

/** A walk that takes more steps than a kernel stack has words goes in circles. */
const MAXIMUM_FRAMES = 4096;

/**
 * Kinds of activation that nothing is asked beyond. What an interrupt lies upon has nothing to do with it: on Windows
 * DPCs and interrupts have stacks of their own.
 */
const STACK_ENDS: ReadonlySet<string> = new Set(['base', 'interrupt']);

/** Unwinds that no exception is behind. */
const NOT_HANDLING: ReadonlySet<number> = new Set([STATUS_UNWIND, STATUS_LONGJUMP, STATUS_UNWIND_CONSOLIDATE]);

export class ExceptionDispatcher {
  readonly memory: GuestMemory;
  readonly images: ImageTable;
  readonly frames: ActivationFrames;
  /** Told when a frame has handled an exception: control goes on at the address. */
  onHandled: ((status: number, at: Address) => void) | undefined;

  constructor({ memory, images, frames }: ExceptionOptions) {
    this.memory = memory;
    this.images = images;
    this.frames = frames;
  }

  /**
   * Finds a handler for an exception that happened at `context`. Runs as an activation of its own on top of the stack.
   * Returns the context to go on with when a filter said EXCEPTION_CONTINUE_EXECUTION; when a frame handles the
   * exception, a ContextSwitch is thrown instead. Throws the BugCheck of an exception that nobody handles.
   */
  *dispatchException(exception: GuestException, context: Context): Routine<Context> {
    const record = this.frames.alloca(EXCEPTION_RECORD.size);
    writeExceptionRecord(this.memory, record, exception, context.rip);
    return yield* this.#dispatch(record, context, exception);
  }

  /** RtlRaiseException: the exception is the caller's, with its own record. Comes back only by a ContextSwitch. */
  *RtlRaiseException(record: Address): Routine<never> {
    const context = this.caller();
    EXCEPTION_RECORD.at(this.memory, record).ExceptionAddress = context.rip;
    const exception = readExceptionRecord(this.memory, record);
    throw new ContextSwitch(yield* this.#dispatch(record, context, exception));
  }

  /** The registers as the caller of the running activation will see them after its return. */
  caller(): Context {
    const context = this.frames.capture();
    const { caller } = this.#unwindFrame(context, UNW_FLAG_NHANDLER);
    return caller;
  }

  *#dispatch(record: Address, context: Context, exception: GuestException): Routine<Context> {
    const contextRecord = this.frames.alloca(CONTEXT.size);
    context.store(this.memory, contextRecord);
    if (yield* this.#search(record, contextRecord, context, exception)) return Context.load(this.memory, contextRecord);
    throw this.#unhandled(exception, record, contextRecord, context);
  }

  /** The search pass. True: a filter wants execution to continue; false: nobody handles the exception. */
  *#search(record: Address, contextRecord: Address, start: Context, exception: GuestException): Routine<boolean> {
    const { memory, frames } = this;
    const header = EXCEPTION_RECORD.at(memory, record);
    const dispatcher = DISPATCHER_CONTEXT.at(memory, frames.alloca(DISPATCHER_CONTEXT.size));
    const scratch = frames.alloca(CONTEXT.size);
    const pointers = this.#pointers(record, contextRecord);
    let flags = header.ExceptionFlags & EXCEPTION_NONCONTINUABLE;
    let nestedFrame = 0;
    let scopeIndex = 0;
    let at = start;
    for (let step = 0; step < MAXIMUM_FRAMES; step++) {
      if (!this.#onStack(at, step === 0)) return false;
      const frame = this.#tryUnwindFrame(at, UNW_FLAG_EHANDLER);
      if (!frame) return false;
      const { handler, establisherFrame, activation } = frame;
      let disposition = ExceptionContinueSearch;
      const mark = activation?.handler;
      if (mark?.kind === 'try') {
        const answer = mark.filter(exception, pointers);
        if (answer > EXCEPTION_CONTINUE_SEARCH) yield* this.#unwindToActivation(activation!, exception, record);
        if (answer <= EXCEPTION_CONTINUE_EXECUTION) disposition = ExceptionContinueExecution;
      } else if (mark?.kind === 'dispatching') {
        flags |= EXCEPTION_NESTED_CALL;
        const inner = DISPATCHER_CONTEXT.at(memory, mark.dispatcher).EstablisherFrame;
        nestedFrame = nestedFrame === 0 ? inner : Math.max(nestedFrame, inner);
      } else if (mark?.kind === 'unwinding') {
        // The frames that this unwind has passed are gone in all but name: the search goes on where it stands.
        const first = DISPATCHER_CONTEXT.at(memory, mark.dispatcher);
        at = Context.load(memory, first.ContextRecord);
        scopeIndex = first.ScopeIndex;
        continue;
      } else if (handler) {
        header.ExceptionFlags = flags;
        frame.caller.store(memory, scratch);
        this.#describe(dispatcher, at.rip, frame, scratch, 0, scopeIndex);
        disposition = yield* this.#callHandler('dispatching', frame, record, contextRecord, dispatcher.address);
        flags |= header.ExceptionFlags & EXCEPTION_NONCONTINUABLE;
        if (nestedFrame === establisherFrame) {
          flags &= ~EXCEPTION_NESTED_CALL;
          nestedFrame = 0;
        }
      }
      if (disposition === ExceptionContinueExecution) {
        if (!(flags & EXCEPTION_NONCONTINUABLE)) return true;
        yield* this.#raise(STATUS_NONCONTINUABLE_EXCEPTION, record);
      } else if (disposition !== ExceptionContinueSearch) yield* this.#raise(STATUS_INVALID_DISPOSITION, record);
      if (activation && STACK_ENDS.has(activation.kind)) return false;
      scopeIndex = 0;
      at = frame.caller;
    }
    return false;
  }

  /**
   * RtlUnwindEx. Runs the termination handlers from the running activation's frame up to `targetFrame`, then continues
   * there at `targetIp` with RAX = `returnValue`. Never returns: it ends in a ContextSwitch or a BugCheck.
   * @param targetFrame 0 for an exit unwind, which ends the thread and is a bug check in the kernel
   * @param record 0: one with STATUS_UNWIND is made
   * @param scratch a CONTEXT that the handlers get to see; 0: one is made
   */
  *RtlUnwindEx(
    targetFrame: Address,
    targetIp: Address,
    record: Address,
    returnValue: bigint,
    scratch: Address = 0,
    historyTable: Address = 0,
  ): Routine<never> {
    const start = this.frames.capture();
    const used = record || this.#newRecord(STATUS_UNWIND, start.rip);
    const exception = readExceptionRecord(this.memory, used);
    return yield* this.#unwind(start, { targetFrame, targetIp, returnValue, historyTable, exception }, used, scratch);
  }

  /** _local_unwind: what `goto` and `return` out of a __finally compile to. */
  *localUnwind(frame: Address, targetIp: Address): Routine<never> {
    return yield* this.RtlUnwindEx(frame, targetIp, 0, 0n);
  }

  /** RtlRestoreContext. A record with STATUS_LONGJUMP carries the jump buffer to go to. */
  // biome-ignore lint/correctness/useYield: it ends in a ContextSwitch, which only a generator may throw
  *RtlRestoreContext(context: Address, record: Address): Routine<never> {
    const target = Context.load(this.memory, context);
    if (record !== 0) {
      const exception = readExceptionRecord(this.memory, record);
      if (exception.status === STATUS_LONGJUMP) loadJumpBuffer(this.memory, exception, target);
    }
    throw new ContextSwitch(target);
  }

  /** RtlCaptureContext, called by guest code: the registers as they will be after its return. */
  // biome-ignore lint/correctness/useYield: a generator, so that it has an activation whose caller can be found
  *RtlCaptureContext(context: Address): Routine {
    this.caller().store(this.memory, context);
  }

  *#unwind(start: Context, target: UnwindTarget, record: Address, scratch: Address): Routine<never> {
    const { memory, frames } = this;
    const { targetFrame } = target;
    const header = EXCEPTION_RECORD.at(memory, record);
    const dispatcher = DISPATCHER_CONTEXT.at(memory, frames.alloca(DISPATCHER_CONTEXT.size));
    const contextRecord = scratch || frames.alloca(CONTEXT.size);
    const own = frames.current();
    let flags =
      (header.ExceptionFlags & EXCEPTION_NONCONTINUABLE) |
      EXCEPTION_UNWINDING |
      (targetFrame === 0 ? EXCEPTION_EXIT_UNWIND : 0);
    let scopeIndex = 0;
    let at = start;
    for (let step = 0; step < MAXIMUM_FRAMES; step++) {
      if (!this.#onStack(at, false)) break;
      const frame = this.#unwindFrame(at, UNW_FLAG_UHANDLER);
      const { handler, establisherFrame, activation } = frame;
      if (frame.entry && targetFrame !== 0 && establisherFrame > targetFrame) {
        yield* this.#raise(STATUS_INVALID_UNWIND_TARGET, record);
      }
      const arrived = frame.entry !== undefined && establisherFrame === targetFrame;
      if (activation) {
        const mark = activation.handler;
        if (mark?.kind === 'unwinding' && activation !== own) {
          const first = DISPATCHER_CONTEXT.at(memory, mark.dispatcher);
          at = Context.load(memory, first.ContextRecord);
          scopeIndex = first.ScopeIndex;
          flags |= EXCEPTION_COLLIDED_UNWIND;
          yield* frames.unwound(establisherFrame);
          continue;
        }
        if (!arrived && activation !== own) yield* frames.unwound(establisherFrame);
      } else if (handler) {
        if (arrived) flags |= EXCEPTION_TARGET_UNWIND;
        header.ExceptionFlags = flags;
        at.gpr[RAX] = target.returnValue;
        at.store(memory, contextRecord);
        this.#describe(dispatcher, at.rip, frame, contextRecord, target.targetIp, scopeIndex, target.historyTable);
        const disposition = yield* this.#callHandler('unwinding', frame, record, contextRecord, dispatcher.address);
        flags &= ~(EXCEPTION_COLLIDED_UNWIND | EXCEPTION_TARGET_UNWIND);
        if (disposition !== ExceptionContinueSearch) yield* this.#raise(STATUS_INVALID_DISPOSITION, record);
      }
      if (arrived) {
        const { exception } = target;
        const landing = this.#landing(at, target, activation);
        if (!NOT_HANDLING.has(exception.status)) this.onHandled?.(exception.status, landing.rip);
        throw new ContextSwitch(landing, activation && exception);
      }
      scopeIndex = 0;
      at = frame.caller;
    }
    if (targetFrame !== 0) yield* this.#raise(STATUS_BAD_STACK, record);
    at.store(memory, contextRecord);
    throw this.#unhandled(target.exception, record, contextRecord, start);
  }

  #landing(at: Context, target: UnwindTarget, activation: ActivationFrame | undefined): Context {
    const context = at.clone();
    if (activation) return context;
    context.gpr[RAX] = target.returnValue;
    if (target.exception.status === STATUS_LONGJUMP) loadJumpBuffer(this.memory, target.exception, context);
    else if (target.exception.status !== STATUS_UNWIND_CONSOLIDATE) context.rip = target.targetIp;
    return context;
  }

  *#unwindToActivation({ frame }: ActivationFrame, exception: GuestException, record: Address): Routine<never> {
    const target = { targetFrame: frame, targetIp: 0, returnValue: 0n, historyTable: 0, exception };
    return yield* this.#unwind(this.frames.capture(), target, record, 0);
  }

  /** An exception about the handling of another: raised here, noncontinuable. */
  *#raise(status: number, nested: Address): Routine<never> {
    const exception = new GuestException(status, [], EXCEPTION_NONCONTINUABLE);
    const context = this.frames.capture();
    const record = this.frames.alloca(EXCEPTION_RECORD.size);
    writeExceptionRecord(this.memory, record, exception, context.rip, nested);
    throw new ContextSwitch(yield* this.#dispatch(record, context, exception));
  }

  *#callHandler(
    kind: 'dispatching' | 'unwinding',
    { handler, establisherFrame }: Frame,
    record: Address,
    contextRecord: Address,
    dispatcher: Address,
  ): Routine<number> {
    const activation = this.frames.current();
    const outer = activation.handler;
    activation.handler = { kind, dispatcher };
    try {
      return yield* call32(handler!.routine, record, establisherFrame, contextRecord, dispatcher);
    } finally {
      activation.handler = outer;
    }
  }

  #describe(
    dispatcher: ReturnType<typeof DISPATCHER_CONTEXT.at>,
    controlPc: Address,
    { entry, handler, establisherFrame }: Frame,
    contextRecord: Address,
    targetIp: Address,
    scopeIndex: number,
    historyTable: Address = 0,
  ): void {
    dispatcher.ControlPc = controlPc;
    dispatcher.ImageBase = entry!.imageBase;
    dispatcher.FunctionEntry = entry!.address;
    dispatcher.EstablisherFrame = establisherFrame;
    dispatcher.TargetIp = targetIp;
    dispatcher.ContextRecord = contextRecord;
    dispatcher.LanguageHandler = handler!.routine;
    dispatcher.HandlerData = handler!.data;
    dispatcher.HistoryTable = historyTable;
    dispatcher.ScopeIndex = scopeIndex;
    dispatcher.Fill0 = 0;
  }

  #pointers(record: Address, contextRecord: Address): Address {
    const pointers = EXCEPTION_POINTERS.at(this.memory, this.frames.alloca(EXCEPTION_POINTERS.size));
    pointers.ExceptionRecord = record;
    pointers.ContextRecord = contextRecord;
    return pointers.address;
  }

  #newRecord(status: number, address: Address): Address {
    const record = this.frames.alloca(EXCEPTION_RECORD.size);
    writeExceptionRecord(this.memory, record, new GuestException(status), address);
    return record;
  }

  /** Whether a walk can go on from here. RIP 0 ends a stack, but may be where a call through a null pointer went. */
  #onStack(context: Context, first: boolean): boolean {
    const { low, high } = this.frames.stackLimits();
    const { rsp, rip } = context;
    return rsp >= low && rsp < high && rsp % 8 === 0 && (rip !== 0 || first);
  }

  /** Throws PageFault or STATUS_BAD_FUNCTION_TABLE when the frame cannot be unwound. */
  #unwindFrame(at: Context, handlerType: number): Frame {
    const entry = RtlLookupFunctionEntry(this.memory, this.images, at.rip);
    const caller = at.clone();
    if (!entry) {
      unwindLeaf(this.memory, caller);
      const leaf = { establisherFrame: at.rsp, handler: undefined, machineFrame: false };
      return { ...leaf, entry, caller, activation: undefined };
    }
    const result = RtlVirtualUnwind(this.memory, handlerType, at.rip, entry, caller);
    const activation = entry.pseudo ? this.frames.at(result.establisherFrame) : undefined;
    return { ...result, entry, caller, activation };
  }

  /** As #unwindFrame; undefined when stack or unwind data are damaged: for the search they end the stack. */
  #tryUnwindFrame(at: Context, handlerType: number): Frame | undefined {
    try {
      return this.#unwindFrame(at, handlerType);
    } catch (error) {
      if (error instanceof PageFault || error instanceof GuestException) return undefined;
      throw error;
    }
  }

  /** What Windows stops with; parameters as on the bug checks' pages. The stack is the one that raised. */
  #unhandled(exception: GuestException, record: Address, contextRecord: Address, context: Context): BugCheck {
    const code = BigInt(exception.status | 0);
    const address = fromAddress(EXCEPTION_RECORD.at(this.memory, record).ExceptionAddress);
    const [first = 0n, second = 0n] = exception.information;
    const stops = {
      'system service': [SYSTEM_SERVICE_EXCEPTION, [BigInt(exception.status), address, fromAddress(contextRecord), 0n]],
      'system thread': [
        SYSTEM_THREAD_EXCEPTION_NOT_HANDLED,
        [code, address, fromAddress(record), fromAddress(contextRecord)],
      ],
      other: [KMODE_EXCEPTION_NOT_HANDLED, [code, address, first, second]],
    } as const;
    const [stop, parameters] = stops[this.frames.origin()];
    const { memory, images } = this;
    const error = new BugCheck(stop, parameters, exception.message);
    error.frames = stackFrames(context, { memory, images, activationAt: frame => this.frames.at(frame) });
    return error;
  }
}

interface UnwindTarget {
  readonly targetFrame: Address;
  readonly targetIp: Address;
  readonly returnValue: bigint;
  readonly historyTable: Address;
  /** What the record says; for an unwind to an activation, the very exception that its filter accepted. */
  readonly exception: GuestException;
}
