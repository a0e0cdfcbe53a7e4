/**
 * The image loader: a driver file becomes a module in kernel memory (MmLoadSystemImage without the driver object).
 *
 * `load` maps the image at a base drawn from the machine's seed, 64 KiB aligned as Windows' images are, relocates it,
 * gives it a security cookie, fills in Control Flow Guard's pointers, binds its imports and then protects each page as
 * its section says, headers read-only. The result stands in the ImageTable. Everything that can go wrong with the file
 * is a Refusal; nothing stays mapped then.
 *
 * An import that nobody provides does not refuse the image: it is bound to an unmapped address of its own
 * (ImageTable.missingImport), and the driver stops with its name when it calls, reads or writes there.
 * A driver whose framework is missing is refused: it could do nothing at all.
 */
import {
  IMAGE_FILE_RELOCS_STRIPPED,
  IMAGE_SCN_MEM_DISCARDABLE,
  IMAGE_SCN_MEM_EXECUTE,
  IMAGE_SCN_MEM_WRITE,
} from '../pe/headers.ts';
import {
  type ExportEntry,
  findFramework,
  type ImageTable,
  type Import,
  isRefusal,
  LoadedImage,
  type PeImage,
  parsePe,
  type Refusal,
} from '../pe/index.ts';
import { type Address, fromAddress, PAGE_SIZE } from '../wdm/address.ts';
import type { GuestMemory } from '../wdm/memory.ts';
import {
  STATUS_CONFLICTING_ADDRESSES,
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_IMAGE_FORMAT,
  STATUS_NOT_SUPPORTED,
} from '../wdm/ntstatus.ts';
import { applyRelocations } from './relocate.ts';

/** Kernel memory as the loader needs it. Pages are resident; protections are the supervisor's. */
export interface ImageMemory {
  readonly memory: GuestMemory;
  /** Maps zeroed pages, writable and not executable. False, and nothing mapped, when memory is used up. */
  map(base: Address, pages: number): boolean;
  protect(base: Address, pages: number, protection: PageProtection): void;
  /** Unmaps pages that `map` mapped, and frees them. */
  unmap(base: Address, pages: number): void;
}

export interface PageProtection {
  readonly write: boolean;
  readonly execute: boolean;
}

/** What a driver can import besides the exports of loaded images. */
export interface ImportResolver {
  /** Whether a module of this name is provided at all; any case. */
  provides(dll: string): boolean;
  resolve(dll: string, key: string | number): Address | undefined;
}

/** Routines that Control Flow Guard's pointers are aimed at; without them the image keeps its own. */
export interface GuardRoutines {
  /** Called with the target in rcx; returns without effect. */
  readonly check: Address;
  /** Jumps to rax. */
  readonly dispatch: Address;
}

export interface SystemImageOptions {
  readonly memory: ImageMemory;
  readonly images: ImageTable;
  readonly resolver: ImportResolver;
  /** Where images may lie. */
  readonly range: { readonly low: Address; readonly high: Address };
  /** The next 32 bits from the machine's seed. */
  readonly random: () => number;
  readonly guard?: GuardRoutines | undefined;
}

export interface SystemImage {
  readonly image: LoadedImage;
  readonly pe: PeImage;
  /** "dll!name" of each import that nobody provides. */
  readonly missingImports: readonly string[];
}

const IMAGE_ALIGNMENT = 0x1_0000;
/** What the linker leaves in __security_cookie (gs_support.c in the Windows Driver Kit). */
const DEFAULT_SECURITY_COOKIE = 0x2b99_2ddf_a232n;
const COOKIE_MASK = 0xffff_ffff_ffffn;
const MAXIMUM_FORWARDS = 8;

interface Mapping {
  readonly system: SystemImage;
  /** By page of the image: still mapped. */
  readonly mapped: boolean[];
}

export class SystemImageLoader {
  readonly #options: SystemImageOptions;
  readonly #mappings = new Map<LoadedImage, Mapping>();

  constructor(options: SystemImageOptions) {
    this.#options = options;
  }

  /** Loads a driver file under a file name such as "transfer.sys". DriverEntry is not called. */
  load(name: string, bytes: Uint8Array): SystemImage | Refusal {
    const pe = parsePe(bytes);
    if (isRefusal(pe)) return pe;
    const framework = findFramework(pe.imports, dll => this.#provides(dll));
    if (framework) return { status: STATUS_NOT_SUPPORTED, message: framework.message };
    if (pe.characteristics & IMAGE_FILE_RELOCS_STRIPPED) {
      const message = 'has no relocations: it was linked to lie at a fixed address outside kernel memory';
      return { status: STATUS_CONFLICTING_ADDRESSES, message };
    }
    if (pe.entryPoint === 0)
      return { status: STATUS_INVALID_IMAGE_FORMAT, message: 'has no entry point (DriverEntry)' };
    return this.#map(name, pe);
  }

  /** Unmaps the discardable sections (INIT): call when DriverEntry has returned. */
  discardInit(image: LoadedImage): void {
    const mapping = this.#mappings.get(image);
    if (!mapping) return;
    const { pe } = mapping.system;
    const discardable = pageFlags(
      pe,
      true,
      ({ characteristics }) => (characteristics & IMAGE_SCN_MEM_DISCARDABLE) !== 0,
    );
    discardable.forEach((discard, page) => {
      if (discard) this.#unmap(mapping, page);
    });
  }

  /** Takes the image out of the table and frees its memory. The caller has made sure that no code of it runs again. */
  unload(image: LoadedImage): void {
    const mapping = this.#mappings.get(image);
    if (!mapping) return;
    mapping.mapped.forEach((_, page) => {
      this.#unmap(mapping, page);
    });
    this.#mappings.delete(image);
    this.#options.images.remove(image);
  }

  #map(name: string, pe: PeImage): SystemImage | Refusal {
    const { memory, images } = this.#options;
    const pages = pe.layout.length / PAGE_SIZE;
    const base = this.#chooseBase(pe.layout.length);
    if (base === undefined || !memory.map(base, pages)) {
      return { status: STATUS_INSUFFICIENT_RESOURCES, message: `does not fit: it needs ${pages} pages of memory` };
    }
    const layout = pe.layout.slice();
    applyRelocations(layout, pe.relocations, fromAddress(base) - pe.imageBase);
    const missing: string[] = [];
    const view = new DataView(layout.buffer);
    this.#guard(pe, view);
    for (const entry of pe.imports) {
      const address = this.#resolve(entry) ?? this.#missing(entry, missing);
      if (address === undefined) {
        memory.unmap(base, pages);
        return { status: STATUS_INSUFFICIENT_RESOURCES, message: 'has too many imports that are not provided here' };
      }
      view.setBigUint64(entry.slot, fromAddress(address), true);
    }
    memory.memory.writeBytes(base, layout);
    this.#protect(base, pe);
    const image = images.add(
      new LoadedImage({
        name,
        base,
        size: layout.length,
        entryPoint: base + pe.entryPoint,
        sections: pe.sections,
        exports: pe.exports,
        functionTable: pe.functionTable,
        functionTableAddress: pe.functionTableAddress,
        symbols: pe.symbols,
        lines: pe.lines,
      }),
    );
    const system = { image, pe, missingImports: missing };
    this.#mappings.set(image, { system, mapped: new Array<boolean>(pages).fill(true) });
    return system;
  }

  /** A free place: drawn from the seed, then the next free one above, wrapping once. */
  #chooseBase(size: number): Address | undefined {
    const { range, images, random } = this.#options;
    const slots = Math.floor((range.high - range.low - size) / IMAGE_ALIGNMENT);
    if (slots <= 0) return undefined;
    const first = (random() * 0x1_0000 + (random() >>> 16)) % slots;
    let slot = first;
    for (let tries = 0; tries <= 2 * images.images.length + 1; tries++) {
      const base = range.low + slot * IMAGE_ALIGNMENT;
      const obstacle = images.images.find(i => i.base < base + size && base < i.base + i.size);
      if (!obstacle) return base;
      slot = Math.ceil((obstacle.base + obstacle.size - range.low) / IMAGE_ALIGNMENT);
      if (slot >= slots) slot = 0;
    }
    return undefined;
  }

  #guard({ loadConfig }: PeImage, view: DataView): void {
    if (!loadConfig) return;
    const { securityCookie, guardCheckPointer, guardDispatchPointer } = loadConfig;
    const { xfgCheckPointer, xfgDispatchPointer, xfgTableDispatchPointer } = loadConfig;
    if (securityCookie !== undefined) {
      const old = view.getBigUint64(securityCookie, true);
      if (old === 0n || old === DEFAULT_SECURITY_COOKIE) view.setBigUint64(securityCookie, this.#cookie(), true);
    }
    const { guard } = this.#options;
    if (!guard) return;
    const point = (target: Address, ...slots: (number | undefined)[]) => {
      for (const slot of slots) if (slot !== undefined) view.setBigUint64(slot, fromAddress(target), true);
    };
    point(guard.check, guardCheckPointer, xfgCheckPointer);
    point(guard.dispatch, guardDispatchPointer, xfgDispatchPointer, xfgTableDispatchPointer);
  }

  /** 48 random bits: the top 16 stay clear, as __security_check_cookie tests them. */
  #cookie(): bigint {
    const { random } = this.#options;
    const cookie = ((BigInt(random()) << 32n) | BigInt(random())) & COOKIE_MASK;
    return cookie === 0n || cookie === DEFAULT_SECURITY_COOKIE ? cookie + 1n : cookie;
  }

  #provides(dll: string): boolean {
    const { resolver, images } = this.#options;
    return resolver.provides(dll) || images.findByName(dll) !== undefined;
  }

  #resolve({ dll, name, ordinal }: Import): Address | undefined {
    return this.#lookUp(dll, name ?? ordinal ?? 0, MAXIMUM_FORWARDS);
  }

  #lookUp(dll: string, key: string | number, forwards: number): Address | undefined {
    const provided = this.#options.resolver.resolve(dll, key);
    if (provided !== undefined) return provided;
    const image = this.#options.images.findByName(dll);
    const entry = image?.export(key);
    if (!image || !entry) return undefined;
    if (entry.forwarder === undefined) return image.base + entry.address;
    return forwards > 0 ? this.#follow(entry.forwarder, forwards - 1) : undefined;
  }

  /** "hal.KeQueryPerformanceCounter" or "other.#12". */
  #follow(forwarder: NonNullable<ExportEntry['forwarder']>, forwards: number): Address | undefined {
    const dot = forwarder.lastIndexOf('.');
    const module = forwarder.slice(0, dot);
    const name = forwarder.slice(dot + 1);
    const key = /^#\d+$/.test(name) ? Number(name.slice(1)) : name;
    for (const suffix of ['.exe', '.dll', '.sys', '']) {
      const address = this.#lookUp(module + suffix, key, forwards);
      if (address !== undefined) return address;
    }
    return undefined;
  }

  #missing({ dll, name, ordinal }: Import, missing: string[]): Address | undefined {
    const label = name ?? `#${ordinal}`;
    missing.push(`${dll}!${label}`);
    return this.#options.images.missingImport(dll, label);
  }

  /** Each page gets what the sections on it ask for; only images aligned below a page have several on one. */
  #protect(base: Address, pe: PeImage): void {
    const write = pageFlags(pe, false, ({ characteristics }) => (characteristics & IMAGE_SCN_MEM_WRITE) !== 0);
    const execute = pageFlags(pe, false, ({ characteristics }) => (characteristics & IMAGE_SCN_MEM_EXECUTE) !== 0);
    for (let page = 0; page < write.length; ) {
      let end = page + 1;
      while (end < write.length && write[end] === write[page] && execute[end] === execute[page]) end++;
      const protection = { write: write[page]!, execute: execute[page]! };
      this.#options.memory.protect(base + page * PAGE_SIZE, end - page, protection);
      page = end;
    }
  }

  #unmap(mapping: Mapping, page: number): void {
    if (!mapping.mapped[page]) return;
    mapping.mapped[page] = false;
    this.#options.memory.unmap(mapping.system.image.base + page * PAGE_SIZE, 1);
  }
}

/** For each page of the image whether a section on it (or, with `every`, each of them) has a property. Headers have none. */
function pageFlags(pe: PeImage, every: boolean, test: (section: PeImage['sections'][number]) => boolean): boolean[] {
  const flags = new Array<boolean | undefined>(pe.layout.length / PAGE_SIZE).fill(undefined);
  flags.fill(false, 0, Math.ceil(pe.sizeOfHeaders / PAGE_SIZE));
  for (const section of pe.sections) {
    const first = Math.floor(section.address / PAGE_SIZE);
    const end = Math.min(Math.ceil((section.address + section.size) / PAGE_SIZE), flags.length);
    for (let page = first; page < end; page++) {
      const old = flags[page];
      flags[page] = old === undefined ? test(section) : every ? old && test(section) : old || test(section);
    }
  }
  return flags.map(flag => flag ?? false);
}
