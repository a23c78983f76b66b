import type { DataType } from './data-type.js';

type Read = (view: DataView, offset: number) => number;

/** IEEE 754 binary16. */
export function float16(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const scratch = new DataView(new ArrayBuffer(4));

/** bfloat16: the upper half of a float. */
function bfloat16(bits: number): number {
  scratch.setUint32(0, bits * 0x1_0000);
  return scratch.getFloat32(0);
}

const READERS: Readonly<Record<string, Read>> = {
  FLOAT: (view, at) => view.getFloat32(at, true),
  DOUBLE: (view, at) => view.getFloat64(at, true),
  FLOAT16: (view, at) => float16(view.getUint16(at, true)),
  BFLOAT16: (view, at) => bfloat16(view.getUint16(at, true)),
  UINT8: (view, at) => view.getUint8(at),
  INT8: (view, at) => view.getInt8(at),
  BOOL: (view, at) => view.getUint8(at),
  UINT16: (view, at) => view.getUint16(at, true),
  INT16: (view, at) => view.getInt16(at, true),
  UINT32: (view, at) => view.getUint32(at, true),
  INT32: (view, at) => view.getInt32(at, true),
  UINT64: (view, at) => Number(view.getBigUint64(at, true)),
  INT64: (view, at) => Number(view.getBigInt64(at, true)),
};

/**
 * Reads one element of a type from its little-endian bytes, 64-bit integers rounded to a double; null
 * for the types that are no plain numbers (strings, complex, packed and 8-bit floats).
 */
export function numberReader(type: DataType): Read | null {
  return READERS[type.name] ?? null;
}
