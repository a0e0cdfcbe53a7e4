/** Exports that format: the C runtime's printf family and DbgPrint. */
import type { MaybeRoutine } from '../../ke/routine.ts';
import { type FormatArguments, type Formatted, format, vaList } from '../../rtl/printf.ts';
import { readTerminated, type Width, writeUnit, writeUnits } from '../../rtl/units.ts';
import type { Address } from '../../wdm/address.ts';
import * as wdm from '../../wdm/constants.ts';
import { STATUS_SUCCESS } from '../../wdm/ntstatus.ts';
import { type IrqlRange, routine } from '../export.ts';
import type { Kernel } from '../kernel.ts';
import { pageable, ReplayedArguments } from '../pageable.ts';

const ANY: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.HIGH_LEVEL];

/** Longer than any string that a driver makes: where a routine without a limit of its own stops. */
const LONGEST = 0x10_0000;

/** The count that asks for truncation. */
const TRUNCATE = 0xffff_ffff_ffff_ffffn;

/** Formats, and hands the result to `deliver`; again from the start if a page is missing. */
function formatting<T>(
  k: Kernel,
  formatAddress: Address,
  source: FormatArguments,
  width: Width,
  limit: number,
  deliver: (formatted: Formatted) => T,
): MaybeRoutine<T> {
  const args = new ReplayedArguments(source);
  return pageable(k, () => deliver(format(k.memory, formatAddress, args.rewind(), width, Math.min(limit, LONGEST))));
}

type Print = (
  k: Kernel,
  width: Width,
  buffer: Address,
  size: number,
  count: bigint,
  formatAddress: Address,
  args: FormatArguments,
) => MaybeRoutine<number>;

/** sprintf: as long as it gets. */
const unlimited: Print = (k, width, buffer, _size, _count, formatAddress, args) =>
  formatting(k, formatAddress, args, width, LONGEST, ({ units, invalid }) => {
    writeUnits(k.memory, buffer, width, [...units, 0]);
    return invalid ? -1 : units.length;
  });

/** _snprintf: no terminator when exactly full, and -1 when there would be more. */
const limited: Print = (k, width, buffer, size, _count, formatAddress, args) =>
  formatting(k, formatAddress, args, width, size, ({ units, truncated, invalid }) => {
    writeUnits(k.memory, buffer, width, !truncated && units.length < size ? [...units, 0] : units);
    return truncated || invalid ? -1 : units.length;
  });

/** sprintf_s and _snprintf_s: always terminated; empty when it does not fit, unless truncation is asked for. */
const safe: Print = (k, width, buffer, size, count, formatAddress, args) => {
  if (buffer === 0 || size === 0 || formatAddress === 0) return -1;
  const most = count < BigInt(size) ? Number(count) : size - 1;
  return formatting(k, formatAddress, args, width, most, ({ units, truncated, invalid }) => {
    const fits = !truncated && !invalid;
    if (fits || (!invalid && (count === TRUNCATE || count < BigInt(size)))) {
      writeUnits(k.memory, buffer, width, [...units, 0]);
      return fits ? units.length : -1;
    }
    writeUnit(k.memory, buffer, width, 0);
    return -1;
  });
};

/** _scprintf: how long it would be. */
const measure: Print = (k, width, _buffer, _size, _count, formatAddress, args) =>
  formatting(k, formatAddress, args, width, LONGEST, ({ units, truncated, invalid }) =>
    truncated || invalid ? -1 : units.length,
  );

/** Neither a count nor truncation: sprintf_s. */
const NO_COUNT = TRUNCATE - 1n;

const sprintf = <const N extends string>(name: N, width: Width) =>
  routine(name, ['Buffer: ptr', 'Format: ptr', '...'], 'i32', ANY, (k, buffer, text, args) =>
    unlimited(k, width, buffer, 0, 0n, text, args),
  );

const vsprintf = <const N extends string>(name: N, width: Width) =>
  routine(name, ['Buffer: ptr', 'Format: ptr', 'Arguments: ptr'], 'i32', ANY, (k, buffer, text, list) =>
    unlimited(k, width, buffer, 0, 0n, text, vaList(k.memory, list)),
  );

const snprintf = <const N extends string>(name: N, width: Width) =>
  routine(name, ['Buffer: ptr', 'Count: size', 'Format: ptr', '...'], 'i32', ANY, (k, buffer, size, text, args) =>
    limited(k, width, buffer, size, 0n, text, args),
  );

const vsnprintf = <const N extends string>(name: N, width: Width) =>
  routine(
    name,
    ['Buffer: ptr', 'Count: size', 'Format: ptr', 'Arguments: ptr'],
    'i32',
    ANY,
    (k, buffer, size, text, list) => limited(k, width, buffer, size, 0n, text, vaList(k.memory, list)),
  );

const sprintf_s = <const N extends string>(name: N, width: Width) =>
  routine(name, ['Buffer: ptr', 'Size: size', 'Format: ptr', '...'], 'i32', ANY, (k, buffer, size, text, args) =>
    safe(k, width, buffer, size, NO_COUNT, text, args),
  );

const vsprintf_s = <const N extends string>(name: N, width: Width) =>
  routine(
    name,
    ['Buffer: ptr', 'Size: size', 'Format: ptr', 'Arguments: ptr'],
    'i32',
    ANY,
    (k, buffer, size, text, list) => safe(k, width, buffer, size, NO_COUNT, text, vaList(k.memory, list)),
  );

const snprintf_s = <const N extends string>(name: N, width: Width) =>
  routine(
    name,
    ['Buffer: ptr', 'Size: size', 'Count: u64', 'Format: ptr', '...'],
    'i32',
    ANY,
    (k, buffer, size, count, text, args) => safe(k, width, buffer, size, count, text, args),
  );

const vsnprintf_s = <const N extends string>(name: N, width: Width) =>
  routine(
    name,
    ['Buffer: ptr', 'Size: size', 'Count: u64', 'Format: ptr', 'Arguments: ptr'],
    'i32',
    ANY,
    (k, buffer, size, count, text, list) => safe(k, width, buffer, size, count, text, vaList(k.memory, list)),
  );

export const printfExports = [
  sprintf('sprintf', 1),
  sprintf('swprintf', 2),
  vsprintf('vsprintf', 1),
  snprintf('_snprintf', 1),
  snprintf('_snwprintf', 2),
  vsnprintf('_vsnprintf', 1),
  vsnprintf('_vsnwprintf', 2),
  sprintf_s('sprintf_s', 1),
  sprintf_s('swprintf_s', 2),
  vsprintf_s('vsprintf_s', 1),
  vsprintf_s('vswprintf_s', 2),
  snprintf_s('_snprintf_s', 1),
  snprintf_s('_snwprintf_s', 2),
  vsnprintf_s('_vsnprintf_s', 1),
  vsnprintf_s('_vsnwprintf_s', 2),
  routine('_vscwprintf', ['Format: ptr', 'Arguments: ptr'], 'i32', ANY, (k, text, list) =>
    measure(k, 2, 0, 0, 0n, text, vaList(k.memory, list)),
  ),
] as const;

// ----- Debug output

/** DbgPrint's buffer; what is longer is cut off ("DbgPrint function", Remarks). */
const DEBUG_BYTES = 512;

interface Filter {
  readonly component?: number;
  readonly level?: number;
}

function print(k: Kernel, filter: Filter, prefix: Address, text: Address, args: FormatArguments): MaybeRoutine<number> {
  return formatting(k, text, args, 1, DEBUG_BYTES, ({ units }) => {
    const before = prefix === 0 ? [] : readTerminated(k.memory, prefix, 1, DEBUG_BYTES);
    const bytes = [...before, ...units].slice(0, DEBUG_BYTES);
    if (k.trace.enabled) k.trace.emit({ type: 'debug-print', text: String.fromCharCode(...bytes), ...filter });
    return STATUS_SUCCESS;
  });
}

/** Every print is recorded, whatever its level: the filters of a debugger are the reader's business. */
export const debugPrintExports = [
  routine('DbgPrint', ['Format: ptr', '...'], 'u32', ANY, (k, text, args) => print(k, {}, 0, text, args)),
  routine(
    'DbgPrintEx',
    ['ComponentId: u32', 'Level: u32', 'Format: ptr', '...'],
    'u32',
    ANY,
    (k, component, level, text, args) => print(k, { component, level }, 0, text, args),
  ),
  routine('DbgPrintReturnControlC', ['Format: ptr', '...'], 'u32', ANY, (k, text, args) => print(k, {}, 0, text, args)),
  routine(
    'vDbgPrintEx',
    ['ComponentId: u32', 'Level: u32', 'Format: ptr', 'Arguments: ptr'],
    'u32',
    ANY,
    (k, component, level, text, list) => print(k, { component, level }, 0, text, vaList(k.memory, list)),
  ),
  routine(
    'vDbgPrintExWithPrefix',
    ['Prefix: ptr', 'ComponentId: u32', 'Level: u32', 'Format: ptr', 'Arguments: ptr'],
    'u32',
    ANY,
    (k, prefix, component, level, text, list) => print(k, { component, level }, prefix, text, vaList(k.memory, list)),
  ),
] as const;
