/**
 * The x64 unwinder: from the registers inside a function to the registers of its caller.
 *
 * A function that is no leaf has a RUNTIME_FUNCTION in its image's exception directory; that points to an UNWIND_INFO,
 * which lists what the prologue did and may name a language handler. `RtlVirtualUnwind` undoes the prologue (as far as
 * it ran), or finishes the epilogue that has begun. It works on a `Context` and reads guest memory; it changes none.
 * UNWIND_INFO versions 1 and 2 are understood. Source: "x64 exception handling" (Microsoft).
 *
 * Whatever the guest's unwind data says, the work is bounded. Data that makes no sense raises STATUS_BAD_FUNCTION_TABLE,
 * as in Windows; a PageFault says that the data or the stack could not be read.
 */
import type { ImageTable, RuntimeFunction } from '../pe/index.ts';
import { type Address, toAddress } from '../wdm/address.ts';
import { GuestException } from '../wdm/failures.ts';
import { type GuestMemory, PageFault } from '../wdm/memory.ts';
import { STATUS_BAD_FUNCTION_TABLE } from '../wdm/ntstatus.ts';
import { type Context, RSP } from './context.ts';
import { runEpilogue } from './epilogue.ts';

/** UNWIND_INFO flags, and what RtlVirtualUnwind is asked for. */
export const UNW_FLAG_NHANDLER = 0;
export const UNW_FLAG_EHANDLER = 1;
export const UNW_FLAG_UHANDLER = 2;
export const UNW_FLAG_CHAININFO = 4;

const UWOP_PUSH_NONVOL = 0;
const UWOP_ALLOC_LARGE = 1;
const UWOP_ALLOC_SMALL = 2;
const UWOP_SET_FPREG = 3;
const UWOP_SAVE_NONVOL = 4;
const UWOP_SAVE_NONVOL_FAR = 5;
/** Version 1 knew it, and the next, as saves of the low half of an XMM register; no compiler emitted those for x64. */
const UWOP_EPILOG = 6;
const UWOP_SPARE_CODE = 7;
const UWOP_SAVE_XMM128 = 8;
const UWOP_SAVE_XMM128_FAR = 9;
const UWOP_PUSH_MACHFRAME = 10;

/** 16-bit slots of each operation; UWOP_ALLOC_LARGE has one more when its info is 1. */
const SLOTS: readonly number[] = [1, 2, 1, 1, 2, 3, 1, 3, 2, 3, 1];
/** As many links as Windows follows. */
const MAXIMUM_CHAIN = 32;

export interface FunctionEntry {
  readonly imageBase: Address;
  readonly entry: RuntimeFunction;
  /** Where the RUNTIME_FUNCTION lies in guest memory. */
  readonly address: Address;
  /** There are no instruction bytes to look for an epilogue in. */
  readonly pseudo: boolean;
}

export interface UnwindResult {
  /** The frame's stable address: RSP after the prologue, or what the frame register says it was. */
  readonly establisherFrame: Address;
  /** The language handler, if the function has one of the kind asked for and control was in its body. */
  readonly handler: { readonly routine: Address; readonly data: Address } | undefined;
  /** The caller did not call: it was interrupted where RIP is. */
  readonly machineFrame: boolean;
}

/** The function that covers an address; undefined in a leaf function or outside every image. */
export function RtlLookupFunctionEntry(
  memory: GuestMemory,
  images: ImageTable,
  controlPc: Address,
): FunctionEntry | undefined {
  const image = images.find(controlPc);
  const found = image?.functionEntry(controlPc);
  if (!image || !found) return undefined;
  const { base: imageBase, pseudo } = image;
  // An odd unwind address is an indirect entry: it leads to the RUNTIME_FUNCTION that counts.
  const indirect = found.entry.unwind & 1;
  const address = indirect ? imageBase + found.entry.unwind - 1 : found.address;
  const entry = indirect ? readRuntimeFunction(memory, address) : found.entry;
  return { imageBase, entry, address, pseudo };
}

export function readRuntimeFunction(memory: GuestMemory, address: Address): RuntimeFunction {
  return { begin: memory.readU32(address), end: memory.readU32(address + 4), unwind: memory.readU32(address + 8) };
}

/** A frame without unwind data: the return address is on top of the stack. */
export function unwindLeaf(memory: GuestMemory, context: Context): void {
  context.rip = memory.readPointer(context.rsp);
  context.gpr[RSP] = context.gpr[RSP]! + 8n;
}

/** Changes `context` to the caller's. @param handlerType UNW_FLAG_EHANDLER, UNW_FLAG_UHANDLER or neither */
export function RtlVirtualUnwind(
  memory: GuestMemory,
  handlerType: number,
  controlPc: Address,
  { imageBase, entry, pseudo }: FunctionEntry,
  context: Context,
  saved?: SavedRegisters,
): UnwindResult {
  const first = readUnwindInfo(memory, imageBase, entry);
  const offset = controlPc - imageBase - entry.begin;
  const inProlog = offset < first.sizeOfProlog && !(first.flags & UNW_FLAG_CHAININFO);
  const establisherFrame = frameBase(context, first, inProlog ? offset : Number.POSITIVE_INFINITY);
  if (!inProlog && !pseudo && finishEpilogue(memory, controlPc, imageBase, entry, first, context)) {
    return { establisherFrame, handler: undefined, machineFrame: false };
  }

  let info = first;
  let reached = inProlog ? offset : Number.POSITIVE_INFINITY;
  let machineFrame = undo(memory, info, establisherFrame, reached, context, saved);
  for (let links = 0; info.flags & UNW_FLAG_CHAININFO; links++) {
    if (links === MAXIMUM_CHAIN) throw badTable();
    info = readUnwindInfo(memory, imageBase, readRuntimeFunction(memory, info.tail));
    reached = Number.POSITIVE_INFINITY; // the parent's prologue ran before this part was entered
    machineFrame = undo(memory, info, establisherFrame, reached, context, saved) || machineFrame;
  }
  if (!machineFrame) unwindLeaf(memory, context);
  const wanted = !inProlog && (info.flags & handlerType) !== 0;
  return {
    establisherFrame,
    machineFrame,
    handler: wanted ? { routine: imageBase + memory.readU32(info.tail), data: info.tail + 4 } : undefined,
  };
}

/** Where each register of the caller was found: what KNONVOLATILE_CONTEXT_POINTERS tells. */
export interface SavedRegisters {
  integer(register: number, address: Address): void;
  floating(register: number, address: Address): void;
}

interface UnwindInfo {
  readonly version: number;
  readonly flags: number;
  readonly sizeOfProlog: number;
  readonly frameRegister: number;
  readonly frameOffset: number;
  /** The codes as 16-bit slots. */
  readonly codes: Uint16Array;
  /** What follows the codes: the handler's RVA and data, or the chained RUNTIME_FUNCTION. */
  readonly tail: Address;
}

function badTable(): GuestException {
  return new GuestException(STATUS_BAD_FUNCTION_TABLE);
}

function readUnwindInfo(memory: GuestMemory, imageBase: Address, entry: RuntimeFunction): UnwindInfo {
  const address = imageBase + entry.unwind;
  const [head = 0, sizeOfProlog = 0, count = 0, frame = 0] = memory.readBytes(address, 4);
  const version = head & 7;
  if (version !== 1 && version !== 2) throw badTable();
  const codes = memory.readBytes(address + 4, count * 2);
  return {
    version,
    flags: head >>> 3,
    sizeOfProlog,
    frameRegister: frame & 15,
    frameOffset: (frame >>> 4) * 16,
    codes: Uint16Array.from({ length: count }, (_, i) => codes[i * 2]! | (codes[i * 2 + 1]! << 8)),
    tail: address + 4 + Math.ceil(count / 2) * 4,
  };
}

const codeOffset = (code: number) => code & 0xff;
const operation = (code: number) => (code >>> 8) & 15;
const operand = (code: number) => code >>> 12;

function slotsOf(code: number): number {
  const op = operation(code);
  const slots = SLOTS[op];
  if (slots === undefined) throw badTable();
  return op === UWOP_ALLOC_LARGE && operand(code) !== 0 ? 3 : slots;
}

/** RSP as it was when the fixed part of the frame was complete; in a prologue as far as that ran. */
function frameBase(context: Context, info: UnwindInfo, reached: number): Address {
  if (info.frameRegister === 0) return context.rsp;
  let set = reached === Number.POSITIVE_INFINITY;
  for (let i = 0; i < info.codes.length && !set; i += slotsOf(info.codes[i]!)) {
    const code = info.codes[i]!;
    set = operation(code) === UWOP_SET_FPREG && reached >= codeOffset(code);
  }
  if (!set) return context.rsp;
  return toAddress(BigInt.asUintN(64, context.gpr[info.frameRegister]! - BigInt(info.frameOffset)));
}

/** Undoes the prologue's operations up to offset `reached`. True if it ended in a machine frame, which has set RIP and RSP. */
function undo(
  memory: GuestMemory,
  { codes, frameRegister, frameOffset, version }: UnwindInfo,
  base: Address,
  reached: number,
  context: Context,
  saved: SavedRegisters | undefined,
): boolean {
  const { gpr, xmm } = context;
  for (let i = 0; i < codes.length; ) {
    const code = codes[i]!;
    const op = operation(code);
    const info = operand(code);
    const size = slotsOf(code);
    if (i + size > codes.length) throw badTable();
    const slot = codes[i + 1] ?? 0;
    const slots = slot | ((codes[i + 2] ?? 0) << 16);
    i += size;
    if (op === UWOP_EPILOG && version === 2) continue;
    if (reached < codeOffset(code)) continue;
    switch (op) {
      case UWOP_PUSH_NONVOL:
        saved?.integer(info, context.rsp);
        restore(memory, context, info, context.rsp);
        if (info !== RSP) gpr[RSP] = gpr[RSP]! + 8n;
        break;
      case UWOP_ALLOC_LARGE:
        gpr[RSP] = gpr[RSP]! + BigInt(info === 0 ? slot * 8 : slots >>> 0);
        break;
      case UWOP_ALLOC_SMALL:
        gpr[RSP] = gpr[RSP]! + BigInt(info * 8 + 8);
        break;
      case UWOP_SET_FPREG:
        gpr[RSP] = gpr[frameRegister]! - BigInt(frameOffset);
        break;
      case UWOP_SAVE_NONVOL:
      case UWOP_SAVE_NONVOL_FAR: {
        const address = base + (op === UWOP_SAVE_NONVOL ? slot * 8 : slots >>> 0);
        saved?.integer(info, address);
        restore(memory, context, info, address);
        break;
      }
      case UWOP_SAVE_XMM128:
      case UWOP_SAVE_XMM128_FAR: {
        const address = base + (op === UWOP_SAVE_XMM128 ? slot * 16 : slots >>> 0);
        saved?.floating(info, address);
        xmm[info * 2] = memory.readU64(address);
        xmm[info * 2 + 1] = memory.readU64(address + 8);
        break;
      }
      case UWOP_PUSH_MACHFRAME: {
        const frame = context.rsp + (info === 0 ? 0 : 8); // an error code lies below it
        context.rip = memory.readPointer(frame);
        gpr[RSP] = memory.readU64(frame + 0x18);
        return true;
      }
      case UWOP_SPARE_CODE:
      case UWOP_EPILOG:
        throw badTable();
    }
  }
  return false;
}

function restore(memory: GuestMemory, context: Context, register: number, address: Address): void {
  context.gpr[register] = memory.readU64(address);
}

/** If control is in an epilogue, carries out the rest of it on `context`. */
function finishEpilogue(
  memory: GuestMemory,
  controlPc: Address,
  imageBase: Address,
  entry: RuntimeFunction,
  info: UnwindInfo,
  context: Context,
): boolean {
  const end = imageBase + entry.end;
  // Version 2 lists the epilogues; outside them nothing that looks like one is.
  if (info.version === 2 && !inListedEpilogue(info, end - controlPc)) return false;
  const begin = imageBase + entry.begin;
  try {
    return runEpilogue(memory, context, controlPc, end, info.frameRegister, a => a > begin && a < end);
  } catch (error) {
    // Code that cannot be read (an unloaded page, an address that was only jumped to) is no epilogue.
    if (error instanceof PageFault && error.address >= controlPc && error.address < end) return false;
    throw error;
  }
}

/**
 * UWOP_EPILOG codes come first. The first tells the length of every epilogue, and with bit 0 of its info that one ends
 * the function; each further one tells how far from the function's end another begins.
 */
function inListedEpilogue({ codes }: UnwindInfo, fromEnd: number): boolean {
  const [first = 0] = codes;
  if (operation(first) !== UWOP_EPILOG) return false;
  const length = codeOffset(first);
  const inside = (start: number) => start > 0 && fromEnd <= start && fromEnd > start - length;
  if (operand(first) & 1 && inside(length)) return true;
  for (let i = 1; i < codes.length && operation(codes[i]!) === UWOP_EPILOG; i++) {
    if (inside(codeOffset(codes[i]!) | (operand(codes[i]!) << 8))) return true;
  }
  return false;
}
