import { concat, utf8 } from '../encoding/bytes.js';
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

/** Messages up to this size are joined: an update costs a hash more than copying so many bytes. */
const JOINED = 16 * 1024;

function assertSize(value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new AssayError('RECEIPT_TENSOR', 'expected sizes and dimensions to be whole numbers');
  }
}

/** All that precedes a tensor's data. */
function header({ name, datatype, shape, data }: CommittedTensor): Uint8Array {
  const [nameBytes, typeBytes] = [utf8(name), utf8(datatype)];
  const bytes = new Uint8Array(20 + nameBytes.length + typeBytes.length + 8 * shape.length);
  const view = new DataView(bytes.buffer);
  let offset = 0;
  const u32 = (value: number): void => {
    view.setUint32(offset, value, true);
    offset += 4;
  };
  const u64 = (value: number): void => {
    assertSize(value);
    u32(value % 0x1_0000_0000);
    u32(Math.floor(value / 0x1_0000_0000));
  };
  for (const text of [nameBytes, typeBytes]) {
    u32(text.length);
    bytes.set(text, offset);
    offset += text.length;
  }
  u32(shape.length);
  for (const dimension of shape) u64(dimension);
  u64(data.length);
  return bytes;
}

const LABELS = { request: label('request'), response: label('response') } as const;

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
  const count = new Uint8Array(4);
  new DataView(count.buffer).setUint32(0, tensors.length, true);
  const parts = [LABELS[side], count, ...tensors.flatMap((one) => [header(one), one.data])];
  const mac = hmac(salt);
  if (parts.reduce((length, part) => length + part.length, 0) <= JOINED) {
    mac.update(concat(...parts));
  } else {
    for (const part of parts) mac.update(part);
  }
  return new Uint8Array(mac.digest());
}
