/**
 * Watched pages: who wants to see the accesses to a page of guest memory.
 *
 * A watch is on a range of virtual pages (in whatever address space) or on a frame (through whatever mapping). Watched
 * pages never enter the TLB, so that nobody pays for a watch but those who touch its page. An observer is told of each
 * access before it takes place, with one call for a bulk operation; it may throw to prevent it. An observer with a
 * `device` stands for memory-mapped registers: it supplies what is read and takes what is written, and the frame is not
 * touched.
 *
 * Frames that hold translated code are marked here, too: whoever writes to one tells the code cache.
 */
import { type Address, PAGE_SIZE, pageOf } from '../wdm/address.ts';

export interface PageAccess {
  readonly address: Address;
  /** Bytes, within one page for a single access; any number for a bulk operation. */
  readonly size: number;
  readonly access: 'read' | 'write';
  /** Whether the user half's rights were asked for. */
  readonly user: boolean;
  /** What is written, if it is 8 bytes at most and one access. */
  readonly value: bigint | undefined;
}

export interface DeviceRegisters {
  read(address: Address, size: number): bigint;
  write(address: Address, size: number, value: bigint): void;
}

export interface PageObserver {
  access?(access: PageAccess): void;
  readonly device?: DeviceRegisters;
}

export interface Watch {
  remove(): void;
}

/** What an observer is to be told of an operation: pages that follow each other make one range. */
export class Notices {
  readonly #list: { readonly observer: PageObserver; readonly address: Address; size: number }[] = [];

  add(observers: readonly PageObserver[], address: Address, size: number): void {
    for (const observer of observers) {
      const last = this.#list.findLast(notice => notice.observer === observer);
      if (last && last.address + last.size === address) last.size += size;
      else this.#list.push({ observer, address, size });
    }
  }

  get empty(): boolean {
    return this.#list.length === 0;
  }

  /** Tells everyone of what lies below `end`. */
  tell(access: 'read' | 'write', user: boolean, value?: bigint, end = Number.POSITIVE_INFINITY): void {
    for (const { observer, address, size } of this.#list) {
      const told = Math.min(size, end - address);
      if (told > 0) observer.access?.({ address, size: told, access, user, value });
    }
  }
}

export class Watches {
  /** The lists are replaced, never changed: an observer may come or go while they are told. */
  readonly #pages = new Map<number, readonly PageObserver[]>();
  readonly #frames = new Map<number, readonly PageObserver[]>();
  /** The last answer of `observers`: accesses to a watched page come in runs. */
  #lastPage: Address = 0;
  #lastFrame = -1;
  #last: readonly PageObserver[] | undefined;
  /** Called with a page's address, or with a frame, when it begins or ends to be watched. */
  readonly #changed: ((page: Address | undefined, frame: number | undefined) => void)[] = [];
  /** Not zero: the frame holds translated code. */
  readonly codeFrames: Uint8Array;
  /** Set by the code cache: bytes of a code frame are about to be written. */
  onCodeWrite: (frame: number, offset: number, size: number) => void = () => {};

  constructor(frames: number) {
    this.codeFrames = new Uint8Array(frames);
  }

  onChange(changed: (page: Address | undefined, frame: number | undefined) => void): void {
    this.#changed.push(changed);
  }

  /** Watches the pages that [address, address + length) touches. */
  watch(address: Address, length: number, observer: PageObserver): Watch {
    const pages: number[] = [];
    for (let page = pageOf(address); page < address + length; page += PAGE_SIZE) pages.push(page);
    return this.#add(this.#pages, pages, observer, page => this.#tell(page, undefined));
  }

  watchFrame(frame: number, observer: PageObserver): Watch {
    return this.#add(this.#frames, [frame], observer, f => this.#tell(undefined, f));
  }

  /** Who watches a page of which frame; undefined if nobody does. */
  observers(page: Address, frame: number): readonly PageObserver[] | undefined {
    if (this.#pages.size === 0 && this.#frames.size === 0) return undefined;
    if (page === this.#lastPage && frame === this.#lastFrame) return this.#last;
    const byPage = this.#pages.get(page);
    const byFrame = this.#frames.get(frame);
    this.#last = byPage && byFrame ? [...byPage, ...byFrame] : (byPage ?? byFrame);
    this.#lastPage = page;
    this.#lastFrame = frame;
    return this.#last;
  }

  #tell(page: Address | undefined, frame: number | undefined): void {
    this.#lastFrame = -1;
    for (const changed of this.#changed) changed(page, frame);
  }

  #add(
    map: Map<number, readonly PageObserver[]>,
    keys: readonly number[],
    observer: PageObserver,
    tell: (key: number) => void,
  ): Watch {
    for (const key of keys) {
      map.set(key, [...(map.get(key) ?? []), observer]);
      tell(key);
    }
    let removed = false;
    return {
      remove() {
        if (removed) return;
        removed = true;
        for (const key of keys) {
          const list = map.get(key) ?? [];
          const at = list.indexOf(observer);
          if (list.length > 1) map.set(key, list.toSpliced(at, 1));
          else map.delete(key);
          tell(key);
        }
      },
    };
  }
}
