import { describe, expect, it } from 'vitest';
import { boot, failure } from '../../test/support/mm.ts';
import { Unsupported } from '../wdm/failures.ts';
import { MDL } from '../wdm/layouts.ts';

describe('contiguous memory', () => {
  it('is contiguous in physical addresses, within the limits, and comes back', () => {
    const mm = boot();
    const before = mm.usage();
    const at = mm.MmAllocateContiguousMemory(0x5001, 0x7f_ffffn);
    const first = mm.MmGetPhysicalAddress(at);
    for (let i = 0; i < 6; i++) expect(mm.MmGetPhysicalAddress(at + i * 4096)).toBe(first + BigInt(i * 4096));
    expect(first + 0x6000n).toBeLessThanOrEqual(0x80_0000n);
    const bounded = mm.ptes.allocateContiguous(0x4000, 0n, 0xffff_ffffn, 0x4000n);
    expect(mm.MmGetPhysicalAddress(bounded) % 0x4000n).toBe(0n);
    mm.MmFreeContiguousMemory(at);
    mm.MmFreeContiguousMemory(bounded);
    expect(mm.usage()).toEqual(before);
  });

  it('is NULL when the request cannot be satisfied, and a wrong free is BAD_POOL_CALLER', () => {
    const mm = boot();
    for (const bytes of [0, -1, 2 ** 40, 2 ** 64]) expect(mm.MmAllocateContiguousMemory(bytes, 2n ** 64n - 1n)).toBe(0);
    expect(mm.MmAllocateContiguousMemory(4096, 0xfffn)).toBe(0);
    const at = mm.MmAllocateContiguousMemory(0x2000, 2n ** 64n - 1n);
    expect(failure(() => mm.MmFreeContiguousMemory(at + 0x1000))).toEqual(['stop', 0xc2, 0x60]);
    mm.MmFreeContiguousMemory(at);
    expect(failure(() => mm.MmFreeContiguousMemory(at))).toEqual(['stop', 0xc2, 0x60]);
    expect(failure(() => mm.MmFreeContiguousMemory(0))).toEqual(['stop', 0xc2, 0x60]);
  });
});

describe('I/O space and noncached memory', () => {
  it('maps physical memory at a second address', () => {
    const mm = boot();
    const before = mm.usage();
    const pool = mm.pool.allocate(0x200, 4096, 1);
    const at = mm.MmMapIoSpace(mm.MmGetPhysicalAddress(pool + 0x10), 8, 0);
    mm.memory.writeU32(at, 99);
    expect(mm.memory.readU32(pool + 0x10)).toBe(99);
    mm.MmUnmapIoSpace(at, 8);
    mm.pool.free(pool, 1);
    expect(mm.usage()).toEqual(before);
    expect(mm.MmMapIoSpace(0x1000n, 0, 0)).toBe(0);
    expect(mm.MmMapIoSpace(0x1000n, 2 ** 64, 0)).toBe(0);
    expect(() => mm.MmMapIoSpace(0xfee0_0000n, 4096, 0)).toThrow(Unsupported);
    expect(failure(() => mm.MmUnmapIoSpace(at, 8))).toEqual(['stop', 0xda, 2]);
  });

  it('noncached memory is whole pages', () => {
    const mm = boot();
    const before = mm.usage();
    const at = mm.ptes.MmAllocateNonCachedMemory(5000);
    mm.memory.fill(at, 8192, 1);
    mm.ptes.MmFreeNonCachedMemory(at, 5000);
    expect(mm.usage()).toEqual(before);
    expect(mm.ptes.MmAllocateNonCachedMemory(0)).toBe(0);
    expect(mm.ptes.MmAllocateNonCachedMemory(2 ** 64)).toBe(0);
  });
});

describe('reserved mappings', () => {
  it('map an MDL where and as long as the driver wants', () => {
    const mm = boot();
    const pool = mm.pool.allocate(0x200, 0x2000, 1);
    const mdl = mm.IoAllocateMdl(pool + 4, 0x1000, false, false, 0);
    mm.MmBuildMdlForNonPagedPool(mdl);
    const before = mm.usage();
    const at = mm.ptes.MmAllocateMappingAddress(0x2000, 7);
    expect(mm.MmIsAddressValid(at)).toBe(false);
    const mapped = mm.ptes.MmMapLockedPagesWithReservedMapping(at, 7, mdl);
    expect(mapped).toBe(at + 4);
    mm.memory.writeU8(mapped, 3);
    expect(mm.memory.readU8(pool + 4)).toBe(3);
    expect(MDL.at(mm.memory, mdl).MappedSystemVa).toBe(mapped);
    expect(failure(() => mm.ptes.MmMapLockedPagesWithReservedMapping(at, 7, mdl))).toEqual(['stop', 0xda, 0x107]);
    expect(failure(() => mm.ptes.MmFreeMappingAddress(at, 7))).toEqual(['stop', 0xda, 0x103]);
    expect(failure(() => mm.ptes.MmUnmapReservedMapping(at, 8, mdl))).toEqual(['stop', 0xda, 0x108]);
    mm.ptes.MmUnmapReservedMapping(at, 7, mdl);
    expect(failure(() => mm.ptes.MmFreeMappingAddress(at, 8))).toEqual(['stop', 0xda, 0x101]);
    mm.ptes.MmFreeMappingAddress(at, 7);
    expect(failure(() => mm.ptes.MmFreeMappingAddress(at, 7))).toEqual(['stop', 0xda, 0x102]);
    expect(mm.usage()).toEqual(before);
  });

  it('are too small for a larger MDL: NULL', () => {
    const mm = boot();
    const mdl = mm.IoAllocateMdl(mm.pool.allocate(0x200, 0x3000, 1), 0x3000, false, false, 0);
    mm.MmBuildMdlForNonPagedPool(mdl);
    const at = mm.ptes.MmAllocateMappingAddress(0x2000, 7);
    expect(mm.ptes.MmMapLockedPagesWithReservedMapping(at, 7, mdl)).toBe(0);
    expect(failure(() => mm.ptes.MmAllocateMappingAddress(0, 7))).toEqual(['stop', 0xda, 0x100]);
  });
});

describe('kernel stacks and image pages', () => {
  it('a stack is 24 KiB above a guard page', () => {
    const mm = boot();
    const before = mm.usage();
    const stack = mm.allocateKernelStack()!;
    expect(stack.base - stack.limit).toBe(0x6000);
    mm.memory.fill(stack.limit, 0x6000, 1);
    expect(failure(() => mm.memory.writeU8(stack.limit - 1, 1))).toEqual(['fault', stack.limit - 1, 'write']);
    const other = mm.allocateKernelStack()!;
    mm.freeKernelStack(stack);
    mm.freeKernelStack(other);
    expect(mm.usage()).toEqual(before);
  });

  it('image pages are protected and discarded one by one', () => {
    const mm = boot();
    const before = mm.usage();
    const { low, high } = mm.images.range;
    expect(mm.images.map(low, 4)).toBe(true);
    expect(mm.images.map(low + 0x3000, 1)).toBe(false);
    expect(mm.images.map(high, 1)).toBe(false);
    mm.memory.fill(low, 0x4000, 1);
    mm.images.protect(low, 1, { write: false, execute: true });
    expect(failure(() => mm.memory.writeU8(low, 1))).toEqual(['fault', low, 'write']);
    expect(mm.access.allows(low, 'execute')).toBe(true);
    expect(mm.access.allows(low + 0x1000, 'execute')).toBe(false);
    mm.images.unmap(low + 0x1000, 1);
    expect(mm.MmIsAddressValid(low + 0x1000)).toBe(false);
    mm.images.unmap(low, 4);
    expect(mm.usage()).toEqual(before);
  });
});
