/**
 * Exports of structured exception handling: what compilers call behind __try, and what drivers raise.
 *
 * Those that look at their caller's registers are generators even where they run no other code: only an activation has
 * a caller that can be found (ke/activation-frames.ts).
 */
import { cSpecificHandler } from '../../ke/c-specific-handler.ts';
import { raiseStatus } from '../../ke/faults.ts';
import type { Routine } from '../../ke/routine.ts';
import { Context } from '../../rtl/context.ts';
import { walkStack } from '../../rtl/stack-trace.ts';
import { RtlLookupFunctionEntry, RtlVirtualUnwind, readRuntimeFunction } from '../../rtl/unwind.ts';
import { type Address, fromAddress } from '../../wdm/address.ts';
import { APC_LEVEL, DISPATCH_LEVEL, HIGH_LEVEL, PASSIVE_LEVEL } from '../../wdm/constants.ts';
import { GuestException } from '../../wdm/failures.ts';
import { STATUS_ACCESS_VIOLATION, STATUS_BREAKPOINT, STATUS_DATATYPE_MISALIGNMENT } from '../../wdm/ntstatus.ts';
import { type IrqlRange, routine } from '../export.ts';
import type { Kernel } from '../kernel.ts';

const ANY: IrqlRange = [PASSIVE_LEVEL, HIGH_LEVEL];
const DISPATCH: IrqlRange = [PASSIVE_LEVEL, DISPATCH_LEVEL];
const APC: IrqlRange = [PASSIVE_LEVEL, APC_LEVEL];

/** A walk over unwind data and scope tables takes long, on Windows too. */
const HANDLER_COST = 1000;

/** KNONVOLATILE_CONTEXT_POINTERS: FloatingContext[16], IntegerContext[16]. */
const INTEGER_CONTEXT = 0x80;

/** A PVOID array, and a ULONG or 0, to be filled with the return addresses above the caller, innermost first. */
function* captureStackBackTrace(k: Kernel, skip: number, count: number, at: Address, hash: Address): Routine<number> {
  const limit = Math.min(skip, 0xff) + Math.min(count, 0xffff);
  const frames = walkStack(k.memory, k.images, k.exceptions.caller(), limit).slice(skip);
  frames.forEach(({ rip }, i) => {
    k.memory.writePointer(at + i * 8, rip);
  });
  const sum = frames.reduce((total, { rip }) => total + fromAddress(rip), 0n);
  if (hash !== 0) k.memory.writeU32(hash, Number(sum & 0xffff_ffffn));
  return frames.length;
}

function breakPoint(): never {
  throw new GuestException(STATUS_BREAKPOINT, [0n]);
}

export const raiseExports = [
  routine('ExRaiseStatus', ['Status: u32'], 'void', APC, (_, status) => raiseStatus(status)),
  routine('RtlRaiseStatus', ['Status: u32'], 'void', APC, (_, status) => raiseStatus(status)),
  routine('ExRaiseAccessViolation', [], 'void', APC, () => raiseStatus(STATUS_ACCESS_VIOLATION)),
  routine('ExRaiseDatatypeMisalignment', [], 'void', APC, () => raiseStatus(STATUS_DATATYPE_MISALIGNMENT)),
  // An int3 of the kernel's: there is no debugger, so it is an exception like any other.
  routine('DbgBreakPoint', [], 'void', ANY, () => breakPoint()),
  routine('DbgBreakPointWithStatus', ['Status: u32'], 'void', ANY, () => breakPoint()),
  routine('RtlRaiseException', ['ExceptionRecord: ptr'], 'void', APC, (k, record) =>
    k.exceptions.RtlRaiseException(record),
  ),
] as const;

export const handlerExports = [
  routine(
    '__C_specific_handler',
    ['ExceptionRecord: ptr', 'EstablisherFrame: ptr', 'ContextRecord: ptr', 'DispatcherContext: ptr'],
    'i32',
    ANY,
    (k, record, frame, context, dispatcher) => cSpecificHandler(k.exceptions, record, frame, context, dispatcher),
    { cost: HANDLER_COST },
  ),
  routine('_local_unwind', ['EstablisherFrame: ptr', 'TargetIp: ptr'], 'void', ANY, (k, frame, targetIp) =>
    k.exceptions.localUnwind(frame, targetIp),
  ),
  routine(
    'RtlUnwindEx',
    ['TargetFrame: ptr', 'TargetIp: ptr', 'ExceptionRecord: ptr', 'ReturnValue: u64', 'OriginalContext: ptr', 'HistoryTable: ptr'], // biome-ignore format: one line
    'void',
    ANY,
    (k, frame, targetIp, record, value, context, history) =>
      k.exceptions.RtlUnwindEx(frame, targetIp, record, value, context, history),
  ),
  routine(
    'RtlUnwind',
    ['TargetFrame: ptr', 'TargetIp: ptr', 'ExceptionRecord: ptr', 'ReturnValue: u64'],
    'void',
    ANY,
    (k, frame, targetIp, record, value) => k.exceptions.RtlUnwindEx(frame, targetIp, record, value),
  ),
] as const;

export const contextExports = [
  routine('RtlCaptureContext', ['ContextRecord: ptr'], 'void', ANY, (k, context) =>
    k.exceptions.RtlCaptureContext(context),
  ),
  routine('RtlRestoreContext', ['ContextRecord: ptr', 'ExceptionRecord: ptr'], 'void', ANY, (k, context, record) =>
    k.exceptions.RtlRestoreContext(context, record),
  ),
  routine(
    'RtlLookupFunctionEntry',
    ['ControlPc: ptr', 'ImageBase: ptr', 'HistoryTable: ptr'],
    'ptr',
    ANY,
    (k, controlPc, imageBase) => {
      k.memory.writePointer(imageBase, k.images.find(controlPc)?.base ?? 0);
      return RtlLookupFunctionEntry(k.memory, k.images, controlPc)?.address ?? 0;
    },
  ),
  routine(
    'RtlVirtualUnwind',
    ['HandlerType: u32', 'ImageBase: ptr', 'ControlPc: ptr', 'FunctionEntry: ptr', 'ContextRecord: ptr', 'HandlerData: ptr', 'EstablisherFrame: ptr', 'ContextPointers: ptr'], // biome-ignore format: one line
    'ptr',
    ANY,
    (k, handlerType, imageBase, controlPc, functionEntry, contextRecord, handlerData, establisherFrame, pointers) => {
      const { memory } = k;
      const context = Context.load(memory, contextRecord);
      const entry = readRuntimeFunction(memory, functionEntry);
      const pseudo = k.images.find(controlPc)?.pseudo ?? false;
      const saved = pointers === 0 ? undefined : {
        floating: (register: number, at: Address) => memory.writePointer(pointers + register * 8, at),
        integer: (register: number, at: Address) => memory.writePointer(pointers + INTEGER_CONTEXT + register * 8, at),
      }; // biome-ignore format: a table
      const found = { imageBase, entry, address: functionEntry, pseudo };
      const result = RtlVirtualUnwind(memory, handlerType, controlPc, found, context, saved);
      context.update(memory, contextRecord);
      memory.writePointer(establisherFrame, result.establisherFrame);
      if (result.handler) memory.writePointer(handlerData, result.handler.data);
      return result.handler?.routine ?? 0;
    },
  ),
  routine(
    'RtlCaptureStackBackTrace',
    ['FramesToSkip: u32', 'FramesToCapture: u32', 'BackTrace: ptr', 'BackTraceHash: ptr'],
    'u16',
    DISPATCH,
    (k, skip, count, at, hash) => captureStackBackTrace(k, skip, count, at, hash),
  ),
  // The low bits of Flags ask for the user part of the stack; a kernel stack here has none.
  routine('RtlWalkFrameChain', ['Callers: ptr', 'Count: u32', 'Flags: u32'], 'u32', DISPATCH, (k, at, count, flags) =>
    captureStackBackTrace(k, flags >>> 8, flags & 1 ? 0 : count, at, 0),
  ),
  routine('RtlPcToFileHeader', ['PcValue: ptr', 'BaseOfImage: ptr'], 'ptr', DISPATCH, (k, pc, base) => {
    const found = k.images.find(pc)?.base ?? 0;
    k.memory.writePointer(base, found);
    return found;
  }),
] as const;
