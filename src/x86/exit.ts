/** Why the processor has stopped, and the observer of its second mode. */
import type { Address } from '../wdm/address.ts';

export type Exit =
  /** RIP is inside the trap area: TypeScript owns that address. */
  | { readonly kind: 'trap'; readonly address: Address }
  /**
   * An exception. RIP is at the faulting instruction, whose effects have not happened; after `int3`, `int n` it is behind,
   * as the hardware pushes it. For #PF (14) `address` is CR2; a non-canonical address is #GP (13) with NON_CANONICAL.
   */
  | { readonly kind: 'fault'; readonly vector: number; readonly errorCode: number; readonly address: Address }
  /** `retired` has reached `deadline`, seen at an architectural point; RIP is where it goes on. */
  | { readonly kind: 'deadline' }
  /** CR8 was lowered or IF set: RIP is after that instruction, interrupts may be due. */
  | { readonly kind: 'window' }
  /** `hlt`; RIP is after it. */
  | { readonly kind: 'halt' };

/** Observed mode: told of each instruction before it runs, with all registers in the register file. */
export interface InstructionObserver {
  before(rip: Address): void;
}
