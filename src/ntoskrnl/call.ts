/**
 * Between the x64 calling convention and JavaScript: an exported routine becomes the body of a trap.
 *
 * Arguments are read at entry, before the body runs, because a generator's body runs after the registers may have
 * changed. Results go to RAX as C would leave them: a BOOLEAN or UCHAR in AL, an NTSTATUS zero-extended from EAX.
 */
import { isRoutine, type Routine } from '../ke/routine.ts';
import type { ArgumentReader, TrapBody, TrapResult } from '../ke/traps.ts';
import { type Address, fromAddress } from '../wdm/address.ts';
import type { GuestMemory } from '../wdm/memory.ts';
import type { ExportedRoutine, Kind, ResultKind, VarArgs } from './export.ts';
import type { Kernel } from './kernel.ts';

type Reader = (args: ArgumentReader, index: number) => unknown;

const low32 = (args: ArgumentReader, index: number) => args.u32(index);

const READERS: Readonly<Record<Kind, Reader>> = {
  ptr: (args, index) => args.address(index),
  handle: (args, index) => args.address(index),
  u8: (args, index) => low32(args, index) & 0xff,
  u16: (args, index) => low32(args, index) & 0xffff,
  u32: low32,
  i32: (args, index) => low32(args, index) | 0,
  bool: (args, index) => (low32(args, index) & 0xff) !== 0,
  size: (args, index) => Number(args.u64(index)),
  u64: (args, index) => args.u64(index),
  i64: (args, index) => BigInt.asIntN(64, args.u64(index)),
};

type Writer = (value: never) => TrapResult;

const unsigned = (value: number): TrapResult => value >>> 0;

const WRITERS: Readonly<Record<ResultKind, Writer>> = {
  void: () => undefined,
  ntstatus: unsigned,
  ptr: (value: Address) => value,
  handle: (value: number) => value,
  u8: (value: number) => value & 0xff,
  u16: (value: number) => value & 0xffff,
  u32: unsigned,
  i32: unsigned,
  bool: (value: boolean) => (value ? 1 : 0),
  size: (value: number) => BigInt(value),
  u64: (value: bigint) => BigInt.asUintN(64, value),
  i64: (value: bigint) => BigInt.asUintN(64, value),
};

const kindOf = (parameter: string): Kind => parameter.slice(parameter.lastIndexOf(' ') + 1) as Kind;

/** Told of each call, with the arguments as the body gets them. */
export type CallObserver = (routine: ExportedRoutine, args: readonly unknown[]) => void;

/** The trap body of an exported routine. */
export function trapBody(routine: ExportedRoutine, kernel: Kernel, observe: () => CallObserver | undefined): TrapBody {
  const variadic = routine.parameters.at(-1) === '...';
  const readers = routine.parameters.slice(0, variadic ? -1 : undefined).map(p => READERS[kindOf(p)]);
  const write = WRITERS[routine.result] as (value: unknown) => TrapResult;
  const body = routine.body as unknown as (k: Kernel, ...args: readonly unknown[]) => unknown;
  return args => {
    const values: unknown[] = [];
    for (let index = 0; index < readers.length; index++) values.push(readers[index]!(args, index));
    if (variadic) values.push(new StackArguments(kernel.memory, args, readers.length));
    observe()?.(routine, values);
    const result = body(kernel, ...values);
    return isRoutine(result) ? finish(result, write) : write(result);
  };
}

function* finish(routine: Routine<unknown>, write: (value: unknown) => TrapResult): Routine<TrapResult> {
  return write(yield* routine);
}

/** The arguments of a variadic call from `first` on; those in registers are taken at once. */
class StackArguments implements VarArgs {
  readonly #memory: GuestMemory;
  readonly #registers: readonly bigint[];
  readonly #entryRsp: Address;
  #next: number;

  constructor(memory: GuestMemory, args: ArgumentReader, first: number) {
    this.#memory = memory;
    this.#entryRsp = args.entryRsp;
    this.#registers = [0, 1, 2, 3].map(index => args.u64(index));
    this.#next = first;
  }

  next(): bigint {
    const index = this.#next++;
    return this.#registers[index] ?? this.#memory.readU64(this.#entryRsp + 8 + index * 8);
  }
}

/** The arguments of a variadic call that TypeScript makes. */
export class ListArguments implements VarArgs {
  readonly #values: readonly (number | bigint)[];
  #next = 0;

  constructor(values: readonly (number | bigint)[]) {
    this.#values = values;
  }

  next(): bigint {
    const value = this.#values[this.#next++] ?? 0n;
    return typeof value === 'bigint' ? BigInt.asUintN(64, value) : fromAddress(value);
  }
}
