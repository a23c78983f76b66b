import { open } from 'node:fs/promises';
import { AssayError } from '../../attestation/encoding/error.js';
import type { Io } from './io.js';

const MIB = 1024 * 1024;
/** Evidence, policies, certificates and proofs are small; models are read elsewhere. */
const DEFAULT_LIMIT = 64 * MIB;

/** What the system said, for people. */
export function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EISDIR') return 'it is a directory';
  if (code === 'EACCES') return 'permission was denied';
  return error instanceof Error ? error.message : String(error);
}

function tooLarge(path: string, limit: number): AssayError {
  return new AssayError(
    'USAGE_FILE',
    `${path} is larger than the ${limit} bytes that are accepted`,
  );
}

/** USAGE_FILE for what the system said when a file was opened or read. */
export function unreadable(path: string, error: unknown): AssayError {
  return new AssayError('USAGE_FILE', `cannot read ${path}: ${reasonOf(error)}`, error);
}

/** Reads to the end or the limit: a device or a pipe has no size to ask for beforehand. */
async function readBounded(
  source: AsyncIterable<unknown>,
  name: string,
  limit: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of source) {
    const bytes = part instanceof Uint8Array ? part : Buffer.from(String(part));
    length += bytes.length;
    if (length > limit) throw tooLarge(name, limit);
    parts.push(bytes);
  }
  return new Uint8Array(Buffer.concat(parts));
}

/**
 * Reads a file, or standard input for `-`. Throws USAGE_FILE, which names the path and the reason, or
 * USAGE_OPTION for standard input that is read already.
 */
export async function readInput(
  io: Io,
  path: string,
  limit = DEFAULT_LIMIT,
): Promise<Uint8Array<ArrayBuffer>> {
  if (path === '-') return readBounded(io.takeStdin(), 'standard input', limit);
  try {
    const file = await open(path, 'r');
    try {
      if ((await file.stat()).size > limit) throw tooLarge(path, limit);
      return await readBounded(file.createReadStream({ highWaterMark: MIB }), path, limit);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof AssayError) throw error;
    throw unreadable(path, error);
  }
}

/** Reads what a file that the caller named holds; what it cannot hold is USAGE_FILE, not a fault of evidence. */
export function asFile<T>(path: string, fault: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (!(cause instanceof AssayError)) throw cause;
    throw new AssayError('USAGE_FILE', `${path} is ${fault}: ${cause.message}`, cause);
  }
}

/**
 * What goes wrong with one model of several names its path;
 * an error of the file's that does already is as it was.
 */
export async function ofModel<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof AssayError)) throw cause;
    if (cause.code === 'USAGE_FILE' && cause.message.includes(path)) throw cause;
    throw new AssayError(cause.code, `${path}: ${cause.message}`, cause);
  }
}
