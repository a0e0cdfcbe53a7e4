/** Exports of the memory manager: probes, MDLs, contiguous and I/O memory, pageable sections. */
import { settle } from '../../ke/routine.ts';
import * as wdm from '../../wdm/constants.ts';
import { STATUS_NOT_SUPPORTED } from '../../wdm/ntstatus.ts';
import { type IrqlRange, routine } from '../export.ts';

const ANY: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.HIGH_LEVEL];
const DISPATCH: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.DISPATCH_LEVEL];
const BELOW_DISPATCH: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.APC_LEVEL];

export const probeExports = [
  routine(
    'ProbeForRead',
    ['Address: ptr', 'Length: size', 'Alignment: u32'],
    'void',
    BELOW_DISPATCH,
    (k, address, length, alignment) => k.mm.ProbeForRead(address, length, alignment),
  ),
  routine(
    'ProbeForWrite',
    ['Address: ptr', 'Length: size', 'Alignment: u32'],
    'void',
    BELOW_DISPATCH,
    function* (k, address, length, alignment) {
      yield* settle(k.mm.ProbeForWrite(address, length, alignment));
    },
  ),
  routine('MmIsAddressValid', ['VirtualAddress: ptr'], 'bool', DISPATCH, (k, a) => k.mm.MmIsAddressValid(a)),
  routine('MmGetPhysicalAddress', ['BaseAddress: ptr'], 'u64', ANY, (k, a) => k.mm.MmGetPhysicalAddress(a)),
  routine('MmGetVirtualForPhysical', ['PhysicalAddress: u64'], 'ptr', ANY, (k, physical) =>
    k.mm.MmGetVirtualForPhysical(physical),
  ),
  routine('MmGetPhysicalMemoryRanges', [], 'ptr', [wdm.PASSIVE_LEVEL, wdm.PASSIVE_LEVEL], k =>
    k.mm.MmGetPhysicalMemoryRanges(),
  ),
] as const;

export const mdlExports = [
  routine('MmSizeOfMdl', ['Base: ptr', 'Length: size'], 'size', ANY, (k, base, length) =>
    k.mm.MmSizeOfMdl(base, length),
  ),
  routine(
    'IoAllocateMdl',
    ['VirtualAddress: ptr', 'Length: u32', 'SecondaryBuffer: bool', 'ChargeQuota: bool', 'Irp: ptr'],
    'ptr',
    DISPATCH,
    (k, base, length, secondary, quota, irp) => k.mm.IoAllocateMdl(base, length, secondary, quota, irp),
  ),
  routine('IoFreeMdl', ['Mdl: ptr'], 'void', DISPATCH, (k, mdl) => k.mm.IoFreeMdl(mdl)),
  routine(
    'IoBuildPartialMdl',
    ['SourceMdl: ptr', 'TargetMdl: ptr', 'VirtualAddress: ptr', 'Length: u32'],
    'void',
    DISPATCH,
    (k, source, target, base, length) => k.mm.IoBuildPartialMdl(source, target, base, length),
  ),
  routine('MmBuildMdlForNonPagedPool', ['MemoryDescriptorList: ptr'], 'void', DISPATCH, (k, mdl) =>
    k.mm.MmBuildMdlForNonPagedPool(mdl),
  ),
  routine(
    'MmProbeAndLockPages',
    ['MemoryDescriptorList: ptr', 'AccessMode: u8', 'Operation: u32'],
    'void',
    DISPATCH,
    (k, mdl, mode, operation) => k.mm.MmProbeAndLockPages(mdl, mode, operation),
  ),
  routine('MmUnlockPages', ['MemoryDescriptorList: ptr'], 'void', DISPATCH, (k, mdl) => k.mm.MmUnlockPages(mdl)),
  routine('MmMapLockedPages', ['MemoryDescriptorList: ptr', 'AccessMode: u8'], 'ptr', DISPATCH, (k, mdl, mode) =>
    k.mm.MmMapLockedPages(mdl, mode),
  ),
  routine(
    'MmMapLockedPagesSpecifyCache',
    [
      'MemoryDescriptorList: ptr',
      'AccessMode: u8',
      'CacheType: u32',
      'RequestedAddress: ptr',
      'BugCheckOnFailure: u32',
      'Priority: u32',
    ],
    'ptr',
    DISPATCH,
    (k, mdl, mode, cache, requested, bugCheck, priority) =>
      k.mm.MmMapLockedPagesSpecifyCache(mdl, mode, cache, requested, bugCheck, priority),
  ),
  routine('MmUnmapLockedPages', ['BaseAddress: ptr', 'MemoryDescriptorList: ptr'], 'void', DISPATCH, (k, base, mdl) =>
    k.mm.MmUnmapLockedPages(base, mdl),
  ),
  routine(
    'MmProtectMdlSystemAddress',
    ['MemoryDescriptorList: ptr', 'NewProtect: u32'],
    'ntstatus',
    BELOW_DISPATCH,
    (k, mdl, protect) => k.mm.MmProtectMdlSystemAddress(mdl, protect),
  ),
  routine('MmAdvanceMdl', ['Mdl: ptr', 'NumberOfBytes: u32'], 'ntstatus', DISPATCH, (k, mdl, bytes) =>
    k.mm.mdlPages.MmAdvanceMdl(mdl, bytes),
  ),
  routine(
    'MmAllocatePagesForMdl',
    ['LowAddress: u64', 'HighAddress: u64', 'SkipBytes: u64', 'TotalBytes: size'],
    'ptr',
    DISPATCH,
    (k, low, high, skip, bytes) => k.mm.mdlPages.MmAllocatePagesForMdl(low, high, skip, bytes),
  ),
  routine(
    'MmAllocatePagesForMdlEx',
    ['LowAddress: u64', 'HighAddress: u64', 'SkipBytes: u64', 'TotalBytes: size', 'CacheType: u32', 'Flags: u32'],
    'ptr',
    DISPATCH,
    (k, low, high, skip, bytes, cache, flags) =>
      k.mm.mdlPages.MmAllocatePagesForMdlEx(low, high, skip, bytes, cache, flags),
  ),
  routine('MmFreePagesFromMdl', ['MemoryDescriptorList: ptr'], 'void', DISPATCH, (k, mdl) =>
    k.mm.mdlPages.MmFreePagesFromMdl(mdl),
  ),
  routine('MmAllocateMappingAddress', ['NumberOfBytes: size', 'PoolTag: u32'], 'ptr', BELOW_DISPATCH, (k, bytes, tag) =>
    k.mm.ptes.MmAllocateMappingAddress(bytes, tag),
  ),
  routine('MmFreeMappingAddress', ['BaseAddress: ptr', 'PoolTag: u32'], 'void', BELOW_DISPATCH, (k, base, tag) =>
    k.mm.ptes.MmFreeMappingAddress(base, tag),
  ),
  routine(
    'MmMapLockedPagesWithReservedMapping',
    ['MappingAddress: ptr', 'PoolTag: u32', 'MemoryDescriptorList: ptr', 'CacheType: u32'],
    'ptr',
    DISPATCH,
    (k, base, tag, mdl) => k.mm.ptes.MmMapLockedPagesWithReservedMapping(base, tag, mdl),
  ),
  routine(
    'MmUnmapReservedMapping',
    ['BaseAddress: ptr', 'PoolTag: u32', 'MemoryDescriptorList: ptr'],
    'void',
    DISPATCH,
    (k, base, tag, mdl) => k.mm.ptes.MmUnmapReservedMapping(base, tag, mdl),
  ),
] as const;

export const physicalMemoryExports = [
  routine(
    'MmAllocateContiguousMemory',
    ['NumberOfBytes: size', 'HighestAcceptableAddress: u64'],
    'ptr',
    DISPATCH,
    (k, bytes, highest) => k.mm.MmAllocateContiguousMemory(bytes, highest),
  ),
  routine(
    'MmAllocateContiguousMemorySpecifyCache',
    [
      'NumberOfBytes: size',
      'LowestAcceptableAddress: u64',
      'HighestAcceptableAddress: u64',
      'BoundaryAddressMultiple: u64',
      'CacheType: u32',
    ],
    'ptr',
    DISPATCH,
    (k, bytes, low, high, boundary) => k.mm.ptes.allocateContiguous(bytes, low, high, boundary),
  ),
  routine('MmFreeContiguousMemory', ['BaseAddress: ptr'], 'void', DISPATCH, (k, base) =>
    k.mm.MmFreeContiguousMemory(base),
  ),
  routine(
    'MmFreeContiguousMemorySpecifyCache',
    ['BaseAddress: ptr', 'NumberOfBytes: size', 'CacheType: u32'],
    'void',
    DISPATCH,
    (k, base) => k.mm.MmFreeContiguousMemory(base),
  ),
  routine('MmAllocateNonCachedMemory', ['NumberOfBytes: size'], 'ptr', BELOW_DISPATCH, (k, bytes) =>
    k.mm.ptes.MmAllocateNonCachedMemory(bytes),
  ),
  routine(
    'MmFreeNonCachedMemory',
    ['BaseAddress: ptr', 'NumberOfBytes: size'],
    'void',
    BELOW_DISPATCH,
    (k, base, bytes) => k.mm.ptes.MmFreeNonCachedMemory(base, bytes),
  ),
  routine(
    'MmMapIoSpace',
    ['PhysicalAddress: u64', 'NumberOfBytes: size', 'CacheType: u32'],
    'ptr',
    DISPATCH,
    (k, physical, bytes) => k.mm.ptes.MmMapIoSpace(physical, bytes, wdm.PAGE_EXECUTE_READWRITE),
  ),
  routine(
    'MmMapIoSpaceEx',
    ['PhysicalAddress: u64', 'NumberOfBytes: size', 'Protect: u32'],
    'ptr',
    DISPATCH,
    (k, physical, bytes, protect) => k.mm.ptes.MmMapIoSpace(physical, bytes, protect),
  ),
  routine('MmUnmapIoSpace', ['BaseAddress: ptr', 'NumberOfBytes: size'], 'void', DISPATCH, (k, base, bytes) =>
    k.mm.ptes.MmUnmapIoSpace(base, bytes),
  ),
] as const;

/** Every image page is resident here, so locking and unlocking sections only names them. */
export const pageableSectionExports = [
  routine(
    'MmPageEntireDriver',
    ['AddressWithinSection: ptr'],
    'ptr',
    BELOW_DISPATCH,
    (k, address) => k.images.find(address)?.base ?? 0,
  ),
  routine('MmResetDriverPaging', ['AddressWithinSection: ptr'], 'void', BELOW_DISPATCH, () => {}),
  routine('MmLockPagableDataSection', ['AddressWithinSection: ptr'], 'ptr', BELOW_DISPATCH, (_k, address) => address),
  routine('MmLockPagableSectionByHandle', ['ImageSectionHandle: ptr'], 'void', BELOW_DISPATCH, () => {}),
  routine('MmUnlockPagableImageSection', ['ImageSectionHandle: ptr'], 'void', BELOW_DISPATCH, () => {}),
] as const;

export const memoryQuestionExports = [
  // MmLargeSystem: what every machine of the last twenty years is.
  routine('MmQuerySystemSize', [], 'u32', ANY, () => 2),
  routine('MmIsThisAnNtAsSystem', [], 'bool', ANY, () => false),
  routine('MmIsVerifierEnabled', ['VerifierFlags: ptr'], 'ntstatus', ANY, (k, flags) => {
    k.memory.writeU32(flags, 0);
    return STATUS_NOT_SUPPORTED;
  }),
  routine('MmIsDriverVerifying', ['DriverObject: ptr'], 'u32', DISPATCH, () => 0),
  routine('MmIsDriverVerifyingByAddress', ['AddressWithinSection: ptr'], 'u32', DISPATCH, () => 0),
] as const;
