/**
 * The COFF symbol table that GNU and LLVM linkers leave in an image: names of routines and variables.
 *
 * It lies outside the sections and the system never reads it, so a table that makes no sense is no reason to refuse
 * the image: there are just no symbols then. Source: "PE Format" (Microsoft), COFF Symbol Table.
 */
import { type Bytes, latin1, printable } from './bytes.ts';
import type { Headers } from './headers.ts';
import type { SymbolEntry } from './symbols.ts';

const SYMBOL_SIZE = 18;
const MAXIMUM_SYMBOLS = 0x2_0000;
const IMAGE_SYM_CLASS_EXTERNAL = 2;
const IMAGE_SYM_CLASS_STATIC = 3;

type Source = Pick<Headers, 'symbolTable' | 'symbolCount' | 'sections'>;

export function parseCoffSymbols(file: Bytes, { symbolTable, symbolCount, sections }: Source): SymbolEntry[] {
  const strings = symbolTable + symbolCount * SYMBOL_SIZE;
  if (symbolTable === 0 || symbolCount > MAXIMUM_SYMBOLS || !file.has(symbolTable, symbolCount * SYMBOL_SIZE))
    return [];
  const symbols: SymbolEntry[] = [];
  for (let i = 0; i < symbolCount; i++) {
    const at = symbolTable + i * SYMBOL_SIZE;
    const section = sections[file.u16(at + 12) - 1];
    const storage = file.u8(at + 16);
    const value = file.u32(at + 8);
    i += file.u8(at + 17); // auxiliary records
    if (!section || value >= section.size) continue;
    if (storage !== IMAGE_SYM_CLASS_EXTERNAL && storage !== IMAGE_SYM_CLASS_STATIC) continue;
    const name = symbolName(file, at, strings);
    // A section's own symbol and an assembler's local label say nothing.
    if (name === '' || name.startsWith('.')) continue;
    symbols.push({ name, address: section.address + value });
  }
  return symbols;
}

function symbolName(file: Bytes, at: number, strings: number): string {
  if (file.u32(at) !== 0) return printable(latin1(file.slice(at, 8)));
  const offset = strings + file.u32(at + 4);
  if (!file.has(offset, 1)) return '';
  return printable(latin1(file.bytes.subarray(offset, offset + 256)), 256);
}
