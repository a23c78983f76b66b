import { open, rm } from 'node:fs/promises';
import { AssayError } from '../../attestation/encoding/error.js';
import { pemBlocks } from '../../attestation/encoding/pem.js';
import { parseTolerances, type Tolerances } from '../hub/package.js';
import type { Io } from './io.js';

const MIB = 1024 * 1024;
/** Evidence, policies, certificates and proofs are small; models are read elsewhere. */
const DEFAULT_LIMIT = 64 * MIB;

function reason(error: unknown): string {
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

/** Reads a file, or standard input for `-`; throws USAGE_FILE, which names the path and the reason. */
export async function readInput(
  io: Io,
  path: string,
  limit = DEFAULT_LIMIT,
): Promise<Uint8Array<ArrayBuffer>> {
  if (path === '-') return readBounded(io.surroundings.stdin, 'standard input', limit);
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
    throw new AssayError('USAGE_FILE', `cannot read ${path}: ${reason(error)}`, error);
  }
}

/** Writes a file, of which nothing is left where not all of it can be written; throws USAGE_FILE. */
export async function writeOutput(path: string, bytes: Uint8Array | string): Promise<void> {
  try {
    const file = await open(path, 'w');
    try {
      await file.writeFile(bytes);
    } catch (error) {
      if ((await file.stat()).isFile()) await rm(path);
      throw error;
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new AssayError('USAGE_FILE', `cannot write ${path}: ${reason(error)}`, error);
  }
}

/** The DER certificates of a file: every PEM block of it, or the file itself as one DER value. */
export async function readCertificates(io: Io, path: string): Promise<Uint8Array[]> {
  const bytes = await readInput(io, path, MIB);
  const blocks = pemBlocks(Buffer.from(bytes).toString('latin1'), 'CERTIFICATE');
  if (blocks.length > 0) return blocks;
  if (bytes[0] === 0x30) return [bytes];
  throw new AssayError('USAGE_FILE', `${path} holds no certificate in PEM or DER`);
}

/** A publisher's `tolerances.json`; throws USAGE_FILE or HUB_TOLERANCES. */
export async function readTolerancesFile(io: Io, path: string): Promise<Tolerances> {
  return parseTolerances(await readInput(io, path));
}
