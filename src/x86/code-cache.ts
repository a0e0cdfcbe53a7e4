/**
 * The code cache: regions by the addresses at which they may be entered, and what makes them stale.
 *
 * A region is keyed by virtual address and mode, and remembers the frames that its bytes came from. It dies when a byte
 * of its code is written (through any mapping), or when one of its pages is mapped anew. Regions of the user half are
 * taken only while the current address space maps their pages to the same frames.
 *
 * The jump caches in the host area are what the dispatcher looks at; entries of dead regions are removed from them.
 */
import type { Ram } from '../hw/ram.ts';
import type { Tlb } from '../hw/tlb.ts';
import { type Address, PAGE_SIZE } from '../wdm/address.ts';
import type { Site } from './emitter.ts';
import { JUMP_OBSERVED, JUMP_PLAIN } from './layout.ts';
import { jumpIndex } from './runtime.ts';

/** Part of a page that a region was read from. */
export interface Span {
  readonly page: Address;
  readonly frame: number;
  /** Offsets in the page: first byte, and one past the last. */
  readonly from: number;
  readonly to: number;
}

export interface Region {
  readonly number: number;
  readonly observed: boolean;
  readonly slot: number;
  readonly entries: ReadonlyMap<Address, number>;
  readonly spans: readonly Span[];
  readonly sites: readonly Site[];
}

export class CodeCache {
  readonly #ram: Ram;
  readonly #table: WebAssembly.Table;
  readonly #tlb: Tlb;
  readonly #byNumber = new Map<number, Region>();
  readonly #byEntry: readonly [Map<Address, Region[]>, Map<Address, Region[]>] = [new Map(), new Map()];
  readonly #byFrame = new Map<number, Set<Region>>();
  readonly #byPage = new Map<Address, Set<Region>>();
  readonly #freeSlots: number[] = [];
  #userJumps: number[] = [];
  #usedSlots = 1;
  #nextNumber = 0;
  /** Dead regions whose code may still be running. */
  readonly #dying = new Set<Region>();

  constructor(ram: Ram, table: WebAssembly.Table, tlb: Tlb) {
    this.#ram = ram;
    this.#table = table;
    this.#tlb = tlb;
  }

  nextNumber(): number {
    return this.#nextNumber++;
  }

  region(number: number): Region {
    return this.#byNumber.get(number)!;
  }

  /** Whether a region has died while it was running. */
  isStale(number: number): boolean {
    return this.#dying.size > 0 && this.#dying.has(this.region(number));
  }

  /** Regions alive. */
  get size(): number {
    return this.#byNumber.size - this.#dying.size;
  }

  /** Enters a region; `run` is its function. Returns it. */
  add(parts: Omit<Region, 'slot'>, run: unknown): Region {
    const slot = this.#freeSlots.pop() ?? this.#usedSlots++;
    if (slot >= this.#table.length) this.#table.grow(this.#table.length);
    this.#table.set(slot, run);
    const region: Region = { ...parts, slot };
    this.#byNumber.set(region.number, region);
    for (const address of region.entries.keys()) insert(this.#byEntry[region.observed ? 1 : 0], address, region);
    for (const { page, frame } of region.spans) {
      if (!this.#ram.watches.codeFrames[frame]) {
        this.#ram.watches.codeFrames[frame] = 1;
        this.#tlb.invalidateFrame(frame, true);
      }
      index(this.#byFrame, frame).add(region);
      index(this.#byPage, page).add(region);
    }
    return region;
  }

  /** The region and block to enter at `rip`. `frameOf` says where the current address space maps a page for execution. */
  find(rip: Address, observed: boolean, frameOf: (page: Address) => number): Region | undefined {
    const candidates = this.#byEntry[observed ? 1 : 0].get(rip);
    if (rip < 0) return candidates?.[0];
    return candidates?.find(region => region.spans.every(span => frameOf(span.page) === span.frame));
  }

  /** Lets the dispatcher find an entry by itself. */
  enterJump(region: Region, rip: Address): void {
    const { i32 } = this.#ram;
    const at = (region.observed ? JUMP_OBSERVED : JUMP_PLAIN) + jumpIndex(rip | 0);
    i32[at >>> 2] = rip | 0;
    i32[(at >>> 2) + 1] = Math.floor(rip / 0x1_0000_0000) | 0;
    i32[(at >>> 2) + 2] = region.slot;
    i32[(at >>> 2) + 3] = region.entries.get(rip)!;
    if (rip >= 0) this.#userJumps.push(at);
  }

  /** The address space is another: jumps within the user half are looked up anew. */
  forgetUserJumps(): void {
    for (const at of this.#userJumps) if (this.#ram.i32[(at >>> 2) + 1]! >= 0) this.#clearJump(at);
    this.#userJumps = [];
  }

  /** Bytes of a frame are about to be written. Returns the regions that died. */
  invalidateBytes(frame: number, offset: number, size: number): readonly Region[] {
    const dead = [...(this.#byFrame.get(frame) ?? [])].filter(({ spans }) =>
      spans.some(s => s.frame === frame && s.from < offset + size && offset < s.to),
    );
    for (const region of dead) this.remove(region);
    return dead;
  }

  /** The page's mapping has changed. */
  invalidatePage(page: Address): void {
    const regions = this.#byPage.get(page);
    // Most pages hold no code, and an MDL's mapping goes page by page.
    if (regions) for (const region of [...regions]) this.remove(region);
  }

  flush(): void {
    for (const region of [...this.#byNumber.values()]) this.remove(region);
  }

  /** No translated code is running: what the dead regions left behind can go. */
  bury(): void {
    if (this.#dying.size === 0) return;
    for (const { number, slot } of this.#dying) {
      this.#byNumber.delete(number);
      this.#table.set(slot, this.#table.get(0));
      this.#freeSlots.push(slot);
    }
    this.#dying.clear();
  }

  /** Runs a region from its first block. */
  call(region: Region): number {
    return (this.#table.get(region.slot) as (block: number) => number)(region.entries.values().next().value ?? 0);
  }

  /** The region is stale; it may still be running. */
  remove(region: Region): void {
    if (this.#dying.has(region)) return;
    this.#dying.add(region);
    const byEntry = this.#byEntry[region.observed ? 1 : 0];
    const base = region.observed ? JUMP_OBSERVED : JUMP_PLAIN;
    for (const address of region.entries.keys()) {
      const left = byEntry.get(address)!.filter(other => other !== region);
      if (left.length > 0) byEntry.set(address, left);
      else byEntry.delete(address);
      const at = base + jumpIndex(address | 0);
      if (this.#ram.i32[(at >>> 2) + 2] === region.slot) this.#clearJump(at);
    }
    for (const { page, frame } of region.spans) {
      this.#byPage.get(page)?.delete(region);
      const inFrame = this.#byFrame.get(frame);
      inFrame?.delete(region);
      if (inFrame?.size === 0) {
        this.#byFrame.delete(frame);
        this.#ram.watches.codeFrames[frame] = 0;
      }
    }
  }

  #clearJump(at: number): void {
    this.#ram.i32.fill(0, at >>> 2, (at >>> 2) + 4);
  }
}

/** Spans of a set of byte ranges, one a page. `frameOf` says where each page lies. */
export function spansOf(
  ranges: Iterable<readonly [from: Address, to: Address]>,
  frameOf: (page: Address) => number,
): Span[] {
  const pages = new Map<Address, { from: number; to: number }>();
  for (const [from, to] of ranges) {
    for (let page = Math.floor(from / PAGE_SIZE) * PAGE_SIZE; page < to; page += PAGE_SIZE) {
      const span = pages.get(page) ?? { from: PAGE_SIZE, to: 0 };
      span.from = Math.min(span.from, Math.max(0, from - page));
      span.to = Math.max(span.to, Math.min(PAGE_SIZE, to - page));
      pages.set(page, span);
    }
  }
  return [...pages].map(([page, span]) => ({ page, frame: frameOf(page), ...span }));
}

function insert(map: Map<Address, Region[]>, key: Address, region: Region): void {
  const list = map.get(key);
  if (list) list.push(region);
  else map.set(key, [region]);
}

function index<K>(map: Map<K, Set<Region>>, key: K): Set<Region> {
  let set = map.get(key);
  if (!set) {
    set = new Set();
    map.set(key, set);
  }
  return set;
}
