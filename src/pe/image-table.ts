/**
 * The images in kernel memory: what PsLoadedModuleList is to Windows.
 *
 * Drivers from files and the pseudo-images of TypeScript code (ntoskrnl.exe itself, a TypeScript driver) stand in one
 * table, so that an address anywhere has a module, a name and unwind data. The table also knows the *missing imports*:
 * a range of unmapped addresses, a page for each routine or variable that a driver imports and nobody provides. Touching
 * one faults, and whoever sees the fault asks `missingImportAt` for its name.
 */
import { type Address, formatAddress, PAGE_SIZE } from '../wdm/address.ts';
import type { ExportEntry, RuntimeFunction } from './directories.ts';
import { LineTable, type SourceLine } from './dwarf-lines.ts';
import type { Section } from './headers.ts';
import { lastAtOrBefore, SymbolTable } from './symbols.ts';

const MAXIMUM_UNLOADED = 50;

export interface ImageDescription {
  /** File name, e.g. "transfer.sys". */
  readonly name: string;
  readonly base: Address;
  readonly size: number;
  /** DriverEntry; undefined in a pseudo-image. */
  readonly entryPoint?: Address | undefined;
  readonly sections?: readonly Section[];
  readonly exports?: readonly ExportEntry[];
  /** RVAs, three to a function, sorted. */
  readonly functionTable?: Uint32Array;
  /** RVA of that table in guest memory. */
  readonly functionTableAddress?: number;
  readonly symbols?: SymbolTable;
  readonly lines?: LineTable;
  /** Names of routines that come and go (trap addresses): asked before the symbols. */
  readonly nameAt?: (address: Address) => string | undefined;
  /** Its code is TypeScript behind trap addresses: there are no instruction bytes to look at. */
  readonly pseudo?: boolean;
}

export class LoadedImage {
  readonly name: string;
  readonly base: Address;
  readonly size: number;
  readonly entryPoint: Address | undefined;
  readonly sections: readonly Section[];
  readonly exports: readonly ExportEntry[];
  readonly pseudo: boolean;
  readonly symbols: SymbolTable;
  readonly #functions: Uint32Array;
  readonly #functionTableAddress: number;
  readonly #lines: LineTable;
  readonly #nameAt: (address: Address) => string | undefined;

  constructor(description: ImageDescription) {
    this.name = description.name;
    this.base = description.base;
    this.size = description.size;
    this.entryPoint = description.entryPoint;
    this.sections = description.sections ?? [];
    this.exports = description.exports ?? [];
    this.pseudo = description.pseudo ?? false;
    this.symbols = description.symbols ?? new SymbolTable([]);
    this.#functions = description.functionTable ?? new Uint32Array(0);
    this.#functionTableAddress = description.functionTableAddress ?? 0;
    this.#lines = description.lines ?? new LineTable([]);
    this.#nameAt = description.nameAt ?? (() => undefined);
  }

  contains(address: Address): boolean {
    return address >= this.base && address < this.base + this.size;
  }

  /** The RUNTIME_FUNCTION that covers an address, and where it lies in guest memory; undefined for a leaf function. */
  functionEntry(address: Address): { readonly entry: RuntimeFunction; readonly address: Address } | undefined {
    const rva = address - this.base;
    const table = this.#functions;
    const index = lastAtOrBefore(table.length / 3, i => table[i * 3]!, rva);
    if (index < 0) return undefined;
    const entry = { begin: table[index * 3]!, end: table[index * 3 + 1]!, unwind: table[index * 3 + 2]! };
    if (rva >= entry.end) return undefined;
    return { entry, address: this.base + this.#functionTableAddress + index * 12 };
  }

  /** An exported routine or variable by name or ordinal; a forwarder has no address here. */
  export(key: string | number): ExportEntry | undefined {
    return this.exports.find(entry => (typeof key === 'string' ? entry.name === key : entry.ordinal === key));
  }

  line(address: Address): SourceLine | undefined {
    return this.#lines.at(address - this.base);
  }

  /** "transfer.sys!TransferRead+0x12 (transfer.c:34)"; module and offset when nothing nearer is known. */
  symbol(address: Address): string {
    const module = this.name.replace(/\.(sys|exe|dll)$/i, '');
    const line = this.line(address);
    const where = line ? ` (${line.file}:${line.line})` : '';
    const exact = this.#nameAt(address);
    if (exact !== undefined) return `${module}!${exact}${where}`;
    const symbol = this.#symbolOf(address - this.base);
    if (!symbol) return `${module}+0x${(address - this.base).toString(16)}${where}`;
    const offset = address - this.base - symbol.address;
    return `${module}!${symbol.name}${offset ? `+0x${offset.toString(16)}` : ''}${where}`;
  }

  /** The nearest symbol below, unless a function that the function table knows begins in between. */
  #symbolOf(rva: number) {
    const symbol = this.symbols.at(rva);
    const begin = this.functionEntry(this.base + rva)?.entry.begin;
    return symbol && begin !== undefined && symbol.address < begin ? undefined : symbol;
  }
}

export class ImageTable {
  /** Sorted by base. */
  readonly #images: LoadedImage[] = [];
  /** Newest last; Windows remembers as many (MmUnloadedDrivers). */
  readonly #unloaded: LoadedImage[] = [];
  readonly #missing: string[] = [];
  readonly #missingByName = new Map<string, Address>();
  readonly #missingBase: Address;
  readonly #missingPages: number;

  /** @param missing address range, mapped by nothing ever, for the missing imports */
  constructor(missing: { readonly base: Address; readonly size: number }) {
    this.#missingBase = missing.base;
    this.#missingPages = Math.floor(missing.size / PAGE_SIZE);
  }

  get images(): readonly LoadedImage[] {
    return this.#images;
  }

  /** Throws when the range overlaps an image that is there: the caller allocates addresses. */
  add(image: LoadedImage): LoadedImage {
    const before = this.#images[this.#indexOf(image.base + image.size - 1)];
    if (before && before.base + before.size > image.base) {
      throw new Error(`${image.name} at ${formatAddress(image.base)} overlaps ${before.name}`);
    }
    this.#images.splice(this.#indexOf(image.base) + 1, 0, image);
    return image;
  }

  remove(image: LoadedImage): void {
    const index = this.#images.indexOf(image);
    if (index < 0) return;
    this.#images.splice(index, 1);
    this.#unloaded.push(image);
    if (this.#unloaded.length > MAXIMUM_UNLOADED) this.#unloaded.shift();
  }

  /** The image that lay here most recently, when none does now: somebody kept an address of an unloaded driver. */
  findUnloaded(address: Address): LoadedImage | undefined {
    return this.find(address) ? undefined : this.#unloaded.findLast(image => image.contains(address));
  }

  /** The image that an address lies in. */
  find(address: Address): LoadedImage | undefined {
    const image = this.#images[this.#indexOf(address)];
    return image?.contains(address) ? image : undefined;
  }

  findByName(name: string): LoadedImage | undefined {
    const wanted = name.toLowerCase();
    return this.#images.find(image => image.name.toLowerCase() === wanted);
  }

  /** As LoadedImage.symbol; the bare address outside every image. */
  symbol(address: Address): string {
    return this.find(address)?.symbol(address) ?? formatAddress(address);
  }

  /** The address that stands for a missing import, the same for the same name; undefined when the range is used up. */
  missingImport(dll: string, name: string): Address | undefined {
    const full = `${dll}!${name}`;
    const known = this.#missingByName.get(full);
    if (known !== undefined) return known;
    if (this.#missing.length >= this.#missingPages) return undefined;
    const address = this.#missingBase + this.#missing.length * PAGE_SIZE;
    this.#missing.push(full);
    this.#missingByName.set(full, address);
    return address;
  }

  /** "dll!name" of the missing import whose page an address lies in. */
  missingImportAt(address: Address): string | undefined {
    return this.#missing[Math.floor((address - this.#missingBase) / PAGE_SIZE)];
  }

  #indexOf(address: Address): number {
    return lastAtOrBefore(this.#images.length, i => this.#images[i]!.base, address);
  }
}
