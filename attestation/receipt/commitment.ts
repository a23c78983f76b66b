import { utf8 } from '../encoding/bytes.js';
import { decodeCbor, encodeCbor } from '../encoding/cbor.js';
import { AssayError } from '../encoding/error.js';
import { label, portableHmacSha256, type Sha256 } from '../encoding/hash.js';

/** A tensor in canonical form, as the Open Inference Protocol carries it in `raw_*_contents`. */
export interface CommittedTensor {
  readonly name: string;
  /** Data type in the protocol's words: `FP32`, `INT64`, `BYTES`, … */
  readonly datatype: string;
  readonly shape: readonly number[];
  /** Elements in row-major order, little-endian; each BYTES element after its u32 length. */
  readonly data: Uint8Array;
}

/** Makes a running HMAC-SHA-256 under a key; `(key) => createHmac('sha256', key)` in Node. */
export type HmacFactory = (key: Uint8Array) => Sha256;

/** Length of a salt, bytes. */
export const SALT_LENGTH = 32;

/** The response parameter `receipt_salt`: a CBOR byte string. */
export function encodeSalt(salt: Uint8Array): Uint8Array<ArrayBuffer> {
  return encodeCbor(salt);
}

/** Reads what `encodeSalt` writes; throws RECEIPT_ENCODING. */
export function decodeSalt(bytes: Uint8Array): Uint8Array {
  let salt: unknown;
  try {
    salt = decodeCbor(bytes);
  } catch (cause) {
    throw new AssayError('RECEIPT_ENCODING', 'the salt is not deterministic CBOR', cause);
  }
  if (!(salt instanceof Uint8Array) || salt.length !== SALT_LENGTH) {
    throw new AssayError('RECEIPT_ENCODING', `expected a salt of ${SALT_LENGTH} bytes`);
  }
  return salt;
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function u64(value: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new AssayError('RECEIPT_TENSOR', 'expected sizes and dimensions to be whole numbers');
  }
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes;
}

function text(value: string): readonly Uint8Array[] {
  const bytes = utf8(value);
  return [u32(bytes.length), bytes];
}

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
  side: 'request' | 'response',
  tensors: readonly CommittedTensor[],
  salt: Uint8Array,
  hmac: HmacFactory = portableHmacSha256,
): Uint8Array<ArrayBuffer> {
  if (salt.length !== SALT_LENGTH) {
    throw new AssayError(
      'RECEIPT_SALT',
      `expected a salt of ${SALT_LENGTH} bytes, not ${salt.length}`,
    );
  }
  const mac = hmac(salt);
  mac.update(label(side));
  mac.update(u32(tensors.length));
  for (const { name, datatype, shape, data } of tensors) {
    for (const part of [...text(name), ...text(datatype), u32(shape.length), ...shape.map(u64)]) {
      mac.update(part);
    }
    mac.update(u64(data.length));
    mac.update(data);
  }
  return new Uint8Array(mac.digest());
}
