/** The memory manager where a driver meets it: behind its exports, with the machine around. */
import { describe, expect, it } from 'vitest';
import { BugCheck, layouts, type Nt, ntstatus, wdm } from '../../src/index.ts';
import type { Routine } from '../../src/ke/routine.ts';
import { fromAddress, NON_CANONICAL } from '../../src/wdm/address.ts';
import { inDriver } from '../kernel/in-driver.ts';

const TAG = 0x74736554; // 'Test'
const { MDL } = layouts;
const { PAGE_READWRITE, MEM_COMMIT, MEM_RESERVE, MEM_RELEASE, NormalPagePriority } = wdm;

/** The exception code that the body raises, or 0. */
function raised(nt: Nt, body: () => unknown): Routine<number> {
  return nt.tryExcept(
    function* () {
      const value = body() as Routine<unknown> | undefined;
      if (value && typeof value === 'object' && 'next' in value) yield* value;
      return 0;
    },
    () => 1,
    // biome-ignore lint/correctness/useYield: a handler is a routine
    function* (exception) {
      return exception.status;
    },
  );
}

describe('pool', () => {
  it('comes from each routine and goes back', () => {
    const { machine, result } = inDriver(function* (nt, { kernel }) {
      const before = kernel.mm.usage();
      const blocks = [
        nt.ExAllocatePool(wdm.NonPagedPool, 100),
        nt.ExAllocatePoolWithTag(wdm.PagedPool, 5000, TAG),
        nt.ExAllocatePoolWithQuotaTag(wdm.NonPagedPoolNx, 100, TAG),
        nt.ExAllocatePoolWithTagPriority(wdm.NonPagedPoolNx, 100, TAG, 16),
        nt.ExAllocatePool2(wdm.POOL_FLAG_NON_PAGED, 100, TAG),
        nt.ExAllocatePool3(wdm.POOL_FLAG_PAGED, 100, TAG, 0, 0),
      ];
      for (const block of blocks) nt.memory.fill(block, 100, 1);
      nt.ExFreePool(blocks[0]!);
      for (const block of blocks.slice(1, 5)) nt.ExFreePoolWithTag(block, TAG);
      nt.ExFreePool2(blocks[5]!, TAG, 0, 0);
      const status = yield* raised(nt, () =>
        nt.ExAllocatePoolWithTag(wdm.NonPagedPoolNx | wdm.POOL_RAISE_IF_ALLOCATION_FAILURE, 2 ** 40, TAG),
      );
      return [before, kernel.mm.usage(), status];
    });
    expect(result[0]).toEqual(result[1]);
    expect(result[2]).toBe(ntstatus.STATUS_INSUFFICIENT_RESOURCES);
    expect(machine.kernel.mm.pool.tags().find(row => row.tag === 'Test')).toMatchObject({ bytes: 0 });
  });

  it('freed twice stops the machine', () => {
    const twice = () =>
      // biome-ignore lint/correctness/useYield: nothing here waits
      inDriver(function* (nt) {
        const block = nt.ExAllocatePoolWithTag(wdm.NonPagedPoolNx, 64, TAG);
        nt.ExFreePool(block);
        nt.ExFreePool(block);
      });
    expect(twice).toThrow(BugCheck);
    expect(twice).toThrow('0x000000C2 (0x0000000000000007');
  });

  it('lookaside lists call the routines that they were made with', () => {
    const { result } = inDriver(function* (nt) {
      const freed: number[] = [];
      const free = nt.routine('Free', ['Buffer: ptr'], 'void', buffer => void freed.push(buffer));
      const list = nt.ExAllocatePoolWithTag(wdm.NonPagedPoolNx, 0x80, TAG);
      nt.ExInitializeNPagedLookasideList(list, 0, free, wdm.POOL_NX_ALLOCATION, 64, TAG, 0);
      const entry = nt.ExAllocatePoolWithTag(wdm.NonPagedPoolNx, 64, TAG);
      nt.ExpInterlockedPushEntrySList(list, entry);
      const depth = nt.ExQueryDepthSList(list);
      yield* nt.ExDeleteNPagedLookasideList(list);
      return [depth, freed.length === 1 && freed[0] === entry];
    });
    expect(result).toEqual([1, true]);
  });
});

describe('MDLs', () => {
  it('of pool, contiguous memory and pages of their own, all mapped and released', () => {
    const { result } = inDriver(function* (nt, { kernel }) {
      const before = kernel.mm.usage();
      const pool = nt.ExAllocatePoolWithTag(wdm.PagedPool, 0x3000, TAG);
      const mdl = nt.IoAllocateMdl(pool, 0x3000, false, false, 0);
      yield* nt.MmProbeAndLockPages(mdl, wdm.KernelMode, wdm.IoWriteAccess);
      const mapped = nt.MmMapLockedPagesSpecifyCache(mdl, wdm.KernelMode, wdm.MmCached, 0, 0, NormalPagePriority);
      nt.memory.writeU32(mapped + 0x2ffc, 0x1234);
      const same = nt.memory.readU32(pool + 0x2ffc) === 0x1234;
      nt.MmUnlockPages(mdl);
      nt.IoFreeMdl(mdl);
      nt.ExFreePoolWithTag(pool, TAG);
      const contiguous = nt.MmAllocateContiguousMemory(0x4000, 2n ** 64n - 1n);
      const adjacent = nt.MmGetPhysicalAddress(contiguous + 0x3000) - nt.MmGetPhysicalAddress(contiguous);
      nt.MmFreeContiguousMemory(contiguous);
      const pages = nt.MmAllocatePagesForMdlEx(0n, 2n ** 64n - 1n, 0n, 0x5000, wdm.MmCached, 0);
      const bytes = MDL.at(nt.memory, pages).ByteCount;
      nt.MmFreePagesFromMdl(pages);
      nt.ExFreePool(pages);
      return { same, adjacent, bytes, leak: JSON.stringify(before) !== JSON.stringify(kernel.mm.usage()) };
    });
    expect(result).toEqual({ same: true, adjacent: 0x3000n, bytes: 0x5000, leak: false });
  });

  it('raise for user addresses in the System process', () => {
    const { result } = inDriver(function* (nt) {
      const statuses: number[] = [];
      for (const address of [0, 0x10000, 0x7fff_ffff_0000, -0x1000, NON_CANONICAL]) {
        const mdl = nt.IoAllocateMdl(address, 0x1000, false, false, 0);
        statuses.push(yield* raised(nt, () => nt.MmProbeAndLockPages(mdl, wdm.UserMode, wdm.IoReadAccess)));
        statuses.push(yield* raised(nt, () => nt.ProbeForWrite(address, 1, 1)));
        nt.IoFreeMdl(mdl);
      }
      statuses.push(yield* raised(nt, () => nt.ProbeForRead(0x10002, 4, 4)));
      return statuses;
    });
    expect(result.pop()).toBe(ntstatus.STATUS_DATATYPE_MISALIGNMENT);
    expect(new Set(result)).toEqual(new Set([ntstatus.STATUS_ACCESS_VIOLATION]));
  });

  it('of a kernel address that nothing maps stops the machine: PAGE_FAULT_IN_NONPAGED_AREA', () => {
    const lock = () =>
      inDriver(function* (nt) {
        const mdl = nt.IoAllocateMdl(-0x1234_0000_0000, 1, false, false, 0);
        yield* raised(nt, () => nt.MmProbeAndLockPages(mdl, wdm.KernelMode, wdm.IoReadAccess));
      });
    expect(lock).toThrow('0x00000050 (0xFFFFEDCC00000000');
  });
});

describe('the services', () => {
  it('write their results back, and fail with a status for any pointer', () => {
    const { machine } = inDriver(function* () {});
    const app = machine.createProcess();
    const { address, ok } = app.VirtualAlloc(0, 0x5000);
    expect([ok, address % 0x10000]).toEqual([true, 0]);
    app.memory.writeU32(address + 0x4ffc, 7);
    expect(app.VirtualProtect(address, 0x1000, wdm.PAGE_READONLY)).toMatchObject({
      ok: true,
      oldProtect: PAGE_READWRITE,
    });
    expect(() => app.memory.writeU8(address, 1)).toThrow('page fault');
    expect(app.VirtualFree(address + 0x1000).status).toBe(ntstatus.STATUS_FREE_VM_NOT_AT_BASE);
    expect(app.VirtualFree(address).ok).toBe(true);
    expect(() => app.memory.readU8(address)).toThrow('page fault');
    for (const bad of [fromAddress(-0x1000), 2n ** 63n, 0xffff_8000_0000_0000n]) {
      expect(app.VirtualAlloc(bad, 4096).ok).toBe(false);
      expect(app.VirtualProtect(bad, 4096, PAGE_READWRITE).ok).toBe(false);
      expect(app.VirtualFree(bad).ok).toBe(false);
    }
    expect(app.VirtualAlloc(0, 2n ** 64n - 1n).ok).toBe(false);
  });

  it('are called by drivers by their Zw names: System has a user half, too', () => {
    const { result } = inDriver(function* (nt) {
      const [base, size, old] = [nt.alloca(8), nt.alloca(8), nt.alloca(8)];
      const information = nt.alloca(0x30);
      nt.memory.writeU64(base, 0n);
      nt.memory.writeU64(size, 0x1800n);
      const both = MEM_COMMIT | MEM_RESERVE;
      const statuses = [yield* nt.ZwAllocateVirtualMemory(-1, base, 0, size, both, PAGE_READWRITE)];
      const address = nt.memory.readPointer(base);
      nt.memory.writeU32(address + 0x1ffc, 9);
      const mdl = nt.IoAllocateMdl(address, 0x1800, false, false, 0);
      yield* nt.MmProbeAndLockPages(mdl, wdm.UserMode, wdm.IoReadAccess);
      statuses.push(MDL.at(nt.memory, mdl).Process === nt.PsGetCurrentProcess() ? 0 : 1);
      nt.MmUnlockPages(mdl);
      nt.IoFreeMdl(mdl);
      statuses.push(yield* nt.ZwProtectVirtualMemory(-1, base, size, wdm.PAGE_READONLY, old));
      statuses.push(yield* raised(nt, () => nt.ProbeForWrite(address, 1, 1)));
      statuses.push(yield* nt.ZwQueryVirtualMemory(-1, address + 0x1000, 0, information, 0x30, 0));
      statuses.push(yield* nt.ZwQueryVirtualMemory(-1, address, 0, information, 0x2f, 0));
      nt.memory.writeU64(size, 0n);
      const { AllocationBase, RegionSize, Protect } = {
        AllocationBase: nt.memory.readPointer(information + 8) === address,
        RegionSize: nt.memory.readU64(information + 0x18),
        Protect: nt.memory.readU32(information + 0x24),
      };
      statuses.push(yield* nt.ZwFreeVirtualMemory(-1, base, size, MEM_RELEASE));
      statuses.push(yield* nt.ZwFreeVirtualMemory(0x1234, base, size, MEM_RELEASE));
      return { statuses, AllocationBase, RegionSize, Protect };
    });
    expect(result).toEqual({
      statuses: [
        0,
        0,
        0,
        ntstatus.STATUS_ACCESS_VIOLATION,
        0,
        ntstatus.STATUS_INFO_LENGTH_MISMATCH,
        0,
        ntstatus.STATUS_INVALID_HANDLE,
      ],
      AllocationBase: true,
      RegionSize: 0x1000n,
      Protect: wdm.PAGE_READONLY,
    });
  });
});
