import { describe, expect, it } from 'vitest';
import { boot, failure } from '../../test/support/mm.ts';
import * as wdm from '../wdm/constants-mm.ts';
import { STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER } from '../wdm/ntstatus.ts';
import * as pool from './pool.ts';

const TAG = 0x31676154;
const { POOL_FLAG_NON_PAGED, POOL_FLAG_PAGED, POOL_FLAG_RAISE_ON_FAILURE, POOL_FLAG_UNINITIALIZED } = wdm;
const full = () => {
  const mm = boot();
  while (mm.pool.allocate(wdm.NonPagedPoolNx, 0x8000, TAG) !== 0);
  return mm;
};
const raised = ['exception', STATUS_INSUFFICIENT_RESOURCES];

describe('ExAllocatePoolWithTag and its kin', () => {
  it('returns NULL when there is no memory, or raises if asked to', () => {
    const mm = full();
    const NX = wdm.NonPagedPoolNx;
    expect(pool.ExAllocatePoolWithTag(mm, NX, 0x8000, TAG)).toBe(0);
    expect(
      failure(() => pool.ExAllocatePoolWithTag(mm, NX | wdm.POOL_RAISE_IF_ALLOCATION_FAILURE, 0x8000, TAG)),
    ).toEqual(raised);
    expect(failure(() => pool.ExAllocatePoolWithQuotaTag(mm, NX, 0x8000, TAG))).toEqual(raised);
    expect(pool.ExAllocatePoolWithQuotaTag(mm, NX | wdm.POOL_QUOTA_FAIL_INSTEAD_OF_RAISE, 0x8000, TAG)).toBe(0);
    expect(
      failure(() => pool.ExAllocatePoolWithTagPriority(mm, NX | wdm.POOL_RAISE_IF_ALLOCATION_FAILURE, 64, TAG, 0)),
    ).toEqual(raised);
  });

  it('leaves the last memory to high priorities', () => {
    const mm = full();
    const small = (priority: number) =>
      pool.ExAllocatePoolWithTagPriority(mm, wdm.NonPagedPoolNx, 4096, TAG, priority) !== 0;
    expect([small(0), small(16), small(32)]).toEqual([false, false, true]);
  });

  it('is executable only as NonPagedPool', () => {
    const mm = boot();
    const executable = (type: number) => mm.access.allows(pool.ExAllocatePoolWithTag(mm, type, 64, TAG), 'execute');
    expect([wdm.NonPagedPool, wdm.NonPagedPoolNx, wdm.PagedPool].map(executable)).toEqual([true, false, false]);
  });
});

describe('ExAllocatePool2', () => {
  it('zeroes, unless POOL_FLAG_UNINITIALIZED is given', () => {
    const mm = boot();
    for (const bytes of [100, 5000]) {
      const old = pool.ExAllocatePool2(mm, POOL_FLAG_NON_PAGED, bytes, TAG);
      mm.memory.fill(old, bytes, 0x77);
      pool.ExFreePool(mm, old);
      const zeroed = pool.ExAllocatePool2(mm, POOL_FLAG_NON_PAGED, bytes, TAG);
      expect(mm.memory.readBytes(zeroed, bytes).every(byte => byte === 0)).toBe(true);
      const dirty = pool.ExAllocatePool2(mm, POOL_FLAG_NON_PAGED | POOL_FLAG_UNINITIALIZED, bytes, TAG);
      expect(mm.memory.readBytes(dirty, bytes).some(byte => byte !== 0)).toBe(true);
    }
  });

  it.each([
    ['no tag', POOL_FLAG_NON_PAGED, 0],
    ['no pool', 0n, TAG],
    ['two pools', POOL_FLAG_NON_PAGED | POOL_FLAG_PAGED, TAG],
    ['a reserved flag', POOL_FLAG_NON_PAGED | wdm.POOL_FLAG_RESERVED1, TAG],
    ['an unknown required flag', POOL_FLAG_NON_PAGED | 0x800n, TAG],
  ])('fails with %s, and raises STATUS_INVALID_PARAMETER if asked to', (_, flags, tag) => {
    const mm = boot();
    expect(pool.ExAllocatePool2(mm, flags, 64, tag)).toBe(0);
    expect(failure(() => pool.ExAllocatePool2(mm, flags | POOL_FLAG_RAISE_ON_FAILURE, 64, tag))).toEqual([
      'exception',
      STATUS_INVALID_PARAMETER,
    ]);
  });

  it('ignores optional flags, and raises when memory is used up if asked to', () => {
    expect(pool.ExAllocatePool2(boot(), POOL_FLAG_NON_PAGED | 0x1_0000_0000n, 64, TAG)).not.toBe(0);
    expect(
      failure(() => pool.ExAllocatePool2(full(), POOL_FLAG_NON_PAGED | POOL_FLAG_RAISE_ON_FAILURE, 0x8000, TAG)),
    ).toEqual(raised);
  });

  it('ExAllocatePool3 takes a priority and a node, and fails on parameters that it must know and does not', () => {
    const mm = full();
    const at = mm.pool.allocate(wdm.NonPagedPoolNx, 32, TAG);
    const allocate = (head: bigint, value: bigint) => {
      mm.memory.writeU64(at, head);
      mm.memory.writeU64(at + 8, value);
      return pool.ExAllocatePool3(mm, POOL_FLAG_NON_PAGED, 64, TAG, at, 1) !== 0;
    };
    expect(allocate(1n, 32n)).toBe(true); // priority: high
    expect(allocate(1n, 0n)).toBe(false); // low
    expect(allocate(3n, 0n)).toBe(true); // node 0
    expect(allocate(3n, 1n)).toBe(false);
    expect(allocate(9n, 0n)).toBe(false);
    expect(allocate(0x109n, 0n)).toBe(true); // optional
    expect(pool.ExAllocatePool3(mm, POOL_FLAG_NON_PAGED, 64, TAG, 0, 1)).toBe(0);
  });
});
