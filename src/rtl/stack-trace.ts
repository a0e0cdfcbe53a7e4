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
}

/** The frames from `context` outwards, at most `limit`. */
export function walkStack(memory: GuestMemory, images: ImageTable, context: Context, limit: number): StackFrame[] {
  const frames: StackFrame[] = [];
  const at = context.clone();
  try {
    while (frames.length < limit) {
      const { rip, rsp } = at;
      frames.push({ rip, rsp });
      const entry = RtlLookupFunctionEntry(memory, images, rip);
      // Only the innermost frame can be a leaf, or outside every image (a call to nowhere).
      if (!entry && frames.length > 1 && !images.find(rip)?.pseudo) break;
      if (entry) RtlVirtualUnwind(memory, UNW_FLAG_NHANDLER, rip, entry, at);
      else unwindLeaf(memory, at);
      if (at.rip === 0 || at.rsp <= rsp) break;
    }
  } catch (error) {
    if (!(error instanceof PageFault || error instanceof GuestException)) throw error;
  }
  return frames;
}

/** As `walkStack`, in words: "transfer!TransferRead+0x12 (transfer.c:34)". */
export function describeStack(memory: GuestMemory, images: ImageTable, context: Context, limit = 64): string[] {
  return walkStack(memory, images, context, limit).map(({ rip }, i) => {
    if (i === 0) return images.symbol(rip);
    // A return address may be the first byte of the next line, or of the next function: the call is what counts.
    const line = images.find(rip - 1)?.line(rip - 1);
    const place = images.symbol(rip).replace(/ \([^()]*\)$/, '');
    return line ? `${place} (${line.file}:${line.line})` : place;
  });
}
