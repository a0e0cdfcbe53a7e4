/**
 * Pool: the kernel's heaps. Nonpaged (NX or executable) and paged, tagged, in real pages with real headers.
 *
 * A request below a page becomes a block behind a POOL_HEADER (pool-heap.ts); a larger one becomes whole pages
 * (pool-region.ts), page-aligned. Memory comes with whatever was in it. Both address space and frames are finite: then
 * `allocate` answers 0, and what that means (NULL, an exception) is ex/pool.ts's to say.
 *
 * A tag's top bit is PROTECTED_POOL: such a block must be freed with the same tag, others may be freed with any, as in
 * Windows without the verifier.
 *
 * IRQL: nonpaged <= DISPATCH_LEVEL, paged <= APC_LEVEL; not enforced here, as in Windows.
 */
import type { Trace } from '../../etw/trace.ts';
import type { Ram } from '../../hw/ram.ts';
import { type Address, NON_CANONICAL, PAGE_SIZE } from '../../wdm/address.ts';
import { BAD_POOL_CALLER, bugCheck } from '../bug-checks.ts';
import { SYSTEM_RANGE_START } from '../layout.ts';
import type { PfnDatabase } from '../pfn.ts';
import type { SystemRegion } from '../system-region.ts';
import { LARGEST_SMALL_REQUEST, POOL_HEADER_SIZE, PoolHeap } from './pool-heap.ts';
import { PAGE_BIG, PAGE_UNUSED, PoolRegion } from './pool-region.ts';
import { PoolTags, type TagStatistics, tagText } from './pool-tags.ts';

const PAGED = 1;
const MUST_SUCCEED = 2;
const CACHE_ALIGNED = 4;
const NX = 0x200;
const PROTECTED_POOL = 0x8000_0000;

/** Heap numbers, which are PoolIndex in the headers. */
const HEAP_EXECUTABLE = 0;
const HEAP_PAGED = 1;
const HEAP_NX = 2;

export interface PoolUsage {
  /** Bytes in use, headers and page ends included. */
  readonly bytes: number;
  readonly allocations: number;
  readonly frees: number;
  /** Pages mapped. */
  readonly pages: number;
  /** Pages that the region could still map, if frames allow. */
  readonly freePages: number;
}

export class Pool {
  readonly #nonPaged: PoolRegion;
  readonly #paged: PoolRegion;
  readonly #heaps: readonly PoolHeap[];
  readonly #tags = new PoolTags();
  readonly #trace: Trace | undefined;
  readonly #pfn: PfnDatabase;
  /** By paged or not. */
  readonly #bytes = [0, 0];
  readonly #allocations = [0, 0];
  readonly #frees = [0, 0];

  constructor(nonPaged: SystemRegion, paged: SystemRegion, pfn: PfnDatabase, ram: Ram, trace?: Trace) {
    this.#pfn = pfn;
    this.#trace = trace;
    this.#nonPaged = new PoolRegion(nonPaged, false, pfn);
    this.#paged = new PoolRegion(paged, true, pfn);
    this.#heaps = [
      new PoolHeap(HEAP_EXECUTABLE, this.#nonPaged, true, ram),
      new PoolHeap(HEAP_PAGED, this.#paged, false, ram),
      new PoolHeap(HEAP_NX, this.#nonPaged, false, ram),
    ];
  }

  /**
   * Memory for `bytes` bytes, aligned to 16 (64 with the cache-aligned types; a page for a page and more), or 0.
   * Zero bytes take the smallest block. The MustSucceed types no longer exist and stop the machine (0xC2, 0x9A).
   */
  allocate(poolType: number, bytes: number, tag: number): Address {
    if (poolType & MUST_SUCCEED) {
      throw bugCheck(
        BAD_POOL_CALLER,
        [0x9a, poolType, BigInt(Math.min(bytes, 2 ** 63)), tag],
        'MustSucceed pool does not exist',
      );
    }
    const paged = poolType & PAGED;
    const region = paged ? this.#paged : this.#nonPaged;
    const aligned = (poolType & CACHE_ALIGNED) !== 0;
    let address: Address = 0;
    let taken: number;
    if (bytes <= LARGEST_SMALL_REQUEST - (aligned ? 48 : 0)) {
      const heap = this.#heaps[paged ? HEAP_PAGED : poolType & NX ? HEAP_NX : HEAP_EXECUTABLE]!;
      const units = bytes > 16 ? (bytes + POOL_HEADER_SIZE + 15) >>> 4 : 2;
      const block = heap.allocate(units, aligned, poolType, tag);
      if (block === 0) return 0;
      address = region.base + block + POOL_HEADER_SIZE;
      taken = units * 16;
    } else {
      if (!(bytes <= region.region.size)) return 0;
      const pages = Math.ceil(bytes / PAGE_SIZE);
      const first = region.take(pages, PAGE_BIG, !paged && !(poolType & NX));
      if (first < 0) return 0;
      region.bigBytes[first] = bytes;
      region.bigTag[first] = tag;
      region.bigType[first] = poolType & 0xff;
      address = region.region.addressOf(first);
      taken = pages * PAGE_SIZE;
    }
    this.#bytes[paged]! += taken;
    this.#allocations[paged]!++;
    this.#tags.count(tag, paged === PAGED, taken);
    if (this.#trace?.enabled) {
      this.#trace.emit({ type: 'pool-allocated', address, bytes, pool: poolName(poolType), tag: tagText(tag) });
    }
    return address;
  }

  /** Frees what `allocate` gave. A tag of 0 is freed without a look at the tag, unless the block is protected. */
  free(address: Address, tag: number): void {
    const region = this.#nonPaged.region.contains(address) ? this.#nonPaged : this.#paged;
    const paged = region.paged ? 1 : 0;
    if (!region.region.contains(address)) throw this.#strayFree(address);
    const offset = address - region.base;
    const page = Math.floor(offset / PAGE_SIZE);
    const owner = region.owner[page]!;
    let allocated: number;
    let bytes: number;
    if (owner === PAGE_BIG) {
      if (region.region.runs.runAt(page) === 0 || address % PAGE_SIZE !== 0) throw this.#badFree(region, address, true);
      allocated = region.bigTag[page]!;
      this.#checkTag(address, allocated, tag);
      bytes = region.release(page);
    } else {
      if (owner === PAGE_UNUSED) throw this.#badFree(region, address, false);
      const heap = this.#heaps[owner]!;
      const block = offset - POOL_HEADER_SIZE;
      if (block & 15 || block >>> 12 !== page) {
        throw bugCheck(BAD_POOL_CALLER, [0x46, address], 'what is freed is not the address of a pool block');
      }
      allocated = heap.tagOf(block);
      this.#checkTag(address, allocated, tag);
      bytes = heap.free(block);
    }
    this.#bytes[paged]! -= bytes;
    this.#frees[paged]!++;
    this.#tags.count(allocated, paged === 1, -bytes);
    if (this.#trace?.enabled) this.#trace.emit({ type: 'pool-freed', address, tag: tagText(allocated) });
  }

  /** Whether the address lies in a block or page that could be in use: cheap, for the verifier's questions. */
  contains(address: Address): 'nonpaged' | 'paged' | undefined {
    if (this.#nonPaged.region.contains(address)) return 'nonpaged';
    return this.#paged.region.contains(address) ? 'paged' : undefined;
  }

  usage(kind: 'nonpaged' | 'paged'): PoolUsage {
    const i = kind === 'paged' ? 1 : 0;
    const { runs, pages } = (i ? this.#paged : this.#nonPaged).region;
    return {
      bytes: this.#bytes[i]!,
      allocations: this.#allocations[i]!,
      frees: this.#frees[i]!,
      pages: pages - 1 - runs.free,
      freePages: runs.free,
    };
  }

  tags(): TagStatistics[] {
    return this.#tags.list();
  }

  /** Free blocks by size in bytes: `nonpaged` counts the NX heap. */
  freeBlocks(kind: 'nonpaged' | 'paged' | 'executable'): Map<number, number> {
    return this.#heaps[{ nonpaged: HEAP_NX, paged: HEAP_PAGED, executable: HEAP_EXECUTABLE }[kind]]!.freeBlocks();
  }

  /** Gives back the empty pages that the heaps keep. */
  trim(): void {
    for (const heap of this.#heaps) heap.trim();
  }

  #checkTag(address: Address, allocated: number, tag: number): void {
    if (allocated & PROTECTED_POOL && (allocated | PROTECTED_POOL) !== (tag | PROTECTED_POOL)) {
      throw bugCheck(
        BAD_POOL_CALLER,
        [0xa, address, allocated, tag],
        `pool with the protected tag '${tagText(allocated)}' is freed with '${tagText(tag)}'`,
      );
    }
  }

  #strayFree(address: Address) {
    if (address >= 0 && address < NON_CANONICAL) {
      return bugCheck(BAD_POOL_CALLER, [0x40, address, SYSTEM_RANGE_START], 'a user-mode address is freed to the pool');
    }
    if (address === NON_CANONICAL)
      return bugCheck(BAD_POOL_CALLER, [0x99, address], 'an invalid address is freed to the pool');
    return bugCheck(BAD_POOL_CALLER, [0x42, address], 'an address is freed that was never in any pool');
  }

  /** A pool address where no allocation begins. */
  #badFree(region: PoolRegion, address: Address, inside: boolean) {
    const page = region.region.pageAt(address);
    if (!region.paged) {
      const frame = Math.max(region.region.frameAt(page), 0);
      return bugCheck(
        BAD_POOL_CALLER,
        [0x47, address, frame, this.#pfn.total - 1],
        'a nonpaged pool address is freed that is not allocated',
      );
    }
    return inside
      ? bugCheck(BAD_POOL_CALLER, [0x41286, 0, 0, page], 'a paged pool address in the middle of an allocation is freed')
      : bugCheck(
          BAD_POOL_CALLER,
          [0x50, address, page, region.region.size],
          'a paged pool address is freed that is not allocated',
        );
  }
}

function poolName(poolType: number): string {
  const base = poolType & PAGED ? 'PagedPool' : poolType & NX ? 'NonPagedPoolNx' : 'NonPagedPool';
  return poolType & CACHE_ALIGNED ? `${base}CacheAligned` : base;
}
