import { utf8 } from '../../attestation/encoding/bytes.js';
import { type CborValue, encodeCbor } from '../../attestation/encoding/cbor.js';
import { sha256 } from '../../attestation/encoding/hash.js';

/* FORMAT.md, followed by hand. */

export const digest = (kind: string, content: CborValue): Uint8Array =>
  sha256(utf8(`assay/model-${kind}/v1\0`), encodeCbor(content));
export const floats = (...values: number[]): Uint8Array =>
  new Uint8Array(Float32Array.from(values).buffer);
export const longs = (...values: bigint[]): Uint8Array =>
  new Uint8Array(BigInt64Array.from(values).buffer);
/** A node of ONNX's own domain. */
export const node = (
  op: string,
  version: CborValue,
  attributes: CborValue,
  inputs: CborValue,
  outputs: CborValue,
  place: CborValue,
): Uint8Array => digest('node', [['', op, '', version], attributes, inputs, outputs, place]);
export const value = (of: Uint8Array, index: number): Uint8Array => digest('value', [of, index]);
/** The type of a tensor of floats. */
export const float = (...dims: CborValue[]): CborValue => ['tensor', 1, dims];
