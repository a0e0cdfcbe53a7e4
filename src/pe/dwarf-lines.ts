/**
 * Source lines from DWARF's `.debug_line`, versions 2 to 5, as clang and gcc leave it in an image.
 *
 * Only the line-number programs are read: file and line by address. Damaged debug information costs the lines from
 * there on, never the image. Source: DWARF Debugging Information Format, version 5, section 6.2.
 */
import { BadImage, Bytes, printable } from './bytes.ts';
import type { Headers } from './headers.ts';
import { lastAtOrBefore } from './symbols.ts';

export interface SourceLine {
  /** The file's name as the compiler recorded it, without directories. */
  readonly file: string;
  readonly line: number;
}

interface Row {
  readonly address: number;
  readonly file: string;
  /** 0 ends a sequence: nothing is known from here to the next row. */
  readonly line: number;
}

const MAXIMUM_ROWS = 0x10_0000;
const MAXIMUM_FILES = 0x1000;

export class LineTable {
  readonly #rows: readonly Row[];

  constructor(rows: readonly Row[]) {
    // An end of sequence sorts before a row that begins at the same address.
    this.#rows = [...rows].sort((a, b) => a.address - b.address || Math.sign(a.line) - Math.sign(b.line));
  }

  get size(): number {
    return this.#rows.length;
  }

  at(address: number): SourceLine | undefined {
    const row = this.#rows[lastAtOrBefore(this.#rows.length, i => this.#rows[i]!.address, address)];
    return row && row.line !== 0 ? { file: row.file, line: row.line } : undefined;
  }
}

export function parseDwarfLines(file: Bytes, headers: Pick<Headers, 'sections' | 'imageBase'>): LineTable {
  const section = (name: string) => {
    const found = headers.sections.find(s => s.name === name);
    return new Bytes(
      found ? file.slice(found.rawOffset, Math.min(found.rawSize, found.size)) : new Uint8Array(0),
      () => new BadImage(0, `${name} is damaged`),
    );
  };
  const rows: Row[] = [];
  try {
    const strings = { line: section('.debug_line_str'), str: section('.debug_str') };
    const reader = new Reader(section('.debug_line'), strings);
    while (reader.more()) readUnit(reader, headers.imageBase, rows);
  } catch (error) {
    if (!(error instanceof BadImage)) throw error;
  }
  return new LineTable(rows);
}

interface Strings {
  readonly line: Bytes;
  readonly str: Bytes;
}

/** A cursor over .debug_line. */
class Reader {
  offset = 0;
  readonly bytes: Bytes;
  readonly #strings: Strings;

  constructor(bytes: Bytes, strings: Strings) {
    this.bytes = bytes;
    this.#strings = strings;
  }

  more(): boolean {
    return this.offset + 4 <= this.bytes.length;
  }
  u8(): number {
    return this.bytes.u8(this.offset++);
  }
  u16(): number {
    this.offset += 2;
    return this.bytes.u16(this.offset - 2);
  }
  u32(): number {
    this.offset += 4;
    return this.bytes.u32(this.offset - 4);
  }
  u64(): bigint {
    this.offset += 8;
    return this.bytes.u64(this.offset - 8);
  }
  uleb(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (!(byte & 0x80)) return value;
    }
  }
  sleb(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (!(byte & 0x80)) return byte & 0x40 ? value - scale * 128 : value;
    }
  }
  string(): string {
    const text = this.bytes.cString(this.offset);
    this.offset += text.length + 1;
    return text;
  }

  /** A value of a form; '' for what is no text and is not needed. */
  form(form: number): string | number {
    switch (form) {
      case 0x08: // DW_FORM_string
        return this.string();
      case 0x1f: // DW_FORM_line_strp
        return this.#strings.line.cString(this.u32());
      case 0x0e: // DW_FORM_strp
        return this.#strings.str.cString(this.u32());
      case 0x0b: // DW_FORM_data1
        return this.u8();
      case 0x05: // DW_FORM_data2
        return this.u16();
      case 0x06: // DW_FORM_data4
        return this.u32();
      case 0x0f: // DW_FORM_udata
        return this.uleb();
      case 0x1e: // DW_FORM_data16
        this.offset += 16;
        return '';
      case 0x09: // DW_FORM_block
        this.offset += this.uleb();
        return '';
      default:
        throw new BadImage(0, `DWARF form ${form}`);
    }
  }
}

function readUnit(reader: Reader, imageBase: bigint, rows: Row[]): void {
  const length = reader.u32();
  const end = reader.offset + length;
  // 0xfffffff0 and above announce the 64-bit format, which no compiler uses for PE.
  if (length >= 0xffff_fff0 || end > reader.bytes.length) throw new BadImage(0, 'unit length');
  const version = reader.u16();
  if (version < 2 || version > 5) {
    reader.offset = end;
    return;
  }
  if (version >= 5) reader.offset += 2; // address_size, segment_selector_size
  const headerLength = reader.u32();
  const program = reader.offset + headerLength;
  const minimumInstructionLength = reader.u8();
  if (version >= 4) reader.u8(); // maximum_operations_per_instruction
  reader.u8(); // default_is_stmt
  const lineBase = (reader.u8() << 24) >> 24;
  const lineRange = reader.u8() || 1;
  const opcodeBase = reader.u8();
  const operandCounts = [0];
  for (let i = 1; i < opcodeBase; i++) operandCounts.push(reader.u8());
  const files = version >= 5 ? readFilesV5(reader) : readFilesV2(reader);
  reader.offset = program;
  runProgram(reader, end, { minimumInstructionLength, lineBase, lineRange, opcodeBase, operandCounts, files }, imageBase, rows); // biome-ignore format: one call
  reader.offset = end;
}

const baseName = (path: string | number | undefined) => printable(/[^/\\]*$/.exec(String(path ?? ''))?.[0] ?? '');

/** Files are numbered from 1. */
function readFilesV2(reader: Reader): string[] {
  while (reader.string() !== '');
  const files = [''];
  for (let name = reader.string(); name !== ''; name = reader.string()) {
    files.push(baseName(name));
    reader.uleb();
    reader.uleb();
    reader.uleb();
  }
  return files;
}

/** Files are numbered from 0. */
function readFilesV5(reader: Reader): string[] {
  const readTable = () => {
    const formats = Array.from({ length: reader.u8() }, () => [reader.uleb(), reader.uleb()] as const);
    const count = reader.uleb();
    if (count > MAXIMUM_FILES) throw new BadImage(0, 'too many files');
    const names: string[] = [];
    // An entry without fields takes no bytes: its count is not bounded by the section.
    for (let i = 0; i < count && formats.length > 0; i++) {
      let name = '';
      for (const [content, form] of formats) {
        const value = reader.form(form);
        if (content === 1) name = baseName(value); // DW_LNCT_path
      }
      names.push(name);
    }
    return names;
  };
  readTable(); // directories
  return readTable();
}

interface Program {
  readonly minimumInstructionLength: number;
  readonly lineBase: number;
  readonly lineRange: number;
  readonly opcodeBase: number;
  readonly operandCounts: readonly number[];
  readonly files: readonly string[];
}

function runProgram(reader: Reader, end: number, p: Program, imageBase: bigint, rows: Row[]): void {
  let address = 0;
  let file = 1;
  let line = 1;
  const reset = () => {
    address = 0;
    file = 1;
    line = 1;
  };
  const emit = (ended = false) => {
    if (rows.length >= MAXIMUM_ROWS) throw new BadImage(0, 'too many lines');
    rows.push({ address, file: p.files[file] ?? '', line: ended ? 0 : line });
  };
  const advance = (operations: number) => {
    address += operations * p.minimumInstructionLength;
  };
  const standard: Readonly<Record<number, () => void>> = {
    1: () => emit(), // DW_LNS_copy
    2: () => advance(reader.uleb()), // DW_LNS_advance_pc
    3: () => (line += reader.sleb()), // DW_LNS_advance_line
    4: () => (file = reader.uleb()), // DW_LNS_set_file
    5: () => reader.uleb(), // DW_LNS_set_column
    8: () => advance(Math.floor((255 - p.opcodeBase) / p.lineRange)), // DW_LNS_const_add_pc
    9: () => (address += reader.u16()), // DW_LNS_fixed_advance_pc
  };
  while (reader.offset < end) {
    const opcode = reader.u8();
    if (opcode >= p.opcodeBase) {
      const adjusted = opcode - p.opcodeBase;
      advance(Math.floor(adjusted / p.lineRange));
      line += p.lineBase + (adjusted % p.lineRange);
      emit();
    } else if (opcode !== 0) {
      const run = standard[opcode];
      if (run) run();
      else for (let i = 0; i < p.operandCounts[opcode]!; i++) reader.uleb();
    } else {
      const length = reader.uleb();
      const next = reader.offset + length;
      const extended = reader.u8();
      if (extended === 1) {
        emit(true); // DW_LNE_end_sequence
        reset();
      } else if (extended === 2) address = Number(reader.u64() - imageBase); // DW_LNE_set_address
      reader.offset = next;
    }
  }
}
