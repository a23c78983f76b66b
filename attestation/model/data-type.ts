import { AssayError } from '../encoding/error.js';

/** The field of TensorProto that carries the values where `raw_data` does not. */
export type TypedField = 'float' | 'int32' | 'string' | 'int64' | 'double' | 'uint64';

/** An element type of TensorProto.DataType (onnx.proto). */
export interface DataType {
  readonly code: number;
  /** Its name in the enum. */
  readonly name: string;
  /** Bits of one element; 0 for strings. Elements of less than 8 bits are packed from bit 0 up. */
  readonly bits: number;
  readonly field: TypedField;
  /** Range of an `int32_data` or `uint64_data` entry; sub-byte types hold a packed byte. */
  readonly least: number;
  readonly most: number;
}

const U8 = [0, 0xff] as const;
const U16 = [0, 0xffff] as const;
const ANY = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const;

const TYPES: readonly (readonly [string, number, TypedField, readonly [number, number]])[] = [
  ['FLOAT', 32, 'float', ANY],
  ['UINT8', 8, 'int32', U8],
  ['INT8', 8, 'int32', [-0x80, 0x7f]],
  ['UINT16', 16, 'int32', U16],
  ['INT16', 16, 'int32', [-0x8000, 0x7fff]],
  ['INT32', 32, 'int32', ANY],
  ['INT64', 64, 'int64', ANY],
  ['STRING', 0, 'string', ANY],
  ['BOOL', 8, 'int32', [0, 1]],
  ['FLOAT16', 16, 'int32', U16],
  ['DOUBLE', 64, 'double', ANY],
  ['UINT32', 32, 'uint64', [0, 0xffff_ffff]],
  ['UINT64', 64, 'uint64', ANY],
  ['COMPLEX64', 64, 'float', ANY],
  ['COMPLEX128', 128, 'double', ANY],
  ['BFLOAT16', 16, 'int32', U16],
  ['FLOAT8E4M3FN', 8, 'int32', U8],
  ['FLOAT8E4M3FNUZ', 8, 'int32', U8],
  ['FLOAT8E5M2', 8, 'int32', U8],
  ['FLOAT8E5M2FNUZ', 8, 'int32', U8],
  ['UINT4', 4, 'int32', U8],
  ['INT4', 4, 'int32', U8],
  ['FLOAT4E2M1', 4, 'int32', U8],
  ['FLOAT8E8M0', 8, 'int32', U8],
  ['UINT2', 2, 'int32', U8],
  ['INT2', 2, 'int32', U8],
];

const BY_CODE: readonly DataType[] = TYPES.map(([name, bits, field, [least, most]], index) => ({
  code: index + 1,
  name,
  bits,
  field,
  least,
  most,
}));

/** The element type with this number; throws MODEL_DATA_TYPE for 0 and for what is not defined. */
export function dataTypeOf(code: number): DataType {
  const type = BY_CODE[code - 1];
  if (type === undefined) {
    throw new AssayError('MODEL_DATA_TYPE', `element type ${code} is not one of 1 to 26`);
  }
  return type;
}
