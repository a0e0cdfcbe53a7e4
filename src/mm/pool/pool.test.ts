import { describe, expect, it } from 'vitest';
import { BugCheck } from '../../wdm/failures.ts';
import { MemoryManager } from '../memory-manager.ts';

const TAG = 0x31676154; // 'Tag1'
const NONPAGED = 0x200;
const PAGED = 1;
const stop = (body: () => void) => {
  try {
    body();
  } catch (error) {
    if (error instanceof BugCheck) return [error.code, Number(error.parameters[0])];
    throw error;
  }
  return undefined;
};
const boot = (megabytes = 16) => new MemoryManager({ bytes: megabytes * 0x10_0000, seed: 1 });

describe('pool', () => {
  it('puts a real POOL_HEADER before a block', () => {
    const mm = boot();
    const a = mm.pool.allocate(NONPAGED, 100, TAG);
    expect(Math.abs(a % 16)).toBe(0);
    const first = mm.memory.readU32(a - 16);
    expect((first >>> 16) & 0xff).toBe(8); // 112 bytes and the header
    expect(mm.memory.readU32(a - 12)).toBe(TAG);
    const b = mm.pool.allocate(NONPAGED, 1, TAG);
    expect(b).toBe(a + 128);
    expect(mm.memory.readU32(b - 16) & 0xff).toBe(8); // PreviousSize
  });

  it('aligns: 16 for a block, 64 with the cache-aligned types, a page for a page and more', () => {
    const { pool } = boot();
    for (const bytes of [0, 1, 16, 17, 500, 4064]) expect(Math.abs(pool.allocate(NONPAGED, bytes, TAG) % 16)).toBe(0);
    for (const bytes of [0, 1, 65, 2000, 4016]) expect(Math.abs(pool.allocate(NONPAGED | 4, bytes, TAG) % 64)).toBe(0);
    for (const bytes of [4096, 4097, 100_000]) expect(Math.abs(pool.allocate(NONPAGED, bytes, TAG) % 4096)).toBe(0);
  });

  it('never crosses a page with a block', () => {
    const { pool } = boot();
    for (let i = 0; i < 500; i++) {
      const bytes = 16 + ((i * 997) % 4000);
      const at = pool.allocate(NONPAGED, bytes, TAG);
      expect(Math.floor(at / 4096)).toBe(Math.floor((at + bytes - 1) / 4096));
    }
  });

  it('does not give zeros, but what was there before', () => {
    const mm = boot();
    const fresh = mm.pool.allocate(NONPAGED, 64, TAG);
    expect(mm.memory.readU32(fresh) >>> 16).toBe(0x5eed);
    mm.memory.fill(fresh, 64, 0x41);
    mm.pool.free(fresh, TAG);
    const again = mm.pool.allocate(NONPAGED, 64, TAG);
    expect(again).toBe(fresh);
    expect(mm.memory.readU32(again + 32)).toBe(0x41414141);
  });

  it('keeps count: what was allocated and freed in any order leaves bytes, pages and frames as before', () => {
    const mm = boot();
    mm.pool.trim();
    const before = [mm.pfn.available, mm.pool.usage('nonpaged').pages, mm.pool.usage('paged').pages];
    let x = 12345;
    const live: number[] = [];
    for (let i = 0; i < 20_000; i++) {
      x = (Math.imul(x, 1103515245) + 12345) >>> 0;
      if (live.length > 200 || (live.length > 0 && x & 0x10000)) {
        mm.pool.free(live.splice((x >>> 3) % live.length, 1)[0]!, TAG);
      } else {
        const bytes = x & 0x20000 ? (x >>> 20) & 0xff : (x >>> 18) % 9000;
        const at = mm.pool.allocate([NONPAGED, PAGED, 0, NONPAGED | 4][x & 3]!, bytes, TAG);
        expect(at).not.toBe(0);
        mm.memory.fill(at, bytes, x & 0xff);
        live.push(at);
      }
    }
    for (const at of live) mm.pool.free(at, TAG);
    mm.pool.trim();
    expect([mm.pfn.available, mm.pool.usage('nonpaged').pages, mm.pool.usage('paged').pages]).toEqual(before);
    expect(mm.pool.usage('nonpaged').bytes + mm.pool.usage('paged').bytes).toBe(0);
    for (const row of mm.pool.tags()) expect([row.allocations, row.bytes]).toEqual([row.frees, 0]);
    mm.pfn.verify();
  });

  it('answers 0 when pool is used up, and has everything again after the frees', () => {
    const { pool } = boot();
    const got: number[] = [];
    for (let at = pool.allocate(NONPAGED, 0x10000, TAG); at !== 0; at = pool.allocate(NONPAGED, 0x10000, TAG))
      got.push(at);
    expect(got.length).toBeGreaterThan(50);
    for (const at of got) pool.free(at, TAG);
    expect(pool.allocate(NONPAGED, 0x10000, TAG)).toBe(got[0]);
    for (const bytes of [2 ** 32, 2 ** 53, 2 ** 64, Number.POSITIVE_INFINITY])
      expect(pool.allocate(PAGED, bytes, TAG)).toBe(0);
  });

  it('fragments: a large request fails though enough bytes are free', () => {
    const mm = boot();
    const { pool } = mm;
    const got: number[] = [];
    for (let at = pool.allocate(NONPAGED, 4096, TAG); at !== 0; at = pool.allocate(NONPAGED, 4096, TAG)) got.push(at);
    for (let i = 0; i < got.length; i += 2) pool.free(got[i]!, TAG);
    expect(pool.usage('nonpaged').freePages * 4096).toBeGreaterThan(0x10_0000);
    expect(mm.pfn.available * 4096).toBeGreaterThan(0x10_0000);
    expect(pool.allocate(NONPAGED, 0x10_0000, TAG)).toBe(0);
  });

  it('stops the machine on a wrong free (BAD_POOL_CALLER)', () => {
    const { pool, memory } = boot();
    const at = pool.allocate(NONPAGED, 64, TAG);
    const big = pool.allocate(NONPAGED, 8192, TAG);
    const paged = pool.allocate(PAGED, 8192, TAG);
    expect(stop(() => pool.free(0, 0))).toEqual([0xc2, 0x40]);
    expect(stop(() => pool.free(0x10000, 0))).toEqual([0xc2, 0x40]);
    expect(stop(() => pool.free(-0x880_0000_0000, 0))).toEqual([0xc2, 0x42]);
    expect(stop(() => pool.free(0x8000_0000_0000, 0))).toEqual([0xc2, 0x99]);
    expect(stop(() => pool.free(at + 8, 0))).toEqual([0xc2, 0x46]);
    expect([0xc2, 0x19]).toContain(stop(() => pool.free(at + 32, 0))?.[0]);
    expect(stop(() => pool.free(big + 4096, 0))).toEqual([0xc2, 0x47]);
    expect(stop(() => pool.free(paged + 4096, 0))).toEqual([0xc2, 0x41286]);
    pool.free(big, 0);
    expect(stop(() => pool.free(big, 0))).toEqual([0xc2, 0x47]);
    pool.free(paged, 0);
    expect(stop(() => pool.free(paged, 0))).toEqual([0xc2, 0x50]);
    pool.free(at, 0);
    expect(stop(() => pool.free(at, 0))).toEqual([0xc2, 7]);
    expect(memory.readU8(at)).toBeDefined();
    expect(stop(() => pool.allocate(2, 64, TAG))).toEqual([0xc2, 0x9a]);
  });

  it('finds a double free though a neighbour has swallowed the block', () => {
    const { pool } = boot();
    const [a, b, c] = [pool.allocate(0, 64, TAG), pool.allocate(0, 64, TAG), pool.allocate(0, 64, TAG)] as const;
    pool.free(a, TAG);
    pool.free(b, TAG);
    expect(stop(() => pool.free(b, TAG))).toEqual([0xc2, 7]);
    pool.free(c, TAG);
  });

  it('checks a protected tag, and no other', () => {
    const { pool } = boot();
    const open = pool.allocate(NONPAGED, 64, TAG);
    pool.free(open, 0x41414141);
    const guarded = pool.allocate(NONPAGED, 64, (TAG | 0x8000_0000) >>> 0);
    expect(stop(() => pool.free(guarded, 0x41414141))).toEqual([0xc2, 0xa]);
    pool.free(guarded, (TAG | 0x8000_0000) >>> 0);
  });

  it('finds what an overrun did to the next header (BAD_POOL_HEADER)', () => {
    const mm = boot();
    const { pool, memory } = mm;
    const a = pool.allocate(NONPAGED, 64, TAG);
    pool.allocate(NONPAGED, 64, TAG);
    memory.fill(a, 64 + 16, 0x41);
    expect(stop(() => pool.free(a, TAG))).toEqual([0x19, 0x20]);
  });

  it('finds what a use after free did to the free list', () => {
    const { pool, memory } = boot();
    const a = pool.allocate(NONPAGED, 64, TAG);
    pool.allocate(NONPAGED, 64, TAG);
    pool.free(a, TAG);
    memory.fill(a, 16, 0x42);
    expect(stop(() => pool.allocate(NONPAGED, 64, TAG))).toEqual([0x19, 3]);
  });

  it('survives any ruin of its headers and links with a bug check', () => {
    let x = 99;
    const random = () => {
      x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
      return x >>> 8;
    };
    for (let round = 0; round < 40; round++) {
      const { pool, memory } = boot(4);
      const live: number[] = [];
      for (let i = 0; i < 60; i++) live.push(pool.allocate(NONPAGED, random() % 600, TAG));
      for (let i = 0; i < 30; i++) pool.free(live.splice(random() % live.length, 1)[0]!, TAG);
      const base = Math.floor(live[0]! / 4096) * 4096;
      for (let i = 0; i < 20; i++) memory.writeU8(base + (random() % 4096), random());
      expect(() => {
        try {
          for (let i = 0; i < 300; i++) {
            if (random() & 1 && live.length > 0) pool.free(live.splice(random() % live.length, 1)[0]!, TAG);
            else live.push(pool.allocate(NONPAGED, random() % 600, TAG));
          }
        } catch (error) {
          if (!(error instanceof BugCheck)) throw error;
        }
      }).not.toThrow();
    }
  });

  it('touching a freed page is a fault', () => {
    const { pool, memory } = boot();
    const at = pool.allocate(NONPAGED, 4096, TAG);
    memory.writeU8(at, 1);
    pool.free(at, TAG);
    expect(() => memory.readU8(at)).toThrow('page fault');
  });
});
