/**
 * A WebAssembly module under construction: imports first, then functions, then `encode`.
 *
 * Functions are numbered in the order in which they are imported and declared, imports before all others; a function
 * may be called before its body exists. The memory and the table are imported, for all code of a machine shares them.
 */
import { type Body, pushUnsigned, VALUE_TYPES, type ValueType } from './body.ts';

export interface Signature {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
}

interface Defined {
  readonly type: number;
  locals: readonly ValueType[];
  body: Body | undefined;
}

export class ModuleBuilder {
  readonly #types: number[][] = [];
  readonly #typeIndex = new Map<string, number>();
  readonly #imports: number[][] = [];
  readonly #functions: Defined[] = [];
  readonly #exports: number[][] = [];
  #importedFunctions = 0;

  type(params: readonly ValueType[], results: readonly ValueType[] = []): number {
    const key = `${params.join()}>${results.join()}`;
    const known = this.#typeIndex.get(key);
    if (known !== undefined) return known;
    const bytes = [0x60];
    for (const list of [params, results]) {
      pushUnsigned(bytes, list.length);
      for (const each of list) bytes.push(VALUE_TYPES[each]);
    }
    this.#typeIndex.set(key, this.#types.length);
    return this.#types.push(bytes) - 1;
  }

  importMemory(module: string, name: string, pages: number): void {
    const bytes = importName(module, name);
    bytes.push(0x02, 0x00);
    pushUnsigned(bytes, pages);
    this.#imports.push(bytes);
  }

  importTable(module: string, name: string): void {
    const bytes = importName(module, name);
    bytes.push(0x01, 0x70, 0x00, 0x00);
    this.#imports.push(bytes);
  }

  importFunction(module: string, name: string, type: number): number {
    if (this.#functions.length > 0) throw new Error(`import ${name} before declaring functions: imports come first`);
    const bytes = importName(module, name);
    bytes.push(0x00);
    pushUnsigned(bytes, type);
    this.#imports.push(bytes);
    return this.#importedFunctions++;
  }

  /** Reserves a function; give it its body with `define` before `encode`. */
  declare(type: number): number {
    return this.#importedFunctions + this.#functions.push({ type, locals: [], body: undefined }) - 1;
  }

  /** `locals` are those beyond the parameters. */
  define(index: number, locals: readonly ValueType[], body: Body): void {
    const defined = this.#functions[index - this.#importedFunctions]!;
    defined.locals = locals;
    defined.body = body;
  }

  export(name: string, index: number): void {
    const bytes = text(name);
    bytes.push(0x00);
    pushUnsigned(bytes, index);
    this.#exports.push(bytes);
  }

  encode(): Uint8Array {
    const types = this.#functions.map(f => {
      const bytes: number[] = [];
      pushUnsigned(bytes, f.type);
      return bytes;
    });
    // Of each section, how many items it has, and the pieces that they are made of.
    const sections: readonly [id: number, count: number, pieces: number[][]][] = [
      [1, this.#types.length, this.#types],
      [2, this.#imports.length, this.#imports],
      [3, types.length, types],
      [7, this.#exports.length, this.#exports],
      [10, this.#functions.length, this.#functions.flatMap(encodeFunction)],
    ];
    const out: number[][] = [[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]];
    for (const [id, items, pieces] of sections) {
      if (items === 0) continue;
      const count: number[] = [];
      pushUnsigned(count, items);
      const head = [id];
      pushUnsigned(
        head,
        pieces.reduce((sum, piece) => sum + piece.length, count.length),
      );
      out.push(head, count, ...pieces);
    }
    const bytes = new Uint8Array(out.reduce((sum, piece) => sum + piece.length, 0));
    let at = 0;
    for (const piece of out) {
      bytes.set(piece, at);
      at += piece.length;
    }
    return bytes;
  }
}

/** The opcode `end`. */
const END = [0x0b];

function encodeFunction({ locals, body }: Defined): number[][] {
  if (!body) throw new Error('a declared function has no body');
  if (body.depth !== 0) throw new Error(`${body.depth} blocks are open at the end of a function`);
  const runs: number[] = [];
  let count = 0;
  for (let i = 0; i < locals.length; ) {
    let end = i;
    while (end < locals.length && locals[end] === locals[i]) end++;
    pushUnsigned(runs, end - i);
    runs.push(VALUE_TYPES[locals[i]!]);
    count++;
    i = end;
  }
  const head: number[] = [];
  pushUnsigned(head, count);
  const size: number[] = [];
  pushUnsigned(size, head.length + runs.length + body.bytes.length + END.length);
  return [size, head, runs, body.bytes, END];
}

function text(value: string): number[] {
  const bytes: number[] = [];
  pushUnsigned(bytes, value.length);
  for (let i = 0; i < value.length; i++) bytes.push(value.charCodeAt(i) & 0x7f);
  return bytes;
}

function importName(module: string, name: string): number[] {
  return [...text(module), ...text(name)];
}
