import { decodeCbor } from '../encoding/cbor.js';
import { writeCbor } from '../encoding/cbor-writer.js';
import { AssayError } from '../encoding/error.js';
import { label, portableHmacSha256 } from '../encoding/hash.js';

/** A tensor in canonical form, as the Open Inference Protocol carries it in `raw_*_contents`. */
export interface CommittedTensor {
  readonly name: string;
  /** Data type in the protocol's words: `FP32`, `INT64`, `BYTES`, … */
  readonly datatype: string;
  readonly shape: readonly number[];
  /** Elements in row-major order, little-endian; each BYTES element after its u32 length. */
  readonly data: Uint8Array;
}

/** HMAC-SHA-256 (RFC 2104) of the concatenation of the parts; keys have at most 64 bytes. */
export type HmacSha256 = (key: Uint8Array, parts: readonly Uint8Array[]) => Uint8Array<ArrayBuffer>;

/** Length of a salt, bytes. */
export const SALT_LENGTH = 32;

/** The response parameter `receipt_salt`: a CBOR byte string. */
export function encodeSalt(salt: Uint8Array): Uint8Array<ArrayBuffer> {
  return writeCbor((to) => to.bytes(salt));
}

/** Reads what `encodeSalt` writes; throws RECEIPT_ENCODING. */
export function decodeSalt(bytes: Uint8Array): Uint8Array {
  let salt: unknown;
  try {
    salt = decodeCbor(bytes, 2 * SALT_LENGTH);
  } catch (cause) {
    throw new AssayError('RECEIPT_ENCODING', 'the salt is not deterministic CBOR', cause);
  }
  if (!(salt instanceof Uint8Array) || salt.length !== SALT_LENGTH) {
    throw new AssayError('RECEIPT_ENCODING', `expected a salt of ${SALT_LENGTH} bytes`);
  }
  return salt;
}

function assertSize(value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new AssayError('RECEIPT_TENSOR', 'expected sizes and dimensions to be whole numbers');
  }
}

/** Writes u32 length ‖ UTF-8 and returns the offset behind it; there is room for three bytes a unit. */
function writeText(bytes: Uint8Array, view: DataView, start: number, text: string): number {
  const { written } = encoder.encodeInto(text, bytes.subarray(start + 4));
  view.setUint32(start, written, true);
  return start + 4 + written;
}

function writeSize(view: DataView, offset: number, value: number): number {
  assertSize(value);
  view.setUint32(offset, value % LIMIT_32, true);
  view.setUint32(offset + 4, Math.floor(value / LIMIT_32), true);
  return offset + 8;
}

/** A tensor's header, which most requests for a model have in common. */
interface KnownHeader {
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly length: number;
  readonly bytes: Uint8Array;
}

/** More names than the inputs and outputs of a server's models have. */
const MAX_KNOWN = 1024;
/** Bytes of a header that is kept: whoever made a proof chose its names, and they are as long as he likes. */
const MAX_KEPT = 1024;
const known = new Map<string, KnownHeader>();

function fits(header: KnownHeader, { datatype, shape, data }: CommittedTensor): boolean {
  return (
    header.datatype === datatype &&
    header.length === data.length &&
    header.shape.length === shape.length &&
    header.shape.every((dimension, i) => dimension === shape[i])
  );
}

/** All that precedes a tensor's data; the newest of each name is kept, unless it is long. */
function headerOf(tensor: CommittedTensor): Uint8Array {
  const { name, datatype, data } = tensor;
  const last = known.get(name);
  if (last !== undefined && fits(last, tensor)) return last.bytes;
  const bytes = header(tensor);
  if (bytes.buffer.byteLength > MAX_KEPT) return bytes;
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(name, { datatype, shape: [...tensor.shape], length: data.length, bytes });
  return bytes;
}

function header({ name, datatype, shape, data }: CommittedTensor): Uint8Array {
  const bytes = new Uint8Array(20 + 3 * (name.length + datatype.length) + 8 * shape.length);
  const view = new DataView(bytes.buffer);
  let offset = writeText(bytes, view, 0, name);
  offset = writeText(bytes, view, offset, datatype);
  view.setUint32(offset, shape.length, true);
  offset += 4;
  for (const dimension of shape) offset = writeSize(view, offset, dimension);
  return bytes.subarray(0, writeSize(view, offset, data.length));
}

/** label ‖ u32 count */
function opening(side: Side, count: number): Uint8Array {
  const text = label(side);
  const bytes = new Uint8Array(text.length + 4);
  bytes.set(text);
  new DataView(bytes.buffer).setUint32(text.length, count, true);
  return bytes;
}

type Side = 'request' | 'response';

const LIMIT_32 = 0x1_0000_0000;
/** By the number of tensors, as many as most models have. */
const OPENINGS = {
  request: Array.from({ length: 16 }, (_, count) => opening('request', count)),
  response: Array.from({ length: 16 }, (_, count) => opening('response', count)),
} as const;
const encoder = new TextEncoder();

/**
 * Commitment to a request's inputs or a response's outputs: HMAC-SHA-256 under the salt over
 * label ‖ u32 count, then for each tensor u32 length ‖ name, u32 length ‖ datatype, u32 rank,
 * u64 dimensions, u64 length ‖ data; all integers little-endian. A request's commitment is never a
 * response's: the labels differ. Tensor bytes are read in place.
 *
 * @param tensors those that the message carries, in the order of the model's signature.
 * @param salt 32 random bytes that only the caller gets: without it nothing can be guessed at.
 */
export function commitTensors(
  side: Side,
  tensors: readonly CommittedTensor[],
  salt: Uint8Array,
  hmac: HmacSha256 = portableHmacSha256,
): Uint8Array<ArrayBuffer> {
  if (salt.length !== SALT_LENGTH) {
    throw new AssayError(
      'RECEIPT_SALT',
      `expected a salt of ${SALT_LENGTH} bytes, not ${salt.length}`,
    );
  }
  const parts = [OPENINGS[side][tensors.length] ?? opening(side, tensors.length)];
  for (const tensor of tensors) parts.push(headerOf(tensor), tensor.data);
  return hmac(salt, parts);
}
