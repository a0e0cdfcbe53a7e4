import { describe, expect, it } from 'vitest';
import { boot, failure, run } from '../../../test/support/mm.ts';
import * as wdm from '../../wdm/constants-mm.ts';
import * as status from '../../wdm/ntstatus.ts';
import { SHARED_USER_DATA_KERNEL, SHARED_USER_DATA_USER } from '../layout.ts';
import {
  NtAllocateVirtualMemory,
  NtFreeVirtualMemory,
  NtProtectVirtualMemory,
  queryRegion,
} from './virtual-memory-services.ts';

const { MEM_COMMIT, MEM_RESERVE, MEM_RELEASE, MEM_DECOMMIT, PAGE_READWRITE, PAGE_READONLY, PAGE_NOACCESS } = wdm;
const BOTH = MEM_COMMIT | MEM_RESERVE;
const process = () => {
  const mm = boot();
  const space = mm.createAddressSpace();
  mm.attach(space);
  return { mm, space };
};

describe('a process’s memory', () => {
  it('is committed now and comes zeroed at the first touch', () => {
    const { mm, space } = process();
    const result = NtAllocateVirtualMemory(space, 0, 0, 0x5001, BOTH, PAGE_READWRITE);
    expect(result).toMatchObject({ status: 0, size: 0x6000 });
    expect(result.base % 0x10000).toBe(0);
    const before = mm.pfn.available;
    expect(space.memory.readU32(result.base + 0x3000)).toBe(0);
    expect(before - mm.pfn.available).toBeGreaterThanOrEqual(1);
    space.memory.writeU32(result.base + 0x3000, 42);
    expect(mm.memory.readU32(result.base + 0x3000)).toBe(42);
    expect(failure(() => mm.memory.readU32(result.base))).toEqual(['fault', result.base, 'read']);
    run(mm.touch(result.base, 0x6000, 'write'));
    expect(mm.memory.readU32(result.base)).toBe(0);
  });

  it('is other bytes at the same address in another process, and after a switch the old pointer is useless', () => {
    const mm = boot();
    const [a, b, c] = [mm.createAddressSpace(), mm.createAddressSpace(), mm.createAddressSpace()] as const;
    const at = 0x2000_0000;
    for (const [space, value] of [
      [a, 1],
      [b, 2],
    ] as const) {
      space.allocate(4096, PAGE_READWRITE, at);
      space.memory.writeU32(at, value);
    }
    mm.attach(a);
    expect(mm.memory.readU32(at)).toBe(1);
    mm.attach(b);
    expect(mm.memory.readU32(at)).toBe(2);
    mm.attach(c);
    expect(failure(() => mm.memory.readU32(at))).toEqual(['fault', at, 'read']);
    expect(failure(() => mm.touch(at, 4, 'read'))).toEqual(['fault', at, 'read']);
  });

  it('lies at seeded addresses', () => {
    const base = (seed: number) => boot({ seed }).createAddressSpace().allocate(4096);
    expect(base(1)).toBe(base(1));
    expect(base(1)).not.toBe(base(2));
  });

  it('never maps NULL', () => {
    const { space } = process();
    expect(NtAllocateVirtualMemory(space, 1, 0, 0x1000, BOTH, PAGE_READWRITE).status).toBe(
      status.STATUS_INVALID_PARAMETER_2,
    );
    expect(failure(() => space.memory.readU8(0))).toEqual(['fault', 0, 'read']);
  });

  it('keeps to its protections', () => {
    const { space } = process();
    const at = space.allocate(0x4000);
    space.memory.writeU32(at, 7);
    expect(NtProtectVirtualMemory(space, at, 1, PAGE_READONLY)).toMatchObject({
      status: 0,
      old: PAGE_READWRITE,
      size: 4096,
    });
    expect(space.memory.readU32(at)).toBe(7);
    expect(failure(() => space.memory.writeU32(at, 8))).toEqual(['fault', at, 'write']);
    NtProtectVirtualMemory(space, at, 1, PAGE_NOACCESS);
    expect(failure(() => space.memory.readU32(at))).toEqual(['fault', at, 'read']);
    NtProtectVirtualMemory(space, at, 0x4000, PAGE_READWRITE);
    expect(space.memory.readU32(at)).toBe(7);
    space.memory.writeU32(at + 0x1000, 9);
  });

  it('raises once for a guard page, which keeps its contents', () => {
    const { space } = process();
    const at = space.allocate(4096);
    space.memory.writeU32(at, 7);
    NtProtectVirtualMemory(space, at, 4096, PAGE_READWRITE | wdm.PAGE_GUARD);
    expect(failure(() => space.memory.readU32(at))).toEqual(['exception', status.STATUS_GUARD_PAGE_VIOLATION]);
    expect(space.memory.readU32(at)).toBe(7);
    expect(queryRegion(space, at)?.Protect).toBe(PAGE_READWRITE);
  });

  it('straddles: an access over a freed page writes nothing', () => {
    const { space } = process();
    const at = space.allocate(0x2000);
    space.memory.writeU32(at + 0xffc, 5);
    NtFreeVirtualMemory(space, at + 0x1000, 0x1000, MEM_DECOMMIT);
    expect(failure(() => space.memory.writeU64(at + 0xffc, 0n))).toEqual(['fault', at + 0x1000, 'write']);
    expect(space.memory.readU32(at + 0xffc)).toBe(5);
  });

  it('shows KUSER_SHARED_DATA, read-only, and lets nobody free it', () => {
    const { mm, space } = process();
    mm.memory.writeU32(SHARED_USER_DATA_KERNEL + 0x14, 1234);
    expect(space.memory.readU32(SHARED_USER_DATA_USER + 0x14)).toBe(1234);
    expect(failure(() => space.memory.writeU8(SHARED_USER_DATA_USER, 1))).toEqual([
      'fault',
      SHARED_USER_DATA_USER,
      'write',
    ]);
    expect(NtFreeVirtualMemory(space, SHARED_USER_DATA_USER, 0, MEM_RELEASE).status).not.toBe(0);
    expect(NtProtectVirtualMemory(space, SHARED_USER_DATA_USER, 1, PAGE_READWRITE).status).not.toBe(0);
    expect(NtAllocateVirtualMemory(space, SHARED_USER_DATA_USER, 0, 1, BOTH, PAGE_READWRITE).status).toBe(
      status.STATUS_CONFLICTING_ADDRESSES,
    );
  });

  it('does not let user mode see the kernel', () => {
    const { mm, space } = process();
    const pool = mm.pool.allocate(0x200, 64, 1);
    expect(failure(() => space.memory.readU8(pool))).toEqual(['fault', pool, 'read']);
    expect(mm.memory.readU8(pool)).toBeDefined();
  });

  it('gives back every frame when the process ends', () => {
    const mm = boot();
    const before = mm.usage();
    const space = mm.createAddressSpace();
    mm.attach(space);
    const at = space.allocate(0x20_0000);
    space.memory.fill(at, 0x20_0000, 1);
    NtProtectVirtualMemory(space, at, 0x1000, PAGE_NOACCESS);
    NtAllocateVirtualMemory(space, 0, 0, 2 ** 40, MEM_RESERVE, PAGE_READWRITE);
    mm.destroyAddressSpace(space);
    expect(mm.usage()).toEqual(before);
    expect(mm.committedPages).toBe(0);
    mm.pfn.verify();
  });

  it('runs out of frames with a status, not with a host error', () => {
    const { mm, space } = process();
    while (mm.pool.allocate(0x200, 0x1_0000, 1) !== 0);
    while (mm.pool.allocate(1, 0x1_0000, 1) !== 0);
    const at = space.allocate(0x40_0000);
    expect(failure(() => space.memory.fill(at, 0x40_0000, 1))).toEqual(['exception', status.STATUS_NO_MEMORY]);
  });
});

describe('NtAllocateVirtualMemory', () => {
  const { space } = process();
  const allocate = (base: number, size: number, type = BOTH, protect = PAGE_READWRITE, zeroBits = 0) =>
    NtAllocateVirtualMemory(space, base, zeroBits, size, type, protect).status;
  it.each([
    ['no type', 0, 4096, 0, PAGE_READWRITE, status.STATUS_INVALID_PARAMETER_5],
    ['an unknown type', 0, 4096, 0x8000_0000 | BOTH, PAGE_READWRITE, status.STATUS_INVALID_PARAMETER_5],
    ['no size', 0, 0, BOTH, PAGE_READWRITE, status.STATUS_INVALID_PARAMETER_4],
    ['a negative size', 0, -1, BOTH, PAGE_READWRITE, status.STATUS_INVALID_PARAMETER_4],
    ['a huge size', 0, 2 ** 64, BOTH, PAGE_READWRITE, status.STATUS_INVALID_PARAMETER_4],
    ['a wrap', 0x7fff_0000_0000, 2 ** 47, BOTH, PAGE_READWRITE, status.STATUS_INVALID_PARAMETER_4],
    ['a kernel address', -0x8000_0000_0000, 4096, BOTH, PAGE_READWRITE, status.STATUS_INVALID_PARAMETER_2],
    ['a non-canonical address', 0x8000_0000_0000, 4096, BOTH, PAGE_READWRITE, status.STATUS_INVALID_PARAMETER_2],
    ['no protection', 0, 4096, BOTH, 0, status.STATUS_INVALID_PAGE_PROTECTION],
    ['two protections', 0, 4096, BOTH, 6, status.STATUS_INVALID_PAGE_PROTECTION],
    ['copy on write', 0, 4096, BOTH, wdm.PAGE_WRITECOPY, status.STATUS_INVALID_PAGE_PROTECTION],
    ['a guard without access', 0, 4096, BOTH, PAGE_NOACCESS | wdm.PAGE_GUARD, status.STATUS_INVALID_PAGE_PROTECTION],
    [
      'commit of what is not reserved',
      0x5000_0000,
      4096,
      MEM_COMMIT,
      PAGE_READWRITE,
      status.STATUS_CONFLICTING_ADDRESSES,
    ],
    ['more than there is memory', 0, 2 ** 36, BOTH, PAGE_READWRITE, status.STATUS_COMMITMENT_LIMIT],
    ['more than there are addresses', 0, 2 ** 47 - 2 ** 20, MEM_RESERVE, PAGE_READWRITE, status.STATUS_NO_MEMORY],
  ])('refuses %s', (_, base, size, type, protect, expected) => {
    expect(allocate(base, size, type, protect)).toBe(expected);
  });

  it('refuses addresses that are taken, and rounds to 64 KiB', () => {
    const first = NtAllocateVirtualMemory(space, 0x6000_1234, 0, 0x1000, MEM_RESERVE, PAGE_READWRITE);
    expect(first).toMatchObject({ status: 0, base: 0x6000_0000, size: 0x3000 });
    expect(allocate(0x6000_2000, 0x1000, MEM_RESERVE)).toBe(status.STATUS_CONFLICTING_ADDRESSES);
    expect(allocate(0x6000_2000, 0x1000, MEM_COMMIT)).toBe(0);
    expect(allocate(0x6000_2000, 0x2000, MEM_COMMIT)).toBe(status.STATUS_CONFLICTING_ADDRESSES);
  });

  it('keeps below what ZeroBits asks for', () => {
    const low = NtAllocateVirtualMemory(space, 0, 4, 0x1000, BOTH, PAGE_READWRITE);
    expect(low.status).toBe(0);
    expect(low.base).toBeLessThan(2 ** 28);
    expect(NtAllocateVirtualMemory(space, 0, 22, 0x1000, BOTH, PAGE_READWRITE).status).toBe(
      status.STATUS_INVALID_PARAMETER_3,
    );
  });

  it('commits top down with MEM_TOP_DOWN', () => {
    const top = NtAllocateVirtualMemory(space, 0, 0, 0x1000, BOTH | wdm.MEM_TOP_DOWN, PAGE_READWRITE);
    expect(top.base).toBe(0x7fff_fffe_0000);
  });
});

describe('NtFreeVirtualMemory and NtProtectVirtualMemory', () => {
  const { space } = process();
  const at = NtAllocateVirtualMemory(space, 0, 0, 0x8000, MEM_RESERVE, PAGE_READWRITE).base;
  NtAllocateVirtualMemory(space, at, 0, 0x4000, MEM_COMMIT, PAGE_READWRITE);
  it.each([
    ['no type', at, 0, 0, status.STATUS_INVALID_PARAMETER_4],
    ['both types', at, 0, MEM_RELEASE | MEM_DECOMMIT, status.STATUS_INVALID_PARAMETER_4],
    ['a kernel address', -4096, 0, MEM_RELEASE, status.STATUS_INVALID_PARAMETER_2],
    ['a huge size', at, 2 ** 64, MEM_RELEASE, status.STATUS_INVALID_PARAMETER_3],
    ['what is not allocated', 0x10000, 0, MEM_RELEASE, status.STATUS_MEMORY_NOT_ALLOCATED],
    ['beyond the allocation', at, 0x9000, MEM_RELEASE, status.STATUS_UNABLE_TO_FREE_VM],
    ['all of it, not from its base', at + 0x1000, 0, MEM_RELEASE, status.STATUS_FREE_VM_NOT_AT_BASE],
  ])('frees not %s', (_, base, size, type, expected) => {
    expect(NtFreeVirtualMemory(space, base, size, type).status).toBe(expected);
  });
  it.each([
    ['what is only reserved', at, 0x8000, PAGE_READONLY, status.STATUS_NOT_COMMITTED],
    ['beyond the allocation', at, 0x9000, PAGE_READONLY, status.STATUS_CONFLICTING_ADDRESSES],
    ['what is free', 0x10000, 1, PAGE_READONLY, status.STATUS_CONFLICTING_ADDRESSES],
    ['nothing', at, 0, PAGE_READONLY, status.STATUS_INVALID_PARAMETER_3],
    ['with a wrong protection', at, 1, 0x1000, status.STATUS_INVALID_PAGE_PROTECTION],
  ])('protects not %s', (_, base, size, protect, expected) => {
    expect(NtProtectVirtualMemory(space, base, size, protect).status).toBe(expected);
  });
  it('releases a part, and the rest stays', () => {
    expect(queryRegion(space, at + 0x1000)).toEqual({
      BaseAddress: at + 0x1000,
      AllocationBase: at,
      AllocationProtect: PAGE_READWRITE,
      RegionSize: 0x3000,
      State: MEM_COMMIT,
      Protect: PAGE_READWRITE,
      Type: wdm.MEM_PRIVATE,
    });
    expect(NtFreeVirtualMemory(space, at + 0x1000, 0x1000, MEM_RELEASE).status).toBe(0);
    expect(queryRegion(space, at + 0x1000)).toMatchObject({ State: wdm.MEM_FREE, RegionSize: 0x1000 });
    expect(queryRegion(space, at + 0x5000)).toMatchObject({ State: MEM_RESERVE, RegionSize: 0x3000 });
    expect(queryRegion(space, -1)).toBeUndefined();
  });
});
