import type { DataType } from './data-type.js';

/** An element as a number: 64-bit integers are exact. */
export type Numeric = number | bigint;

/** How the elements of a type lie in its canonical bytes, and what they stand for. */
export interface ElementLayout {
  /** Bits of one element; elements of less than 8 bits are packed from bit 0 up. */
  readonly bits: number;
  /** Null for what is no plain number: booleans, complex, 8-bit and 4-bit floats. */
  readonly read: ((view: DataView, index: number) => Numeric) | null;
  /** Whether the bits are sign, exponent and fraction, so that neighbours are one ULP apart. */
  readonly float: boolean;
}

/** The number that 16 bits of IEEE 754 binary16 stand for. */
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

/** Integers of less than 8 bits, two's complement where they are signed. */
function packed(bits: number, signed: boolean): (view: DataView, index: number) => number {
  return (view, index) => {
    const at = index * bits;
    const raw = (view.getUint8(at >> 3) >> (at & 7)) & ((1 << bits) - 1);
    return signed && raw >> (bits - 1) === 1 ? raw - (1 << bits) : raw;
  };
}

type Read = (view: DataView, index: number) => Numeric;

const FLOATS: Readonly<Record<string, Read>> = {
  FLOAT: (view, index) => view.getFloat32(index * 4, true),
  DOUBLE: (view, index) => view.getFloat64(index * 8, true),
  FLOAT16: (view, index) => float16(view.getUint16(index * 2, true)),
  BFLOAT16: (view, index) => bfloat16(view.getUint16(index * 2, true)),
};

const INTEGERS: Readonly<Record<string, Read>> = {
  UINT2: packed(2, false),
  INT2: packed(2, true),
  UINT4: packed(4, false),
  INT4: packed(4, true),
  UINT8: (view, index) => view.getUint8(index),
  INT8: (view, index) => view.getInt8(index),
  UINT16: (view, index) => view.getUint16(index * 2, true),
  INT16: (view, index) => view.getInt16(index * 2, true),
  UINT32: (view, index) => view.getUint32(index * 4, true),
  INT32: (view, index) => view.getInt32(index * 4, true),
  UINT64: (view, index) => view.getBigUint64(index * 8, true),
  INT64: (view, index) => view.getBigInt64(index * 8, true),
};

/** The layout of an element type; null for strings, whose elements vary in length. */
export function layoutOf({ name, bits }: Pick<DataType, 'name' | 'bits'>): ElementLayout | null {
  if (bits === 0) return null;
  const read = FLOATS[name] ?? INTEGERS[name] ?? null;
  return { bits, read, float: Object.hasOwn(FLOATS, name) };
}
