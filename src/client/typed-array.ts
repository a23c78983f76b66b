import { type Datatype, datatypeOf } from './datatype.js';

/** A typed array of any datatype that has one; FP16 is its bits and BOOL 0 or 1, as in ONNX Runtime. */
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

/** How each is made: a view of bytes in the order of the platform, which is little-endian wherever Node runs. */
export const TYPED_ARRAYS: {
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

/** Whether elements are a typed array of the datatype's own kind; throws TENSOR_DATATYPE as `datatypeOf`. */
export function isTypedArray(datatype: Datatype, elements: unknown): elements is TypedArray {
  const known = datatypeOf(datatype);
  return known !== 'BYTES' && elements instanceof TYPED_ARRAYS[known];
}
