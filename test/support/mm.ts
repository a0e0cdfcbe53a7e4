/** A memory manager for tests, and how calls of it fail, in a word. */
import { isRoutine, type MaybeRoutine } from '../../src/ke/routine.ts';
import { MemoryManager, type MemoryManagerOptions } from '../../src/mm/memory-manager.ts';
import { BugCheck, GuestException } from '../../src/wdm/failures.ts';
import { PageFault } from '../../src/wdm/memory.ts';

export function boot(options: Partial<MemoryManagerOptions> = {}): MemoryManager {
  return new MemoryManager({ bytes: 0x100_0000, seed: 1, ...options });
}

/** Runs a routine that calls nobody and waits for nothing. */
export function run<T>(value: MaybeRoutine<T>): T {
  if (!isRoutine(value)) return value;
  const step = value.next();
  if (!step.done) throw new Error('the routine asked for something');
  return step.value;
}

/** How a body fails, in a word: stop code and first parameter, exception status, or page fault. */
export function failure(body: () => unknown): unknown {
  try {
    const value = body();
    if (isRoutine(value)) run(value);
  } catch (error) {
    if (error instanceof BugCheck) return ['stop', error.code, Number(error.parameters[0])];
    if (error instanceof GuestException) return ['exception', error.status];
    if (error instanceof PageFault) return ['fault', error.address, error.access];
    throw error;
  }
  return 'none';
}
