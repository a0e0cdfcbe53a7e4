/** Exports of the run-time library: counted strings, conversions, times, versions, random numbers. */
import { ANSI, type CodePage, OEM } from '../../rtl/code-page.ts';
import * as convert from '../../rtl/convert-string.ts';
import * as number from '../../rtl/number-string.ts';
import { RtlRandomEx } from '../../rtl/random.ts';
import * as time from '../../rtl/time-fields.ts';
import * as strings from '../../rtl/unicode-string.ts';
import { RtlDowncaseUnicodeChar, RtlUpcaseUnicodeChar, RtlUpperChar } from '../../rtl/upcase.ts';
import type { Address } from '../../wdm/address.ts';
import * as wdm from '../../wdm/constants.ts';
import { STRING } from '../../wdm/layouts.ts';
import { STATUS_SUCCESS } from '../../wdm/ntstatus.ts';
import { type IrqlRange, routine, variable } from '../export.ts';
import type { Kernel } from '../kernel.ts';
import { pageable } from '../pageable.ts';

const ANY: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.HIGH_LEVEL];
const PASSIVE: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.PASSIVE_LEVEL];

/** 'Strg': strings that these routines allocate. */
const STRING_TAG = 0x6772_7453;

const allocator =
  (k: Kernel): strings.Allocate =>
  bytes =>
    k.mm.pool.allocate(wdm.PagedPool, bytes, STRING_TAG);

const allocateIf = (k: Kernel, wanted: boolean) => (wanted ? allocator(k) : undefined);

function freeString(k: Kernel, string: Address): void {
  const { Buffer } = STRING.at(k.memory, string);
  if (Buffer === 0) return;
  k.mm.pool.free(Buffer, 0);
  strings.clearString(k.memory, string);
}

const INIT = ['DestinationString: ptr', 'SourceString: ptr'] as const;
const TWO = ['DestinationString: ptr', 'SourceString: ptr'] as const;
const COMPARE = ['String1: ptr', 'String2: ptr', 'CaseInSensitive: bool'] as const;

/** A routine that initialises, copies or appends, declared for one width. */
type Initialise = (memory: Kernel['memory'], to: Address, from: Address, width: 1 | 2) => void;
type Append = (memory: Kernel['memory'], to: Address, from: Address, width: 1 | 2) => number;

const initialise = <const N extends string>(name: N, body: Initialise, width: 1 | 2, irql: IrqlRange = ANY) =>
  routine(name, INIT, 'void', irql, (k, to, from) => pageable(k, () => body(k.memory, to, from, width)));

const append = <const N extends string>(name: N, body: Append, width: 1 | 2, irql: IrqlRange = ANY) =>
  routine(name, TWO, 'ntstatus', irql, (k, to, from) => pageable(k, () => body(k.memory, to, from, width)));

export const stringExports = [
  initialise('RtlInitUnicodeString', strings.initString, 2),
  initialise('RtlInitAnsiString', strings.initString, 1),
  initialise('RtlInitString', strings.initString, 1),
  append('RtlInitUnicodeStringEx', strings.initStringEx, 2),
  append('RtlInitAnsiStringEx', strings.initStringEx, 1),
  initialise('RtlCopyUnicodeString', strings.copyString, 2),
  initialise('RtlCopyString', strings.copyString, 1),
  append('RtlAppendUnicodeStringToString', strings.appendString, 2),
  append('RtlAppendUnicodeToString', strings.appendTerminated, 2),
  append('RtlAppendStringToString', strings.appendString, 1),
  append('RtlAppendAsciizToString', strings.appendTerminated, 1),
] as const;

export const comparisonExports = [
  routine('RtlCompareUnicodeString', COMPARE, 'i32', PASSIVE, (k, a, b, ignoreCase) =>
    pageable(k, () => strings.compareStrings(k.memory, a, b, ignoreCase, 2)),
  ),
  routine('RtlCompareString', COMPARE, 'i32', PASSIVE, (k, a, b, ignoreCase) =>
    pageable(k, () => strings.compareStrings(k.memory, a, b, ignoreCase, 1)),
  ),
  routine(
    'RtlCompareUnicodeStrings',
    ['String1: ptr', 'String1Length: size', 'String2: ptr', 'String2Length: size', 'CaseInSensitive: bool'],
    'i32',
    PASSIVE,
    (k, a, lengthA, b, lengthB, ignoreCase) =>
      pageable(k, () => strings.RtlCompareUnicodeStrings(k.memory, a, lengthA, b, lengthB, ignoreCase)),
  ),
  routine('RtlEqualUnicodeString', COMPARE, 'bool', PASSIVE, (k, a, b, ignoreCase) =>
    pageable(k, () => strings.equalStrings(k.memory, a, b, ignoreCase, 2)),
  ),
  routine('RtlEqualString', COMPARE, 'bool', PASSIVE, (k, a, b, ignoreCase) =>
    pageable(k, () => strings.equalStrings(k.memory, a, b, ignoreCase, 1)),
  ),
  routine('RtlPrefixUnicodeString', COMPARE, 'bool', PASSIVE, (k, a, b, ignoreCase) =>
    pageable(k, () => strings.prefixString(k.memory, a, b, ignoreCase, 2)),
  ),
  routine('RtlPrefixString', COMPARE, 'bool', PASSIVE, (k, a, b, ignoreCase) =>
    pageable(k, () => strings.prefixString(k.memory, a, b, ignoreCase, 1)),
  ),
  routine('RtlSuffixUnicodeString', COMPARE, 'bool', PASSIVE, (k, a, b, ignoreCase) =>
    pageable(k, () => strings.suffixString(k.memory, a, b, ignoreCase)),
  ),
  routine(
    'RtlHashUnicodeString',
    ['String: ptr', 'CaseInSensitive: bool', 'HashAlgorithm: u32', 'HashValue: ptr'],
    'ntstatus',
    PASSIVE,
    (k, string, ignoreCase, algorithm, hash) =>
      pageable(k, () => strings.RtlHashUnicodeString(k.memory, string, ignoreCase, algorithm, hash)),
  ),
] as const;

const ALLOCATING = ['DestinationString: ptr', 'SourceString: ptr', 'AllocateDestinationString: bool'] as const;

type Convert = (memory: Kernel['memory'], to: Address, from: Address, allocate?: strings.Allocate) => number;

const converting = <const N extends string>(name: N, body: Convert) =>
  routine(name, ALLOCATING, 'ntstatus', PASSIVE, (k, to, from, wanted) =>
    pageable(k, () => body(k.memory, to, from, allocateIf(k, wanted))),
  );

const toUnicode =
  (page: CodePage): Convert =>
  (memory, to, from, allocate) =>
    convert.toUnicodeString(memory, page, to, from, allocate);

const fromUnicode =
  (page: CodePage): Convert =>
  (memory, to, from, allocate) =>
    convert.fromUnicodeString(memory, page, to, from, allocate);

const free = <const N extends string>(name: N) =>
  routine(name, ['String: ptr'], 'void', PASSIVE, (k, string) => freeString(k, string));

const sizeOf = <const N extends string>(name: N, body: (memory: Kernel['memory'], source: Address) => number) =>
  routine(name, ['SourceString: ptr'], 'u32', PASSIVE, (k, source) => pageable(k, () => body(k.memory, source)));

export const conversionExports = [
  converting('RtlUpcaseUnicodeString', strings.RtlUpcaseUnicodeString),
  converting('RtlDowncaseUnicodeString', strings.RtlDowncaseUnicodeString),
  routine('RtlUpcaseUnicodeChar', ['SourceCharacter: u16'], 'u16', PASSIVE, (_, unit) => RtlUpcaseUnicodeChar(unit)),
  routine('RtlDowncaseUnicodeChar', ['SourceCharacter: u16'], 'u16', PASSIVE, (_, unit) =>
    RtlDowncaseUnicodeChar(unit),
  ),
  routine('RtlUpperChar', ['Character: u8'], 'u8', PASSIVE, (_, unit) => RtlUpperChar(unit)),
  routine('RtlUpperString', TWO, 'void', PASSIVE, (k, to, from) =>
    pageable(k, () => strings.RtlUpperString(k.memory, to, from)),
  ),
  converting('RtlAnsiStringToUnicodeString', toUnicode(ANSI)),
  converting('RtlOemStringToUnicodeString', toUnicode(OEM)),
  converting('RtlUnicodeStringToAnsiString', fromUnicode(ANSI)),
  converting('RtlUnicodeStringToOemString', fromUnicode(OEM)),
  converting('RtlOemStringToCountedUnicodeString', (memory, to, from, allocate) =>
    convert.toCountedUnicodeString(memory, OEM, to, from, allocate),
  ),
  converting('RtlUnicodeStringToCountedOemString', (memory, to, from, allocate) =>
    convert.fromUnicodeStringCounted(memory, OEM, to, from, false, allocate),
  ),
  converting('RtlUpcaseUnicodeStringToCountedOemString', (memory, to, from, allocate) =>
    convert.fromUnicodeStringCounted(memory, OEM, to, from, true, allocate),
  ),
  sizeOf('RtlxAnsiStringToUnicodeSize', convert.unicodeSize),
  sizeOf('RtlxOemStringToUnicodeSize', convert.unicodeSize),
  sizeOf('RtlxUnicodeStringToAnsiSize', convert.ansiSize),
  sizeOf('RtlxUnicodeStringToOemSize', convert.ansiSize),
  free('RtlFreeUnicodeString'),
  free('RtlFreeAnsiString'),
  free('RtlFreeOemString'),
  routine('RtlCreateUnicodeString', TWO, 'bool', PASSIVE, (k, to, from) =>
    pageable(k, () => strings.RtlCreateUnicodeString(k.memory, to, from, allocator(k))),
  ),
  routine(
    'RtlDuplicateUnicodeString',
    ['Flags: u32', 'SourceString: ptr', 'DestinationString: ptr'],
    'ntstatus',
    PASSIVE,
    (k, flags, from, to) =>
      pageable(k, () => strings.RtlDuplicateUnicodeString(k.memory, flags, from, to, allocator(k))),
  ),
] as const;

type ConvertN = (
  memory: Kernel['memory'],
  to: Address,
  maximum: number,
  written: Address,
  from: Address,
  bytes: number,
) => number;

const COUNTED = ['Destination: ptr', 'MaxBytes: u32', 'BytesWritten: ptr', 'Source: ptr', 'SourceBytes: u32'] as const;

const counted = <const N extends string>(name: N, body: ConvertN) =>
  routine(name, COUNTED, 'ntstatus', PASSIVE, (k, to, maximum, written, from, bytes) =>
    pageable(k, () => body(k.memory, to, maximum, written, from, bytes)),
  );

const toUnicodeN =
  (page: CodePage): ConvertN =>
  (memory, to, maximum, written, from, bytes) =>
    convert.toUnicodeN(memory, page, to, maximum, written, from, bytes);

const fromUnicodeN =
  (page: CodePage, upcase: boolean): ConvertN =>
  (memory, to, maximum, written, from, bytes) =>
    convert.fromUnicodeN(memory, page, to, maximum, written, from, bytes, upcase);

const size = <const N extends string>(name: N, body: (bytes: number) => number) =>
  routine(name, ['Size: ptr', 'Source: ptr', 'SourceBytes: u32'], 'ntstatus', PASSIVE, (k, to, _source, bytes) =>
    pageable(k, () => {
      k.memory.writeU32(to, body(bytes));
      return STATUS_SUCCESS;
    }),
  );

export const countedConversionExports = [
  counted('RtlMultiByteToUnicodeN', toUnicodeN(ANSI)),
  counted('RtlOemToUnicodeN', toUnicodeN(OEM)),
  counted('RtlUnicodeToMultiByteN', fromUnicodeN(ANSI, false)),
  counted('RtlUnicodeToOemN', fromUnicodeN(OEM, false)),
  counted('RtlUpcaseUnicodeToMultiByteN', fromUnicodeN(ANSI, true)),
  counted('RtlUpcaseUnicodeToOemN', fromUnicodeN(OEM, true)),
  counted('RtlUnicodeToUTF8N', convert.RtlUnicodeToUTF8N),
  counted('RtlUTF8ToUnicodeN', convert.RtlUTF8ToUnicodeN),
  size('RtlMultiByteToUnicodeSize', bytes => bytes * 2),
  size('RtlUnicodeToMultiByteSize', bytes => bytes >>> 1),
] as const;

export const numberExports = [
  routine(
    'RtlIntegerToUnicodeString',
    ['Value: u32', 'Base: u32', 'String: ptr'],
    'ntstatus',
    PASSIVE,
    (k, value, base, to) => pageable(k, () => number.integerToUnicodeString(k.memory, BigInt(value), base, to)),
  ),
  routine(
    'RtlInt64ToUnicodeString',
    ['Value: u64', 'Base: u32', 'String: ptr'],
    'ntstatus',
    PASSIVE,
    (k, value, base, to) => pageable(k, () => number.integerToUnicodeString(k.memory, value, base, to)),
  ),
  routine(
    'RtlUnicodeStringToInteger',
    ['String: ptr', 'Base: u32', 'Value: ptr'],
    'ntstatus',
    PASSIVE,
    (k, from, base, to) => pageable(k, () => number.RtlUnicodeStringToInteger(k.memory, from, base, to)),
  ),
  routine('RtlCharToInteger', ['String: ptr', 'Base: u32', 'Value: ptr'], 'ntstatus', PASSIVE, (k, from, base, to) =>
    pageable(k, () => number.RtlCharToInteger(k.memory, from, base, to)),
  ),
  routine('RtlGUIDFromString', ['GuidString: ptr', 'Guid: ptr'], 'ntstatus', PASSIVE, (k, from, to) =>
    pageable(k, () => number.RtlGUIDFromString(k.memory, from, to)),
  ),
  routine('RtlStringFromGUID', ['Guid: ptr', 'GuidString: ptr'], 'ntstatus', PASSIVE, (k, from, to) =>
    pageable(k, () => number.RtlStringFromGUID(k.memory, from, to, allocator(k))),
  ),
  routine('RtlRandomEx', ['Seed: ptr'], 'u32', PASSIVE, (k, seed) => pageable(k, () => RtlRandomEx(k.memory, seed))),
] as const;

export const timeExports = [
  routine('RtlTimeToTimeFields', ['Time: ptr', 'TimeFields: ptr'], 'void', ANY, (k, from, to) =>
    pageable(k, () => time.RtlTimeToTimeFields(k.memory, from, to)),
  ),
  routine('RtlTimeFieldsToTime', ['TimeFields: ptr', 'Time: ptr'], 'bool', ANY, (k, from, to) =>
    pageable(k, () => time.RtlTimeFieldsToTime(k.memory, from, to)),
  ),
  routine('RtlTimeToSecondsSince1970', ['Time: ptr', 'ElapsedSeconds: ptr'], 'bool', ANY, (k, from, to) =>
    pageable(k, () => time.RtlTimeToSecondsSince1970(k.memory, from, to)),
  ),
  routine('RtlTimeToSecondsSince1980', ['Time: ptr', 'ElapsedSeconds: ptr'], 'bool', ANY, (k, from, to) =>
    pageable(k, () => time.RtlTimeToSecondsSince1980(k.memory, from, to)),
  ),
  routine('RtlSecondsSince1970ToTime', ['ElapsedSeconds: u32', 'Time: ptr'], 'void', ANY, (k, seconds, to) =>
    pageable(k, () => time.RtlSecondsSince1970ToTime(k.memory, seconds, to)),
  ),
  routine('RtlSecondsSince1980ToTime', ['ElapsedSeconds: u32', 'Time: ptr'], 'void', ANY, (k, seconds, to) =>
    pageable(k, () => time.RtlSecondsSince1980ToTime(k.memory, seconds, to)),
  ),
] as const;

export const codePageVariables = [
  // Whether the code pages have characters of two bytes: they do not.
  variable('NlsMbCodePageTag', 1, (k, address) => k.memory.writeU8(address, 0)),
  variable('NlsMbOemCodePageTag', 1, (k, address) => k.memory.writeU8(address, 0)),
  // A pointer to 256 USHORTs, which lie behind it; all are 0, as no byte leads another.
  variable('NlsOemLeadByteInfo', 8 + 512, (k, address) => {
    k.memory.writePointer(address, address + 8);
    k.memory.fill(address + 8, 512, 0);
  }),
] as const;
