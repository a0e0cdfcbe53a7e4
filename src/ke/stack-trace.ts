/**
 * A thread's stack as text: what a bug check and a hang show.
 *
 * The walk is the one that exception dispatch makes, over guest frames and activations alike; it stops quietly where the
 * stack is damaged, because it describes machines that are broken.
 */
import type { ImageTable } from '../pe/index.ts';
import type { Context } from '../rtl/context.ts';
import { RtlLookupFunctionEntry, RtlVirtualUnwind, UNW_FLAG_NHANDLER, unwindLeaf } from '../rtl/unwind.ts';
import { GuestException } from '../wdm/failures.ts';
import { type GuestMemory, PageFault } from '../wdm/memory.ts';
import type { Activation } from './activation.ts';

const MAXIMUM_FRAMES = 64;

export interface StackTraceOptions {
  readonly memory: GuestMemory;
  readonly images: ImageTable;
  /** The activation whose establisher frame this is. */
  readonly activationAt: (frame: number) => Activation | undefined;
}

/** Innermost first: image!function+offset (file:line). */
export function stackFrames(start: Context, { memory, images, activationAt }: StackTraceOptions): string[] {
  const frames: string[] = [];
  const context = start.clone();
  for (let depth = 0; depth < MAXIMUM_FRAMES; depth++) {
    const { rip } = context;
    if (rip === 0) break;
    try {
      const entry = RtlLookupFunctionEntry(memory, images, rip);
      if (!entry) {
        frames.push(images.symbol(rip));
        unwindLeaf(memory, context);
        continue;
      }
      const { establisherFrame } = RtlVirtualUnwind(memory, UNW_FLAG_NHANDLER, rip, entry, context);
      const activation = entry.pseudo ? activationAt(establisherFrame) : undefined;
      frames.push(activation ? nameOf(activation, images) : images.symbol(depth === 0 ? rip : rip - 1));
      if (activation?.kind === 'base') break;
    } catch (error) {
      if (!(error instanceof PageFault) && !(error instanceof GuestException)) throw error;
      frames.push('(the stack cannot be read further)');
      break;
    }
  }
  return frames;
}

function nameOf(activation: Activation, images: ImageTable): string {
  return activation.address === 0 ? `ntoskrnl!${activation.name}` : images.symbol(activation.address);
}
