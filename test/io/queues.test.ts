/** Requests put off: StartIo, cancel-safe queues, work items, I/O timers. */
import { describe, expect, it } from 'vitest';
import type { Nt } from '../../src/index.ts';
import { IO_CSQ } from '../../src/io/cancel-safe-queue.ts';
import type { Routine } from '../../src/ke/routine.ts';
import type { Address } from '../../src/wdm/address.ts';
import * as wdm from '../../src/wdm/constants.ts';
import { DEVICE_OBJECT, DRIVER_OBJECT, IRP } from '../../src/wdm/layouts.ts';
import { STATUS_CANCELLED, STATUS_PENDING, STATUS_SUCCESS } from '../../src/wdm/ntstatus.ts';
import { FILE_FLAG_OVERLAPPED } from '../../src/win32/index.ts';
import { bootWith, complete, probe } from './probe-driver.ts';

const OVERLAPPED_BYTES = 32;

describe('StartIo', () => {
  /** A driver that serves one read at a time: StartIo starts it, a DPC a while later ends it. */
  function serialised(log: string[]) {
    let nt!: Nt;
    let timer: Address = 0;
    let dpc: Address = 0;
    return probe(
      {
        name: 'serial',
        devices: [{ name: 'Serial', flags: wdm.DO_BUFFERED_IO }],
        *entry(kernel, driver, [device]) {
          nt = kernel;
          timer = nt.ExAllocatePoolWithTag(wdm.NonPagedPoolNx, 0x80, 0x74736554);
          dpc = timer + 0x40;
          const parameters = ['Dpc: ptr', 'Context: ptr', 'A: u64', 'B: u64'] as const;
          const finish = nt.routine('Finish', parameters, 'void', function* (_dpc, owner) {
            const irp = DEVICE_OBJECT.at(nt.memory, owner).CurrentIrp;
            log.push(`finish ${nt.IoGetCurrentIrpStackLocation(irp).Parameters.Read.Length}`);
            yield* nt.IoStartNextPacket(owner, true);
            yield* complete(nt, irp, STATUS_SUCCESS);
          });
          nt.KeInitializeTimer(timer);
          nt.KeInitializeDpc(dpc, finish, BigInt.asUintN(64, BigInt(device!)));
          const startIo = nt.routine('StartIo', ['Device: ptr', 'Irp: ptr'], 'void', (_device, irp) => {
            log.push(
              `start ${nt.IoGetCurrentIrpStackLocation(irp).Parameters.Read.Length} at ${nt.KeGetCurrentIrql()}`,
            );
            nt.IoSetCancelRoutine(irp, 0);
            nt.KeSetTimer(timer, -10_000n, dpc);
          });
          DRIVER_OBJECT.at(nt.memory, driver).DriverStartIo = startIo;
          return STATUS_SUCCESS;
        },
        dispatch: {
          [wdm.IRP_MJ_READ]: function* ({ device, irp }) {
            const cancel = nt.routine('CancelRead', ['Device: ptr', 'Irp: ptr'], 'void', function* (owner, request) {
              const view = IRP.at(nt.memory, request);
              const queue = DEVICE_OBJECT.at(nt.memory, owner).DeviceQueue.address;
              nt.KeRemoveEntryDeviceQueue(queue, request + IRP.fields.Tail.offset);
              yield* nt.IoReleaseCancelSpinLock(view.CancelIrql);
              log.push('cancelled');
              yield* complete(nt, request, STATUS_CANCELLED);
            });
            nt.IoMarkIrpPending(irp);
            yield* nt.IoStartPacket(device, irp, 0, cancel);
            return STATUS_PENDING;
          },
        },
      },
      [],
    );
  }

  it('serves requests one at a time, in order, and a queued one can be cancelled', () => {
    const log: string[] = [];
    const machine = bootWith(serialised(log));
    const app = machine.createProcess();
    const { handle } = app.CreateFile('\\\\.\\Serial', { flags: FILE_FLAG_OVERLAPPED });
    const other = app.CreateFile('\\\\.\\Serial', { flags: FILE_FLAG_OVERLAPPED });
    const third = app.CreateFile('\\\\.\\Serial', { flags: FILE_FLAG_OVERLAPPED });
    const buffer = app.alloc(64);
    const overlapped = [0, 1, 2].map(() => app.alloc(OVERLAPPED_BYTES));
    const pending = [
      app.ReadFile(handle, buffer, 1, overlapped[0]),
      app.ReadFile(other.handle, buffer, 2, overlapped[1]),
      app.ReadFile(third.handle, buffer, 3, overlapped[2]),
    ];
    expect(pending.map(({ status }) => status)).toEqual([STATUS_PENDING, STATUS_PENDING, STATUS_PENDING]);
    app.CancelIo(other.handle);
    app.GetOverlappedResult(third.handle, overlapped[2]!, true);
    expect(log).toEqual(['start 1 at 2', 'cancelled', 'finish 1', 'start 3 at 2', 'finish 3']);
    expect(app.GetOverlappedResult(other.handle, overlapped[1]!, false).status).toBe(STATUS_CANCELLED);
  });

  it('a device queue with keys goes round like an elevator', () => {
    const order: number[] = [];
    bootWith(
      probe({
        name: 'elevator',
        *entry(nt) {
          const queue = nt.ExAllocatePoolWithTag(wdm.NonPagedPoolNx, 0x400, 0x74736554);
          const entry = (key: number) => queue + 0x40 + key * 0x20;
          nt.KeInitializeDeviceQueue(queue);
          const old = nt.KfRaiseIrql(wdm.DISPATCH_LEVEL);
          order.push(Number(nt.KeInsertByKeyDeviceQueue(queue, entry(0), 0)));
          for (const key of [5, 1, 9, 3]) order.push(Number(nt.KeInsertByKeyDeviceQueue(queue, entry(key), key)));
          for (const key of [4, 6, 2, 10]) {
            order.push((nt.KeRemoveByKeyDeviceQueue(queue, key) - entry(0)) / 0x20);
          }
          order.push(nt.KeRemoveDeviceQueue(queue));
          yield* nt.KfLowerIrql(old);
          return STATUS_SUCCESS;
        },
      }),
    );
    // Free: not queued. Then 5 from 4, 9 from 6, 3 from 2, and round to 1; empty at last.
    expect(order).toEqual([0, 1, 1, 1, 1, 5, 9, 3, 1, 0]);
  });
});

describe('cancel-safe queues', () => {
  function queued(log: string[]) {
    let nt!: Nt;
    let csq: Address = 0;
    const queue: Address[] = [];
    return probe({
      name: 'csq',
      devices: [{ name: 'Csq', flags: wdm.DO_BUFFERED_IO }],
      *entry(kernel) {
        nt = kernel;
        csq = nt.ExAllocatePoolWithTag(wdm.NonPagedPoolNx, IO_CSQ.size + 8, 0x74736554);
        const lock = csq + IO_CSQ.size;
        nt.KeInitializeSpinLock(lock);
        nt.IoCsqInitialize(
          csq,
          nt.routine('Insert', ['Csq: ptr', 'Irp: ptr'], 'void', (_csq, irp) => void queue.push(irp)),
          nt.routine(
            'Remove',
            ['Csq: ptr', 'Irp: ptr'],
            'void',
            (_csq, irp) => void queue.splice(queue.indexOf(irp), 1),
          ),
          nt.routine('Peek', ['Csq: ptr', 'Irp: ptr', 'Context: u64'], 'ptr', (_csq, irp) =>
            irp === 0 ? (queue[0] ?? 0) : (queue[queue.indexOf(irp) + 1] ?? 0),
          ),
          nt.routine('Acquire', ['Csq: ptr', 'Irql: ptr'], 'void', function* (_csq, irql) {
            nt.memory.writeU8(irql, yield* nt.KeAcquireSpinLockRaiseToDpc(lock));
          }),
          nt.routine('Release', ['Csq: ptr', 'Irql: u8'], 'void', (_csq, irql) => nt.KeReleaseSpinLock(lock, irql)),
          nt.routine('Canceled', ['Csq: ptr', 'Irp: ptr'], 'void', function* (_csq, irp): Routine {
            log.push(`canceled at ${nt.KeGetCurrentIrql()}`);
            yield* complete(nt, irp, STATUS_CANCELLED);
          }),
        );
        return STATUS_SUCCESS;
      },
      dispatch: {
        [wdm.IRP_MJ_READ]: function* ({ irp }) {
          yield* nt.IoCsqInsertIrp(csq, irp, 0);
          return STATUS_PENDING;
        },
        [wdm.IRP_MJ_WRITE]: function* ({ irp }) {
          const next = yield* nt.IoCsqRemoveNextIrp(csq, 0n);
          log.push(next === 0 ? 'empty' : 'served');
          if (next !== 0) yield* complete(nt, next, STATUS_SUCCESS);
          return yield* complete(nt, irp, STATUS_SUCCESS);
        },
      },
    });
  }

  it('a queued request is cancelled once or served once', () => {
    const log: string[] = [];
    const machine = bootWith(queued(log));
    const app = machine.createProcess();
    const reader = app.CreateFile('\\\\.\\Csq', { flags: FILE_FLAG_OVERLAPPED });
    const other = app.CreateFile('\\\\.\\Csq', { flags: FILE_FLAG_OVERLAPPED });
    const writer = app.CreateFile('\\\\.\\Csq');
    const buffer = app.alloc(64);
    const [first, second] = [app.alloc(OVERLAPPED_BYTES), app.alloc(OVERLAPPED_BYTES)];
    expect(app.ReadFile(reader.handle, buffer, 8, first).status).toBe(STATUS_PENDING);
    expect(app.ReadFile(other.handle, buffer, 8, second).status).toBe(STATUS_PENDING);
    app.CancelIo(reader.handle);
    app.WriteFile(writer.handle, buffer, 1);
    app.WriteFile(writer.handle, buffer, 1);
    expect(log).toEqual(['canceled at 0', 'served', 'empty']);
    expect(app.GetOverlappedResult(reader.handle, first, false).status).toBe(STATUS_CANCELLED);
    expect(app.GetOverlappedResult(other.handle, second, false).status).toBe(STATUS_SUCCESS);
  });
});

describe('work items and timers', () => {
  it('a work item queued at DISPATCH_LEVEL runs at PASSIVE_LEVEL in the System process, and holds the device', () => {
    const log: string[] = [];
    const machine = bootWith(
      probe({
        name: 'worker',
        devices: [{ name: 'Worker' }],
        *entry(nt, _driver, [device]) {
          const item = nt.IoAllocateWorkItem(device!);
          const routine = nt.routine('Work', ['Device: ptr', 'Context: u64'], 'void', (owner, context) => {
            const inSystem = nt.PsGetCurrentProcessId() === 4n;
            log.push(`${owner === device} ${context} irql ${nt.KeGetCurrentIrql()} system ${inSystem}`);
            nt.IoFreeWorkItem(item);
          });
          const old = nt.KfRaiseIrql(wdm.DISPATCH_LEVEL);
          yield* nt.IoQueueWorkItem(item, routine, wdm.DelayedWorkQueue, 77n);
          log.push('queued');
          yield* nt.KfLowerIrql(old);
          const time = nt.alloca(8);
          nt.memory.writeU64(time, BigInt.asUintN(64, -10_000n));
          yield* nt.KeDelayExecutionThread(wdm.KernelMode, false, time);
          return STATUS_SUCCESS;
        },
      }),
    );
    expect(log).toEqual(['queued', 'true 77 irql 0 system true']);
    expect(machine.stopped).toBeUndefined();
  });

  it('an I/O timer calls its routine once a second at DISPATCH_LEVEL until it is stopped', () => {
    const log: string[] = [];
    bootWith(
      probe({
        name: 'timer',
        devices: [{ name: 'Timer' }],
        *entry(nt, _driver, [device]) {
          const routine = nt.routine('Tick', ['Device: ptr', 'Context: u64'], 'void', (_device, context) => {
            log.push(`tick ${context} at ${nt.KeGetCurrentIrql()}`);
          });
          const time = nt.alloca(8);
          const wait = (seconds: number) => {
            nt.memory.writeU64(time, BigInt.asUintN(64, -10_000_000n * BigInt(seconds)));
            return nt.KeDelayExecutionThread(wdm.KernelMode, false, time);
          };
          nt.IoInitializeTimer(device!, routine, 5n);
          nt.IoStartTimer(device!);
          yield* wait(3);
          nt.IoStopTimer(device!);
          log.push('stopped');
          yield* wait(3);
          return STATUS_SUCCESS;
        },
      }),
    );
    expect(log).toEqual(['tick 5 at 2', 'tick 5 at 2', 'tick 5 at 2', 'stopped']);
  });
});
