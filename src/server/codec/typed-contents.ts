import { AssayError } from '../../../attestation/encoding/error.js';
import { joined } from '../../engine/pieces.js';
import { type Datatype, elementCount, formatShape } from '../../engine/tensor.js';
import type { TypedContents } from './infer-request.js';
import { malformed } from './protobuf.js';

/** The field of InferTensorContents for each datatype; FP16 has none and travels raw. */
const FIELD: Readonly<Record<Datatype, number | undefined>> = {
  BOOL: 1,
  INT8: 2,
  INT16: 2,
  INT32: 2,
  INT64: 3,
  UINT8: 4,
  UINT16: 4,
  UINT32: 4,
  UINT64: 5,
  FP16: undefined,
  FP32: 6,
  FP64: 7,
  BYTES: 8,
};

const FIELD_NAMES = [
  '',
  'bool_contents',
  'int_contents',
  'int64_contents',
  'uint_contents',
  'uint64_contents',
  'fp32_contents',
  'fp64_contents',
  'bytes_contents',
] as const;

type IntegerType = 'INT8' | 'INT16' | 'INT32' | 'UINT8' | 'UINT16' | 'UINT32';

const RANGE: Readonly<Record<IntegerType, readonly [min: number, max: number]>> = {
  INT8: [-0x80, 0x7f],
  INT16: [-0x8000, 0x7fff],
  INT32: [-0x80000000, 0x7fffffff],
  UINT8: [0, 0xff],
  UINT16: [0, 0xffff],
  UINT32: [0, 0xffffffff],
};

const NARROW = {
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
} as const;

/** A tensor that typed contents are to fill. */
export interface Target {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

/** Number of varints in a packed field, the bytes without a continuation bit, if the shape says so too. */
function countVarints({ name, datatype, shape }: Target, packed: Uint8Array): number {
  let count = 0;
  for (let i = 0; i < packed.length; i++) if ((packed[i] ?? 0) < 0x80) count += 1;
  const expected = elementCount(shape);
  if (count === expected) return count;
  throw new AssayError(
    'TENSOR_CONTENTS',
    `input ${name}: expected ${expected} elements for ${datatype} ${formatShape(shape)}, not ${count}`,
  );
}

/** The low and high 32 bits of each varint, handed to `put`. */
function eachVarint(
  packed: Uint8Array,
  put: (index: number, low: number, high: number) => void,
): void {
  let offset = 0;
  for (let index = 0; offset < packed.length; index++) {
    let low = 0;
    let high = 0;
    let shift = 0;
    for (;;) {
      const byte = packed[offset] ?? 0;
      offset += 1;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) break;
      shift += 7;
      if (shift > 63) throw malformed('a varint is longer than 10 bytes');
    }
    put(index, low, high);
  }
}

/** Every varint but 0 is true (protobuf.dev, "Encoding"). */
function decodeBooleans(target: Target, packed: Uint8Array): Uint8Array {
  const values = new Uint8Array(countVarints(target, packed));
  eachVarint(packed, (index, low, high) => {
    values[index] = (low | high) === 0 ? 0 : 1;
  });
  return values;
}

function decodeIntegers(target: Target, datatype: IntegerType, packed: Uint8Array): Uint8Array {
  const values = new NARROW[datatype](countVarints(target, packed));
  const [min, max] = RANGE[datatype];
  eachVarint(packed, (index, low) => {
    // A varint of int32 or uint32 is cut to its low 32 bits (protobuf.dev, "Encoding").
    const value = min < 0 ? low | 0 : low >>> 0;
    if (value < min || value > max) {
      throw new AssayError(
        'TENSOR_CONTENTS',
        `input ${target.name}: element ${index} is out of the range of ${datatype}`,
      );
    }
    values[index] = value;
  });
  return new Uint8Array(values.buffer);
}

function decode64(target: Target, packed: Uint8Array): Uint8Array {
  const words = new Uint32Array(2 * countVarints(target, packed));
  eachVarint(packed, (index, low, high) => {
    words[2 * index] = low;
    words[2 * index + 1] = high;
  });
  return new Uint8Array(words.buffer);
}

/**
 * Typed contents as the tensor's raw bytes: FP32, FP64 and BYTES in place, the field is already what is
 * wanted; integers decoded, and checked against their type's range and their number. Throws
 * TENSOR_CONTENTS for the field of another datatype, a value out of range, or too few or many of them.
 */
export function rawOf(target: Target, contents: TypedContents): readonly Uint8Array[] {
  const { name, datatype } = target;
  const expected = FIELD[datatype];
  if (expected === undefined) {
    throw new AssayError(
      'TENSOR_CONTENTS',
      `input ${name}: ${datatype} has no typed contents, send it in raw_input_contents`,
    );
  }
  if (contents.field !== undefined && contents.field !== expected) {
    throw new AssayError(
      'TENSOR_CONTENTS',
      `input ${name}: expected ${FIELD_NAMES[expected]} for ${datatype}, not ${FIELD_NAMES[contents.field]}`,
    );
  }
  switch (datatype) {
    case 'INT64':
    case 'UINT64':
      return [decode64(target, joined(contents.chunks))];
    case 'BOOL':
      return [decodeBooleans(target, joined(contents.chunks))];
    case 'BYTES':
    case 'FP16':
    case 'FP32':
    case 'FP64':
      return contents.chunks;
    default:
      return [decodeIntegers(target, datatype, joined(contents.chunks))];
  }
}
