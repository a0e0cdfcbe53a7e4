/**
 * Drivers written in TypeScript.
 *
 * A driver is a name and a DriverEntry. DriverEntry gets `nt`, which is to it what headers and import table are to a
 * `.sys`: every exported routine by its name, the inlines of wdm.h, guest memory, and the means to give a routine of
 * its own an address. The driver has a pseudo-image; its routines have addresses there, and whoever calls one, by
 * MajorFunction or as a completion routine, cannot tell it from code in a `.sys`.
 *
 *     export default function echo(): TypeScriptDriver {
 *       return {
 *         name: 'echo',
 *         *DriverEntry(nt, DriverObject) {
 *           const dispatch = nt.routine('EchoRead', ['DeviceObject: ptr', 'Irp: ptr'], 'ntstatus', function* (device, irp) { … });
 *           DRIVER_OBJECT.at(nt.memory, DriverObject).MajorFunction.set(IRP_MJ_READ, dispatch);
 *           return STATUS_SUCCESS;
 *         },
 *       };
 *     }
 *
 * The rules are a driver's. A routine that may touch a bad user address does so inside `nt.tryExcept`; an exception that
 * leaves a routine goes to its callers, and is a bug check if nobody handles it. A JavaScript error that leaves a
 * routine is a mistake in the driver's source and reaches the host as an Error that names the driver.
 */
import * as inlines from '../io/inlines.ts';
import { isRoutine, type MaybeRoutine, type Routine } from '../ke/routine.ts';
import type { PseudoImage } from '../ke/traps.ts';
import type { ExceptionFilter } from '../ke/try-except.ts';
import { encodeUtf16, writeUnicodeString } from '../ob/index.ts';
import type { Address } from '../wdm/address.ts';
import { HIGH_LEVEL, PASSIVE_LEVEL } from '../wdm/constants.ts';
import type { GuestException } from '../wdm/failures.ts';
import { UNICODE_STRING } from '../wdm/layouts.ts';
import type { GuestMemory } from '../wdm/memory.ts';
import { trapBody } from './call.ts';
import {
  type Arguments,
  type ExportedRoutine,
  type Parameter,
  type ResultKind,
  type Results,
  routine,
} from './export.ts';
import { ALL_EXPORTS, type AllExports } from './exports/index.ts';
import type { Kernel } from './kernel.ts';
import { type Methods, methodsOf } from './nt.ts';

/** wdm.h's inlines, without their first parameter. */
type Inlines = {
  readonly [N in keyof typeof inlines]: (typeof inlines)[N] extends (memory: GuestMemory, ...args: infer A) => infer R
    ? (...args: A) => R
    : never;
};

export interface DriverTools {
  /** Guest memory as kernel mode sees it in the current process. */
  readonly memory: GuestMemory;
  /** Bytes on the kernel stack until the running routine returns; not zeroed. */
  alloca(bytes: number): Address;
  /** A UNICODE_STRING on the kernel stack, with its buffer. */
  unicodeString(text: string): Address;
  /** Gives `body` an address in this driver's image. Parameters and result as in the kernel's own exports. */
  routine<const P extends readonly Parameter[], K extends ResultKind>(
    name: string,
    parameters: P,
    result: K,
    body: (...args: Arguments<P>) => MaybeRoutine<Results[K]>,
  ): Address;
  /** `__try { body } __except (filter) { handler }`. */
  tryExcept<T>(
    body: () => Routine<T>,
    filter: ExceptionFilter,
    handler: (exception: GuestException) => Routine<T>,
  ): Routine<T>;
}

/** What a TypeScript driver is linked against. */
export type Nt = Methods<AllExports> & Inlines & DriverTools;

export interface TypeScriptDriver {
  /** Names its image (name.ts) and its driver object (\Driver\name). */
  readonly name: string;
  /** Returns an NTSTATUS; the driver is unloaded again if that is no success. */
  DriverEntry(nt: Nt, DriverObject: Address, RegistryPath: Address): MaybeRoutine<number>;
}

export function isTypeScriptDriver(source: unknown): source is TypeScriptDriver {
  return typeof source === 'object' && source !== null && 'DriverEntry' in source;
}

/** Links a driver: registers its DriverEntry in `image` and returns that address. */
export function linkDriver(driver: TypeScriptDriver, kernel: Kernel, image: PseudoImage): Address {
  const { memory, ke } = kernel;
  const any = [PASSIVE_LEVEL, HIGH_LEVEL] as const;
  const tools: DriverTools = {
    memory,
    alloca: bytes => ke.alloca(bytes),
    unicodeString: text => {
      const bytes = encodeUtf16(text);
      const string = ke.alloca(UNICODE_STRING.size + bytes.length);
      memory.writeBytes(string + UNICODE_STRING.size, bytes);
      writeUnicodeString(memory, string, string + UNICODE_STRING.size, bytes.length);
      return string;
    },
    routine: (name, parameters, result, body) => {
      const checked: typeof body = result === 'ntstatus' ? (...args) => checkStatus(body(...args)) : body;
      const declared = routine(name, parameters, result, any, (_k, ...args) => checked(...args));
      return ke.traps.register(
        image,
        name,
        trapBody(declared as unknown as ExportedRoutine, kernel, () => undefined),
      );
    },
    tryExcept: (body, filter, handler) => ke.tryExcept(body, filter, handler),
  };
  const bound = Object.fromEntries(
    Object.entries(inlines).map(([name, inline]) => [
      name,
      (inline as (...args: unknown[]) => unknown).bind(undefined, memory),
    ]),
  ) as unknown as Inlines;
  const nt: Nt = { ...methodsOf(ALL_EXPORTS, kernel), ...bound, ...tools };
  return tools.routine('DriverEntry', ['DriverObject: ptr', 'RegistryPath: ptr'], 'ntstatus', (object, path) =>
    driver.DriverEntry(nt, object, path),
  );
}

/** What would become STATUS_SUCCESS if it were taken as it is: nothing, a Promise. */
function checkStatus(result: unknown): MaybeRoutine<never> {
  if (isRoutine(result)) return checkedStatus(result);
  if (Number.isInteger(result)) return result as never;
  throw new TypeError(`it returned ${result} for an NTSTATUS: a routine is a function or a generator, never async`);
}

function* checkedStatus(routine: Routine<unknown>): Routine<never> {
  return checkStatus(yield* routine) as never;
}
