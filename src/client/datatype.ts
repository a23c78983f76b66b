import { AssayError } from '../../attestation/encoding/error.js';
import { float16 } from '../../attestation/model/number.js';
import { toHalf } from '../system/half.js';

/** Datatypes of the Open Inference Protocol v2 that ONNX Runtime for Node has. */
export type Datatype =
  | 'BOOL'
  | 'UINT8'
  | 'UINT16'
  | 'UINT32'
  | 'UINT64'
  | 'INT8'
  | 'INT16'
  | 'INT32'
  | 'INT64'
  | 'FP16'
  | 'FP32'
  | 'FP64'
  | 'BYTES';

/** One element as JavaScript sees it: 64-bit integers are bigint, BYTES are text or bytes. */
export type Element = number | bigint | boolean | string | Uint8Array;

/** A datatype whose elements all have one size. */
export interface FixedType {
  /** Bytes of one element. */
  readonly size: number;
  /** Element type of numpy without its byte order: `f4`, `i8`. */
  readonly numpy: string;
  readonly read: (view: DataView, offset: number) => number | bigint | boolean;
  /** Writes one element little-endian; false if the value is not one of this datatype. */
  readonly write: (view: DataView, offset: number, value: unknown) => boolean;
}

/** A number, or the three that JSON has no numeral for. */
function real(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return Number(value);
  return undefined;
}

function float(
  size: number,
  read: (view: DataView, offset: number) => number,
  write: (view: DataView, offset: number, value: number) => void,
): FixedType {
  return {
    size,
    numpy: `f${size}`,
    read,
    write: (view, offset, value) => {
      const number = real(value);
      if (number === undefined) return false;
      write(view, offset, number);
      // A number beyond the datatype's largest was stored as an infinity.
      return Number.isFinite(number) === Number.isFinite(read(view, offset));
    },
  };
}

function integer(
  size: 1 | 2 | 4,
  signed: boolean,
  read: (view: DataView, offset: number) => number,
  write: (view: DataView, offset: number, value: number) => void,
): FixedType {
  const low = signed ? -(2 ** (8 * size - 1)) : 0;
  const high = 2 ** (8 * size - (signed ? 1 : 0)) - 1;
  return {
    size,
    numpy: `${signed ? 'i' : 'u'}${size}`,
    read,
    write: (view, offset, value) => {
      const fits =
        typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high;
      if (fits) write(view, offset, value);
      return fits;
    },
  };
}

/** 64-bit integers are bigint, a number that is exact, or decimal digits in text (as JSON carries them). */
function long(signed: boolean): FixedType {
  const exact = (value: unknown): bigint | undefined => {
    if (typeof value === 'bigint') return value;
    if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
    return typeof value === 'string' && /^-?\d{1,20}$/.test(value) ? BigInt(value) : undefined;
  };
  return {
    size: 8,
    numpy: signed ? 'i8' : 'u8',
    read: (view, offset) =>
      signed ? view.getBigInt64(offset, true) : view.getBigUint64(offset, true),
    write: (view, offset, value) => {
      const number = exact(value);
      if (number === undefined) return false;
      if (number !== (signed ? BigInt.asIntN(64, number) : BigInt.asUintN(64, number)))
        return false;
      view.setBigUint64(offset, BigInt.asUintN(64, number), true);
      return true;
    },
  };
}

const FIXED: { readonly [name in Exclude<Datatype, 'BYTES'>]: FixedType } = {
  BOOL: {
    size: 1,
    numpy: 'b1',
    read: (view, offset) => view.getUint8(offset) !== 0,
    write: (view, offset, value) => {
      if (typeof value === 'boolean') view.setUint8(offset, value ? 1 : 0);
      return typeof value === 'boolean';
    },
  },
  UINT8: integer(
    1,
    false,
    (view, at) => view.getUint8(at),
    (view, at, value) => view.setUint8(at, value),
  ),
  UINT16: integer(
    2,
    false,
    (view, at) => view.getUint16(at, true),
    (view, at, value) => view.setUint16(at, value, true),
  ),
  UINT32: integer(
    4,
    false,
    (view, at) => view.getUint32(at, true),
    (view, at, value) => view.setUint32(at, value, true),
  ),
  UINT64: long(false),
  INT8: integer(
    1,
    true,
    (view, at) => view.getInt8(at),
    (view, at, value) => view.setInt8(at, value),
  ),
  INT16: integer(
    2,
    true,
    (view, at) => view.getInt16(at, true),
    (view, at, value) => view.setInt16(at, value, true),
  ),
  INT32: integer(
    4,
    true,
    (view, at) => view.getInt32(at, true),
    (view, at, value) => view.setInt32(at, value, true),
  ),
  INT64: long(true),
  FP16: float(
    2,
    (view, at) => float16(view.getUint16(at, true)),
    (view, at, value) => view.setUint16(at, toHalf(value), true),
  ),
  FP32: float(
    4,
    (view, at) => view.getFloat32(at, true),
    (view, at, value) => view.setFloat32(at, value, true),
  ),
  FP64: float(
    8,
    (view, at) => view.getFloat64(at, true),
    (view, at, value) => view.setFloat64(at, value, true),
  ),
};

/** Names of all fixed-size datatypes. */
export const FIXED_DATATYPES = Object.keys(FIXED) as Exclude<Datatype, 'BYTES'>[];

/** Narrows a name from the wire; throws TENSOR_DATATYPE. */
export function datatypeOf(name: string): Datatype {
  if (name === 'BYTES' || Object.hasOwn(FIXED, name)) return name as Datatype;
  throw new AssayError(
    'TENSOR_DATATYPE',
    `expected a datatype of the Open Inference Protocol, not ${JSON.stringify(name.slice(0, 32))}`,
  );
}

/**
 * How elements of a datatype are laid out; undefined for BYTES, whose elements vary in length. Throws
 * TENSOR_DATATYPE for a name that is none, which types do not keep a caller from.
 */
export function fixedType(datatype: Datatype): FixedType | undefined {
  const known = datatypeOf(datatype);
  return known === 'BYTES' ? undefined : FIXED[known];
}

/** What ONNX calls the datatypes that the protocol has another name for (TensorProto.DataType). */
const ONNX_NAMES: { readonly [name in Datatype]?: string } = {
  FP16: 'FLOAT16',
  FP32: 'FLOAT',
  FP64: 'DOUBLE',
  BYTES: 'STRING',
};

/** The element type of ONNX that a datatype stands for. */
export function elementTypeOf(datatype: Datatype): string {
  return ONNX_NAMES[datatype] ?? datatype;
}

/** The datatypes by the element types of ONNX that they stand for: those that callers can send. */
export const BY_ELEMENT_TYPE: ReadonlyMap<string, Datatype> = new Map(
  [...FIXED_DATATYPES, 'BYTES' as const].map((datatype) => [elementTypeOf(datatype), datatype]),
);

/** The datatype of an element type of ONNX; throws TENSOR_DATATYPE for those that callers cannot send. */
export function datatypeOfElements(elementType: string): Datatype {
  return BY_ELEMENT_TYPE.get(elementType) ?? datatypeOf(elementType);
}
