import { describe, expect, it } from 'vitest';
import { BugCheck, Hang, type Machine, type Nt, Recorder } from '../../src/index.ts';
import type { Routine } from '../../src/ke/routine.ts';
import type { Address } from '../../src/wdm/address.ts';
import * as wdm from '../../src/wdm/constants.ts';
import { DEVICE_OBJECT, IO_STATUS_BLOCK, IRP, KEVENT, OBJECT_ATTRIBUTES } from '../../src/wdm/layouts.ts';
import * as nts from '../../src/wdm/ntstatus.ts';
import { bootWith, complete, type Dispatched, inKernel, openDevice, type Probe, probe } from './probe-driver.ts';

const { IRP_MJ_READ, IRP_MJ_WRITE, IRP_MJ_DEVICE_CONTROL, IRP_MJ_INTERNAL_DEVICE_CONTROL } = wdm;

/** The bug check that the machine stops with. */
function bugCheckOf(run: () => unknown): number | undefined {
  try {
    run();
  } catch (error) {
    if (error instanceof BugCheck) return error.code;
    throw error;
  }
  return undefined;
}

/** A filter on top of \Device\Lower that does what the test says with each request. */
function filter(name: string, over: string, dispatch: (request: Dispatched, lower: Address) => Routine<number>): Probe {
  let lower: Address = 0;
  const pass = (request: Dispatched) => dispatch(request, lower);
  return {
    name,
    dispatch: Object.fromEntries(Array.from({ length: 28 }, (_, major) => [major, pass])),
    *entry(nt, driver) {
      const out = nt.alloca(8);
      yield* nt.IoCreateDevice(driver, 0, 0, wdm.FILE_DEVICE_UNKNOWN, 0, false, out);
      const device = nt.memory.readPointer(out);
      const opened = yield* openDevice(nt, over);
      lower = nt.IoAttachDeviceToDeviceStack(device, opened.device);
      const flags = DEVICE_OBJECT.at(nt.memory, lower).Flags & (wdm.DO_BUFFERED_IO | wdm.DO_DIRECT_IO);
      DEVICE_OBJECT.at(nt.memory, device).Flags |= flags;
      yield* nt.ObfDereferenceObject(opened.file);
      return nts.STATUS_SUCCESS;
    },
  };
}

/** Sends a request down with a completion routine that notes what it saw. */
function* watched(
  { nt, irp }: Dispatched,
  lower: Address,
  seen: (irp: Address, context: Address, device: Address) => void,
  on = { success: true, error: true, cancel: true },
): Routine<number> {
  const routine = nt.routine('Done', ['D: ptr', 'Irp: ptr', 'Context: ptr'], 'ntstatus', (device, which, context) => {
    seen(which, context, device);
    if (IRP.at(nt.memory, which).PendingReturned) nt.IoMarkIrpPending(which);
    return nts.STATUS_SUCCESS;
  });
  nt.IoCopyCurrentIrpStackLocationToNext(irp);
  nt.IoSetCompletionRoutine(irp, routine, 0x1234, on);
  return yield* nt.IofCallDriver(lower, irp);
}

const open = (machine: Machine, name: string) => {
  const app = machine.createProcess();
  return { app, handle: app.CreateFile(`\\\\.\\${name}`).handle, buffer: app.alloc(0x1000) };
};

describe('IoCompleteRequest', () => {
  it('calls completion routines from the last driver’s to the first’s', () => {
    const order: string[] = [];
    const notes = (name: string) =>
      filter(name, 'Lower', function* (request, lower) {
        return yield* watched(request, lower, (_irp, context) => order.push(`${name}:${context.toString(16)}`));
      });
    const machine = bootWith(
      probe({ name: 'lower', devices: [{ name: 'Lower' }] }),
      probe(notes('one')),
      probe(notes('two')),
    );
    const { app, handle, buffer } = open(machine, 'Lower');
    order.length = 0;
    expect(app.ReadFile(handle, buffer, 8).ok).toBe(true);
    expect(order).toEqual(['one:1234', 'two:1234']);
  });

  it.each([
    ['success', nts.STATUS_SUCCESS, { success: true, error: false, cancel: false }, true],
    ['success, not asked for', nts.STATUS_SUCCESS, { success: false, error: true, cancel: true }, false],
    ['an error', nts.STATUS_DEVICE_NOT_READY, { success: false, error: true, cancel: false }, true],
    ['an error, not asked for', nts.STATUS_DEVICE_NOT_READY, { success: true, error: false, cancel: true }, false],
    [
      'a warning, which is no success',
      nts.STATUS_BUFFER_OVERFLOW,
      { success: false, error: true, cancel: false },
      true,
    ],
  ])('calls a routine on %s', (_name, status, on, called) => {
    let calls = 0;
    const lower: Probe = {
      name: 'lower',
      devices: [{ name: 'Lower' }],
      dispatch: { [IRP_MJ_WRITE]: ({ nt, irp }) => complete(nt, irp, status) },
    };
    const upper = filter('upper', 'Lower', function* (request, device) {
      if (request.stack.MajorFunction !== IRP_MJ_WRITE) return yield* watched(request, device, () => {});
      return yield* watched(request, device, () => calls++, on);
    });
    const { app, handle, buffer } = open(bootWith(probe(lower), probe(upper)), 'Lower');
    expect(app.WriteFile(handle, buffer, 8).status).toBe(status);
    expect(calls).toBe(called ? 1 : 0);
  });

  it('stops at STATUS_MORE_PROCESSING_REQUIRED until the IRP is completed again', () => {
    const order: string[] = [];
    const upper = filter('upper', 'Lower', function* ({ nt, irp }, lower) {
      const event = nt.alloca(KEVENT.size);
      nt.KeInitializeEvent(event, wdm.NotificationEvent, false);
      const keep = nt.routine('Keep', ['D: ptr', 'Irp: ptr', 'Event: ptr'], 'ntstatus', function* (_d, _irp, which) {
        order.push('kept');
        yield* nt.KeSetEvent(which, 0, false);
        return nts.STATUS_MORE_PROCESSING_REQUIRED;
      });
      nt.IoCopyCurrentIrpStackLocationToNext(irp);
      nt.IoSetCompletionRoutine(irp, keep, event);
      yield* nt.IofCallDriver(lower, irp);
      yield* nt.KeWaitForSingleObject(event, wdm.Executive, wdm.KernelMode, false, 0);
      order.push('mine again');
      return yield* complete(nt, irp, nts.STATUS_SUCCESS, 3);
    });
    const { app, handle, buffer } = open(
      bootWith(probe({ name: 'lower', devices: [{ name: 'Lower' }] }), probe(upper)),
      'Lower',
    );
    order.length = 0;
    expect(app.WriteFile(handle, buffer, 8)).toMatchObject({ ok: true, bytes: 3 });
    expect(order).toEqual(['kept', 'mine again']);
  });

  it('zeroes the lower driver’s stack location and passes its pending mark up', () => {
    let checked = false;
    let pending: { nt: Nt; irp: Address } | undefined;
    const lower: Probe = {
      name: 'lower',
      devices: [{ name: 'Lower', flags: wdm.DO_BUFFERED_IO }],
      dispatch: {
        [IRP_MJ_READ]: ({ nt, irp }) => {
          nt.IoMarkIrpPending(irp);
          pending = { nt, irp };
          return nts.STATUS_PENDING;
        },
        *[IRP_MJ_DEVICE_CONTROL]() {
          const { nt, irp } = pending!;
          nt.memory.writeU32(IRP.at(nt.memory, irp).AssociatedIrp.SystemBuffer, 0x11223344);
          yield* complete(nt, irp, nts.STATUS_SUCCESS, 4);
          return undefined;
        },
      },
    };
    const upper = filter('upper', 'Lower', function* (request, device) {
      const { nt, stack } = request;
      if (stack.MajorFunction !== IRP_MJ_READ) {
        nt.IoSkipCurrentIrpStackLocation(request.irp);
        return yield* nt.IofCallDriver(device, request.irp);
      }
      return yield* watched(request, device, irp => {
        const next = nt.IoGetNextIrpStackLocation(irp);
        expect(IRP.at(nt.memory, irp).PendingReturned).toBe(1);
        expect(next).toMatchObject({ Control: 0, FileObject: 0, MajorFunction: IRP_MJ_READ });
        expect(next.Parameters.Read.Length).toBe(0);
        checked = true;
      });
    });
    const machine = bootWith(probe(lower), probe(upper));
    const app = machine.createProcess();
    const { handle } = app.CreateFile('\\\\.\\Lower', { flags: 0x4000_0000 });
    const other = open(machine, 'Lower');
    const buffer = app.alloc(0x1000);
    const overlapped = app.alloc(0x1000);
    expect(app.ReadFile(handle, buffer, 16, overlapped)).toMatchObject({ ok: false, status: nts.STATUS_PENDING });
    const recorder = new Recorder(machine.trace);
    expect(other.app.DeviceIoControl(other.handle, 0x22_2000).ok).toBe(true);
    // An application that polls sees it: status block and data are there before it makes another call.
    expect(app.memory.readU32(overlapped)).toBe(nts.STATUS_SUCCESS);
    expect(app.memory.readU32(buffer)).toBe(0x11223344);
    expect(app.GetOverlappedResult(handle, overlapped, true)).toMatchObject({ ok: true, bytes: 4 });
    expect(checked).toBe(true);
    // Copied in the requester's thread and process, though another completed the request.
    const [copied] = recorder.of('copied').filter(({ direction }) => direction === 'out');
    const [completed] = recorder.of('completed');
    expect(copied?.process).toBe(app.id);
    expect(completed?.process).toBe(other.app.id);
  });

  it('of a completed IRP is MULTIPLE_IRP_COMPLETE_REQUESTS', () => {
    const twice: Probe = {
      name: 'twice',
      devices: [{ name: 'Twice' }],
      dispatch: {
        *[IRP_MJ_WRITE]({ nt, irp }) {
          yield* complete(nt, irp, nts.STATUS_SUCCESS);
          return yield* complete(nt, irp, nts.STATUS_SUCCESS);
        },
      },
    };
    const { app, handle, buffer } = open(bootWith(probe(twice)), 'Twice');
    expect(bugCheckOf(() => app.WriteFile(handle, buffer, 8))).toBe(0x44);
  });

  it('that never comes hangs the caller, and the machine says so', () => {
    const lost: Probe = {
      name: 'lost',
      devices: [{ name: 'Lost' }],
      dispatch: {
        [IRP_MJ_WRITE]: ({ nt, irp }) => {
          nt.IoMarkIrpPending(irp);
          return nts.STATUS_PENDING;
        },
      },
    };
    const { app, handle, buffer } = open(bootWith(probe(lost)), 'Lost');
    expect(() => app.WriteFile(handle, buffer, 8)).toThrow(Hang);
  });
});

describe('IoCallDriver', () => {
  it('without a stack location left is NO_MORE_IRP_STACK_LOCATIONS', () => {
    const machine = bootWith(probe({ name: 'lower', devices: [{ name: 'Lower' }] }));
    const run = () =>
      inKernel(machine, function* (nt) {
        const { device, file } = yield* openDevice(nt, 'Lower');
        const irp = nt.IoAllocateIrp(0, false);
        yield* nt.IofCallDriver(device, irp);
        yield* nt.ObfDereferenceObject(file);
      });
    expect(bugCheckOf(run)).toBe(0x35);
  });

  it('after IoSkipCurrentIrpStackLocation gives the lower driver the same location', () => {
    const locations: Address[] = [];
    const lower: Probe = {
      name: 'lower',
      devices: [{ name: 'Lower' }],
      dispatch: { [IRP_MJ_WRITE]: ({ stack }) => void locations.push(stack.address) },
    };
    const upper = filter('upper', 'Lower', function* ({ nt, irp, stack }, device) {
      if (stack.MajorFunction === IRP_MJ_WRITE) locations.push(stack.address);
      nt.IoSkipCurrentIrpStackLocation(irp);
      return yield* nt.IofCallDriver(device, irp);
    });
    const { app, handle, buffer } = open(bootWith(probe(lower), probe(upper)), 'Lower');
    expect(app.WriteFile(handle, buffer, 8).ok).toBe(true);
    expect(locations).toEqual([locations[0], locations[0]]);
  });
});

describe('an IRP', () => {
  it('comes with its locations behind it and the current one past them', () => {
    inKernel(bootWith(), function* (nt) {
      const irp = nt.IoAllocateIrp(3, false);
      const view = IRP.at(nt.memory, irp);
      expect(view).toMatchObject({ Type: 6, Size: 0xd0 + 3 * 0x48, StackCount: 3, CurrentLocation: 4 });
      expect(view.Tail.Overlay.CurrentStackLocation).toBe(irp + 0xd0 + 3 * 0x48);
      view.IoStatus.Status = nts.STATUS_CANCELLED;
      view.CurrentLocation = 1;
      nt.IoReuseIrp(irp, nts.STATUS_NOT_SUPPORTED);
      expect(view).toMatchObject({ CurrentLocation: 4, StackCount: 3 });
      expect(view.IoStatus.Status).toBe(nts.STATUS_NOT_SUPPORTED);
      nt.IoFreeIrp(irp);
      yield { kind: 'checkpoint' as const };
    });
  });

  it('of a driver’s own goes down and comes back to it', () => {
    const log: string[] = [];
    const machine = bootWith(probe({ name: 'lower', devices: [{ name: 'Lower' }] }, log));
    const before = machine.kernel.mm.usage();
    inKernel(machine, function* (nt) {
      const { device, file } = yield* openDevice(nt, 'Lower');
      const irp = nt.IoAllocateIrp(DEVICE_OBJECT.at(nt.memory, device).StackSize, false);
      let came: Address = 0;
      const done = nt.routine('Done', ['D: ptr', 'Irp: ptr', 'Context: ptr'], 'ntstatus', (_device, which) => {
        came = which;
        return nts.STATUS_MORE_PROCESSING_REQUIRED;
      });
      nt.IoGetNextIrpStackLocation(irp).MajorFunction = wdm.IRP_MJ_FLUSH_BUFFERS;
      nt.IoSetCompletionRoutine(irp, done, 0);
      expect(yield* nt.IofCallDriver(device, irp)).toBe(nts.STATUS_SUCCESS);
      expect(came).toBe(irp);
      nt.IoFreeIrp(irp);
      yield* nt.ObfDereferenceObject(file);
    });
    expect(log).toEqual(['lower:CREATE', 'lower:CLEANUP', 'lower:FLUSH', 'lower:CLOSE']);
    expect(machine.kernel.mm.usage()).toEqual(before);
  });

  it('freed twice is a bug check', () => {
    const run = () =>
      inKernel(bootWith(), function* (nt) {
        const irp = nt.IoAllocateIrp(1, false);
        nt.IoFreeIrp(irp);
        nt.IoFreeIrp(irp);
        yield { kind: 'checkpoint' as const };
      });
    expect(bugCheckOf(run)).toBe(0x44);
  });

  it('with associated IRPs is completed with the last of them', () => {
    const log: string[] = [];
    const machine = bootWith(probe({ name: 'lower', devices: [{ name: 'Lower' }] }, log));
    inKernel(machine, function* (nt) {
      const { device, file } = yield* openDevice(nt, 'Lower');
      const master = nt.IoAllocateIrp(1, false);
      const order: string[] = [];
      const done = nt.routine('Done', ['D: ptr', 'Irp: ptr', 'Context: ptr'], 'ntstatus', () => {
        order.push('master');
        return nts.STATUS_MORE_PROCESSING_REQUIRED;
      });
      nt.IoSetCompletionRoutine(master, done, 0);
      const view = IRP.at(nt.memory, master);
      view.CurrentLocation--;
      view.Tail.Overlay.CurrentStackLocation -= 0x48;
      view.AssociatedIrp.IrpCount = 2;
      for (const name of ['first', 'second']) {
        const irp = nt.IoMakeAssociatedIrp(master, 1);
        nt.IoGetNextIrpStackLocation(irp).MajorFunction = IRP_MJ_WRITE;
        order.push(name);
        yield* nt.IofCallDriver(device, irp);
      }
      expect(order).toEqual(['first', 'second', 'master']);
      nt.IoFreeIrp(master);
      yield* nt.ObfDereferenceObject(file);
    });
  });
});

describe('a request that a driver builds', () => {
  const echo: Probe = {
    name: 'lower',
    devices: [{ name: 'Lower', flags: wdm.DO_BUFFERED_IO }],
    dispatch: {
      *[IRP_MJ_READ]({ nt, irp, view, stack }) {
        expect(view.RequestorMode).toBe(wdm.KernelMode);
        const { Length, ByteOffset } = stack.Parameters.Read;
        nt.memory.fill(view.AssociatedIrp.SystemBuffer, Length, Number(ByteOffset));
        return yield* complete(nt, irp, nts.STATUS_SUCCESS, Length);
      },
      *[IRP_MJ_INTERNAL_DEVICE_CONTROL]({ nt, irp, view, stack }) {
        const { InputBufferLength, OutputBufferLength } = stack.Parameters.DeviceIoControl;
        const at = view.AssociatedIrp.SystemBuffer;
        nt.memory.writeU32(at, nt.memory.readU32(at) + InputBufferLength + OutputBufferLength);
        return yield* complete(nt, irp, nts.STATUS_SUCCESS, 4);
      },
      [IRP_MJ_DEVICE_CONTROL]: ({ nt, irp }) => complete(nt, irp, nts.STATUS_NOT_FOUND),
    },
  };

  function* wait(nt: Nt, device: Address, irp: Address, event: Address): Routine<number> {
    const status = yield* nt.IofCallDriver(device, irp);
    if (status === nts.STATUS_PENDING) {
      yield* nt.KeWaitForSingleObject(event, wdm.Executive, wdm.KernelMode, false, 0);
    }
    return status;
  }

  it('is finished by the I/O manager: data, status block, event, memory', () => {
    const machine = bootWith(probe(echo));
    const before = machine.kernel.mm.usage();
    inKernel(machine, function* (nt) {
      const { device, file } = yield* openDevice(nt, 'Lower');
      const local = nt.alloca(0x60);
      const [event, block, data, offset] = [local, local + 0x20, local + 0x30, local + 0x50];
      nt.KeInitializeEvent(event, wdm.NotificationEvent, false);
      nt.memory.writeU64(offset, 0x5an);
      const read = yield* nt.IoBuildSynchronousFsdRequest(IRP_MJ_READ, device, data, 16, offset, event, block);
      expect(yield* wait(nt, device, read, event)).toBe(nts.STATUS_SUCCESS);
      expect(nt.memory.readBytes(data, 16)).toEqual(new Uint8Array(16).fill(0x5a));
      expect(IO_STATUS_BLOCK.at(nt.memory, block)).toMatchObject({ Status: 0, Information: 16n });
      expect(KEVENT.at(nt.memory, event).Header.SignalState).toBe(1);
      yield* nt.ObfDereferenceObject(file);
    });
    expect(machine.kernel.mm.usage()).toEqual(before);
  });

  it('for an internal IOCTL carries its buffers by the code’s METHOD', () => {
    inKernel(bootWith(probe(echo)), function* (nt) {
      const { device, file } = yield* openDevice(nt, 'Lower');
      const local = nt.alloca(0x60);
      const [event, block, data] = [local, local + 0x20, local + 0x30];
      nt.KeInitializeEvent(event, wdm.NotificationEvent, false);
      nt.memory.writeU32(data, 1000);
      const code = wdm.CTL_CODE(0x22, 0x800, wdm.METHOD_BUFFERED, wdm.FILE_ANY_ACCESS);
      const build = (internal: boolean) =>
        nt.IoBuildDeviceIoControlRequest(code, device, data, 4, data, 8, internal, event, block);
      expect(yield* wait(nt, device, yield* build(true), event)).toBe(nts.STATUS_SUCCESS);
      expect(nt.memory.readU32(data)).toBe(1012);
      // An error that nobody pended: the return value alone tells.
      nt.memory.fill(block, 16, 0xee);
      expect(yield* wait(nt, device, yield* build(false), event)).toBe(nts.STATUS_NOT_FOUND);
      expect(nt.memory.readU32(block)).toBe(0xeeeeeeee);
      yield* nt.ObfDereferenceObject(file);
    });
  });

  it('asynchronously is stopped and freed by its builder', () => {
    const machine = bootWith(probe(echo));
    const before = machine.kernel.mm.usage();
    inKernel(machine, function* (nt) {
      const { device, file } = yield* openDevice(nt, 'Lower');
      const data = nt.alloca(0x40);
      const irp = yield* nt.IoBuildAsynchronousFsdRequest(IRP_MJ_READ, device, data, 8, 0, 0);
      const done = nt.routine('Done', ['D: ptr', 'Irp: ptr', 'Context: ptr'], 'ntstatus', (_device, which) => {
        const view = IRP.at(nt.memory, which);
        expect(view.Flags & wdm.IRP_DEALLOCATE_BUFFER).not.toBe(0);
        nt.ExFreePoolWithTag(view.AssociatedIrp.SystemBuffer, 0);
        nt.IoFreeIrp(which);
        return nts.STATUS_MORE_PROCESSING_REQUIRED;
      });
      nt.IoSetCompletionRoutine(irp, done, 0);
      yield* nt.IofCallDriver(device, irp);
      yield* nt.ObfDereferenceObject(file);
    });
    expect(machine.kernel.mm.usage()).toEqual(before);
  });
});

describe('IoForwardIrpSynchronously', () => {
  it('waits for a request that the lower driver pends', () => {
    const order: string[] = [];
    const lower: Probe = {
      name: 'lower',
      devices: [{ name: 'Lower' }],
      dispatch: {
        *[IRP_MJ_WRITE]({ nt, irp }) {
          nt.IoMarkIrpPending(irp);
          const work = nt.routine('Later', ['Context: ptr'], 'void', function* () {
            order.push('completes');
            yield* complete(nt, irp, nts.STATUS_SUCCESS, 7);
          });
          yield* nt.PsCreateSystemThread(nt.alloca(8), 0x1f_ffff, 0, 0, 0, work, 0n);
          return nts.STATUS_PENDING;
        },
      },
    };
    const upper = filter('upper', 'Lower', function* ({ nt, irp, view }, device) {
      expect(yield* nt.IoForwardIrpSynchronously(device, irp)).toBe(true);
      order.push('forwarded');
      const { Status, Information } = view.IoStatus;
      return yield* complete(nt, irp, Status, Number(Information));
    });
    const { app, handle, buffer } = open(bootWith(probe(lower), probe(upper)), 'Lower');
    order.length = 0;
    expect(app.WriteFile(handle, buffer, 8)).toMatchObject({ ok: true, bytes: 7 });
    expect(order).toEqual(['completes', 'forwarded']);
  });
});

describe('IoCancelIrp', () => {
  it('calls the cancel routine with the lock held, once, and says so', () => {
    inKernel(bootWith(), function* (nt) {
      const irp = nt.IoAllocateIrp(1, false);
      nt.IoSetNextIrpStackLocation(irp);
      const view = IRP.at(nt.memory, irp);
      const irqls: number[] = [];
      const cancel = nt.routine('Cancel', ['D: ptr', 'Irp: ptr'], 'void', function* (_device, which) {
        irqls.push(nt.KeGetCurrentIrql());
        expect(IRP.at(nt.memory, which)).toMatchObject({ Cancel: 1, CancelRoutine: 0 });
        yield* nt.IoReleaseCancelSpinLock(IRP.at(nt.memory, which).CancelIrql);
      });
      nt.IoSetCancelRoutine(irp, cancel);
      expect(yield* nt.IoCancelIrp(irp)).toBe(true);
      expect(irqls).toEqual([wdm.DISPATCH_LEVEL]);
      expect(nt.KeGetCurrentIrql()).toBe(wdm.PASSIVE_LEVEL);
      view.Cancel = 0;
      expect(yield* nt.IoCancelIrp(irp)).toBe(false);
      expect(view.Cancel).toBe(1);
      nt.IoFreeIrp(irp);
    });
  });
});

describe('what a request leaves behind', () => {
  it('is nothing, with an MDL that a driver added to the IRP’s chain', () => {
    const device: Probe = {
      name: 'chain',
      devices: [{ name: 'Chain', flags: wdm.DO_DIRECT_IO }],
      dispatch: {
        [IRP_MJ_WRITE]: ({ nt, irp, view }) => {
          const block = nt.ExAllocatePoolWithTag(wdm.NonPagedPoolNx, 0x100, 0x1234);
          const mdl = nt.IoAllocateMdl(block, 0x100, true, false, irp);
          nt.MmBuildMdlForNonPagedPool(mdl);
          expect(nt.memory.readPointer(view.MdlAddress)).toBe(mdl);
          nt.ExFreePoolWithTag(block, 0x1234);
          return undefined;
        },
      },
    };
    const machine = bootWith(probe(device));
    const { app, handle, buffer } = open(machine, 'Chain');
    app.WriteFile(handle, buffer, 8);
    const before = machine.kernel.mm.usage();
    expect(app.WriteFile(handle, buffer, 8).ok).toBe(true);
    expect(machine.kernel.mm.usage()).toEqual(before);
  });

  it('keeps the file open: CLOSE comes after the last request, though the handle is closed before', () => {
    const log: string[] = [];
    let pending: { nt: Nt; irp: Address } | undefined;
    const device: Probe = {
      name: 'p',
      devices: [{ name: 'Slow' }],
      dispatch: {
        [IRP_MJ_READ]: ({ nt, irp }) => {
          nt.IoMarkIrpPending(irp);
          pending = { nt, irp };
          return nts.STATUS_PENDING;
        },
        *[IRP_MJ_DEVICE_CONTROL]() {
          yield* complete(pending!.nt, pending!.irp, nts.STATUS_SUCCESS);
          return undefined;
        },
      },
    };
    const machine = bootWith(probe(device, log));
    const app = machine.createProcess();
    const { handle } = app.CreateFile('\\\\.\\Slow', { flags: 0x4000_0000 });
    const other = open(machine, 'Slow');
    app.ReadFile(handle, app.alloc(0x1000), 16, app.alloc(0x1000));
    app.CloseHandle(handle);
    expect(log).toEqual(['p:CREATE', 'p:CREATE', 'p:READ', 'p:CLEANUP']);
    other.app.DeviceIoControl(other.handle, 0x22_2000);
    other.app.alloc(0x1000); // a system worker sends it
    expect(log.slice(4)).toEqual(['p:CONTROL', 'p:CLOSE']);
  });

  it('is told with the request’s number, though the IRP is gone by then', () => {
    const machine = bootWith(probe({ name: 'p', devices: [{ name: 'Dev' }] }));
    const { app, handle, buffer } = open(machine, 'Dev');
    const recorder = new Recorder(machine.trace);
    app.DeviceIoControl(handle, 0x22_2000, buffer, 8, 0, 0);
    const [created] = recorder.of('irp-created');
    const [freed] = recorder.of('irp-freed');
    const [returned] = recorder.of('returned');
    expect(returned!.sequence).toBeGreaterThan(freed!.sequence);
    expect(returned).toMatchObject({ request: created!.request, status: nts.STATUS_SUCCESS, driver: '\\Driver\\p' });
  });
});

describe('IoSetCompletionRoutineEx', () => {
  it('holds the device until the routine has returned', () => {
    const counts: bigint[] = [];
    const upper = filter('upper', 'Lower', function* ({ nt, irp, device }, lower) {
      const references = () => nt.memory.readU64(device - 0x30);
      counts.push(references());
      const done = nt.routine('Done', ['D: ptr', 'Irp: ptr', 'Context: ptr'], 'ntstatus', (_device, _irp, context) => {
        counts.push(references(), BigInt(context));
        return nts.STATUS_SUCCESS;
      });
      nt.IoCopyCurrentIrpStackLocationToNext(irp);
      expect(nt.IoSetCompletionRoutineEx(device, irp, done, 0x77, true, true, true)).toBe(nts.STATUS_SUCCESS);
      const status = yield* nt.IofCallDriver(lower, irp);
      counts.push(references());
      return status;
    });
    const { app, handle, buffer } = open(
      bootWith(probe({ name: 'lower', devices: [{ name: 'Lower' }] }), probe(upper)),
      'Lower',
    );
    counts.length = 0;
    expect(app.WriteFile(handle, buffer, 8).ok).toBe(true);
    expect(counts).toEqual([1n, 2n, 0x77n, 1n]);
  });
});

describe('a special kernel APC', () => {
  it('finishes a request in its own thread only when the guarded region has been left', () => {
    const lengths: number[] = [];
    const device: Probe = {
      name: 'p',
      devices: [{ name: 'Guarded', flags: wdm.DO_BUFFERED_IO }],
      dispatch: {
        *[IRP_MJ_DEVICE_CONTROL]({ nt, irp, view }) {
          const user = view.UserBuffer;
          nt.memory.writeU32(view.AssociatedIrp.SystemBuffer, 0x55);
          nt.KeEnterGuardedRegion();
          yield* complete(nt, irp, nts.STATUS_SUCCESS, 4);
          lengths.push(nt.memory.readU32(user));
          yield* nt.KeLeaveGuardedRegion();
          lengths.push(nt.memory.readU32(user));
          return nts.STATUS_SUCCESS;
        },
      },
    };
    const { app, handle, buffer } = open(bootWith(probe(device)), 'Guarded');
    app.memory.writeU32(buffer, 0x11);
    expect(app.DeviceIoControl(handle, 0x22_2000, 0, 0, buffer, 4)).toMatchObject({ ok: true, bytes: 4 });
    expect(lengths).toEqual([0x11, 0x55]);
  });
});

describe('a thread that ends', () => {
  it('has what it left under way cancelled, and ends when that is done', () => {
    const log: string[] = [];
    const device: Probe = {
      name: 'p',
      devices: [{ name: 'Slow', flags: wdm.DO_BUFFERED_IO }],
      dispatch: {
        [IRP_MJ_READ]: ({ nt, irp }) => {
          nt.IoMarkIrpPending(irp);
          const cancel = nt.routine('Cancel', ['D: ptr', 'Irp: ptr'], 'void', function* (_device, which) {
            yield* nt.IoReleaseCancelSpinLock(IRP.at(nt.memory, which).CancelIrql);
            log.push('cancelled');
            yield* complete(nt, which, nts.STATUS_CANCELLED);
          });
          nt.IoSetCancelRoutine(irp, cancel);
          return nts.STATUS_PENDING;
        },
      },
    };
    const machine = bootWith(probe(device, log));
    inKernel(machine, function* (nt) {
      const start = nt.routine('Reader', ['Context: ptr'], 'void', function* () {
        const local = nt.alloca(0x80);
        const attributes = OBJECT_ATTRIBUTES.at(nt.memory, local + 0x40);
        nt.memory.fill(local, 0x80, 0);
        attributes.Length = OBJECT_ATTRIBUTES.size;
        attributes.ObjectName = nt.unicodeString('\\Device\\Slow');
        attributes.Attributes = wdm.OBJ_KERNEL_HANDLE;
        yield* nt.ZwOpenFile(local, wdm.GENERIC_READ, attributes.address, local + 8, 0, 0);
        const handle = nt.memory.readPointer(local);
        const status = yield* nt.ZwReadFile(handle, 0, 0, 0, local + 8, local + 0x18, 4, local + 0x20, 0);
        log.push(status === nts.STATUS_PENDING ? 'pending' : 'not pending');
      });
      const out = nt.alloca(0x10);
      yield* nt.PsCreateSystemThread(out, wdm.THREAD_ALL_ACCESS, 0, 0, 0, start, 0n);
      expect(yield* nt.ZwWaitForSingleObject(nt.memory.readPointer(out), false, 0)).toBe(nts.STATUS_SUCCESS);
      log.push('ended');
      yield* nt.ZwClose(nt.memory.readPointer(out));
    });
    expect(log).toEqual(['p:CREATE', 'p:READ', 'pending', 'cancelled', 'ended']);
  });
});
