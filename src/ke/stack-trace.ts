/**
 * A thread's stack as text: what a bug check and a hang show.
 *
 * The walk is the one that exception dispatch makes, over guest frames and activations alike; it stops quietly where the
 * stack is damaged, because it describes machines that are broken.
 */
import type { ImageTable } from '../pe/index.ts';
import type { Context } from '../rtl/context.ts';
import { walkStack } from '../rtl/stack-trace.ts';
import type { GuestMemory } from '../wdm/memory.ts';
import type { ActivationFrame } from './activation-frames.ts';

const MAXIMUM_FRAMES = 64;

export interface StackTraceOptions {
  readonly memory: GuestMemory;
  readonly images: ImageTable;
  /** The activation whose establisher frame this is. */
  readonly activationAt: (frame: number) => ActivationFrame | undefined;
}

/** Innermost first: image!function+offset (file:line). */
export function stackFrames(start: Context, { memory, images, activationAt }: StackTraceOptions): string[] {
  const frames: string[] = [];
  for (const { rip, establisherFrame, pseudo } of walkStack(memory, images, start, MAXIMUM_FRAMES)) {
    const activation = pseudo && establisherFrame !== undefined ? activationAt(establisherFrame) : undefined;
    // A return address may be the first byte of the next line, or of the next function: the call is what counts.
    const inner = frames.length === 0 || (pseudo && !activation);
    frames.push(activation ? nameOf(activation, images) : images.symbol(inner ? rip : rip - 1));
    if (activation?.kind === 'base') break;
  }
  return frames;
}

function nameOf(activation: ActivationFrame, images: ImageTable): string {
  return activation.address === 0 ? `ntoskrnl!${activation.name}` : images.symbol(activation.address);
}
