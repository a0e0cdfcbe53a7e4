/**
 * The recorded results: test/vectors/*.json. Inputs follow from the seed, so an entry is its code and, in base64, one
 * byte of the digest for each state behind four bytes over all of them. A mismatch so names the state that went wrong;
 * `tools/vectors/fuzz.ts` on a machine with the real processor shows what.
 */
import { digest } from './digest.ts';
import { SLOTS } from './layout.ts';

export interface VectorFile {
  readonly seed: string;
  /** The processor that the results come from. */
  readonly processor: string;
  /** By form, in the order of recording: code in hexadecimal, digests. Slots are counted through all entries. */
  readonly forms: readonly {
    readonly name: string;
    readonly entries: readonly (readonly [code: string, digests: string])[];
  }[];
}

export interface RecordedEntry {
  readonly name: string;
  readonly slot: number;
  readonly code: Uint8Array;
  readonly digests: Digests;
}

/** Digests of one entry's outcomes. */
export class Digests {
  readonly bytes: Uint8Array;
  readonly total: number;

  constructor(bytes: Uint8Array, total: number) {
    this.bytes = bytes;
    this.total = total >>> 0;
  }

  static of(outcomes: readonly Uint8Array[]): Digests {
    const bytes = new Uint8Array(outcomes.length);
    let total = 0;
    outcomes.forEach((outcome, i) => {
      const each = digest(outcome);
      bytes[i] = each;
      total = (Math.imul(total, 0x0100_0193) ^ each) >>> 0;
    });
    return new Digests(bytes, total);
  }

  static parse(text: string): Digests {
    const all = Buffer.from(text, 'base64');
    return new Digests(new Uint8Array(all.subarray(4)), all.readUInt32LE(0));
  }

  toString(): string {
    const all = Buffer.alloc(4 + this.bytes.length);
    all.writeUInt32LE(this.total, 0);
    all.set(this.bytes, 4);
    return all.toString('base64');
  }
}

/** One form a line, so that a difference between two recordings can be read. */
export function stringify(file: VectorFile): string {
  const forms = file.forms.map(form => `    ${JSON.stringify(form)}`);
  return `{\n  "seed": ${JSON.stringify(file.seed)},\n  "processor": ${JSON.stringify(file.processor)},\n  "forms": [\n${forms.join(',\n')}\n  ]\n}\n`;
}

/** All entries, in runs that fill the code area once. */
export function* chunks(file: VectorFile): Generator<RecordedEntry[]> {
  let chunk: RecordedEntry[] = [];
  for (const { name, entries } of file.forms) {
    for (const [code, digests] of entries) {
      chunk.push({ name, slot: chunk.length, code: Buffer.from(code, 'hex'), digests: Digests.parse(digests) });
      if (chunk.length === SLOTS) {
        yield chunk;
        chunk = [];
      }
    }
  }
  if (chunk.length > 0) yield chunk;
}
