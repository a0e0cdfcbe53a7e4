/** The files that people name on the command line, with a sentence for each way in which that can go wrong. */
import { readFileSync, statSync } from 'node:fs';
import { basename, extname } from 'node:path';

/** A mistake in how the command was called: printed without a stack, exit code 2. */
export class UsageError extends Error {}

export interface InputFile {
  readonly path: string;
  /** Without directory and extension: the service's name. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'it may not be read',
  ENOTDIR: 'a part of its path is no directory',
};

/** Far above any driver, and below what one would want to wait for. */
const LARGEST = 256 * 1024 * 1024;

export function readInput(path: string): InputFile {
  try {
    const status = statSync(path);
    if (status.isDirectory()) throw new UsageError(`${path}: it is a directory; name a driver's file in it`);
    if (status.size > LARGEST) throw new UsageError(`${path}: it has ${status.size} bytes, which no driver has`);
    return { path, name: basename(path, extname(path)), bytes: readFileSync(path) };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UsageError(`${path}: ${REASONS[code ?? ''] ?? message}`);
  }
}
