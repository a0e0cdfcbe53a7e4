/** Exports of the executive's memory: pool, lookaside lists, interlocked singly linked lists. */
import {
  ExInitializeLookasideListEx,
  flushLookaside,
  initializeLookaside,
  type LookasideList,
} from '../../ex/lookaside.ts';
import * as pool from '../../ex/pool.ts';
import * as slist from '../../ex/slist.ts';
import type { Address } from '../../wdm/address.ts';
import * as wdm from '../../wdm/constants.ts';
import { type IrqlRange, routine } from '../export.ts';

const ANY: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.HIGH_LEVEL];
const DISPATCH: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.DISPATCH_LEVEL];
const BELOW_DISPATCH: IrqlRange = [wdm.PASSIVE_LEVEL, wdm.APC_LEVEL];

export const poolExports = [
  routine('ExAllocatePool', ['PoolType: u32', 'NumberOfBytes: size'], 'ptr', DISPATCH, (k, type, bytes) =>
    pool.ExAllocatePoolWithTag(k.mm, type, bytes, pool.TAG_NONE),
  ),
  routine(
    'ExAllocatePoolWithTag',
    ['PoolType: u32', 'NumberOfBytes: size', 'Tag: u32'],
    'ptr',
    DISPATCH,
    (k, type, bytes, tag) => pool.ExAllocatePoolWithTag(k.mm, type, bytes, tag),
  ),
  routine('ExAllocatePoolWithQuota', ['PoolType: u32', 'NumberOfBytes: size'], 'ptr', DISPATCH, (k, type, bytes) =>
    pool.ExAllocatePoolWithQuotaTag(k.mm, type, bytes, pool.TAG_NONE),
  ),
  routine(
    'ExAllocatePoolWithQuotaTag',
    ['PoolType: u32', 'NumberOfBytes: size', 'Tag: u32'],
    'ptr',
    DISPATCH,
    (k, type, bytes, tag) => pool.ExAllocatePoolWithQuotaTag(k.mm, type, bytes, tag),
  ),
  routine(
    'ExAllocatePoolWithTagPriority',
    ['PoolType: u32', 'NumberOfBytes: size', 'Tag: u32', 'Priority: u32'],
    'ptr',
    DISPATCH,
    (k, type, bytes, tag, priority) => pool.ExAllocatePoolWithTagPriority(k.mm, type, bytes, tag, priority),
  ),
  routine(
    'ExAllocatePool2',
    ['Flags: u64', 'NumberOfBytes: size', 'Tag: u32'],
    'ptr',
    DISPATCH,
    (k, flags, bytes, tag) => pool.ExAllocatePool2(k.mm, flags, bytes, tag),
  ),
  routine(
    'ExAllocatePool3',
    ['Flags: u64', 'NumberOfBytes: size', 'Tag: u32', 'ExtendedParameters: ptr', 'ExtendedParametersCount: u32'],
    'ptr',
    DISPATCH,
    (k, flags, bytes, tag, parameters, count) => pool.ExAllocatePool3(k.mm, flags, bytes, tag, parameters, count),
  ),
  routine('ExFreePool', ['P: ptr'], 'void', DISPATCH, (k, p) => pool.ExFreePool(k.mm, p)),
  routine('ExFreePoolWithTag', ['P: ptr', 'Tag: u32'], 'void', DISPATCH, (k, p, tag) =>
    pool.ExFreePoolWithTag(k.mm, p, tag),
  ),
  routine(
    'ExFreePool2',
    ['P: ptr', 'Tag: u32', 'ExtendedParameters: ptr', 'ExtendedParametersCount: u32'],
    'void',
    DISPATCH,
    (k, p, tag) => pool.ExFreePoolWithTag(k.mm, p, tag),
  ),
] as const;

const listOf = (allocate: Address, free: Address, poolType: number, size: number, tag: number): LookasideList => ({
  allocate,
  free,
  poolType,
  size,
  tag,
});

const initialize = <const N extends string>(name: N, base: number) =>
  routine(
    name,
    ['Lookaside: ptr', 'Allocate: ptr', 'Free: ptr', 'Flags: u32', 'Size: size', 'Tag: u32', 'Depth: u16'],
    'void',
    DISPATCH,
    (k, list, allocate, free, flags, size, tag) =>
      initializeLookaside(k.memory, k.systemRoutine, list, listOf(allocate, free, base | flags, size, tag)),
  );

const flush = <const N extends string>(name: N, irql: IrqlRange) =>
  routine(name, ['Lookaside: ptr'], 'void', irql, (k, list) => flushLookaside(k.memory, list));

export const lookasideExports = [
  initialize('ExInitializeNPagedLookasideList', wdm.NonPagedPool),
  initialize('ExInitializePagedLookasideList', wdm.PagedPool),
  flush('ExDeleteNPagedLookasideList', DISPATCH),
  flush('ExDeletePagedLookasideList', BELOW_DISPATCH),
  routine(
    'ExInitializeLookasideListEx',
    [
      'Lookaside: ptr',
      'Allocate: ptr',
      'Free: ptr',
      'PoolType: u32',
      'Flags: u32',
      'Size: size',
      'Tag: u32',
      'Depth: u16',
    ],
    'ntstatus',
    DISPATCH,
    (k, list, allocate, free, type, flags, size, tag) =>
      ExInitializeLookasideListEx(k.memory, k.systemRoutine, list, listOf(allocate, free, type, size, tag), flags),
  ),
  flush('ExDeleteLookasideListEx', DISPATCH),
  flush('ExFlushLookasideListEx', DISPATCH),
] as const;

export const slistExports = [
  routine('InitializeSListHead', ['ListHead: ptr'], 'void', ANY, (k, head) =>
    slist.InitializeSListHead(k.memory, head),
  ),
  routine('ExQueryDepthSList', ['SListHead: ptr'], 'u16', ANY, (k, head) => slist.ExQueryDepthSList(k.memory, head)),
  routine('ExpInterlockedPushEntrySList', ['ListHead: ptr', 'ListEntry: ptr'], 'ptr', ANY, (k, head, entry) =>
    slist.ExpInterlockedPushEntrySList(k.memory, head, entry),
  ),
  routine('ExpInterlockedPopEntrySList', ['ListHead: ptr'], 'ptr', ANY, (k, head) =>
    slist.ExpInterlockedPopEntrySList(k.memory, head),
  ),
  routine('ExpInterlockedFlushSList', ['ListHead: ptr'], 'ptr', ANY, (k, head) =>
    slist.ExpInterlockedFlushSList(k.memory, head),
  ),
] as const;
