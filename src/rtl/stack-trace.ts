/**
 * Walking a stack without running anything: for bug checks, reports and RtlCaptureStackBackTrace.
 *
 * A walk never fails: where the stack or the unwind data are damaged it just ends.
 */
import type { ImageTable } from '../pe/index.ts';
import type { Address } from '../wdm/address.ts';
import { GuestException } from '../wdm/failures.ts';
import { type GuestMemory, PageFault } from '../wdm/memory.ts';
import type { Context } from './context.ts';
import { RtlLookupFunctionEntry, RtlVirtualUnwind, UNW_FLAG_NHANDLER, unwindLeaf } from './unwind.ts';

export interface StackFrame {
  /** The instruction pointer in the frame: for all but the innermost where a call returns to. */
  readonly rip: Address;
  readonly rsp: Address;
  /** Undefined in a leaf function. */
  readonly establisherFrame: Address | undefined;
  /** Of a TypeScript routine. */
  readonly pseudo: boolean;
}

/** The frames from `context` outwards, at most `limit`. The first may be nowhere: a call through a bad pointer. */
export function walkStack(memory: GuestMemory, images: ImageTable, context: Context, limit: number): StackFrame[] {
  const frames: StackFrame[] = [];
  const at = context.clone();
  let interrupted = true;
  try {
    while (frames.length < limit && (at.rip !== 0 || interrupted)) {
      const { rip, rsp } = at;
      const pseudo = images.find(rip)?.pseudo ?? false;
      const entry = RtlLookupFunctionEntry(memory, images, rip);
      // What has made a call is no leaf; a routine behind a trap address looks like one.
      if (!entry && !pseudo && !interrupted) break;
      const result = entry && RtlVirtualUnwind(memory, UNW_FLAG_NHANDLER, rip, entry, at);
      if (!result) unwindLeaf(memory, at);
      interrupted = result?.machineFrame ?? false;
      frames.push({ rip, rsp, establisherFrame: result?.establisherFrame, pseudo });
      if (at.rsp <= rsp) break;
    }
  } catch (error) {
    if (!(error instanceof PageFault || error instanceof GuestException)) throw error;
    const { rip, rsp } = at;
    if (frames.length === 0) frames.push({ rip, rsp, establisherFrame: undefined, pseudo: false });
  }
  return frames;
}
