import { AssayError } from '../../attestation/encoding/error.js';
import type { Datatype } from './datatype.js';
import type { Tensor } from './tensor.js';

/** A typed array of any datatype that has one; FP16 is its bits, as in ONNX Runtime. */
export type TypedArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigUint64Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

const ARRAYS: {
  readonly [name in Exclude<Datatype, 'BYTES'>]: new (
    buffer: ArrayBuffer,
  ) => TypedArray;
} = {
  BOOL: Uint8Array,
  UINT8: Uint8Array,
  INT8: Int8Array,
  UINT16: Uint16Array,
  INT16: Int16Array,
  FP16: Uint16Array,
  UINT32: Uint32Array,
  INT32: Int32Array,
  UINT64: BigUint64Array,
  INT64: BigInt64Array,
  FP32: Float32Array,
  FP64: Float64Array,
};

/**
 * The elements of a tensor as a typed array of its own, without a call for each element as
 * `elementsOf` makes. Throws TENSOR_DATATYPE for BYTES. Every platform of Node is little-endian.
 */
export function typedArrayOf({ name, datatype, data }: Tensor): TypedArray {
  if (datatype === 'BYTES') {
    throw new AssayError('TENSOR_DATATYPE', `${name}: BYTES have no typed array`);
  }
  return new ARRAYS[datatype](new Uint8Array(data).buffer);
}
