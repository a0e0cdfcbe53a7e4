/**
 * A driver image, read: PE32+ for x64, subsystem native.
 *
 *     const image = parsePe(bytes);
 *     if ('status' in image) console.log(`driver.sys ${image.message}`);
 *
 * `parsePe` believes nothing in the file: whatever it holds, the answer is an image or a refusal (an NTSTATUS and one
 * sentence), in time and memory bounded by the file's size and MAXIMUM_IMAGE_SIZE. An image that it returns is
 * consistent: every RVA that it names lies inside, and every list is complete.
 */
import { PAGE_SIZE } from '../wdm/address.ts';
import { STATUS_INVALID_IMAGE_FORMAT } from '../wdm/ntstatus.ts';
import { BadImage, Bytes, hex, type Refusal } from './bytes.ts';
import { parseCoffSymbols } from './coff-symbols.ts';
import {
  type ExportEntry,
  type Import,
  type LoadConfig,
  parseExports,
  parseFunctionTable,
  parseImports,
  parseLoadConfig,
  parsePdbPath,
  parseRelocations,
  type Relocation,
} from './directories.ts';
import { type LineTable, parseDwarfLines } from './dwarf-lines.ts';
import { findFramework } from './frameworks.ts';
import { DIRECTORY, type Headers, newFile, parseHeaders } from './headers.ts';
import { SymbolTable } from './symbols.ts';

export interface PeImage extends Headers {
  /** The image as it lies in memory at its preferred base: headers, sections, zeros. A multiple of PAGE_SIZE long. */
  readonly layout: Uint8Array;
  readonly imports: readonly Import[];
  readonly exports: readonly ExportEntry[];
  readonly relocations: readonly Relocation[];
  /** RVAs, three to a function: begin, end, unwind information; sorted by begin. */
  readonly functionTable: Uint32Array;
  /** RVA of that table in the image. */
  readonly functionTableAddress: number;
  readonly loadConfig: LoadConfig | undefined;
  readonly pdbPath: string | undefined;
  /** Names of routines and variables by RVA. */
  readonly symbols: SymbolTable;
  /** Source lines by RVA; empty without DWARF. */
  readonly lines: LineTable;
}

export function parsePe(bytes: Uint8Array): PeImage | Refusal {
  try {
    return parse(bytes);
  } catch (error) {
    if (error instanceof BadImage) return { status: error.status, message: error.message };
    throw error;
  }
}

export function isRefusal<T extends object>(value: T | Refusal): value is Refusal {
  return 'status' in value && 'message' in value;
}

function parse(bytes: Uint8Array): PeImage {
  const file = newFile(bytes);
  const headers = parseHeaders(file);
  const layout = layOut(bytes, headers);
  const image = new Bytes(layout, (offset, length) => {
    const what = `it points outside itself (${hex(offset)}, ${length} bytes)`;
    return new BadImage(STATUS_INVALID_IMAGE_FORMAT, `is damaged: ${what}`);
  });
  const directory = (index: number) => headers.directories[index];
  const imports = parseImports(image, directory(DIRECTORY.IMPORT));
  const framework = findFramework(imports, () => false);
  if (framework?.userMode) throw new BadImage(STATUS_INVALID_IMAGE_FORMAT, framework.message);
  const exports = parseExports(image, directory(DIRECTORY.EXPORT));
  const functionTable = parseFunctionTable(image, directory(DIRECTORY.EXCEPTION));
  return {
    ...headers,
    layout,
    imports,
    exports,
    relocations: parseRelocations(image, directory(DIRECTORY.BASERELOC)),
    functionTable,
    functionTableAddress: functionTable.length === 0 ? 0 : headers.directories[DIRECTORY.EXCEPTION]!.address,
    loadConfig: parseLoadConfig(image, directory(DIRECTORY.LOAD_CONFIG), headers.imageBase),
    pdbPath: parsePdbPath(image, file, directory(DIRECTORY.DEBUG)),
    symbols: new SymbolTable([...parseCoffSymbols(file, headers), ...exportSymbols(exports)]),
    lines: parseDwarfLines(file, headers),
  };
}

/** What the memory manager's section object would show before relocation. */
function layOut(bytes: Uint8Array, headers: Headers): Uint8Array {
  const layout = new Uint8Array(Math.ceil(headers.sizeOfImage / PAGE_SIZE) * PAGE_SIZE);
  layout.set(bytes.subarray(0, headers.sizeOfHeaders));
  for (const { address, rawOffset, rawSize } of headers.sections) {
    layout.set(bytes.subarray(rawOffset, rawOffset + Math.min(rawSize, layout.length - address)), address);
  }
  return layout;
}

function exportSymbols(exports: readonly ExportEntry[]) {
  return exports.flatMap(({ name, address }) => (name === undefined || address === 0 ? [] : [{ name, address }]));
}
