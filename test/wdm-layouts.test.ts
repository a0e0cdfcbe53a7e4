/**
 * Every field of every guest structure, and every constant, against the DDK headers.
 *
 * Where the headers are silent or describe an older Windows, Windows 10 19045 wins; each such place is listed here with
 * its source, and the list is kept honest: an entry that the headers do not (or no longer) contradict fails, too.
 * Sources: "symbols" are the public symbols of ntoskrnl.exe 10.0.19041, as a debugger's `dt nt!_NAME` prints them;
 * the others are documents of Microsoft Learn.
 */
import { describe, expect, test } from 'vitest';
import * as bugchecks from '../src/wdm/bugcheck.ts';
import * as constants from '../src/wdm/constants.ts';
import * as layouts from '../src/wdm/layouts.ts';
import * as statuses from '../src/wdm/ntstatus.ts';
import type { Layout } from '../src/wdm/struct.ts';
import { askDdk, ddkMissing, skipWithoutDdk, unknownToDdk } from './ddk.ts';

/** C's name of a structure, where it is not ours. */
const C_NAMES: Readonly<Record<string, string>> = {
  OSVERSIONINFOEXW: 'RTL_OSVERSIONINFOEXW',
  RUNTIME_FUNCTION: 'IMAGE_RUNTIME_FUNCTION_ENTRY',
};

/** Structures that the headers lack, each with the source of its offsets. */
const NOT_IN_HEADERS: Readonly<Record<string, string>> = {
  KTHREAD: 'symbols',
  ETHREAD: 'symbols',
  KPROCESS: 'symbols',
  EPROCESS: 'symbols',
  KPRCB: 'symbols; CurrentThread and LegacyNumber also by the instructions that wdm.h inlines',
  KLDR_DATA_TABLE_ENTRY: 'symbols',
  OBJECT_HEADER: 'symbols',
  IO_TIMER: 'symbols',
  IO_WORKITEM: 'symbols',
  KTRAP_FRAME: 'symbols',
  DISPATCHER_CONTEXT: 'x64 exception handling, "DISPATCHER_CONTEXT" (winnt.h)',
  UNWIND_HISTORY_TABLE: 'winnt.h',
  RUNTIME_FUNCTION: 'x64 exception handling, "struct RUNTIME_FUNCTION"',
};

/** What the headers say differently of one field: NAME.field, NAME.field.size or NAME.size. */
const WINDOWS_WINS: Readonly<Record<string, string>> = {
  'DEVICE_OBJECT.size': 'symbols: aligned to 16 bytes (MEMORY_ALLOCATION_ALIGNMENT), which the header leaves out',
  'DEVOBJ_EXTENSION.size': 'symbols: the header shows the public members only',
  'DEVOBJ_EXTENSION.PowerFlags': 'symbols',
  'DEVOBJ_EXTENSION.Dope': 'symbols',
  'DEVOBJ_EXTENSION.ExtensionFlags': 'symbols',
  'DEVOBJ_EXTENSION.DeviceNode': 'symbols',
  'DEVOBJ_EXTENSION.AttachedTo': 'symbols',
  'DEVOBJ_EXTENSION.StartIoCount': 'symbols',
  'DEVOBJ_EXTENSION.StartIoKey': 'symbols',
  'DEVOBJ_EXTENSION.StartIoFlags': 'symbols',
  'DEVOBJ_EXTENSION.Vpb': 'symbols',
  'DRIVER_EXTENSION.size': 'symbols: the header shows the public members only',
  'DRIVER_EXTENSION.ClientDriverExtension': 'symbols',
  'DRIVER_EXTENSION.FsFilterCallbacks': 'symbols',
  'IRP.AllocationProcessorNumber': 'ns-wdm-_irp: since Windows 8, in what was padding',
  'IRP.Tail.Overlay.size': 'ns-wdm-_irp: IrpExtension, since Windows 8.1; Tail.Apc is as long, so that IRP is not',
  'IRP.Tail.Overlay.IrpExtension': 'ns-wdm-_irp: since Windows 8.1',
  'KTIMER.Processor.size': 'symbols: the upper half became TimerType',
  'KTIMER.TimerType': 'symbols',
  'KDPC.DpcListEntry.size': 'symbols: a single link since Windows 8.1, then ProcessorHistory',
  'KDPC.ProcessorHistory': 'symbols',
  'KAPC_STATE.KernelApcListHead': 'the first element of ApcListHead[2]',
  'KAPC_STATE.UserApcListHead': 'the second element of ApcListHead[2]',
  'KAPC_STATE.InProgressFlags': 'symbols: was KernelApcInProgress',
  'KAPC_STATE.UserApcPendingAll': 'symbols: was UserApcPending',
  'KWAIT_BLOCK.WaitType': 'symbols: the header shows Windows 7',
  'KWAIT_BLOCK.BlockState': 'symbols: the header shows Windows 7',
  'KWAIT_BLOCK.WaitKey': 'symbols: the header shows Windows 7',
  'KWAIT_BLOCK.SpareLong': 'symbols: the header shows Windows 7',
  'KWAIT_BLOCK.Thread': 'symbols: the header shows Windows 7',
  'KWAIT_BLOCK.Object': 'symbols: the header shows Windows 7',
  'KWAIT_BLOCK.SparePtr': 'symbols: the header shows Windows 7',
  'KUSER_SHARED_DATA.size': 'ns-ntddk-kuser_shared_data: XState and what follows it grew',
  'KUSER_SHARED_DATA.NtBuildNumber': 'ns-ntddk-kuser_shared_data: since Windows 10',
  'KUSER_SHARED_DATA.NativeProcessorArchitecture': 'ns-ntddk-kuser_shared_data: since Windows 10',
  'KUSER_SHARED_DATA.QpcFrequency': 'ns-ntddk-kuser_shared_data: since Windows 10, in the place of SystemCall',
  'KUSER_SHARED_DATA.SystemCall': 'ns-ntddk-kuser_shared_data: moved for QpcFrequency',
  'KUSER_SHARED_DATA.QpcBias': 'ns-ntddk-kuser_shared_data: was TscQpcBias',
  'KUSER_SHARED_DATA.ActiveGroupCount.size': 'ns-ntddk-kuser_shared_data: a byte since Windows 8',
  'KUSER_SHARED_DATA.QpcData': 'ns-ntddk-kuser_shared_data: since Windows 8.1',
  'KUSER_SHARED_DATA.TimeZoneBiasEffectiveStart': 'ns-ntddk-kuser_shared_data',
  'KUSER_SHARED_DATA.TimeZoneBiasEffectiveEnd': 'ns-ntddk-kuser_shared_data',
  'MDL.AllocationProcessorNumber': 'symbols: since Windows 8, in what was padding',
  'SCATTER_GATHER_LIST.size': 'ns-wdm-_scatter_gather_list: Elements[] has no length; the header counts one',
  'KPCR.size': 'symbols: the header ends before Prcb',
  'KPCR.Prcb': 'symbols',
};

/** Constants that the headers value differently. */
const CONSTANTS_WINDOWS_WINS: Readonly<Record<string, string>> = {
  CONTEXT_XSTATE: 'winnt.h: CONTEXT_AMD64 | 0x40',
  IMPERSONATING_WORKER_THREAD: 'Bug Check Code Reference: 0xDF',
};

interface Claim {
  readonly key: string;
  readonly expression: string;
  readonly value: bigint;
}

function claims(layout: Layout): Claim[] {
  const c = C_NAMES[layout.name] ?? layout.name;
  const list: Claim[] = [{ key: `${layout.name}.size`, expression: `sizeof(${c})`, value: BigInt(layout.size) }];
  const walk = (part: Layout, path: string, base: number) => {
    for (const [name, field] of Object.entries(part.fields)) {
      const member = `${path}${name}`;
      const key = `${layout.name}.${member}`;
      const offset = base + field.offset;
      list.push({ key, expression: `__builtin_offsetof(${c}, ${member})`, value: BigInt(offset) });
      list.push({ key: `${key}.size`, expression: `sizeof(((${c} *)0)->${member})`, value: BigInt(field.size) });
      // A part of its parent (IRP.Tail) has no name in C; what has one is compared on its own.
      if (field.type?.name.includes('.')) walk(field.type, `${member}.`, offset);
    }
  };
  walk(layout, '', 0);
  return list;
}

const structures: readonly Layout[] = Object.values(layouts);
const inHeaders = structures.filter(({ name }) => !(name in NOT_IN_HEADERS));

describe('what every machine can check', () => {
  test('the lists name only structures and fields that there are', () => {
    const names = new Set(structures.map(({ name }) => name));
    expect(Object.keys(NOT_IN_HEADERS).filter(name => !names.has(name))).toEqual([]);
    const keys = new Set(inHeaders.flatMap(claims).map(({ key }) => key));
    expect(Object.keys(WINDOWS_WINS).filter(key => !keys.has(key))).toEqual([]);
  });

  test.each(structures)('$name: fields lie inside it, aligned to their size', ({ size, fields }) => {
    for (const [name, field] of Object.entries(fields)) {
      expect(field.offset + field.size, name).toBeLessThanOrEqual(size);
      if (!field.type && [2, 4, 8].includes(field.size)) expect(field.offset % Math.min(field.size, 8), name).toBe(0);
    }
  });
});

describe.skipIf(skipWithoutDdk)(`the DDK headers${ddkMissing ? ` (${ddkMissing})` : ''}`, () => {
  test('say the same of every field', () => {
    expect(ddkMissing).toBeUndefined();
    const all = inHeaders.flatMap(claims);
    const listed = all.filter(({ key }) => key in WINDOWS_WINS);
    const unknown = unknownToDdk(listed.map(({ expression }) => expression));
    const lacking = new Set(listed.filter(({ expression }) => unknown.has(expression)).map(({ key }) => key));
    // A field that the headers lack has no size there either.
    const comparable = all.filter(({ key }) => !(key in WINDOWS_WINS) && !lacking.has(key.replace(/\.size$/, '')));
    const answers = askDdk(comparable.map(({ expression }) => expression));
    const different = comparable.filter(({ expression, value }) => answers.get(expression) !== value);
    expect(
      different.map(({ key, expression, value }) => `${key}: ${value}, header ${answers.get(expression)}`),
    ).toEqual([]);
    expect(comparable.length).toBeGreaterThan(1000);
  });

  test('still differ in everything that is listed', () => {
    const listed = inHeaders.flatMap(claims).filter(({ key }) => key in WINDOWS_WINS);
    const lacking = unknownToDdk(listed.map(({ expression }) => expression));
    const known = listed.filter(({ expression }) => !lacking.has(expression));
    const answers = askDdk(known.map(({ expression }) => expression));
    expect(known.filter(({ expression, value }) => answers.get(expression) === value).map(({ key }) => key)).toEqual(
      [],
    );

    const absent = structures.filter(({ name }) => name in NOT_IN_HEADERS && !(name in C_NAMES));
    const sizes = absent.map(({ name }) => `sizeof(${name})`);
    expect(sizes.filter(size => !unknownToDdk(sizes).has(size))).toEqual([]);
  });

  test('give every constant that they know the same value', () => {
    const all = Object.entries({ ...constants, ...statuses, ...bugchecks } as Record<string, unknown>).flatMap(
      ([name, value]) =>
        (typeof value === 'number' || typeof value === 'bigint') && !(name in CONSTANTS_WINDOWS_WINS)
          ? [[name, BigInt(value)] as const]
          : [],
    );
    const names = all.map(([name]) => name);
    const unknown = unknownToDdk(names);
    const answers = askDdk(names.filter(name => !unknown.has(name)));
    const different = all.filter(([name, value]) => {
      const answer = answers.get(name);
      return answer !== undefined && BigInt.asUintN(32, answer) !== BigInt.asUintN(32, value);
    });
    expect(different).toEqual([]);
    expect(answers.size).toBeGreaterThan(1000);
  });
});
