import type { TensorInit } from './onnx-init.js';

function packed(values: Iterable<number | bigint>, width: number): Uint8Array {
  const list = [...values].map((value) => BigInt.asUintN(64, BigInt(value)));
  const bytes = Buffer.alloc(list.length * 8);
  list.forEach((value, index) => {
    bytes.writeBigUInt64LE(value, index * 8);
  });
  return Buffer.concat(list.map((_, index) => bytes.subarray(index * 8, index * 8 + width)));
}

/** Bytes of one `int32_data` entry; sub-byte types hold one packed byte an entry. */
const INT32_WIDTH: Readonly<Record<number, number>> = { 4: 2, 5: 2, 6: 4, 10: 2, 16: 2 };

/** The little-endian elements of a tensor in typed fields, as raw_data has them; null for strings. */
export function writeElements(tensor: TensorInit): Uint8Array | null {
  const { type } = tensor;
  if (tensor.raw !== undefined) return tensor.raw;
  if (tensor.floats !== undefined) return Buffer.from(Float32Array.from(tensor.floats).buffer);
  if (tensor.doubles !== undefined) return Buffer.from(Float64Array.from(tensor.doubles).buffer);
  if (tensor.int64s !== undefined) return packed(tensor.int64s, 8);
  if (tensor.uint64s !== undefined) return packed(tensor.uint64s, type === 12 ? 4 : 8);
  if (tensor.int32s !== undefined) return packed(tensor.int32s, INT32_WIDTH[type] ?? 1);
  return null;
}
