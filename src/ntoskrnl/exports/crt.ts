/** Exports of the C runtime that the kernel carries: memory, strings, characters, formatting, sorting. */

import { RAX } from '../../ke/cpu.ts';
import type { MaybeRoutine, Routine } from '../../ke/routine.ts';
import { call, settle } from '../../ke/routine.ts';
import * as c from '../../rtl/c-strings.ts';
import * as blocks from '../../rtl/memory-blocks.ts';
import { bsearch, qsort } from '../../rtl/sort.ts';
import { terminatedLength, type Width } from '../../rtl/units.ts';
import { RtlDowncaseUnicodeChar, RtlUpcaseUnicodeChar } from '../../rtl/upcase.ts';
import { type Address, fromAddress, PAGE_SIZE, pageOf } from '../../wdm/address.ts';
import * as wdm from '../../wdm/constants.ts';
import { PageFault } from '../../wdm/memory.ts';
import { type IrqlRange, routine } from '../export.ts';
import type { Kernel } from '../kernel.ts';
import { pageable } from '../pageable.ts';

const ANY: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.HIGH_LEVEL];

const intOf = (value: bigint): number => Number(BigInt.asIntN(32, value));

// ----- Memory

/** Moves or fills; where a page is missing, all pages are brought in first. */
function moving<T>(
  k: Kernel,
  body: () => T,
  ranges: readonly (readonly [address: Address, length: number, access: 'read' | 'write'])[],
): MaybeRoutine<T> {
  try {
    return body();
  } catch (fault) {
    if (!(fault instanceof PageFault) || k.ke.irql >= wdm.DISPATCH_LEVEL) throw fault;
    return movingSlowly(k, body, ranges);
  }
}

function* movingSlowly<T>(k: Kernel, body: () => T, ranges: Parameters<typeof moving>[2]): Routine<T> {
  for (const [address, length, access] of ranges) yield* settle(k.mm.touch(address, length, access));
  return body();
}

function copy(k: Kernel, to: Address, from: Address, length: number): MaybeRoutine<Address> {
  return moving(k, () => {
    if (length > 0) k.memory.copy(to, from, length);
    return to;
  }, [
    [from, length, 'read'],
    [to, length, 'write'],
  ]);
}

function fill(k: Kernel, to: Address, length: number, value: number): MaybeRoutine<Address> {
  return moving(k, () => {
    if (length > 0) k.memory.fill(to, length, value & 0xff);
    return to;
  }, [[to, length, 'write']]);
}

const COPY = ['Destination: ptr', 'Source: ptr', 'Length: size'] as const;
const COMPARE_BLOCKS = ['Source1: ptr', 'Source2: ptr', 'Length: size'] as const;

// memcpy is memmove in Windows' kernel, so that overlapping blocks are copied right.
const copying = <const N extends string>(name: N) => routine(name, COPY, 'ptr', ANY, copy);

export const memoryExports = [
  copying('memcpy'),
  copying('memmove'),
  copying('RtlCopyMemory'),
  copying('RtlMoveMemory'),
  copying('RtlCopyMemoryNonTemporal'),
  routine('memset', ['Destination: ptr', 'Value: u32', 'Length: size'], 'ptr', ANY, (k, to, value, length) =>
    fill(k, to, length, value),
  ),
  routine('RtlFillMemory', ['Destination: ptr', 'Length: size', 'Fill: u8'], 'ptr', ANY, fill),
  routine('RtlZeroMemory', ['Destination: ptr', 'Length: size'], 'ptr', ANY, (k, to, length) => fill(k, to, length, 0)),
  routine(
    'RtlFillMemoryUlong',
    ['Destination: ptr', 'Length: size', 'Pattern: u32'],
    'void',
    ANY,
    (k, to, length, pattern) => pageable(k, () => blocks.RtlFillMemoryUlong(k.memory, to, length, pattern)),
  ),
  routine('memcmp', COMPARE_BLOCKS, 'i32', ANY, (k, a, b, length) =>
    pageable(k, () => blocks.memcmp(k.memory, a, b, length)),
  ),
  routine('RtlCompareMemory', COMPARE_BLOCKS, 'size', ANY, (k, a, b, length) =>
    pageable(k, () => blocks.RtlCompareMemory(k.memory, a, b, length)),
  ),
  routine(
    'RtlCompareMemoryUlong',
    ['Source: ptr', 'Length: size', 'Pattern: u32'],
    'size',
    ANY,
    (k, at, length, pattern) => pageable(k, () => blocks.RtlCompareMemoryUlong(k.memory, at, length, pattern)),
  ),
  routine('memchr', ['Block: ptr', 'Value: u32', 'Length: size'], 'ptr', ANY, (k, at, value, length) =>
    pageable(k, () => blocks.memchr(k.memory, at, value, length)),
  ),
  // Called with the size of a large frame in RAX, which it keeps, as it keeps all registers. It touches every page that
  // the frame will cover, downwards, so that no frame steps over the guard page into what lies below the stack.
  routine('__chkstk', [], 'void', ANY, k => {
    const { registers } = k.ke.cpu;
    const bottom = registers.rsp - Number(registers.gpr(RAX));
    for (let page = pageOf(registers.rsp); page + PAGE_SIZE > bottom; page -= PAGE_SIZE) k.memory.readU8(page);
  }),
  // A hint to the processor: nothing that a program could see.
  routine('RtlPrefetchMemoryNonTemporal', ['Source: ptr', 'Length: size'], 'void', ANY, () => {}),
] as const;

// ----- Strings: each declared once for char and once for wchar_t

const one = <const N extends string>(
  name: N,
  width: Width,
  body: (m: Kernel['memory'], w: Width, text: Address) => Address,
) => routine(name, ['String: ptr'], 'ptr', ANY, (k, text) => pageable(k, () => body(k.memory, width, text)));

const length = <const N extends string>(name: N, width: Width) =>
  routine(name, ['String: ptr'], 'size', ANY, (k, text) => pageable(k, () => terminatedLength(k.memory, text, width)));

const lengthWithin = <const N extends string>(name: N, width: Width) =>
  routine(name, ['String: ptr', 'MaxCount: size'], 'size', ANY, (k, text, limit) =>
    pageable(k, () => (text === 0 ? 0 : terminatedLength(k.memory, text, width, limit))),
  );

const compare = <const N extends string>(name: N, width: Width, body: typeof c.strcmp) =>
  routine(name, ['String1: ptr', 'String2: ptr'], 'i32', ANY, (k, a, b) =>
    pageable(k, () => body(k.memory, width, a, b)),
  );

const compareWithin = <const N extends string>(name: N, width: Width, body: typeof c.strncmp) =>
  routine(name, ['String1: ptr', 'String2: ptr', 'Count: size'], 'i32', ANY, (k, a, b, count) =>
    pageable(k, () => body(k.memory, width, a, b, count)),
  );

const put = <const N extends string>(name: N, width: Width, body: typeof c.strcpy) =>
  routine(name, ['Destination: ptr', 'Source: ptr'], 'ptr', ANY, (k, to, from) =>
    pageable(k, () => body(k.memory, width, to, from)),
  );

const putWithin = <const N extends string>(name: N, width: Width, body: typeof c.strncpy) =>
  routine(name, ['Destination: ptr', 'Source: ptr', 'Count: size'], 'ptr', ANY, (k, to, from, count) =>
    pageable(k, () => body(k.memory, width, to, from, count)),
  );

const findUnit = <const N extends string>(name: N, width: Width, body: typeof c.strchr) =>
  routine(name, ['String: ptr', 'Character: u32'], 'ptr', ANY, (k, text, unit) =>
    pageable(k, () => body(k.memory, width, text, unit & (width === 1 ? 0xff : 0xffff))),
  );

const find = <const N extends string>(name: N, width: Width, body: typeof c.strstr) =>
  routine(name, ['String: ptr', 'Wanted: ptr'], 'ptr', ANY, (k, text, wanted) =>
    pageable(k, () => body(k.memory, width, text, wanted)),
  );

const span = <const N extends string>(name: N, width: Width, member: boolean) =>
  routine(name, ['String: ptr', 'Set: ptr'], 'size', ANY, (k, text, set) =>
    pageable(k, () => c.strspn(k.memory, width, text, set, member)),
  );

const putSafely = <const N extends string>(name: N, width: Width, body: typeof c.strncpy_s) =>
  routine(name, ['Destination: ptr', 'Size: size', 'Source: ptr'], 'i32', ANY, (k, to, size, from) =>
    pageable(k, () => body(k.memory, width, to, size, from, c._TRUNCATE - 1n)),
  );

const putSafelyWithin = <const N extends string>(name: N, width: Width, body: typeof c.strncpy_s) =>
  routine(
    name,
    ['Destination: ptr', 'Size: size', 'Source: ptr', 'Count: u64'],
    'i32',
    ANY,
    (k, to, size, from, count) => pageable(k, () => body(k.memory, width, to, size, from, count)),
  );

const lower: typeof c.strrev = (memory, width, text) => c.strmap(memory, width, text, c.asciiLower);
const upper: typeof c.strrev = (memory, width, text) => c.strmap(memory, width, text, c.asciiUpper);

export const narrowStringExports = [
  length('strlen', 1),
  lengthWithin('strnlen', 1),
  compare('strcmp', 1, c.strcmp),
  compareWithin('strncmp', 1, c.strncmp),
  compare('_stricmp', 1, c.stricmp),
  compareWithin('_strnicmp', 1, c.strnicmp),
  put('strcpy', 1, c.strcpy),
  putWithin('strncpy', 1, c.strncpy),
  put('strcat', 1, c.strcat),
  putWithin('strncat', 1, c.strncat),
  findUnit('strchr', 1, c.strchr),
  findUnit('strrchr', 1, c.strrchr),
  find('strstr', 1, c.strstr),
  find('strpbrk', 1, c.strpbrk),
  span('strspn', 1, true),
  one('_strlwr', 1, lower),
  one('_strupr', 1, upper),
  one('_strrev', 1, c.strrev),
  putSafely('strcpy_s', 1, c.strncpy_s),
  putSafelyWithin('strncpy_s', 1, c.strncpy_s),
  putSafely('strcat_s', 1, c.strncat_s),
  putSafelyWithin('strncat_s', 1, c.strncat_s),
] as const;

export const wideStringExports = [
  length('wcslen', 2),
  lengthWithin('wcsnlen', 2),
  compare('wcscmp', 2, c.strcmp),
  compareWithin('wcsncmp', 2, c.strncmp),
  compare('_wcsicmp', 2, c.stricmp),
  compareWithin('_wcsnicmp', 2, c.strnicmp),
  put('wcscpy', 2, c.strcpy),
  putWithin('wcsncpy', 2, c.strncpy),
  put('wcscat', 2, c.strcat),
  putWithin('wcsncat', 2, c.strncat),
  findUnit('wcschr', 2, c.strchr),
  findUnit('wcsrchr', 2, c.strrchr),
  find('wcsstr', 2, c.strstr),
  span('wcsspn', 2, true),
  one('_wcslwr', 2, lower),
  one('_wcsupr', 2, upper),
  one('_wcsrev', 2, c.strrev),
  putSafely('wcscpy_s', 2, c.strncpy_s),
  putSafelyWithin('wcsncpy_s', 2, c.strncpy_s),
  putSafely('wcscat_s', 2, c.strncat_s),
  putSafelyWithin('wcsncat_s', 2, c.strncat_s),
] as const;

// ----- Characters, in the C locale

const isBetween = (first: number, last: number) => (unit: number) => unit >= first && unit <= last;
const isDigit = isBetween(0x30, 0x39);
const isUpper = isBetween(0x41, 0x5a);
const isLower = isBetween(0x61, 0x7a);
const isGraph = isBetween(0x21, 0x7e);

const classify = <const N extends string>(name: N, is: (unit: number) => boolean) =>
  routine(name, ['Character: i32'], 'i32', ANY, (_, unit) => (is(unit) ? 1 : 0));

const turn = <const N extends string>(name: N, body: (unit: number) => number) =>
  routine(name, ['Character: i32'], 'i32', ANY, (_, unit) => body(unit));

export const characterExports = [
  classify('isdigit', isDigit),
  classify('isxdigit', unit => isDigit(unit) || isBetween(0x41, 0x46)(unit) || isBetween(0x61, 0x66)(unit)),
  classify('isalpha', unit => isUpper(unit) || isLower(unit)),
  classify('isalnum', unit => isDigit(unit) || isUpper(unit) || isLower(unit)),
  classify('isupper', isUpper),
  classify('islower', isLower),
  classify('isspace', unit => unit === 0x20 || isBetween(0x09, 0x0d)(unit)),
  classify('isprint', unit => unit === 0x20 || isGraph(unit)),
  turn('tolower', c.asciiLower),
  turn('toupper', c.asciiUpper),
  turn('towlower', unit => RtlDowncaseUnicodeChar(unit & 0xffff)),
  turn('towupper', unit => RtlUpcaseUnicodeChar(unit & 0xffff)),
] as const;

// ----- Numbers

const clamp = (value: bigint, low: bigint, high: bigint) => (value < low ? low : value > high ? high : value);

/** atoi and its like: decimal, modulo the type's width. */
const decimal = <const N extends string>(name: N, width: Width) =>
  routine(name, ['String: ptr'], 'i32', ANY, (k, text) =>
    pageable(k, () => intOf(c.parseNumber(k.memory, width, text, 10).value)),
  );

const decimal64 = <const N extends string>(name: N, width: Width) =>
  routine(name, ['String: ptr'], 'i64', ANY, (k, text) =>
    pageable(k, () => BigInt.asIntN(64, c.parseNumber(k.memory, width, text, 10).value)),
  );

/** strtol and strtoul: clamped, and where it ends. */
const radix = <const N extends string>(name: N, width: Width, low: bigint, high: bigint) =>
  routine(name, ['String: ptr', 'EndPointer: ptr', 'Base: i32'], 'u64', ANY, (k, text, end, base) =>
    pageable(k, () => {
      const valid = base === 0 || (base >= 2 && base <= 36);
      const parsed = valid ? c.parseNumber(k.memory, width, text, base) : { value: 0n, end: text };
      if (end !== 0) k.memory.writePointer(end, parsed.end);
      // strtoul("-1") is ULONG_MAX: negated after the conversion.
      const value = low === 0n && parsed.value < 0n ? -clamp(-parsed.value, 0n, high) : clamp(parsed.value, low, high);
      return BigInt.asUintN(32, value);
    }),
  );

export const numberParsingExports = [
  decimal('atoi', 1),
  decimal('atol', 1),
  decimal64('_atoi64', 1),
  decimal('_wtoi', 2),
  decimal('_wtol', 2),
  decimal64('_wtoi64', 2),
  radix('strtol', 1, -0x8000_0000n, 0x7fff_ffffn),
  radix('strtoul', 1, 0n, 0xffff_ffffn),
  radix('wcstol', 2, -0x8000_0000n, 0x7fff_ffffn),
  radix('wcstoul', 2, 0n, 0xffff_ffffn),
] as const;

// ----- Sorting

function* compareBy(routineAddress: Address, a: Address, b: Address): Routine<number> {
  return intOf(yield* call(routineAddress, fromAddress(a), fromAddress(b)));
}

export const sortExports = [
  routine(
    'qsort',
    ['Base: ptr', 'Count: size', 'Size: size', 'Compare: ptr'],
    'void',
    ANY,
    function* (k, base, count, size, by) {
      yield* qsort(k.memory, base, count, size, (a, b) => compareBy(by, a, b));
    },
  ),
  routine(
    'bsearch',
    ['Key: ptr', 'Base: ptr', 'Count: size', 'Size: size', 'Compare: ptr'],
    'ptr',
    ANY,
    function* (_, key, base, count, size, by) {
      return yield* bsearch(key, base, count, size, (a, b) => compareBy(by, a, b));
    },
  ),
] as const;
