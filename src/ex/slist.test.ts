import { expect, it } from 'vitest';
import { boot, run } from '../../test/support/mm.ts';
import { PAGE_SIZE } from '../wdm/address.ts';
import { NonPagedPoolNx } from '../wdm/constants-mm.ts';
import { GENERAL_LOOKASIDE } from '../wdm/layouts.ts';
import { STATUS_INVALID_PARAMETER_4, STATUS_INVALID_PARAMETER_5 } from '../wdm/ntstatus.ts';
import { ExInitializeLookasideListEx, flushLookaside, initializeLookaside } from './lookaside.ts';
import * as slist from './slist.ts';

const mm = boot();
const { memory } = mm;
const head = mm.pool.allocate(NonPagedPoolNx, PAGE_SIZE, 1);
const entries = [1, 2, 3].map(() => mm.pool.allocate(NonPagedPoolNx, 64, 1));

it('an interlocked list is last in, first out, and counts its depth', () => {
  slist.InitializeSListHead(memory, head);
  expect(slist.ExpInterlockedPopEntrySList(memory, head)).toBe(0);
  expect(entries.map(entry => slist.ExpInterlockedPushEntrySList(memory, head, entry))).toEqual([
    0,
    entries[0],
    entries[1],
  ]);
  expect(slist.ExQueryDepthSList(memory, head)).toBe(3);
  expect(slist.ExpInterlockedPopEntrySList(memory, head)).toBe(entries[2]);
  expect(slist.ExpInterlockedFlushSList(memory, head)).toBe(entries[1]);
  expect([slist.ExQueryDepthSList(memory, head), slist.firstEntry(memory, head)]).toEqual([0, 0]);
  expect(memory.readU64(head) >> 16n).toBe(3n); // pushes
});

it('a lookaside list calls the pool’s routines unless the driver has its own', () => {
  const routineAt = (name: string) => (name === 'ExFreePool' ? -0x1000 : -0x2000);
  const list = head + 0x100;
  const parameters = { allocate: 0, free: 0, poolType: NonPagedPoolNx, size: 100, tag: 5 };
  initializeLookaside(memory, routineAt, list, parameters);
  expect(GENERAL_LOOKASIDE.at(memory, list)).toMatchObject({
    Allocate: -0x2000,
    Free: -0x1000,
    Depth: 4,
    Size: 100,
    Tag: 5,
  });
  slist.ExpInterlockedPushEntrySList(memory, list, entries[0]!);
  const flush = flushLookaside(memory, list);
  expect(flush.next().value).toMatchObject({ kind: 'call', target: -0x1000 });
  run(flush);
  const initialize = (poolType: number, flags: number) =>
    ExInitializeLookasideListEx(memory, routineAt, list, { ...parameters, poolType }, flags);
  expect(initialize(7, 0)).toBe(STATUS_INVALID_PARAMETER_4);
  expect(initialize(NonPagedPoolNx, 3)).toBe(STATUS_INVALID_PARAMETER_5);
  expect(initialize(NonPagedPoolNx, 1)).toBe(0);
  expect(GENERAL_LOOKASIDE.at(memory, list).Type).toBe(NonPagedPoolNx | 0x10);
});
