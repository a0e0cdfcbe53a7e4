import { describe, expect, it } from 'vitest';
import { boot, failure, run } from '../../test/support/mm.ts';
import { NON_CANONICAL } from '../wdm/address.ts';
import { PAGE_GUARD, PAGE_NOACCESS, PAGE_READONLY, PAGE_READWRITE } from '../wdm/constants-mm.ts';
import {
  STATUS_DATATYPE_MISALIGNMENT as MISALIGNED,
  STATUS_GUARD_PAGE_VIOLATION,
  STATUS_ACCESS_VIOLATION as VIOLATION,
} from '../wdm/ntstatus.ts';

const mm = boot();
const space = mm.createAddressSpace();
mm.attach(space);
const buffer = space.allocate(0x4000);
const readOnly = space.allocate(0x1000, PAGE_READONLY);
const none = space.allocate(0x1000, PAGE_NOACCESS);
const kernel = mm.pool.allocate(0x200, 64, 1);
const raises = (status: number) => ['exception', status];

describe('ProbeForRead', () => {
  it.each([
    ['length 0: nothing is checked', NON_CANONICAL, 0, 4, 'none'],
    ['length 0, misaligned kernel address', -3, 0, 4, 'none'],
    ['a user range', buffer, 0x4000, 1, 'none'],
    ['an unmapped user range: it only checks the range', 0x10000, 4, 1, 'none'],
    ['misaligned', buffer + 2, 4, 4, raises(MISALIGNED)],
    ['misaligned in the kernel: alignment comes first', kernel + 1, 4, 4, raises(MISALIGNED)],
    ['a kernel address', kernel, 4, 1, raises(VIOLATION)],
    ['a non-canonical address', NON_CANONICAL, 4, 1, raises(VIOLATION)],
    ['up to MmUserProbeAddress', 0x7fff_fffe_f000, 0x1000, 1, 'none'],
    ['beyond it', 0x7fff_fffe_f000, 0x1001, 1, raises(VIOLATION)],
    ['a wrap', buffer, 2 ** 64 - 1, 1, raises(VIOLATION)],
    ['NULL is a user address', 0, 1, 1, 'none'],
  ])('%s', (_, address, length, alignment, expected) => {
    expect(failure(() => mm.ProbeForRead(address, length, alignment))).toEqual(expected);
  });
});

describe('ProbeForWrite', () => {
  it.each([
    ['length 0: nothing is checked', kernel, 0, 4, 'none'],
    ['a user range, which is then present', buffer, 0x4000, 4, 'none'],
    ['NULL', 0, 1, 1, raises(VIOLATION)],
    ['unmapped', 0x10000, 1, 1, raises(VIOLATION)],
    ['read-only', readOnly, 1, 1, raises(VIOLATION)],
    ['no access', none, 1, 1, raises(VIOLATION)],
    ['the last page is missing', buffer + 0x3ff0, 0x11, 1, raises(VIOLATION)],
    ['misaligned', buffer + 1, 4, 2, raises(MISALIGNED)],
    ['a kernel address', kernel, 4, 1, raises(VIOLATION)],
  ])('%s', (_, address, length, alignment, expected) => {
    expect(failure(() => mm.ProbeForWrite(address, length, alignment))).toEqual(expected);
  });

  it('touches each page', () => {
    const at = space.allocate(0x3000);
    expect([0, 1, 2].map(i => mm.MmIsAddressValid(at + i * 4096))).toEqual([false, false, false]);
    run(mm.ProbeForWrite(at + 0xfff, 2, 1));
    expect([0, 1, 2].map(i => mm.MmIsAddressValid(at + i * 4096))).toEqual([true, true, false]);
  });

  it('raises for a guard page what a touch raises', () => {
    const at = space.allocate(0x1000, PAGE_READWRITE | PAGE_GUARD);
    expect(failure(() => mm.ProbeForWrite(at, 1, 1))).toEqual(raises(STATUS_GUARD_PAGE_VIOLATION));
    expect(failure(() => mm.ProbeForWrite(at, 1, 1))).toBe('none');
  });
});

describe('questions about addresses', () => {
  it('MmIsAddressValid and MmGetPhysicalAddress agree', () => {
    for (const address of [0, kernel, NON_CANONICAL, -NON_CANONICAL, -1, readOnly]) {
      expect(mm.MmGetPhysicalAddress(address) !== 0n).toBe(mm.MmIsAddressValid(address));
    }
    expect(mm.MmGetPhysicalAddress(kernel + 5) - mm.MmGetPhysicalAddress(kernel)).toBe(5n);
  });
});
