/**
 * PE/COFF: driver images as files and as modules in memory.
 */
export type { Refusal } from './bytes.ts';
export type { ExportEntry, Import, LoadConfig, Relocation, RuntimeFunction } from './directories.ts';
export type { SourceLine } from './dwarf-lines.ts';
export { type ForeignFramework, findFramework, frameworkOf } from './frameworks.ts';
export type { Section } from './headers.ts';
export { type ImageDescription, ImageTable, LoadedImage } from './image-table.ts';
export { isRefusal, type PeImage, parsePe } from './pe-image.ts';
export { CALLOUT_UNWIND_DATA_SIZE, type PseudoImage, pseudoImage, writeCalloutUnwindData } from './pseudo-image.ts';
export { type SymbolEntry, SymbolTable } from './symbols.ts';
