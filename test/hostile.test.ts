/**
 * Every mistake of samples/hostile, and what Windows makes of it. Source: "Bug Check Code Reference".
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { BugCheck, boot, Hang, ntstatus, type Process, wdm } from '../src/index.ts';
import { formatBugCheck } from '../src/wdm/bugcheck.ts';

const HOSTILE = new URL('../samples/hostile/', import.meta.url);
const IMAGE = new Uint8Array(readFileSync(new URL('hostile.sys', HOSTILE)));

/** IOCTL_HOSTILE_* without its prefix, from the header. */
const CODES = Object.fromEntries(
  [...readFileSync(new URL('hostile.h', HOSTILE), 'utf8').matchAll(/IOCTL_HOSTILE_(\w+)\s+HOSTILE_CODE\((\w+)\)/g)].map(
    ([, name, number]) => [
      name!,
      wdm.CTL_CODE(0x8e02, 0x800 + Number(number), wdm.METHOD_BUFFERED, wdm.FILE_ANY_ACCESS),
    ],
  ),
);

function open(): { app: Process; handle: number } {
  const machine = boot();
  machine.loadDriver(IMAGE, 'hostile.sys');
  const app = machine.createProcess('app.exe');
  return { app, handle: app.CreateFile('\\\\.\\Hostile').handle };
}

/** How a request ends: the name of its status, of a stop code, or 'hang'. */
function outcome(name: string, input?: bigint): string {
  const { app, handle } = open();
  const buffer = app.alloc(8);
  app.memory.writeU64(buffer, input ?? 0n);
  try {
    const { status } = app.DeviceIoControl(handle, CODES[name]!, buffer, input === undefined ? 0 : 8, 0, 0);
    return ntstatus.formatStatus(status);
  } catch (error) {
    if (error instanceof BugCheck) return formatBugCheck(error.code);
    if (error instanceof Hang) return 'hang';
    throw error;
  }
}

const EXPECTED: Readonly<Record<string, string>> = {
  READ_NULL: 'SYSTEM_SERVICE_EXCEPTION',
  DIVIDE: 'SYSTEM_SERVICE_EXCEPTION',
  SPIN: 'hang',
  SPIN_DISPATCH: 'DPC_WATCHDOG_VIOLATION',
  COMPLETE_TWICE: 'MULTIPLE_IRP_COMPLETE_REQUESTS',
  NEVER_COMPLETE: 'hang',
  OVERFLOW_STACK: 'UNEXPECTED_KERNEL_MODE_TRAP',
  LEAVE_RAISED: 'IRQL_GT_ZERO_AT_SYSTEM_SERVICE',
  FREE_TWICE: 'BAD_POOL_CALLER',
  USE_AFTER_FREE: 'PAGE_FAULT_IN_NONPAGED_AREA',
  OVERRUN: 'BAD_POOL_HEADER',
  WRITE_CONSTANT: 'ATTEMPTED_WRITE_TO_READONLY_MEMORY',
  EXECUTE_DATA: 'ATTEMPTED_EXECUTE_OF_NOEXECUTE_MEMORY',
  BREAK: 'SYSTEM_SERVICE_EXCEPTION',
  FAST_FAIL: 'KERNEL_SECURITY_CHECK_FAILURE',
  BUG_CHECK: '0x00001234',
  RAISE: 'SYSTEM_SERVICE_EXCEPTION',
  WAIT_DISPATCH: 'IRQL_NOT_LESS_OR_EQUAL',
};

test.each(Object.entries(EXPECTED))('%s ends in %s', (name, expected) => {
  expect(outcome(name)).toBe(expected);
});

test('every mistake of the header has its test', () => {
  const others = ['READ', 'WRITE', 'PENDING_STATUS'];
  expect(Object.keys(CODES).sort()).toEqual([...Object.keys(EXPECTED), ...others].sort());
});

describe.each(['READ', 'WRITE'])('in a __try, %s of', name => {
  test.each<[string, bigint, string]>([
    ['NULL', 0n, 'STATUS_ACCESS_VIOLATION'],
    ['an address that is not canonical', 0x1234_5678_9abc_def0n, 'STATUS_ACCESS_VIOLATION'],
    // __try or not: an invalid kernel address is a bug check at once.
    ['an invalid kernel address', 0xffff_f900_1234_5678n, 'PAGE_FAULT_IN_NONPAGED_AREA'],
  ])('%s', (_, address, expected) => {
    expect(outcome(name, address)).toBe(expected);
  });
});

test('after each mistake that does not stop the machine, the next request is served', () => {
  const { app, handle } = open();
  for (const address of [0n, 0x1234_5678_9abc_def0n]) {
    const buffer = app.alloc(8);
    app.memory.writeU64(buffer, address);
    const { status } = app.DeviceIoControl(handle, CODES['READ']!, buffer, 8, 0, 0);
    expect(status).toBe(ntstatus.STATUS_ACCESS_VIOLATION);
  }
  expect(app.CloseHandle(handle).ok).toBe(true);
});
