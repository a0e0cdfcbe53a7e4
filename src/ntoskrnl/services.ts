/**
 * System services: the Nt routines as user mode and as kernel mode reach them.
 *
 * An application's call enters with PreviousMode UserMode, so that the service probes and checks. A driver that calls
 * the Nt name runs the same body with whatever PreviousMode its thread has; the Zw name sets it to KernelMode first and
 * back afterwards ("Using Nt and Zw Versions of the Native System Services Routines").
 */
import { type CallArgument, isRoutine, type Routine } from '../ke/routine.ts';
import type { ArgumentReader, TrapResult } from '../ke/traps.ts';
import { type Address, fromAddress, toAddress } from '../wdm/address.ts';
import { APC_INDEX_MISMATCH, IRQL_GT_ZERO_AT_SYSTEM_SERVICE } from '../wdm/bugcheck.ts';
import { KernelMode, PASSIVE_LEVEL, UserMode } from '../wdm/constants.ts';
import { BugCheck } from '../wdm/failures.ts';
import { trapBody } from './call.ts';
import type { ExportedRoutine } from './export.ts';
import type { Kernel } from './kernel.ts';

/** The Zw form of an Nt routine. */
export function zw<const N extends string, A extends unknown[], R>(
  nt: ExportedRoutine<`Nt${N}`, A, R>,
): ExportedRoutine<`Zw${N}`, A, Routine<number>> {
  const name = `Zw${nt.name.slice(2)}` as `Zw${N}`;
  const body = function* (k: Kernel, ...args: A): Routine<number> {
    return (yield* inMode(k, KernelMode, () => nt.body(k, ...args))) as number;
  };
  return { ...nt, name, body };
}

function* inMode(k: Kernel, mode: number, body: () => unknown): Routine<unknown> {
  const thread = k.ke.currentThread;
  const before = thread.previousMode;
  thread.previousMode = mode;
  try {
    const result = body();
    return isRoutine(result) ? yield* result : result;
  } finally {
    thread.previousMode = before;
  }
}

/** Arguments that TypeScript hands over, read as if they lay in registers. */
class ListReader implements ArgumentReader {
  readonly entryRsp: Address = 0;
  readonly #values: readonly CallArgument[];

  constructor(values: readonly CallArgument[]) {
    this.#values = values;
  }

  u64(index: number): bigint {
    const value = this.#values[index] ?? 0n;
    return typeof value === 'bigint' ? BigInt.asUintN(64, value) : fromAddress(value);
  }

  u32(index: number): number {
    const value = this.#values[index] ?? 0;
    return typeof value === 'bigint' ? Number(BigInt.asUintN(32, value)) : value >>> 0;
  }

  address(index: number): Address {
    const value = this.#values[index] ?? 0;
    return typeof value === 'bigint' ? toAddress(value) : value;
  }
}

/** The services by name, as an application's thread calls them. */
export class ServiceTable {
  readonly #kernel: Kernel;
  readonly #bodies = new Map<string, (args: ArgumentReader) => TrapResult | Routine<TrapResult>>();

  constructor(exports: Iterable<{ readonly kind: string; readonly name: string }>, kernel: Kernel) {
    this.#kernel = kernel;
    for (const entry of exports) {
      if (entry.kind !== 'routine' || !entry.name.startsWith('Nt')) continue;
      this.#bodies.set(
        entry.name,
        trapBody(entry as ExportedRoutine, kernel, () => undefined),
      );
    }
  }

  /**
   * The body of one call from user mode: its NTSTATUS. Throws Error for a name that is no service. A driver that comes
   * back with IRQL raised, or with APCs disabled, is found out here, on the way to user mode.
   */
  *call(name: string, args: readonly CallArgument[]): Routine<number> {
    const body = this.#bodies.get(name);
    if (!body) throw new Error(`there is no system service ${name}`);
    const result = yield* inMode(this.#kernel, UserMode, () => body(new ListReader(args)));
    this.#leave();
    return Number(BigInt.asUintN(32, BigInt((result as bigint | number | undefined) ?? 0)));
  }
  /** Source: "Bug Check 0x4A", "Bug Check 0x1". The service's address is not known here. */
  #leave(): void {
    const { irql, currentThread } = this.#kernel.ke;
    if (irql !== PASSIVE_LEVEL) {
      throw new BugCheck(IRQL_GT_ZERO_AT_SYSTEM_SERVICE, [0n, BigInt(irql), 0n, 0n], 'a driver did not lower IRQL');
    }
    const { CombinedApcDisable, ApcStateIndex } = currentThread.view;
    if (CombinedApcDisable !== 0) {
      throw new BugCheck(
        APC_INDEX_MISMATCH,
        [0n, BigInt(ApcStateIndex << 8), BigInt(CombinedApcDisable), 0n],
        'a driver did not leave a critical or guarded region',
      );
    }
  }
}
