import { crc32, inflateRawSync } from 'node:zlib';
import { AssayError } from '../../attestation/encoding/error.js';
import { parseNpy } from '../client/npy.js';
import type { Tensor } from '../client/tensor.js';
import type { Names, TestSet } from './test-sets.js';

/** APPNOTE.TXT section 4.3: central directory file header, and the record that ends the directory. */
const ENTRY = 0x02014b50;
const END = 0x06054b50;
const END_LENGTH = 22;
const MAX_COMMENT = 0xffff;
/** Uncompressed bytes of all arrays together. */
const MAX_BYTES = 2 ** 30;

function bad(reason: string, cause?: unknown): never {
  throw new AssayError('MODEL_VECTORS', `the npz file ${reason}`, cause);
}

function endOfDirectory(bytes: Buffer): number {
  const first = Math.max(0, bytes.length - END_LENGTH - MAX_COMMENT);
  for (let at = bytes.length - END_LENGTH; at >= first; at--) {
    if (bytes.readUInt32LE(at) === END) return at;
  }
  return bad('is no zip file');
}

/** An array as the directory states it; `content` lies from `start` to `end`, behind its local header. */
interface Entry {
  readonly name: string;
  readonly method: number;
  /** Uncompressed bytes. */
  readonly size: number;
  /** CRC-32 of these. */
  readonly checksum: number;
  readonly header: number;
  readonly start: number;
  readonly end: number;
}

function readDirectory(bytes: Buffer): Entry[] {
  const entries: Entry[] = [];
  try {
    const end = endOfDirectory(bytes);
    const count = bytes.readUInt16LE(end + 10);
    let at = bytes.readUInt32LE(end + 16);
    for (let i = 0; i < count; i++) {
      if (bytes.readUInt32LE(at) !== ENTRY) bad('has a broken directory');
      const nameLength = bytes.readUInt16LE(at + 28);
      const header = bytes.readUInt32LE(at + 42);
      const start = header + 30 + bytes.readUInt16LE(header + 26) + bytes.readUInt16LE(header + 28);
      entries.push({
        name: bytes.toString('utf8', at + 46, at + 46 + nameLength).replace(/\.npy$/, ''),
        method: bytes.readUInt16LE(at + 10),
        size: bytes.readUInt32LE(at + 24),
        checksum: bytes.readUInt32LE(at + 16),
        header,
        start,
        end: start + bytes.readUInt32LE(at + 20),
      });
      at += 46 + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
    }
  } catch (cause) {
    if (cause instanceof RangeError) bad('ends inside a record', cause);
    throw cause;
  }
  return entries;
}

/** Refuses what would cost much for a small file, before anything is inflated. */
function assertBounded(entries: readonly Entry[], length: number): void {
  const total = entries.reduce((sum, { size }) => sum + size, 0);
  if (total > MAX_BYTES) bad(`has arrays of ${total} bytes: expected at most ${MAX_BYTES}`);
  let free = 0;
  for (const { header, end } of entries.toSorted((a, b) => a.header - b.header)) {
    if (header < free) bad('has arrays that overlap');
    if (end > length) bad('ends inside an array');
    free = end;
  }
}

function unpacked(bytes: Buffer, { name, method, size, start, end }: Entry): Uint8Array {
  const packed = bytes.subarray(start, end);
  if (method === 0) return packed;
  if (method !== 8) return bad(`uses compression method ${method}: expected stored or deflated`);
  try {
    return inflateRawSync(packed, { maxOutputLength: Math.max(1, size) });
  } catch (cause) {
    return bad(
      `has an array ${JSON.stringify(name)} that does not inflate to ${size} bytes`,
      cause,
    );
  }
}

function contentOf(bytes: Buffer, entry: Entry): Uint8Array {
  const content = unpacked(bytes, entry);
  if (content.length !== entry.size) bad('contradicts its directory');
  if (crc32(content) !== entry.checksum) {
    bad(`has an array ${JSON.stringify(entry.name)} whose CRC-32 is not the one in the directory`);
  }
  return content;
}

/**
 * A test set of a .npz file (numpy.savez, numpy.savez_compressed), whose arrays are called as the model's
 * inputs and outputs are and have at most 1 GiB together. Throws MODEL_VECTORS, and what `parseNpy` throws.
 */
export function npzTestSet(name: string, file: Uint8Array, { inputs, outputs }: Names): TestSet {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const entries = readDirectory(bytes);
  const seen = new Set<string>();
  for (const entry of entries) {
    const shown = JSON.stringify(entry.name.slice(0, 100));
    if (!inputs.includes(entry.name) && !outputs.includes(entry.name)) {
      bad(`has an array ${shown}, which is no input or output`);
    }
    if (seen.has(entry.name)) bad(`has the array ${shown} twice`);
    seen.add(entry.name);
  }
  assertBounded(entries, bytes.length);
  const arrays = new Map(
    entries.map((entry) => [entry.name, parseNpy(entry.name, contentOf(bytes, entry))] as const),
  );
  const select = (keys: readonly string[]): Tensor[] =>
    keys.flatMap((key) => arrays.get(key) ?? []);
  return { name, inputs: select(inputs), outputs: select(outputs) };
}
