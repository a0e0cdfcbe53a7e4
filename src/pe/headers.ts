/**
 * The PE32+ headers of a driver: what is checked before anything in the file is believed.
 *
 * Source: "PE Format" (Microsoft). Whatever is not a 64-bit x86 kernel image is refused with a sentence saying what
 * it is. A 32-bit or Arm image gets STATUS_INVALID_IMAGE_FORMAT, the NT form of ERROR_BAD_EXE_FORMAT, which is what
 * loading such a driver reports; STATUS_IMAGE_MACHINE_TYPE_MISMATCH has a success severity and would read as one.
 */
import { PAGE_SIZE } from '../wdm/address.ts';
import {
  STATUS_INSUFFICIENT_RESOURCES,
  STATUS_INVALID_IMAGE_FORMAT,
  STATUS_INVALID_IMAGE_LE_FORMAT,
  STATUS_INVALID_IMAGE_NE_FORMAT,
  STATUS_INVALID_IMAGE_NOT_MZ,
  STATUS_INVALID_IMAGE_PROTECT,
} from '../wdm/ntstatus.ts';
import { BadImage, Bytes, hex, latin1, printable } from './bytes.ts';

/** Data directories, by index. */
export const DIRECTORY = {
  EXPORT: 0,
  IMPORT: 1,
  RESOURCE: 2,
  EXCEPTION: 3,
  SECURITY: 4,
  BASERELOC: 5,
  DEBUG: 6,
  LOAD_CONFIG: 10,
  IAT: 12,
  COM_DESCRIPTOR: 14,
} as const;

export interface Directory {
  /** RVA; SECURITY alone is a file offset. */
  readonly address: number;
  readonly size: number;
}

export const IMAGE_FILE_RELOCS_STRIPPED = 0x0001;
export const IMAGE_FILE_DLL = 0x2000;
export const IMAGE_SCN_CNT_CODE = 0x0000_0020;
export const IMAGE_SCN_MEM_DISCARDABLE = 0x0200_0000;
export const IMAGE_SCN_MEM_NOT_PAGED = 0x0800_0000;
export const IMAGE_SCN_MEM_EXECUTE = 0x2000_0000;
export const IMAGE_SCN_MEM_READ = 0x4000_0000;
export const IMAGE_SCN_MEM_WRITE = 0x8000_0000;
export const IMAGE_SUBSYSTEM_NATIVE = 1;

export interface Section {
  readonly name: string;
  /** RVA of the first byte. */
  readonly address: number;
  /** Bytes that are mapped: VirtualSize, or the raw size where that is 0. */
  readonly size: number;
  readonly rawOffset: number;
  /** Bytes that come from the file; the rest is zero. */
  readonly rawSize: number;
  readonly characteristics: number;
}

export interface Headers {
  readonly characteristics: number;
  readonly timeDateStamp: number;
  readonly symbolTable: number;
  readonly symbolCount: number;
  /** The address that the linker chose. */
  readonly imageBase: bigint;
  readonly entryPoint: number;
  readonly sectionAlignment: number;
  readonly sizeOfImage: number;
  readonly sizeOfHeaders: number;
  readonly checkSum: number;
  readonly subsystem: number;
  readonly dllCharacteristics: number;
  readonly directories: readonly Directory[];
  readonly sections: readonly Section[];
}

/** Larger images are refused: no driver comes near, and a damaged SizeOfImage must not cost gigabytes. */
export const MAXIMUM_IMAGE_SIZE = 0x400_0000;

const MACHINE_AMD64 = 0x8664;
const OTHER_MACHINES: Readonly<Record<number, string>> = {
  332: '32-bit (x86)',
  448: '32-bit Arm',
  450: '32-bit Arm',
  452: '32-bit Arm',
  512: 'Itanium',
  43620: 'Arm64',
  42561: 'Arm64EC',
  42574: 'Arm64X',
  20580: 'RISC-V',
};

const OTHER_SUBSYSTEMS: Readonly<Record<number, string>> = {
  2: 'a user-mode program or DLL (Windows GUI subsystem)',
  3: 'a user-mode program or DLL (Windows console subsystem)',
  7: 'a POSIX program',
  9: 'a Windows CE program',
  10: 'an EFI application',
  11: 'an EFI boot service driver',
  12: 'an EFI runtime driver',
  13: 'an EFI ROM image',
  14: 'an Xbox program',
  16: 'a Windows boot application',
};

const MAGIC_PE32 = 0x10b;
const MAGIC_PE32_PLUS = 0x20b;

/** Throws BadImage. */
export function parseHeaders(file: Bytes): Headers {
  const pe = findPe(file);
  const machine = file.u16(pe + 4);
  if (machine !== MACHINE_AMD64) {
    const name = OTHER_MACHINES[machine] ?? `made for an unknown machine (${hex(machine)})`;
    throw new BadImage(STATUS_INVALID_IMAGE_FORMAT, `is ${name}; only 64-bit x86 (x64) drivers can be loaded`);
  }
  const sectionCount = file.u16(pe + 6);
  const optionalSize = file.u16(pe + 20);
  const optional = pe + 24;
  const magic = file.u16(optional);
  if (magic === MAGIC_PE32) throw damaged('has a 32-bit optional header (PE32) behind a 64-bit file header');
  if (magic !== MAGIC_PE32_PLUS) throw damaged(`has an optional header of unknown kind (${hex(magic)})`);
  if (optionalSize < 112) throw damaged(`has an optional header of only ${optionalSize} bytes`);

  const directories: Directory[] = [];
  const directoryCount = Math.min(file.u32(optional + 108), 16, (optionalSize - 112) >>> 3);
  for (let i = 0; i < directoryCount; i++) {
    const at = optional + 112 + i * 8;
    directories.push({ address: file.u32(at), size: file.u32(at + 4) });
  }
  const headers = {
    characteristics: file.u16(pe + 22),
    timeDateStamp: file.u32(pe + 8),
    symbolTable: file.u32(pe + 12),
    symbolCount: file.u32(pe + 16),
    imageBase: file.u64(optional + 24),
    entryPoint: file.u32(optional + 16),
    sectionAlignment: file.u32(optional + 32),
    sizeOfImage: file.u32(optional + 56),
    sizeOfHeaders: file.u32(optional + 60),
    checkSum: file.u32(optional + 64),
    subsystem: file.u16(optional + 68),
    dllCharacteristics: file.u16(optional + 70),
    directories,
  };
  checkFields(headers, file.u32(optional + 36));
  const sections = parseSections(file, optional + optionalSize, sectionCount, headers);
  if (headers.sizeOfHeaders > file.length) throw truncated(headers.sizeOfHeaders, file.length, 'its headers end');
  if (headers.subsystem !== IMAGE_SUBSYSTEM_NATIVE) throw notNative(headers);
  const com = directories[DIRECTORY.COM_DESCRIPTOR];
  if (com && com.address !== 0 && com.size !== 0) throw new BadImage(STATUS_INVALID_IMAGE_FORMAT, 'is a .NET assembly, not a driver'); // biome-ignore format: one line
  return { ...headers, sections };
}

function damaged(what: string): BadImage {
  return new BadImage(STATUS_INVALID_IMAGE_FORMAT, `is damaged: it ${what}`);
}

function truncated(wanted: number, length: number, what: string): BadImage {
  return new BadImage(
    STATUS_INVALID_IMAGE_FORMAT,
    `is truncated: ${what} at byte ${hex(wanted)}, the file at ${hex(length)}`,
  );
}

/** The offset of "PE\0\0"; whatever else begins with MZ is named. */
function findPe(file: Bytes): number {
  if (file.length === 0) throw new BadImage(STATUS_INVALID_IMAGE_NOT_MZ, 'is empty');
  if (!file.has(0, 2) || file.u16(0) !== 0x5a4d) {
    const magic = latin1(file.bytes.subarray(0, 4));
    const kind = magic === '\x7fELF' ? 'is an ELF file' : 'is not a Windows image: it does not begin with MZ';
    throw new BadImage(STATUS_INVALID_IMAGE_NOT_MZ, kind);
  }
  if (!file.has(0, 64)) throw truncated(64, file.length, 'its MS-DOS header ends');
  const pe = file.u32(0x3c);
  const signature = file.has(pe, 4) ? file.u32(pe) : 0;
  if (signature !== 0x4550) {
    const short = signature & 0xffff;
    if (short === 0x454e) throw new BadImage(STATUS_INVALID_IMAGE_NE_FORMAT, 'is a 16-bit Windows or OS/2 image (NE)');
    if (short === 0x454c || short === 0x584c) {
      throw new BadImage(STATUS_INVALID_IMAGE_LE_FORMAT, 'is a linear executable (LE/LX), such as a Windows 9x VxD');
    }
    throw new BadImage(
      STATUS_INVALID_IMAGE_PROTECT,
      `has no PE header where its MS-DOS header points (byte ${hex(pe)}): an MS-DOS program, or truncated or damaged`,
    );
  }
  if (!file.has(pe, 24 + 112)) throw truncated(pe + 24 + 112, file.length, 'its PE header ends');
  return pe;
}

type Fields = Omit<Headers, 'sections'>;

function checkFields(h: Fields, fileAlignment: number): void {
  const power = (n: number) => n > 0 && Number.isInteger(Math.log2(n));
  if (!power(h.sectionAlignment)) throw damaged(`has the section alignment ${hex(h.sectionAlignment)}`);
  if (!power(fileAlignment)) throw damaged(`has the file alignment ${hex(fileAlignment)}`);
  if (h.sectionAlignment < PAGE_SIZE && h.sectionAlignment !== fileAlignment) {
    throw damaged('aligns its sections below a page, but differently in the file');
  }
  if (h.sizeOfImage === 0) throw damaged('has the size 0');
  if (h.sizeOfImage > MAXIMUM_IMAGE_SIZE) {
    throw new BadImage(
      STATUS_INSUFFICIENT_RESOURCES,
      `wants ${hex(h.sizeOfImage)} bytes of memory; images of more than ${hex(MAXIMUM_IMAGE_SIZE)} are not loaded`,
    );
  }
  if (h.sizeOfHeaders > h.sizeOfImage) throw damaged('has headers larger than itself');
  if (h.entryPoint >= h.sizeOfImage) throw damaged(`has its entry point outside, at ${hex(h.entryPoint)}`);
  if (h.imageBase % 0x1_0000n !== 0n) throw damaged(`has the image base ${hex(h.imageBase)}, not a multiple of 64 KiB`);
}

function parseSections(file: Bytes, table: number, count: number, h: Fields): Section[] {
  if (count === 0) throw damaged('has no sections');
  if (count > 96) throw damaged(`has ${count} sections; the loader allows 96`);
  if (!file.has(table, count * 40)) throw truncated(table + count * 40, file.length, 'its section table ends');
  const roundUp = (n: number) => Math.ceil(n / h.sectionAlignment) * h.sectionAlignment;
  const sections: Section[] = [];
  let next = -1;
  for (let i = 0; i < count; i++) {
    const at = table + i * 40;
    const name = sectionName(file, latin1(file.slice(at, 8)), h);
    const label = name || `number ${i + 1}`;
    const virtualSize = file.u32(at + 8);
    const address = file.u32(at + 12);
    const size = virtualSize || file.u32(at + 16);
    const rawOffset = file.u32(at + 20);
    const rawSize = rawOffset === 0 ? 0 : Math.min(file.u32(at + 16), roundUp(size));
    if (next >= 0 ? address !== next : address < h.sizeOfHeaders || address % h.sectionAlignment !== 0) {
      throw damaged(`has its section ${label} at ${hex(address)}, out of order`);
    }
    next = roundUp(address + size);
    if (next > roundUp(h.sizeOfImage)) throw damaged(`has its section ${label} end outside, at ${hex(address + size)}`);
    if (!file.has(rawOffset, rawSize)) {
      throw truncated(rawOffset + rawSize, file.length, `its section ${label} ends`);
    }
    sections.push({ name, address, size, rawOffset, rawSize, characteristics: file.u32(at + 36) });
  }
  return sections;
}

/** A name of more than 8 characters stands as "/offset" into the COFF string table. */
function sectionName(file: Bytes, name: string, h: Fields): string {
  const offset = /^\/(\d+)$/.exec(name)?.[1];
  const strings = h.symbolTable + h.symbolCount * 18;
  if (offset === undefined || h.symbolTable === 0 || !file.has(strings + Number(offset), 1)) return printable(name);
  const rest = file.bytes.subarray(strings + Number(offset), strings + Number(offset) + 64);
  return printable(latin1(rest));
}

function notNative(h: Fields): BadImage {
  const what = OTHER_SUBSYSTEMS[h.subsystem] ?? `made for an unknown subsystem (${h.subsystem})`;
  return new BadImage(STATUS_INVALID_IMAGE_FORMAT, `is ${what}, not a kernel driver (subsystem native)`);
}

export function newFile(bytes: Uint8Array): Bytes {
  return new Bytes(bytes, (offset, length) =>
    truncated(offset + length, bytes.length, 'something in its headers ends'),
  );
}
