import { equalBytes, utf8 } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { type Datatype, type Element, fixedType } from './datatype.js';
import { isTypedArray, TYPED_ARRAYS, type TypedArray } from './typed-array.js';

/** A named tensor in the form that it has on the wire and under a commitment. */
export interface Tensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  /**
   * Elements in row-major order, little-endian. An element of BYTES is its length as 32 bits and
   * then its bytes (Open Inference Protocol v2, raw tensor contents).
   */
  readonly data: Uint8Array;
}

/** True where there are as many, and each has the bytes of the other at its place. */
export function sameBits(a: readonly Tensor[], b: readonly Tensor[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ data }, index) => equalBytes(data, b[index]?.data ?? new Uint8Array()))
  );
}

const MAX_RANK = 32;

/** Number of elements of a shape; throws TENSOR_SHAPE for anything but non-negative integers. */
export function elementCount(shape: readonly number[], what: string): number {
  const count = shape.reduce((product, dimension) => product * dimension, 1);
  const valid = shape.every((dimension) => Number.isSafeInteger(dimension) && dimension >= 0);
  if (!valid || !Number.isSafeInteger(count) || shape.length > MAX_RANK) {
    throw new AssayError(
      'TENSOR_SHAPE',
      `${what}: expected at most ${MAX_RANK} dimensions, non-negative integers, not [${shape.join(', ')}]`,
    );
  }
  return count;
}

/** BYTES elements in their length-prefixed form. */
export function packBytes(elements: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const size = elements.reduce((sum, { length }) => sum + 4 + length, 0);
  const packed = new Uint8Array(size);
  const view = new DataView(packed.buffer);
  let at = 0;
  for (const element of elements) {
    view.setUint32(at, element.length, true);
    packed.set(element, at + 4);
    at += 4 + element.length;
  }
  return packed;
}

/** The elements of a BYTES tensor; throws TENSOR_LENGTH if the lengths do not add up. */
export function unpackBytes(data: Uint8Array, what: string): Uint8Array[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const elements: Uint8Array[] = [];
  let offset = 0;
  while (offset < data.length) {
    const start = offset + 4;
    const end = start <= data.length ? start + view.getUint32(offset, true) : start;
    if (end > data.length) {
      throw new AssayError('TENSOR_LENGTH', `${what}: a BYTES element runs past the end`);
    }
    elements.push(data.subarray(start, end));
    offset = end;
  }
  return elements;
}

/**
 * Checks that the data is as long as datatype and shape say;
 * throws TENSOR_DATATYPE, TENSOR_SHAPE or TENSOR_LENGTH.
 */
export function assertTensor(tensor: Tensor): void {
  const { name, datatype, shape, data } = tensor;
  const what = `tensor ${JSON.stringify(name)}`;
  const count = elementCount(shape, what);
  const type = fixedType(datatype);
  const [expected, unit, actual] =
    type === undefined
      ? [count, 'elements', unpackBytes(data, what).length]
      : [count * type.size, 'bytes', data.length];
  if (actual !== expected) {
    throw new AssayError(
      'TENSOR_LENGTH',
      `${what}: expected ${expected} ${unit} for ${datatype} [${shape.join(',')}], not ${actual}`,
    );
  }
}

type Wrong = (index: number) => never;

/** The bytes of a typed array as `typedArrayOf` makes it. */
function encodeTypedArray(
  datatype: Datatype,
  { buffer, byteOffset, byteLength }: TypedArray,
  wrong: Wrong,
): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(buffer, byteOffset, byteLength).slice();
  const other = datatype === 'BOOL' ? data.findIndex((value) => value > 1) : -1;
  return other < 0 ? data : wrong(other);
}

/** Elements from JSON, or from anything that the caller has at hand. */
function encodeElements(
  datatype: Datatype,
  elements: readonly unknown[],
  wrong: Wrong,
): Uint8Array<ArrayBuffer> {
  const type = fixedType(datatype);
  if (type === undefined) {
    return packBytes(
      elements.map((element, i) => {
        if (element instanceof Uint8Array) return element;
        return typeof element === 'string' && element.isWellFormed() ? utf8(element) : wrong(i);
      }),
    );
  }
  const data = new Uint8Array(elements.length * type.size);
  const view = new DataView(data.buffer);
  elements.forEach((element, i) => {
    if (!type.write(view, i * type.size, element)) wrong(i);
  });
  return data;
}

/**
 * Makes a tensor from its elements in row-major order; the shape is one dimension unless given. A typed
 * array of the kind that `typedArrayOf` gives for the datatype is taken bit for bit: a Uint16Array for FP16
 * holds its bits, as in ONNX Runtime, and a Uint8Array for BOOL 0 and 1. All other elements are values.
 * Throws TENSOR_ELEMENT for a value that the datatype does not have (a fraction for an integer, 256
 * for UINT8, 1e39 for FP32), TENSOR_DATATYPE, TENSOR_SHAPE or TENSOR_LENGTH.
 */
export function tensor(
  name: string,
  datatype: Datatype,
  elements: Iterable<Element> | readonly unknown[],
  shape?: readonly number[],
): Tensor {
  const wrong: Wrong = (index) => {
    const what = `tensor ${JSON.stringify(name)}: element ${index}`;
    throw new AssayError('TENSOR_ELEMENT', `${what} is not a value of ${datatype}`);
  };
  const list = isTypedArray(datatype, elements)
    ? elements
    : Array.from(elements as Iterable<unknown>);
  const data = Array.isArray(list)
    ? encodeElements(datatype, list, wrong)
    : encodeTypedArray(datatype, list, wrong);
  const made = { name, datatype, shape: shape ?? [list.length], data };
  assertTensor(made);
  return made;
}

/**
 * The elements of a tensor: numbers, bigint for 64-bit integers, booleans, or bytes. Throws TENSOR_DATATYPE,
 * TENSOR_SHAPE or TENSOR_LENGTH.
 */
export function elementsOf(tensor: Tensor): Exclude<Element, string>[] {
  assertTensor(tensor);
  const type = fixedType(tensor.datatype);
  if (type === undefined) return unpackBytes(tensor.data, tensor.name);
  const { buffer, byteOffset, byteLength } = tensor.data;
  const view = new DataView(buffer, byteOffset, byteLength);
  return Array.from({ length: byteLength / type.size }, (_, i) => type.read(view, i * type.size));
}

/**
 * The elements of a tensor as a typed array of its own, without a call for each element as
 * `elementsOf` makes. Throws TENSOR_DATATYPE for BYTES, TENSOR_SHAPE or TENSOR_LENGTH.
 */
export function typedArrayOf(tensor: Tensor): TypedArray {
  const { name, datatype, data } = tensor;
  if (datatype === 'BYTES') {
    throw new AssayError('TENSOR_DATATYPE', `${name}: BYTES have no typed array`);
  }
  assertTensor(tensor);
  return new TYPED_ARRAYS[datatype](new Uint8Array(data).buffer);
}
