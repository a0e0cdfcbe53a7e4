import { describe, expect, it } from 'vitest';
import { boot, failure, run } from '../../../test/support/mm.ts';
import * as wdm from '../../wdm/constants-mm.ts';
import { IRP, MDL } from '../../wdm/layouts.ts';
import * as status from '../../wdm/ntstatus.ts';
import { KernelMode, UserMode } from '../access.ts';
import type { MemoryManager } from '../memory-manager.ts';
import {
  NtAllocateVirtualMemory,
  NtFreeVirtualMemory,
  NtProtectVirtualMemory,
  queryRegion,
} from '../process/virtual-memory-services.ts';

const { IoReadAccess, IoWriteAccess, NormalPagePriority: NORMAL } = wdm;
const setUp = (options = {}) => {
  const mm = boot(options);
  const space = mm.createAddressSpace();
  mm.attach(space);
  const buffer = space.allocate(0x10000);
  space.memory.fill(buffer, 0x10000, 0);
  const mdl = (base: number, length: number) => mm.IoAllocateMdl(base, length, false, false, 0);
  const view = (at: number) => MDL.at(mm.memory, at);
  const map = (at: number, mode = KernelMode, priority: number = NORMAL) =>
    mm.MmMapLockedPagesSpecifyCache(at, mode, 1, 0, 0, priority);
  return { mm, space, buffer, mdl, view, map };
};
const frame = (mm: MemoryManager, mdl: number, i: number) => mm.memory.readU64(mdl + 0x30 + i * 8);

describe('IoAllocateMdl', () => {
  it('fills in the header', () => {
    const { mm, view, mdl } = setUp();
    const at = mdl(0x12345678, 0x2000);
    expect(view(at)).toMatchObject({ StartVa: 0x12345000, ByteOffset: 0x678, ByteCount: 0x2000, Next: 0, Size: 0x48 });
    expect(view(at).MdlFlags).toBe(wdm.MDL_ALLOCATED_FIXED_SIZE);
    expect(mm.MmSizeOfMdl(0x12345678, 0x2000)).toBe(0x48);
    const large = mdl(0, 24 * 4096);
    expect(view(large).MdlFlags).toBe(0);
  });

  it('describes at most 4 GiB - PAGE_SIZE', () => {
    const { mdl } = setUp({ bytes: 0x400_0000 });
    expect(mdl(0, 0xffff_f001)).toBe(0);
    expect(mdl(0, 0xffff_ffff)).toBe(0);
    expect(mdl(0, -1)).toBe(0);
    expect(mdl(0, 0xffff_f000)).not.toBe(0);
  });

  it('is 0 when pool is used up', () => {
    const { mm, mdl } = setUp();
    while (mm.pool.allocate(0x200, 4096, 1) !== 0);
    expect(mdl(0, 0x100_0000)).toBe(0);
  });

  it('becomes the IRP’s first MDL, or its last if it is a secondary buffer', () => {
    const { mm, view } = setUp();
    const irp = mm.pool.allocate(0x200, IRP.size, 1);
    mm.memory.fill(irp, IRP.size, 0);
    const [a, b, c] = [
      mm.IoAllocateMdl(0, 1, false, false, irp),
      mm.IoAllocateMdl(0, 1, true, false, irp),
      mm.IoAllocateMdl(0, 1, true, false, irp),
    ] as const;
    expect(IRP.at(mm.memory, irp).MdlAddress).toBe(a);
    expect([view(a).Next, view(b).Next, view(c).Next]).toEqual([b, c, 0]);
    const d = mm.IoAllocateMdl(0, 1, false, false, irp);
    expect(IRP.at(mm.memory, irp).MdlAddress).toBe(d);
  });
});

describe('MmProbeAndLockPages', () => {
  it('locks the pages, fills in their frames and says so in the MDL', () => {
    const { mm, space, buffer, mdl, view } = setUp();
    space.process = mm.pool.allocate(0x200, 16, 1);
    const at = mdl(buffer + 0x800, 0x2000);
    run(mm.MmProbeAndLockPages(at, UserMode, IoWriteAccess));
    expect(view(at).MdlFlags).toBe(wdm.MDL_ALLOCATED_FIXED_SIZE | wdm.MDL_PAGES_LOCKED | wdm.MDL_WRITE_OPERATION);
    expect(view(at).Process).toBe(space.process);
    expect(space.lockedPages).toBe(3);
    for (let i = 0; i < 3; i++) expect(frame(mm, at, i)).toBe(mm.MmGetPhysicalAddress(buffer + i * 4096) >> 12n);
    mm.MmUnlockPages(at);
    expect(view(at).MdlFlags & wdm.MDL_PAGES_LOCKED).toBe(0);
    expect(space.lockedPages).toBe(0);
  });

  it('makes pages present that were never touched', () => {
    const { mm, space, mdl } = setUp();
    const fresh = space.allocate(0x3000);
    const at = mdl(fresh, 0x3000);
    run(mm.MmProbeAndLockPages(at, UserMode, IoReadAccess));
    expect(mm.MmIsAddressValid(fresh + 0x2000)).toBe(true);
    mm.MmUnlockPages(at);
  });

  it('counts each MDL’s lock on a page', () => {
    const { mm, buffer, mdl } = setUp();
    const [a, b] = [mdl(buffer, 10), mdl(buffer, 10)] as const;
    run(mm.MmProbeAndLockPages(a, UserMode, IoReadAccess));
    run(mm.MmProbeAndLockPages(b, UserMode, IoReadAccess));
    const number = Number(frame(mm, a, 0));
    expect(mm.pfn.lockCount(number)).toBe(2);
    mm.MmUnlockPages(a);
    expect(mm.pfn.lockCount(number)).toBe(1);
    mm.MmUnlockPages(b);
    expect(mm.pfn.lockCount(number)).toBe(0);
  });

  it('raises STATUS_ACCESS_VIOLATION where the pages do not permit the operation, and locks nothing', () => {
    const { mm, space, buffer, mdl, view } = setUp();
    const violation = ['exception', status.STATUS_ACCESS_VIOLATION];
    NtProtectVirtualMemory(space, buffer + 0x2000, 0x1000, wdm.PAGE_READONLY);
    const whole = mdl(buffer, 0x4000);
    expect(failure(() => mm.MmProbeAndLockPages(whole, UserMode, IoWriteAccess))).toEqual(violation);
    expect(failure(() => mm.MmProbeAndLockPages(whole, UserMode, wdm.IoModifyAccess))).toEqual(violation);
    expect(view(whole).MdlFlags & wdm.MDL_PAGES_LOCKED).toBe(0);
    expect(mm.usage().lockedPages).toBe(0);
    expect(space.lockedPages).toBe(0);
    expect(failure(() => mm.MmProbeAndLockPages(whole, UserMode, IoReadAccess))).toBe('none');
    mm.MmUnlockPages(whole);
    NtFreeVirtualMemory(space, buffer + 0x3000, 0x1000, wdm.MEM_DECOMMIT);
    expect(failure(() => mm.MmProbeAndLockPages(whole, UserMode, IoReadAccess))).toEqual(violation);
    for (const bad of [0, 0x7fff_ffff_0000 - 4096, -0x2000_0000_0000]) {
      expect(failure(() => mm.MmProbeAndLockPages(mdl(bad, 0x2000), UserMode, IoReadAccess))).toEqual(violation);
    }
    const guarded = space.allocate(4096, wdm.PAGE_READWRITE | wdm.PAGE_GUARD);
    expect(failure(() => mm.MmProbeAndLockPages(mdl(guarded, 1), UserMode, IoReadAccess))).toEqual([
      'exception',
      status.STATUS_GUARD_PAGE_VIOLATION,
    ]);
    expect(mm.usage().lockedPages).toBe(0);
  });

  it('takes kernel addresses from KernelMode only', () => {
    const { mm, mdl } = setUp();
    const pool = mm.pool.allocate(1, 0x2000, 1);
    const at = mdl(pool, 0x2000);
    expect(failure(() => mm.MmProbeAndLockPages(at, UserMode, IoReadAccess))).toEqual([
      'exception',
      status.STATUS_ACCESS_VIOLATION,
    ]);
    expect(failure(() => mm.MmProbeAndLockPages(at, KernelMode, IoWriteAccess))).toBe('none');
    mm.MmUnlockPages(at);
    const missing = mdl(-0x1234_0000_0000, 1);
    expect(failure(() => mm.MmProbeAndLockPages(missing, KernelMode, IoReadAccess))).toEqual([
      'fault',
      -0x1234_0000_0000,
      'read',
    ]);
  });

  it('a locked page outlives the address: its frame is free only after the unlock', () => {
    const { mm, space, buffer, mdl } = setUp();
    const at = mdl(buffer, 0x1000);
    run(mm.MmProbeAndLockPages(at, UserMode, IoWriteAccess));
    const number = Number(frame(mm, at, 0));
    expect(NtFreeVirtualMemory(space, buffer, 0, wdm.MEM_RELEASE).status).toBe(0);
    expect(mm.MmIsAddressValid(buffer)).toBe(false);
    expect(mm.pfn.isInUse(number)).toBe(true);
    mm.MmUnlockPages(at);
    expect(mm.pfn.isInUse(number)).toBe(false);
    mm.pfn.verify();
  });

  it('a process that ends with locked pages stops the machine (PROCESS_HAS_LOCKED_PAGES)', () => {
    const { mm, space, buffer, mdl } = setUp();
    run(mm.MmProbeAndLockPages(mdl(buffer, 1), UserMode, IoReadAccess));
    expect(failure(() => mm.destroyAddressSpace(space))).toEqual(['stop', 0x76, 0]);
  });
});

describe('MmUnlockPages', () => {
  it('twice is PFN_LIST_CORRUPT', () => {
    const { mm, buffer, mdl } = setUp();
    const at = mdl(buffer, 1);
    run(mm.MmProbeAndLockPages(at, UserMode, IoReadAccess));
    mm.MmUnlockPages(at);
    expect(failure(() => mm.MmUnlockPages(at))).toEqual(['stop', 0x4e, 7]);
  });

  it('of an MDL whose pages were never filled in is PFN_LIST_CORRUPT, too', () => {
    const { mm, buffer, mdl } = setUp();
    expect(failure(() => mm.MmUnlockPages(mdl(buffer, 1)))).toEqual(['stop', 0x4e, 0x99]);
  });

  it('releases the system mapping first', () => {
    const { mm, buffer, mdl, map, view } = setUp();
    const at = mdl(buffer, 0x3000);
    run(mm.MmProbeAndLockPages(at, UserMode, IoReadAccess));
    const address = map(at);
    mm.MmUnlockPages(at);
    expect(mm.MmIsAddressValid(address)).toBe(false);
    expect(view(at).MdlFlags & wdm.MDL_MAPPED_TO_SYSTEM_VA).toBe(0);
  });
});

describe('a second mapping', () => {
  it('shows each store at once at the other address, with the same byte offset', () => {
    const { mm, space, buffer, mdl, map } = setUp();
    const at = mdl(buffer + 0x123, 0x2000);
    run(mm.MmProbeAndLockPages(at, UserMode, IoWriteAccess));
    const address = map(at);
    expect(Math.abs((address - 0x123) % 4096)).toBe(0);
    mm.memory.writeU32(address + 0x1fff - 3, 0xabcd);
    expect(space.memory.readU32(buffer + 0x123 + 0x1fff - 3)).toBe(0xabcd);
    space.memory.writeU32(buffer + 0x123, 0x55);
    expect(mm.memory.readU32(address)).toBe(0x55);
    mm.attach(undefined);
    expect(mm.memory.readU32(address)).toBe(0x55);
  });

  it('finds the existing one by MmGetSystemAddressForMdlSafe', () => {
    const { mm, buffer, mdl } = setUp();
    const at = mdl(buffer, 1);
    run(mm.MmProbeAndLockPages(at, UserMode, IoReadAccess));
    const address = mm.MmGetSystemAddressForMdlSafe(at, NORMAL);
    expect(mm.MmGetSystemAddressForMdlSafe(at, NORMAL)).toBe(address);
  });

  it('can forbid writing and executing', () => {
    const { mm, buffer, mdl, map } = setUp();
    const at = mdl(buffer, 1);
    run(mm.MmProbeAndLockPages(at, UserMode, IoReadAccess));
    const address = map(at, KernelMode, NORMAL | wdm.MdlMappingNoWrite | wdm.MdlMappingNoExecute);
    expect(failure(() => mm.memory.writeU8(address, 1))).toEqual(['fault', address, 'write']);
    expect(mm.access.allows(address, 'execute')).toBe(false);
    expect(mm.access.allows(address, 'read')).toBe(true);
  });

  it('fails when system PTEs are used up: NULL, or NO_MORE_SYSTEM_PTES', () => {
    const { mm, buffer, mdl, map } = setUp({ regions: { systemPtes: 64 } });
    const at = mdl(buffer, 0x10000);
    run(mm.MmProbeAndLockPages(at, UserMode, IoReadAccess));
    const first = map(at);
    expect(first).not.toBe(0);
    expect(map(at)).not.toBe(0);
    expect(map(at)).toBe(0);
    for (let i = 0; i < 2; i++) map(at, KernelMode, wdm.HighPagePriority);
    expect(failure(() => mm.MmMapLockedPages(at, KernelMode))).toEqual(['stop', 0x3f, 0]);
  });

  it('of an MDL without pages is PFN_LIST_CORRUPT and takes no system PTEs', () => {
    const { mm, buffer, mdl, map } = setUp();
    const at = mdl(buffer, 0x2000);
    const before = mm.usage();
    expect(failure(() => map(at))).toEqual(['stop', 0x4e, 0x99]);
    expect(mm.usage()).toEqual(before);
  });

  it('wrongly released is SYSTEM_PTE_MISUSE', () => {
    const { mm, buffer, mdl, map, view } = setUp();
    const at = mdl(buffer, 0x2000);
    run(mm.MmProbeAndLockPages(at, UserMode, IoReadAccess));
    const address = map(at);
    expect(failure(() => mm.MmUnmapLockedPages(address + 0x1000, at))).toEqual(['stop', 0xda, 6]);
    expect(failure(() => mm.MmUnmapLockedPages(-0x880_0000_0000, at))).toEqual(['stop', 0xda, 6]);
    view(at).ByteCount = 0x1000;
    expect(failure(() => mm.MmUnmapLockedPages(address, at))).toEqual(['stop', 0xda, 2]);
    view(at).ByteCount = 0x2000;
    mm.MmUnmapLockedPages(address, at);
    expect(failure(() => mm.MmUnmapLockedPages(address, at))).toEqual(['stop', 0xda, 6]);
  });

  it('can be in the process: not executable, and not the process’s to change', () => {
    const { mm, space, mdl, map } = setUp();
    const pool = mm.pool.allocate(0x200, 4096, 1);
    const at = mdl(pool, 4096);
    mm.MmBuildMdlForNonPagedPool(at);
    const address = map(at, UserMode);
    expect(address).toBeGreaterThan(0);
    space.memory.writeU32(address, 77);
    expect(mm.memory.readU32(pool)).toBe(77);
    expect(mm.access.allows(address, 'execute')).toBe(false);
    expect(NtProtectVirtualMemory(space, address, 1, wdm.PAGE_READONLY).status).toBe(
      status.STATUS_CONFLICTING_ADDRESSES,
    );
    expect(NtFreeVirtualMemory(space, address, 0, wdm.MEM_RELEASE).status).toBe(status.STATUS_UNABLE_TO_DELETE_SECTION);
    const readOnly = map(at, UserMode, NORMAL | wdm.MdlMappingNoWrite);
    expect(failure(() => space.memory.writeU8(readOnly, 1))).toEqual(['fault', readOnly, 'write']);
    expect(queryRegion(space, readOnly)?.Protect).toBe(wdm.PAGE_READONLY);
    mm.attach(mm.createAddressSpace());
    expect(failure(() => mm.MmUnmapLockedPages(address, at))).toEqual(['stop', 0xda, 6]);
    mm.attach(space);
    mm.MmUnmapLockedPages(address, at);
    expect(failure(() => space.memory.readU8(address))).toEqual(['fault', address, 'read']);
  });

  it('raises in UserMode when the requested address is taken', () => {
    const { mm, buffer, mdl } = setUp();
    const at = mdl(mm.pool.allocate(0x200, 4096, 1), 4096);
    mm.MmBuildMdlForNonPagedPool(at);
    const request = (address: number) =>
      failure(() => mm.MmMapLockedPagesSpecifyCache(at, UserMode, 1, address, 0, NORMAL));
    expect(request(buffer)).toEqual(['exception', status.STATUS_CONFLICTING_ADDRESSES]);
    expect(request(-4096)).toEqual(['exception', status.STATUS_CONFLICTING_ADDRESSES]);
    expect(request(0x3000_1234)).toBe('none');
  });

  it('changes its protection by MmProtectMdlSystemAddress', () => {
    const { mm, buffer, mdl, map } = setUp();
    const at = mdl(buffer, 0x2000);
    run(mm.MmProbeAndLockPages(at, UserMode, IoReadAccess));
    expect(mm.MmProtectMdlSystemAddress(at, wdm.PAGE_READONLY)).toBe(status.STATUS_NOT_MAPPED_VIEW);
    const address = map(at);
    expect(mm.MmProtectMdlSystemAddress(at, wdm.PAGE_GUARD)).toBe(status.STATUS_INVALID_PAGE_PROTECTION);
    expect(mm.MmProtectMdlSystemAddress(at, wdm.PAGE_READONLY)).toBe(0);
    expect(failure(() => mm.memory.writeU8(address, 1))).toEqual(['fault', address, 'write']);
    expect(mm.MmProtectMdlSystemAddress(at, wdm.PAGE_NOACCESS)).toBe(0);
    expect(failure(() => mm.memory.readU8(address))).toEqual(['fault', address, 'read']);
    expect(mm.MmProtectMdlSystemAddress(at, wdm.PAGE_READWRITE)).toBe(0);
    mm.memory.writeU8(address, 1);
    mm.MmUnlockPages(at);
  });
});

describe('MmBuildMdlForNonPagedPool and IoBuildPartialMdl', () => {
  it('describe pool by its own address', () => {
    const { mm, mdl, view } = setUp();
    const pool = mm.pool.allocate(0x200, 0x3000, 1);
    const at = mdl(pool + 8, 0x2000);
    mm.MmBuildMdlForNonPagedPool(at);
    expect(view(at)).toMatchObject({ MappedSystemVa: pool + 8, Process: 0 });
    expect(mm.MmGetSystemAddressForMdlSafe(at, NORMAL)).toBe(pool + 8);
    expect(frame(mm, at, 2)).toBe(mm.MmGetPhysicalAddress(pool + 0x2000) >> 12n);
  });

  it('a partial MDL shares the mapping that its source has', () => {
    const { mm, buffer, mdl, map, view } = setUp();
    const source = mdl(buffer + 0x100, 0x5000);
    run(mm.MmProbeAndLockPages(source, UserMode, IoReadAccess));
    const address = map(source);
    const part = mdl(buffer + 0x2100, 0x1000);
    mm.IoBuildPartialMdl(source, part, buffer + 0x2100, 0x1000);
    expect(mm.MmGetSystemAddressForMdlSafe(part, NORMAL)).toBe(address + 0x2000);
    expect(frame(mm, part, 0)).toBe(frame(mm, source, 2));
    expect(view(part).MdlFlags & wdm.MDL_PARTIAL).not.toBe(0);
    mm.IoFreeMdl(part);
    expect(mm.MmIsAddressValid(address)).toBe(true);
    mm.MmUnlockPages(source);
  });

  it('a partial MDL’s own mapping goes with IoFreeMdl', () => {
    const { mm, buffer, mdl, map } = setUp();
    const source = mdl(buffer, 0x5000);
    run(mm.MmProbeAndLockPages(source, UserMode, IoReadAccess));
    const part = mdl(buffer, 0x5000);
    mm.IoBuildPartialMdl(source, part, buffer + 0x1000, 0);
    const address = map(part);
    expect(MDL.at(mm.memory, part).ByteCount).toBe(0x4000);
    mm.MmPrepareMdlForReuse(part);
    expect(mm.MmIsAddressValid(address)).toBe(false);
    mm.IoBuildPartialMdl(source, part, buffer, 0x1000);
    const again = map(part);
    mm.IoFreeMdl(part);
    expect(mm.MmIsAddressValid(again)).toBe(false);
  });

  it('a subrange outside the source describes garbage, and nothing else happens', () => {
    const { mm, buffer, mdl } = setUp();
    const source = mdl(buffer, 0x5000);
    run(mm.MmProbeAndLockPages(source, UserMode, IoReadAccess));
    for (const base of [buffer - 0x300_0000, buffer - 0x1000, buffer + 0x5000, buffer + 0x7000_0000]) {
      const part = mdl(base, 0x1000);
      const outcome = failure(() => mm.IoBuildPartialMdl(source, part, base, 0x1000));
      if (outcome === 'none')
        expect(['none', 'stop']).toContain([failure(() => mm.MmGetSystemAddressForMdlSafe(part, NORMAL))].flat()[0]);
      else expect(outcome).toContain('fault');
    }
  });

  it('too small a target is TARGET_MDL_TOO_SMALL', () => {
    const { mm, buffer, mdl } = setUp();
    const source = mdl(buffer, 0x5000);
    run(mm.MmProbeAndLockPages(source, UserMode, IoReadAccess));
    expect(failure(() => mm.IoBuildPartialMdl(source, mdl(buffer, 0x1000), buffer, 0x2000))).toEqual(['stop', 0x40, 0]);
  });
});

describe('MmAllocatePagesForMdl', () => {
  const ALL = 0xffff_ffff_ffff_ffffn;
  it('gives zeroed pages without an address, and MmFreePagesFromMdl takes them back', () => {
    const { mm, map } = setUp();
    const before = mm.usage();
    const at = mm.mdlPages.MmAllocatePagesForMdl(0n, ALL, 0n, 0x5000);
    expect(MDL.at(mm.memory, at)).toMatchObject({ ByteCount: 0x5000, ByteOffset: 0, StartVa: 0 });
    const address = map(at);
    expect(mm.memory.readBytes(address, 0x5000).every(byte => byte === 0)).toBe(true);
    mm.mdlPages.MmFreePagesFromMdl(at);
    expect(mm.MmIsAddressValid(address)).toBe(false);
    expect(failure(() => mm.mdlPages.MmFreePagesFromMdl(at))).toEqual(['stop', 0x4e, 0x99]);
    mm.pool.free(at, 0);
    expect(mm.usage()).toEqual(before);
  });

  it('gives what there is, or all or nothing', () => {
    const { mm } = setUp();
    const wanted = mm.pfn.total * 4096;
    expect(mm.mdlPages.MmAllocatePagesForMdlEx(0n, ALL, 0n, wanted, 1, wdm.MM_ALLOCATE_FULLY_REQUIRED)).toBe(0);
    const free = mm.pfn.available;
    const at = mm.mdlPages.MmAllocatePagesForMdl(0n, 0x7f_ffffn, 0n, wanted);
    expect(MDL.at(mm.memory, at).ByteCount).toBeLessThanOrEqual(0x80_0000);
    expect(mm.mdlPages.MmAllocatePagesForMdl(0n, 0x7f_ffffn, 0n, 4096)).toBe(0);
    mm.mdlPages.MmFreePagesFromMdl(at);
    mm.pool.free(at, 0);
    mm.pool.trim();
    expect(mm.pfn.available).toBe(free);
    for (const bytes of [0, -1, 2 ** 32, 2 ** 64])
      expect(mm.mdlPages.MmAllocatePagesForMdl(0n, ALL, 0n, bytes)).toBe(0);
    expect(mm.mdlPages.MmAllocatePagesForMdl(0n, ALL, 1n, 4096)).toBe(0);
  });

  it('can be contiguous', () => {
    const { mm } = setUp();
    const at = mm.mdlPages.MmAllocatePagesForMdlEx(0n, ALL, 0n, 0x8000, 1, wdm.MM_ALLOCATE_REQUIRE_CONTIGUOUS_CHUNKS);
    for (let i = 1; i < 8; i++) expect(frame(mm, at, i)).toBe(frame(mm, at, 0) + BigInt(i));
  });

  it('a page that is still locked cannot be freed', () => {
    const { mm, map, mdl } = setUp();
    const at = mm.mdlPages.MmAllocatePagesForMdl(0n, ALL, 0n, 0x1000);
    const second = mdl(map(at), 0x1000);
    run(mm.MmProbeAndLockPages(second, KernelMode, IoReadAccess));
    expect(failure(() => mm.mdlPages.MmFreePagesFromMdl(at))).toEqual(['stop', 0x4e, 0x9a]);
  });
});

describe('MmAdvanceMdl', () => {
  it('unlocks the pages that it passes, and moves both addresses', () => {
    const { mm, space, buffer, mdl, map, view } = setUp();
    const before = mm.usage();
    const at = mdl(buffer + 0x10, 0x4000);
    run(mm.MmProbeAndLockPages(at, UserMode, IoReadAccess));
    const address = map(at);
    expect(mm.mdlPages.MmAdvanceMdl(at, 0x4001)).toBe(status.STATUS_INVALID_PARAMETER_2);
    expect(mm.mdlPages.MmAdvanceMdl(at, 0x2000)).toBe(0);
    expect(view(at)).toMatchObject({
      StartVa: buffer + 0x2000,
      ByteOffset: 0x10,
      ByteCount: 0x2000,
      MappedSystemVa: address + 0x2000,
    });
    expect(space.lockedPages).toBe(3);
    mm.MmUnlockPages(at);
    mm.IoFreeMdl(at);
    expect(mm.usage()).toEqual(before);
  });
});

describe('no leak', () => {
  it('over locks, maps, partial failures and frees in any order', () => {
    const { mm, space, buffer, mdl, map } = setUp();
    NtProtectVirtualMemory(space, buffer + 0x8000, 0x1000, wdm.PAGE_READONLY);
    const before = mm.usage();
    let x = 5;
    const random = (n: number) => {
      x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
      return (x >>> 8) % n;
    };
    const live: { at: number; locked: boolean }[] = [];
    for (let i = 0; i < 3000; i++) {
      if (live.length > 20 || (live.length > 0 && random(2) === 0)) {
        const { at, locked } = live.splice(random(live.length), 1)[0]!;
        if (locked) mm.MmUnlockPages(at);
        mm.IoFreeMdl(at);
        continue;
      }
      const at = mdl(buffer + random(0xf000), random(0x9000));
      const locked = failure(() => mm.MmProbeAndLockPages(at, UserMode, random(2))) === 'none';
      if (locked && random(2)) map(at);
      live.push({ at, locked });
    }
    for (const { at, locked } of live) {
      if (locked) mm.MmUnlockPages(at);
      mm.IoFreeMdl(at);
    }
    expect(mm.usage()).toEqual(before);
    mm.pfn.verify();
  });

  it('over random allocations, protections and frees while pages are locked and mapped, up to the process’s end', () => {
    const mm = boot();
    mm.destroyAddressSpace(mm.createAddressSpace());
    let x = 3;
    const random = (n: number) => {
      x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
      return (x >>> 8) % n;
    };
    const pick = <T>(values: readonly T[]) => values[random(values.length)]!;
    const before = mm.usage();
    for (let round = 0; round < 8; round++) {
      const space = mm.createAddressSpace();
      mm.attach(space);
      const base = 0x4000_0000;
      const live: { at: number; locked: boolean }[] = [];
      const address = () => base + random(0x40) * 0x1000 + random(3);
      const size = () => random(0x9000);
      const protections = [
        wdm.PAGE_NOACCESS,
        wdm.PAGE_READONLY,
        wdm.PAGE_READWRITE,
        wdm.PAGE_READWRITE | wdm.PAGE_GUARD,
      ];
      const steps = [
        () => NtAllocateVirtualMemory(space, address(), 0, size(), pick([0x1000, 0x2000, 0x3000]), wdm.PAGE_READWRITE),
        () => NtFreeVirtualMemory(space, address(), pick([0, size()]), pick([wdm.MEM_DECOMMIT, wdm.MEM_RELEASE])),
        () => NtProtectVirtualMemory(space, address(), size(), pick(protections)),
        () => failure(() => space.memory.fill(address(), size(), random(256))),
        () => {
          const at = mm.IoAllocateMdl(address(), size(), false, false, 0);
          const locked = failure(() => mm.MmProbeAndLockPages(at, random(2), random(2))) === 'none';
          if (locked && random(2)) mm.MmMapLockedPagesSpecifyCache(at, KernelMode, 1, 0, 0, NORMAL);
          live.push({ at, locked });
        },
        () => {
          const [entry] = live.splice(random(Math.max(live.length, 1)), 1);
          if (entry?.locked) mm.MmUnlockPages(entry.at);
          if (entry) mm.IoFreeMdl(entry.at);
        },
      ];
      for (let i = 0; i < 1500; i++) pick(steps)();
      const holds = space.lockedPages > 0;
      if (holds) expect(failure(() => mm.destroyAddressSpace(space))).toEqual(['stop', 0x76, 0]);
      mm.pfn.verify();
      for (const { at, locked } of live) {
        if (locked) mm.MmUnlockPages(at);
        mm.IoFreeMdl(at);
      }
      expect(space.lockedPages).toBe(0);
      mm.destroyAddressSpace(space);
      expect(mm.usage()).toEqual(before);
    }
    expect(mm.committedPages).toBe(0);
    mm.pfn.verify();
  });

  it('takes an MDL at any address, and one whose frame numbers fill more than a page', () => {
    const { mm, space, buffer } = setUp();
    const before = mm.usage();
    const room = mm.pool.allocate(0x200, 0x3000, 1);
    for (const at of [room + 3, room + 0xfcc, room + 0xfd0, room + 0xfd4]) {
      mm.MmInitializeMdl(at, buffer, 0x4000);
      run(mm.MmProbeAndLockPages(at, UserMode, IoReadAccess));
      for (let i = 0; i < 4; i++) expect(frame(mm, at, i)).toBe(mm.MmGetPhysicalAddress(buffer + i * 4096) >> 12n);
      mm.MmUnlockPages(at);
    }
    mm.pool.free(room, 1);
    const large = space.allocate(0x30_0000);
    const mdl = mm.IoAllocateMdl(large + 5, 0x2f_0000, false, false, 0);
    run(mm.MmProbeAndLockPages(mdl, UserMode, IoWriteAccess));
    const mapped = mm.MmGetSystemAddressForMdlSafe(mdl, NORMAL);
    for (let at = 0; at < 0x2f_0000; at += 0x1_2345) mm.memory.writeU32(mapped + at, at);
    for (let at = 0; at < 0x2f_0000; at += 0x1_2345) expect(space.memory.readU32(large + 5 + at)).toBe(at);
    expect(space.lockedPages).toBe(0x2f1);
    mm.MmUnlockPages(mdl);
    mm.IoFreeMdl(mdl);
    space.free(large);
    expect({ ...mm.usage(), framesInUse: 0 }).toEqual({ ...before, framesInUse: 0 });
  });

  it('survives any numbers in the MDL', () => {
    let x = 11;
    const random = () => {
      x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
      return x >>> 8;
    };
    for (let round = 0; round < 60; round++) {
      const { mm, buffer, mdl, map } = setUp({ bytes: 0x80_0000 });
      const at = mdl(buffer, 0x3000);
      if (random() & 1) run(mm.MmProbeAndLockPages(at, UserMode, IoReadAccess));
      for (let i = 0; i < 3; i++) mm.memory.writeU8(at + 8 + (random() % 0x48), random());
      for (const step of [
        () => map(at),
        () => mm.MmUnlockPages(at),
        () => mm.MmProbeAndLockPages(at, KernelMode, IoWriteAccess),
        () => mm.MmBuildMdlForNonPagedPool(at),
        () => mm.mdlPages.MmAdvanceMdl(at, 0x1800),
        () => mm.IoBuildPartialMdl(at, mdl(buffer, 0x3000), buffer, 0),
        () => map(at, UserMode),
        () => mm.mdlPages.MmFreePagesFromMdl(at),
        () => mm.IoFreeMdl(at),
      ]) {
        failure(step);
      }
    }
  });
});
