/** Exports about processes and threads. */
import { call, type Routine } from '../../ke/routine.ts';
import { ThreadExit } from '../../ke/thread.ts';
import type { Address } from '../../wdm/address.ts';
import * as wdm from '../../wdm/constants.ts';
import { CLIENT_ID, EPROCESS, ETHREAD, OBJECT_ATTRIBUTES } from '../../wdm/layouts.ts';
import {
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_CID,
  STATUS_INVALID_PARAMETER,
  STATUS_SUCCESS,
} from '../../wdm/ntstatus.ts';
import { type IrqlRange, routine, variable } from '../export.ts';
import type { Kernel } from '../kernel.ts';

const ANY: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.HIGH_LEVEL];
const PASSIVE: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.PASSIVE_LEVEL];

const processOf = (k: Kernel, thread: Address): Address => ETHREAD.at(k.memory, thread).Tcb.Process;

/** The process that the current thread is attached to. */
const current = (k: Kernel): Address => k.ke.currentThread.attached.object;

function* driverThread(start: Address, context: bigint): Routine {
  yield* call(start, context);
}

export const processExports = [
  routine('PsGetCurrentProcess', [], 'ptr', ANY, current),
  routine('IoGetCurrentProcess', [], 'ptr', ANY, current),
  routine('PsGetCurrentProcessId', [], 'u64', ANY, k => BigInt(k.ke.currentThread.process.id)),
  routine('PsGetCurrentThread', [], 'ptr', ANY, k => k.ke.currentThread.object),
  routine('KeGetCurrentThread', [], 'ptr', ANY, k => k.ke.currentThread.object),
  routine('PsGetCurrentThreadId', [], 'u64', ANY, k => BigInt(k.ke.currentThread.id)),
  routine('PsGetProcessId', ['Process: ptr'], 'u64', ANY, (k, p) => EPROCESS.at(k.memory, p).UniqueProcessId),
  routine('PsGetThreadId', ['Thread: ptr'], 'u64', ANY, (k, t) => ETHREAD.at(k.memory, t).Cid.UniqueThread),
  routine('PsGetThreadProcessId', ['Thread: ptr'], 'u64', ANY, (k, t) => ETHREAD.at(k.memory, t).Cid.UniqueProcess),
  routine('PsGetThreadProcess', ['Thread: ptr'], 'ptr', ANY, processOf),
  routine('IoThreadToProcess', ['Thread: ptr'], 'ptr', ANY, processOf),
  routine(
    'PsIsThreadTerminating',
    ['Thread: ptr'],
    'bool',
    ANY,
    (k, t) => (ETHREAD.at(k.memory, t).CrossThreadFlags & 1) !== 0,
  ),
  routine(
    'PsIsSystemThread',
    ['Thread: ptr'],
    'bool',
    ANY,
    (k, t) => (ETHREAD.at(k.memory, t).CrossThreadFlags & 0x10) !== 0,
  ),
  routine(
    'KeSetPriorityThread',
    ['Thread: ptr', 'Priority: i32'],
    'i32',
    [wdm.PASSIVE_LEVEL, wdm.DISPATCH_LEVEL],
    (k, t, priority) => {
      const view = ETHREAD.at(k.memory, t).Tcb;
      const before = view.Priority;
      view.Priority = Math.min(31, Math.max(1, priority));
      return before;
    },
  ),
  routine('KeQueryPriorityThread', ['Thread: ptr'], 'i32', ANY, (k, t) => ETHREAD.at(k.memory, t).Tcb.Priority),
  routine('PsLookupProcessByProcessId', ['ProcessId: u64', 'Process: ptr'], 'ntstatus', PASSIVE, (k, id, out) => {
    const found = [...k.ps.processes].find(process => BigInt(process.id) === id);
    if (!found) return STATUS_INVALID_PARAMETER;
    k.ob.objects.ObfReferenceObject(found.object);
    k.memory.writePointer(out, found.object);
    return STATUS_SUCCESS;
  }),
  routine('PsLookupThreadByThreadId', ['ThreadId: u64', 'Thread: ptr'], 'ntstatus', PASSIVE, (k, id, out) => {
    const found = [...k.ps.processes].flatMap(process => process.threads).find(thread => BigInt(thread.id) === id);
    if (!found) return STATUS_INVALID_CID;
    k.ob.objects.ObfReferenceObject(found.object);
    k.memory.writePointer(out, found.object);
    return STATUS_SUCCESS;
  }),
] as const;

export const systemThreadExports = [
  routine(
    'PsCreateSystemThread',
    [
      'ThreadHandle: ptr',
      'DesiredAccess: u32',
      'ObjectAttributes: ptr',
      'ProcessHandle: handle',
      'ClientId: ptr',
      'StartRoutine: ptr',
      'StartContext: u64',
    ],
    'ntstatus',
    PASSIVE,
    function* (k, handleAt, access, attributesAt, process, clientId, start, context) {
      const attributes = attributesAt === 0 ? 0 : OBJECT_ATTRIBUTES.at(k.memory, attributesAt).Attributes;
      const owner = process === 0 ? k.ps.system : k.ps.process(current(k))!;
      const thread = k.ps.startSystemThread(owner, 'PspSystemThreadStartup', driverThread(start, context));
      ETHREAD.at(k.memory, thread.object).StartAddress = start;
      const handle = k.ob.handles.create(thread.object, access, attributes);
      if (handle === undefined) return STATUS_INSUFFICIENT_RESOURCES;
      k.memory.writeU64(handleAt, BigInt(handle));
      if (clientId !== 0) {
        const view = CLIENT_ID.at(k.memory, clientId);
        view.UniqueProcess = BigInt(owner.id);
        view.UniqueThread = BigInt(thread.id);
      }
      yield { kind: 'checkpoint' as const };
      return STATUS_SUCCESS;
    },
  ),
  // Ends the calling thread from wherever it is: the scheduler drops its stack.
  routine('PsTerminateSystemThread', ['ExitStatus: u32'], 'ntstatus', PASSIVE, (_k, status): number => {
    throw new ThreadExit(status);
  }),
] as const;

export const processVariables = [
  variable('PsProcessType', 8, (k, address) => k.memory.writePointer(address, k.ps.processType.address)),
  variable('PsThreadType', 8, (k, address) => k.memory.writePointer(address, k.ps.threadType.address)),
  variable('PsInitialSystemProcess', 8, (k, address) => k.memory.writePointer(address, k.ps.system.object)),
] as const;
