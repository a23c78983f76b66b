import { inflateRawSync } from 'node:zlib';
import { AssayError } from '../../attestation/encoding/error.js';
import { parseNpy } from '../client/npy.js';
import type { Tensor } from '../client/tensor.js';
import type { Names, TestSet } from './test-sets.js';

/** APPNOTE.TXT section 4.3: central directory file header, and the record that ends the directory. */
const ENTRY = 0x02014b50;
const END = 0x06054b50;
const END_LENGTH = 22;
const MAX_COMMENT = 0xffff;
/** Uncompressed bytes of one array. */
const MAX_ARRAY = 2 ** 30;

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

function contentOf(bytes: Buffer, method: number, size: number, packed: Buffer): Uint8Array {
  if (size > MAX_ARRAY) return bad(`has an array of more than ${MAX_ARRAY} bytes`);
  if (method === 0) return packed;
  if (method !== 8) return bad(`uses compression method ${method}: expected stored or deflated`);
  try {
    return inflateRawSync(packed, { maxOutputLength: Math.max(1, size) });
  } catch (cause) {
    return bad(`does not inflate (${bytes.length} bytes)`, cause);
  }
}

/** The arrays of a .npz file (numpy.savez, numpy.savez_compressed) by name. Throws MODEL_VECTORS. */
export function parseNpz(file: Uint8Array): ReadonlyMap<string, Tensor> {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const arrays = new Map<string, Tensor>();
  try {
    const end = endOfDirectory(bytes);
    const count = bytes.readUInt16LE(end + 10);
    let at = bytes.readUInt32LE(end + 16);
    for (let i = 0; i < count; i++) {
      if (bytes.readUInt32LE(at) !== ENTRY) bad('has a broken directory');
      const method = bytes.readUInt16LE(at + 10);
      const packedSize = bytes.readUInt32LE(at + 20);
      const size = bytes.readUInt32LE(at + 24);
      const nameLength = bytes.readUInt16LE(at + 28);
      const local = bytes.readUInt32LE(at + 42);
      const name = bytes.toString('utf8', at + 46, at + 46 + nameLength).replace(/\.npy$/, '');
      const start = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
      if (start + packedSize > bytes.length) bad('ends inside an array');
      const content = contentOf(bytes, method, size, bytes.subarray(start, start + packedSize));
      if (content.length !== size || arrays.has(name)) bad('contradicts its directory');
      arrays.set(name, parseNpy(name, content));
      at += 46 + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
    }
  } catch (cause) {
    if (cause instanceof RangeError) bad('ends inside a record', cause);
    throw cause;
  }
  return arrays;
}

/** A test set of arrays that are called as the model's inputs and outputs are. */
export function npzTestSet(name: string, file: Uint8Array, names: Names): TestSet {
  const arrays = parseNpz(file);
  const unknown = [...arrays.keys()].find(
    (key) => !names.inputs.includes(key) && !names.outputs.includes(key),
  );
  if (unknown !== undefined) {
    bad(`has an array ${JSON.stringify(unknown.slice(0, 100))}, which is no input or output`);
  }
  const select = (keys: readonly string[]): Tensor[] =>
    keys.flatMap((key) => arrays.get(key) ?? []);
  return { name, inputs: select(names.inputs), outputs: select(names.outputs) };
}
