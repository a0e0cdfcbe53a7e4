/** System services for a process's memory: NtAllocateVirtualMemory and its kin, with their Zw forms. */
import { exceptionStatus } from '../../io/exception-status.ts';
import { type Routine, settle } from '../../ke/routine.ts';
import { AddressSpace } from '../../mm/process/address-space.ts';
import * as services from '../../mm/process/virtual-memory-services.ts';
import type { Address } from '../../wdm/address.ts';
import * as wdm from '../../wdm/constants.ts';
import * as status from '../../wdm/ntstatus.ts';
import { ptr, struct, u32, u64 } from '../../wdm/struct.ts';
import { type IrqlRange, routine } from '../export.ts';
import type { Kernel } from '../kernel.ts';
import { zw } from '../services.ts';

const PASSIVE: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.PASSIVE_LEVEL];

const NtCurrentProcess = -1;
const PROCESS_VM_OPERATION = 0x0008;
const PROCESS_QUERY_INFORMATION = 0x0400;

const MemoryBasicInformation = 0;
const MEMORY_BASIC_INFORMATION = struct('MEMORY_BASIC_INFORMATION', 0x30, {
  BaseAddress: ptr(0x00),
  AllocationBase: ptr(0x08),
  AllocationProtect: u32(0x10),
  RegionSize: u64(0x18),
  State: u32(0x20),
  Protect: u32(0x24),
  Type: u32(0x28),
});

/** Runs `body` on the address space that the handle means. */
function* withSpace(
  k: Kernel,
  handle: number,
  access: number,
  body: (space: AddressSpace) => Routine<number>,
): Routine<number> {
  let object: Address = 0;
  let process = k.ke.currentThread.attached.object;
  if (handle !== NtCurrentProcess) {
    const found = k.ob.handles.ObReferenceObjectByHandle(
      handle,
      access,
      k.ps.processType.address,
      k.ke.currentThread.previousMode,
    );
    if (!status.NT_SUCCESS(found.status)) return found.status;
    process = object = found.object;
  }
  try {
    const record = k.ps.process(process);
    const space = record === k.ps.system ? k.mm.systemSpace : record?.space;
    return space instanceof AddressSpace && space.alive ? yield* body(space) : status.STATUS_PROCESS_IS_TERMINATING;
  } catch (error) {
    return exceptionStatus(error);
  } finally {
    if (object !== 0) yield* k.ob.objects.ObfDereferenceObject(object);
  }
}

/** Makes the caller's arguments readable and writable, probed if they come from user mode. */
function* capture(k: Kernel, ...places: readonly [Address, number][]): Routine<void> {
  for (const [address, bytes] of places) {
    if (k.ke.currentThread.previousMode === wdm.UserMode) yield* settle(k.mm.ProbeForWrite(address, bytes, bytes));
    else yield* settle(k.mm.touch(address, bytes, 'write'));
  }
}

/** Reads *BaseAddress and *RegionSize, lets `body` work, and writes back what became of them. */
function region(
  k: Kernel,
  handle: number,
  baseAt: Address,
  sizeAt: Address,
  body: (space: AddressSpace, base: Address, size: number) => services.RegionResult,
): Routine<number> {
  return withSpace(k, handle, PROCESS_VM_OPERATION, function* (space) {
    yield* capture(k, [baseAt, 8], [sizeAt, 8]);
    const result = body(space, k.memory.readPointer(baseAt), Number(k.memory.readU64(sizeAt)));
    if (status.NT_SUCCESS(result.status)) {
      k.memory.writePointer(baseAt, result.base);
      k.memory.writeU64(sizeAt, BigInt(result.size));
    }
    return result.status;
  });
}

const NtAllocateVirtualMemory = routine(
  'NtAllocateVirtualMemory',
  [
    'ProcessHandle: handle',
    'BaseAddress: ptr',
    'ZeroBits: size',
    'RegionSize: ptr',
    'AllocationType: u32',
    'Protect: u32',
  ],
  'ntstatus',
  PASSIVE,
  (k, handle, baseAt, zeroBits, sizeAt, type, protect) =>
    region(k, handle, baseAt, sizeAt, (space, base, size) =>
      services.NtAllocateVirtualMemory(space, base, zeroBits, size, type, protect),
    ),
);

const NtFreeVirtualMemory = routine(
  'NtFreeVirtualMemory',
  ['ProcessHandle: handle', 'BaseAddress: ptr', 'RegionSize: ptr', 'FreeType: u32'],
  'ntstatus',
  PASSIVE,
  (k, handle, baseAt, sizeAt, type) =>
    region(k, handle, baseAt, sizeAt, (space, base, size) => services.NtFreeVirtualMemory(space, base, size, type)),
);

const NtProtectVirtualMemory = routine(
  'NtProtectVirtualMemory',
  ['ProcessHandle: handle', 'BaseAddress: ptr', 'RegionSize: ptr', 'NewProtect: u32', 'OldProtect: ptr'],
  'ntstatus',
  PASSIVE,
  (k, handle, baseAt, sizeAt, protect, oldAt) =>
    withSpace(k, handle, PROCESS_VM_OPERATION, function* (space) {
      yield* capture(k, [baseAt, 8], [sizeAt, 8], [oldAt, 4]);
      const base = k.memory.readPointer(baseAt);
      const result = services.NtProtectVirtualMemory(space, base, Number(k.memory.readU64(sizeAt)), protect);
      if (!status.NT_SUCCESS(result.status)) return result.status;
      // The pages of the arguments themselves may be read-only now: the change stands, and this raises.
      k.memory.writePointer(baseAt, result.base);
      k.memory.writeU64(sizeAt, BigInt(result.size));
      k.memory.writeU32(oldAt, result.old);
      return result.status;
    }),
);

const NtQueryVirtualMemory = routine(
  'NtQueryVirtualMemory',
  [
    'ProcessHandle: handle',
    'BaseAddress: ptr',
    'MemoryInformationClass: u32',
    'MemoryInformation: ptr',
    'MemoryInformationLength: size',
    'ReturnLength: ptr',
  ],
  'ntstatus',
  PASSIVE,
  (k, handle, base, informationClass, at, length, lengthAt) =>
    withSpace(k, handle, PROCESS_QUERY_INFORMATION, function* (space) {
      const { size } = MEMORY_BASIC_INFORMATION;
      if (informationClass !== MemoryBasicInformation) return status.STATUS_INVALID_INFO_CLASS;
      if (length < size) return status.STATUS_INFO_LENGTH_MISMATCH;
      for (const [address, bytes] of [[at, size] as const, [lengthAt, 8] as const]) {
        if (address !== 0 && k.ke.currentThread.previousMode === wdm.UserMode)
          yield* settle(k.mm.ProbeForWrite(address, bytes, 8));
      }
      const found = services.queryRegion(space, base);
      if (!found) return status.STATUS_INVALID_PARAMETER;
      yield* settle(k.mm.touch(at, size, 'write'));
      k.memory.fill(at, size, 0);
      Object.assign(MEMORY_BASIC_INFORMATION.at(k.memory, at), { ...found, RegionSize: BigInt(found.RegionSize) });
      if (lengthAt !== 0) k.memory.writeU64(lengthAt, BigInt(size));
      return status.STATUS_SUCCESS;
    }),
);

export const virtualMemoryExports = [
  NtAllocateVirtualMemory,
  NtFreeVirtualMemory,
  NtProtectVirtualMemory,
  NtQueryVirtualMemory,
  zw(NtAllocateVirtualMemory),
  zw(NtFreeVirtualMemory),
  zw(NtProtectVirtualMemory),
  zw(NtQueryVirtualMemory),
] as const;
