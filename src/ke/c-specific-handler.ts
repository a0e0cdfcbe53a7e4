/**
 * __C_specific_handler: the language handler of every C function with __try.
 *
 * Behind its UNWIND_INFO lies the SCOPE_TABLE: a count, then for each __try, innermost first, the range of its body and
 * what belongs to it. JumpTarget 0 marks a __finally, whose handler is a funclet (AbnormalTermination, EstablisherFrame);
 * otherwise the handler is a filter funclet (EXCEPTION_POINTERS *, EstablisherFrame), or the constant
 * EXCEPTION_EXECUTE_HANDLER, and JumpTarget is the __except block. All are RVAs.
 */
import {
  EXCEPTION_EXECUTE_HANDLER,
  EXCEPTION_TARGET_UNWIND,
  EXCEPTION_UNWIND,
  ExceptionContinueExecution,
  ExceptionContinueSearch,
  SCOPE_TABLE_ENTRY,
} from '../rtl/context.ts';
import type { Address } from '../wdm/address.ts';
import { DISPATCHER_CONTEXT, EXCEPTION_POINTERS, EXCEPTION_RECORD } from '../wdm/layouts.ts';
import type { ExceptionDispatcher } from './exception.ts';
import { call, call32, type Routine } from './routine.ts';

/** More __try blocks than any function has; a damaged count must not cost minutes. */
const MAXIMUM_SCOPES = 0x1000;

/** Returns an EXCEPTION_DISPOSITION, or unwinds to the __except block and does not return. */
export function* cSpecificHandler(
  exceptions: ExceptionDispatcher,
  record: Address,
  establisherFrame: Address,
  context: Address,
  dispatcherContext: Address,
): Routine<number> {
  const { memory } = exceptions;
  const { ExceptionFlags } = EXCEPTION_RECORD.at(memory, record);
  const dispatcher = DISPATCHER_CONTEXT.at(memory, dispatcherContext);
  const scopes = new ScopeTable(exceptions, dispatcher.HandlerData);
  const pc = dispatcher.ControlPc - dispatcher.ImageBase;
  if (ExceptionFlags & EXCEPTION_UNWIND) {
    yield* runFinallyBlocks(scopes, dispatcher, pc, establisherFrame, (ExceptionFlags & EXCEPTION_TARGET_UNWIND) !== 0);
    return ExceptionContinueSearch;
  }
  const pointers = EXCEPTION_POINTERS.at(memory, exceptions.frames.alloca(EXCEPTION_POINTERS.size));
  pointers.ExceptionRecord = record;
  pointers.ContextRecord = context;
  for (let i = dispatcher.ScopeIndex; i < scopes.count; i++) {
    const scope = scopes.at(i);
    if (scope.JumpTarget === 0 || pc < scope.BeginAddress || pc >= scope.EndAddress) continue;
    const { ImageBase } = dispatcher;
    const answer =
      scope.HandlerAddress === EXCEPTION_EXECUTE_HANDLER
        ? EXCEPTION_EXECUTE_HANDLER
        : (yield* call32(ImageBase + scope.HandlerAddress, pointers.address, establisherFrame)) | 0;
    if (answer < 0) return ExceptionContinueExecution;
    if (answer === 0) continue;
    const code = BigInt(EXCEPTION_RECORD.at(memory, record).ExceptionCode);
    yield* exceptions.RtlUnwindEx(
      establisherFrame,
      ImageBase + scope.JumpTarget,
      record,
      code,
      dispatcher.ContextRecord,
      dispatcher.HistoryTable,
    );
  }
  return ExceptionContinueSearch;
}

/** Calls the __finally of every __try that control leaves. ScopeIndex is advanced first, so that none runs twice. */
function* runFinallyBlocks(
  scopes: ScopeTable,
  dispatcher: ReturnType<typeof DISPATCHER_CONTEXT.at>,
  pc: number,
  establisherFrame: Address,
  isTarget: boolean,
): Routine {
  const target = dispatcher.TargetIp - dispatcher.ImageBase;
  const kept = isTarget ? scopes.covering(target) : new Set<string>();
  for (let i = dispatcher.ScopeIndex; i < scopes.count; i++) {
    const scope = scopes.at(i);
    if (pc < scope.BeginAddress || pc >= scope.EndAddress) continue;
    const { HandlerAddress, JumpTarget } = scope;
    // Going to a place inside the same __try, or to its own __except, leaves neither it nor what surrounds it.
    if (kept.has(handlerOf(scope)) || (isTarget && JumpTarget !== 0 && JumpTarget === target)) return;
    if (JumpTarget !== 0) continue;
    dispatcher.ScopeIndex = i + 1;
    yield* call(dispatcher.ImageBase + HandlerAddress, 1, establisherFrame);
  }
}

class ScopeTable {
  readonly count: number;
  readonly #exceptions: ExceptionDispatcher;
  readonly #address: Address;

  constructor(exceptions: ExceptionDispatcher, address: Address) {
    this.#exceptions = exceptions;
    this.#address = address;
    this.count = Math.min(exceptions.memory.readU32(address), MAXIMUM_SCOPES);
  }

  at(index: number) {
    return SCOPE_TABLE_ENTRY.at(this.#exceptions.memory, this.#address + 4 + index * SCOPE_TABLE_ENTRY.size);
  }

  /** The handlers of every __try whose body an RVA lies in: one __try may have several ranges. */
  covering(rva: number): Set<string> {
    const handlers = new Set<string>();
    for (let i = 0; i < this.count; i++) {
      const scope = this.at(i);
      if (rva >= scope.BeginAddress && rva < scope.EndAddress) handlers.add(handlerOf(scope));
    }
    return handlers;
  }
}

/** What makes two ranges the same __try. */
function handlerOf({ HandlerAddress, JumpTarget }: ReturnType<ScopeTable['at']>): string {
  return `${HandlerAddress}:${JumpTarget}`;
}
