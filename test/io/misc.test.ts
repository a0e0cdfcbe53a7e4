import { describe, expect, it } from 'vitest';
import * as wdm from '../../src/wdm/constants.ts';
import { IRP } from '../../src/wdm/layouts.ts';
import * as nts from '../../src/wdm/ntstatus.ts';
import { bootWith, inKernel, openDevice, probe } from './probe-driver.ts';

const checkpoint = { kind: 'checkpoint' as const };

describe('small routines of the I/O manager', () => {
  it('IoGetStackLimits says where the kernel stack is, and what lies in it', () => {
    inKernel(bootWith(), function* (nt) {
      const local = nt.alloca(16);
      nt.IoGetStackLimits(local, local + 8);
      const [low, high] = [nt.memory.readPointer(local), nt.memory.readPointer(local + 8)];
      expect(low).toBeLessThan(local);
      expect(high).toBeGreaterThan(local);
      expect(nt.IoWithinStackLimits(local, 16)).toBe(true);
      expect(nt.IoWithinStackLimits(high - 8, 16)).toBe(false);
      expect(nt.IoGetRemainingStackSize()).toBeLessThan(high - low);
      expect(nt.IoGetRemainingStackSize()).toBeGreaterThan(0);
      yield checkpoint;
    });
  });

  it('IoIsOperationSynchronous tells by file, API and paging', () => {
    inKernel(bootWith(), function* (nt) {
      const irp = nt.IoAllocateIrp(1, false);
      const view = IRP.at(nt.memory, irp);
      expect(nt.IoIsOperationSynchronous(irp)).toBe(false);
      view.Flags = wdm.IRP_SYNCHRONOUS_API;
      expect(nt.IoIsOperationSynchronous(irp)).toBe(true);
      view.Flags = wdm.IRP_PAGING_IO | wdm.IRP_SYNCHRONOUS_API;
      expect(nt.IoIsOperationSynchronous(irp)).toBe(false);
      nt.IoFreeIrp(irp);
      yield checkpoint;
    });
  });

  it('IoEnumerateDeviceObjectList counts, and references what fits', () => {
    const machine = bootWith(probe({ name: 'p', devices: [{ name: 'A' }, { name: 'B' }] }));
    inKernel(machine, function* (nt) {
      const { device, file } = yield* openDevice(nt, 'A');
      const driver = nt.memory.readPointer(device + 8);
      const out = nt.alloca(0x20);
      expect(nt.IoEnumerateDeviceObjectList(driver, 0, 0, out)).toBe(nts.STATUS_BUFFER_TOO_SMALL);
      expect(nt.memory.readU32(out)).toBe(2);
      expect(nt.IoEnumerateDeviceObjectList(driver, out + 8, 16, out)).toBe(nts.STATUS_SUCCESS);
      expect(nt.memory.readPointer(out + 16)).toBe(device);
      for (const at of [8, 16]) yield* nt.ObfDereferenceObject(nt.memory.readPointer(out + at));
      yield* nt.ObfDereferenceObject(file);
    });
  });

  it('IoIsWdmVersionAvailable knows 6.0 and what came before', () => {
    inKernel(bootWith(), function* (nt) {
      expect([1, 6, 7].map(major => nt.IoIsWdmVersionAvailable(major, 0))).toEqual([true, true, false]);
      yield checkpoint;
    });
  });

  it('IoCheckEaBufferValidity names the first entry that is wrong', () => {
    inKernel(bootWith(), function* (nt) {
      const at = nt.alloca(0x40);
      const offset = nt.alloca(8);
      // Two entries, "A" without a value and "B" with one byte.
      const good = [12, 0, 0, 0, 0, 1, 0, 0, 0x41, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0x42, 0, 7];
      nt.memory.writeBytes(at, new Uint8Array(good));
      expect(yield* nt.IoCheckEaBufferValidity(at, good.length, offset)).toBe(nts.STATUS_SUCCESS);
      expect(yield* nt.IoCheckEaBufferValidity(at, good.length - 1, offset)).toBe(nts.STATUS_EA_LIST_INCONSISTENT);
      expect(nt.memory.readU32(offset)).toBe(12);
      nt.memory.writeU32(at, 13);
      expect(yield* nt.IoCheckEaBufferValidity(at, good.length, offset)).toBe(nts.STATUS_EA_LIST_INCONSISTENT);
      expect(nt.memory.readU32(offset)).toBe(0);
    });
  });
});
