/**
 * The data directories of a driver image: imports, exports, base relocations, the exception directory, the load
 * configuration and the debug directory.
 *
 * All of them are read from the image as it lies in memory (`Bytes` indexed by RVA), before relocation. Work is bounded
 * by the size of the image: every loop advances through it and lists have a limit. Source: "PE Format" (Microsoft);
 * IMAGE_LOAD_CONFIG_DIRECTORY64 in winnt.h.
 */
import { STATUS_INVALID_IMAGE_FORMAT } from '../wdm/ntstatus.ts';
import { BadImage, type Bytes, hex, latin1, printable } from './bytes.ts';
import type { Directory } from './headers.ts';

export interface Import {
  /** As the image spells it. */
  readonly dll: string;
  readonly name: string | undefined;
  /** Undefined when imported by name. */
  readonly ordinal: number | undefined;
  /** RVA of the slot in the import address table. */
  readonly slot: number;
}

export interface ExportEntry {
  readonly name: string | undefined;
  readonly ordinal: number;
  /** RVA; 0 when forwarded. */
  readonly address: number;
  /** "dll.name" or "dll.#ordinal". */
  readonly forwarder: string | undefined;
}

/** RUNTIME_FUNCTION: RVAs. */
export interface RuntimeFunction {
  readonly begin: number;
  readonly end: number;
  readonly unwind: number;
}

/** RVAs of what the loader fills in; undefined where the image has none. */
export interface LoadConfig {
  readonly securityCookie: number | undefined;
  readonly guardCheckPointer: number | undefined;
  readonly guardDispatchPointer: number | undefined;
  readonly xfgCheckPointer: number | undefined;
  readonly xfgDispatchPointer: number | undefined;
  readonly xfgTableDispatchPointer: number | undefined;
  readonly guardFlags: number;
}

const MAXIMUM_IMPORTS = 0x4000;
const MAXIMUM_EXPORTS = 0x1_0000;
const ORDINAL_FLAG = 0x8000_0000_0000_0000n;

const damaged = (what: string) => new BadImage(STATUS_INVALID_IMAGE_FORMAT, `is damaged: ${what}`);

const present = (directory: Directory | undefined): directory is Directory =>
  directory !== undefined && directory.address !== 0 && directory.size !== 0;

export function parseImports(image: Bytes, directory: Directory | undefined): Import[] {
  const imports: Import[] = [];
  if (!present(directory)) return imports;
  for (let at = directory.address; ; at += 20) {
    const nameAt = image.u32(at + 12);
    const slots = image.u32(at + 16);
    if (nameAt === 0 || slots === 0) return imports;
    const dll = printable(image.cString(nameAt, 256));
    const lookup = image.u32(at) || slots;
    for (let i = 0; ; i++) {
      const thunk = image.u64(lookup + i * 8);
      if (thunk === 0n) break;
      if (imports.length >= MAXIMUM_IMPORTS) throw damaged(`it imports more than ${MAXIMUM_IMPORTS} routines`);
      const slot = slots + i * 8;
      image.u64(slot); // the slot must lie in the image, since it will be written
      if (thunk & ORDINAL_FLAG) imports.push({ dll, name: undefined, ordinal: Number(thunk & 0xffffn), slot });
      else {
        if (thunk > 0x7fff_ffffn) throw damaged(`an import from ${dll} has its name at ${hex(thunk)}`);
        imports.push({ dll, name: printable(image.cString(Number(thunk) + 2, 512), 512), ordinal: undefined, slot });
      }
    }
  }
}

export function parseExports(image: Bytes, directory: Directory | undefined): ExportEntry[] {
  if (!present(directory)) return [];
  const { address, size } = directory;
  const base = image.u32(address + 16);
  const functionCount = image.u32(address + 20);
  const nameCount = image.u32(address + 24);
  if (functionCount > MAXIMUM_EXPORTS || nameCount > MAXIMUM_EXPORTS) throw damaged('its export table is too large');
  const functions = image.u32(address + 28);
  const names = image.u32(address + 32);
  const ordinals = image.u32(address + 36);
  const nameOf = new Map<number, string>();
  for (let i = 0; i < nameCount; i++) {
    nameOf.set(image.u16(ordinals + i * 2), printable(image.cString(image.u32(names + i * 4), 512), 512));
  }
  const entries: ExportEntry[] = [];
  for (let i = 0; i < functionCount; i++) {
    const rva = image.u32(functions + i * 4);
    if (rva === 0) continue;
    const forwarded = rva >= address && rva < address + size;
    entries.push({
      name: nameOf.get(i),
      ordinal: base + i,
      address: forwarded ? 0 : rva,
      forwarder: forwarded ? printable(image.cString(rva, 512), 512) : undefined,
    });
  }
  return entries;
}

export const IMAGE_REL_BASED_ABSOLUTE = 0;
export const IMAGE_REL_BASED_HIGH = 1;
export const IMAGE_REL_BASED_LOW = 2;
export const IMAGE_REL_BASED_HIGHLOW = 3;
export const IMAGE_REL_BASED_DIR64 = 10;

/** Bytes that a relocation of each kind changes. HIGHADJ and the machine-specific kinds have no x64 meaning. */
const RELOCATION_SIZE: Readonly<Record<number, number>> = {
  [IMAGE_REL_BASED_ABSOLUTE]: 0,
  [IMAGE_REL_BASED_HIGH]: 2,
  [IMAGE_REL_BASED_LOW]: 2,
  [IMAGE_REL_BASED_HIGHLOW]: 4,
  [IMAGE_REL_BASED_DIR64]: 8,
};

export interface Relocation {
  readonly address: number;
  readonly type: number;
}

/** Every relocation but padding, in the file's order. */
export function parseRelocations(image: Bytes, directory: Directory | undefined): Relocation[] {
  const relocations: Relocation[] = [];
  if (!present(directory)) return relocations;
  const end = directory.address + directory.size;
  for (let block = directory.address; block + 8 <= end; ) {
    const page = image.u32(block);
    const size = image.u32(block + 4);
    if (size < 8 || block + size > end)
      throw damaged(`its relocation block at ${hex(block)} has the size ${hex(size)}`);
    for (let at = block + 8; at + 2 <= block + size; at += 2) {
      const entry = image.u16(at);
      const type = entry >>> 12;
      const address = page + (entry & 0xfff);
      const bytes = RELOCATION_SIZE[type];
      if (bytes === undefined) throw damaged(`it has a relocation of unknown kind ${type} at ${hex(address)}`);
      if (!image.has(address, bytes)) throw damaged(`it has a relocation outside itself, at ${hex(address)}`);
      if (bytes !== 0) relocations.push({ address, type });
    }
    block += size;
  }
  return relocations;
}

/**
 * The function table as one array of RVAs, three to a function: begin, end, unwind information. Entries are sorted by
 * begin, as the linker left them: a table that is not sorted is refused, because a binary search through it would
 * find other functions than Windows' does.
 */
export function parseFunctionTable(image: Bytes, directory: Directory | undefined): Uint32Array {
  if (!present(directory)) return new Uint32Array(0);
  const count = Math.floor(directory.size / 12);
  const bytes = image.slice(directory.address, count * 12);
  const table = new Uint32Array(bytes.slice().buffer);
  for (let i = 0; i < table.length; i += 3) {
    const [begin, end, previous] = [table[i]!, table[i + 1]!, i === 0 ? 0 : table[i - 3]!];
    if (begin === 0 && end === 0) return table.slice(0, i); // what a linker reserved and did not use
    if (begin < previous || begin > end || end > image.length) {
      throw damaged(`its exception directory is out of order at entry ${i / 3}`);
    }
  }
  return table;
}

const COOKIE = 0x58;
const GUARD_CHECK = 0x70;
const GUARD_DISPATCH = 0x78;
const GUARD_FLAGS = 0x90;
const XFG_CHECK = 0x118;
const XFG_DISPATCH = 0x120;
const XFG_TABLE_DISPATCH = 0x128;

/** A field that is absent, 0 or points outside the image is undefined: the loader has nothing to fill in. */
export function parseLoadConfig(
  image: Bytes,
  directory: Directory | undefined,
  imageBase: bigint,
): LoadConfig | undefined {
  if (!present(directory) || !image.has(directory.address, 4)) return undefined;
  // The structure's own Size counts: link.exe leaves the directory's at 0x40 for old loaders.
  const size = image.u32(directory.address);
  const pointer = (offset: number) => {
    if (offset + 8 > size || !image.has(directory.address + offset, 8)) return undefined;
    const rva = image.u64(directory.address + offset) - imageBase;
    return rva > 0n && rva + 8n <= BigInt(image.length) ? Number(rva) : undefined;
  };
  const hasFlags = GUARD_FLAGS + 4 <= size && image.has(directory.address + GUARD_FLAGS, 4);
  return {
    securityCookie: pointer(COOKIE),
    guardCheckPointer: pointer(GUARD_CHECK),
    guardDispatchPointer: pointer(GUARD_DISPATCH),
    xfgCheckPointer: pointer(XFG_CHECK),
    xfgDispatchPointer: pointer(XFG_DISPATCH),
    xfgTableDispatchPointer: pointer(XFG_TABLE_DISPATCH),
    guardFlags: hasFlags ? image.u32(directory.address + GUARD_FLAGS) : 0,
  };
}

/** The path of the program database that the linker wrote, from a CodeView record (RSDS). */
export function parsePdbPath(image: Bytes, file: Bytes, directory: Directory | undefined): string | undefined {
  if (!present(directory) || !image.has(directory.address, directory.size)) return undefined;
  for (let at = directory.address; at + 28 <= directory.address + directory.size; at += 28) {
    const raw = image.u32(at + 24);
    const size = image.u32(at + 16);
    if (image.u32(at + 12) !== 2 || size < 25 || !file.has(raw, size) || file.u32(raw) !== 0x5344_5352) continue;
    return printable(latin1(file.slice(raw + 24, size - 24)), 260) || undefined;
  }
  return undefined;
}
