/**
 * What a driver may import, as data.
 *
 * An export is a routine (a TypeScript body behind a trap address) or a variable (real guest memory). The tables in
 * `exports/` declare them by family; `export-table.ts` gives them addresses; `call.ts` moves arguments between the x64
 * registers and JavaScript. A routine is declared once and serves both kinds of driver: a `.sys` reaches it through its
 * import table, a TypeScript driver as `nt.Name(...)`.
 *
 *     routine('ProbeForRead', ['Address: ptr', 'Length: size', 'Alignment: u32'], 'void', [PASSIVE_LEVEL, APC_LEVEL],
 *       (k, address, length, alignment) => k.mm.ProbeForRead(address, length, alignment))
 *
 * The body returns the value, or is a generator of it when it can run other code (`ke/routine.ts`). The IRQL range is
 * the documented one; it is checked by whoever listens, never enforced, as in Windows.
 */
import type { MaybeRoutine } from '../ke/routine.ts';
import type { Address } from '../wdm/address.ts';
import type { Kernel } from './kernel.ts';

/** How a 64-bit argument or result becomes a JavaScript value. */
export interface Kinds {
  /** A pointer: NON_CANONICAL if it is none. */
  ptr: Address;
  /** A HANDLE: sign-extended, so that kernel handles and the pseudo handles -1 and -2 are negative. */
  handle: number;
  u8: number;
  u16: number;
  u32: number;
  i32: number;
  /** BOOLEAN: the low byte is not zero. */
  bool: boolean;
  /** SIZE_T as a number: exact up to 2^53, and larger than any memory beyond. */
  size: number;
  /** Raw 64 bits, unsigned: contexts, LARGE_INTEGER by value, anything opaque. */
  u64: bigint;
  i64: bigint;
}
export type Kind = keyof Kinds;

export interface Results extends Kinds {
  // biome-ignore lint/suspicious/noConfusingVoidType: the result of a body that returns nothing
  void: void;
  /** Unsigned 32 bits. */
  ntstatus: number;
}
export type ResultKind = keyof Results;

/** The arguments of a variadic routine beyond the declared ones, taken one by one. */
export interface VarArgs {
  /** The next argument's raw 64 bits, unsigned. */
  next(): bigint;
}

/** `'Length: size'` is a parameter named Length of kind size; `'...'` is a variadic tail. */
export type Parameter = `${string}: ${Kind}` | '...';

type Argument<P> = P extends '...' ? VarArgs : P extends `${string}: ${infer K extends Kind}` ? Kinds[K] : never;
export type Arguments<P extends readonly Parameter[]> = { -readonly [I in keyof P]: Argument<P[I]> };

export type IrqlRange = readonly [lowest: number, highest: number];

export interface RoutineOptions {
  /** Virtual time that a call takes, in nanoseconds. */
  readonly cost?: number;
}

export interface ExportedRoutine<N extends string = string, A extends unknown[] = never[], R = unknown> {
  readonly kind: 'routine';
  readonly name: N;
  readonly parameters: readonly Parameter[];
  readonly result: ResultKind;
  readonly irql: IrqlRange;
  readonly cost: number;
  readonly body: (k: Kernel, ...args: A) => R;
}

export interface ExportedVariable<N extends string = string> {
  readonly kind: 'variable';
  readonly name: N;
  readonly size: number;
  /** Writes the initial value. Called once at boot, when every room is up. */
  readonly initialise: (k: Kernel, address: Address) => void;
}

export type Export = ExportedRoutine | ExportedVariable;

/** Virtual time of a kernel routine that declares none: a call, a few dozen instructions, a return. */
const DEFAULT_COST = 50;

/**
 * Declares an exported routine.
 * @param irql lowest and highest IRQL at which the documentation allows the call
 */
export function routine<
  const N extends string,
  const P extends readonly Parameter[],
  K extends ResultKind,
  R extends MaybeRoutine<Results[K]>,
>(
  name: N,
  parameters: P,
  result: K,
  irql: IrqlRange,
  body: (k: Kernel, ...args: Arguments<P>) => R,
  options: RoutineOptions = {},
): ExportedRoutine<N, Arguments<P>, R> {
  return { kind: 'routine', name, parameters, result, irql, cost: options.cost ?? DEFAULT_COST, body };
}

/** Declares an exported variable of `size` bytes. */
export function variable<const N extends string>(
  name: N,
  size: number,
  initialise: ExportedVariable['initialise'],
): ExportedVariable<N> {
  return { kind: 'variable', name, size, initialise };
}
