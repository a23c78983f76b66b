/**
 * Datatypes of the Open Inference Protocol v2 ("Tensor Data Types") that ONNX Runtime for Node can
 * execute, with the bytes of one element. BYTES has none: its elements are framed, see Tensor.
 * BF16 and the 8-bit floats are absent, ONNX Runtime for Node refuses models that have them.
 */
export const ELEMENT_BYTES = {
  BOOL: 1,
  UINT8: 1,
  UINT16: 2,
  UINT32: 4,
  UINT64: 8,
  INT8: 1,
  INT16: 2,
  INT32: 4,
  INT64: 8,
  FP16: 2,
  FP32: 4,
  FP64: 8,
  BYTES: undefined,
} as const;

export type Datatype = keyof typeof ELEMENT_BYTES;

export function isDatatype(name: string): name is Datatype {
  return Object.hasOwn(ELEMENT_BYTES, name);
}

/**
 * A tensor as the wire has it: row-major, little-endian, without padding. BOOL is one byte of 0 or 1;
 * a BYTES element is its length as an unsigned 32-bit little-endian integer, then that many bytes.
 */
export interface Tensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/**
 * A tensor on its way to an execution, which copies its data once: it may lie in the pieces that its
 * message came in, cut anywhere.
 */
export interface InputTensor extends Omit<Tensor, 'data'> {
  readonly data: Uint8Array | readonly Uint8Array[];
}

export function piecesOf({ data }: InputTensor): readonly Uint8Array[] {
  return data instanceof Uint8Array ? [data] : data;
}

/** One input or output of a model. */
export interface TensorSpec {
  readonly name: string;
  readonly datatype: Datatype;
  /**
   * A number where the dimension is fixed, the symbol (perhaps empty) where it is not. Undefined
   * where ONNX Runtime reports no dimensions, since a scalar and a tensor of unknown rank look the same
   * there; but none for the inputs that `LoadOptions.scalarInputs` names.
   */
  readonly shape: readonly (number | string)[] | undefined;
}

/** Specifications of which those with these names, and of no rank that is known, are of scalars. */
export function withScalars(
  specs: readonly TensorSpec[],
  scalars: readonly string[],
): readonly TensorSpec[] {
  return specs.map((spec) =>
    spec.shape === undefined && scalars.includes(spec.name) ? { ...spec, shape: [] } : spec,
  );
}

/** Number of elements of a shape; a scalar (no dimensions) has one. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((count, dimension) => count * dimension, 1);
}

/** A tensor of fixed-size elements, to be cut into rows (dimension 0). */
export interface Divisible {
  readonly name: string;
  readonly datatype: Datatype;
  /** Dimensions of a row. */
  readonly row: readonly number[];
  readonly rowBytes: number;
  readonly data: Uint8Array;
}

export function divisible(
  name: string,
  { datatype, shape: [rows = 1, ...row], data }: Omit<Tensor, 'name'>,
): Divisible {
  return { name, datatype, row, rowBytes: rows === 0 ? 0 : data.length / rows, data };
}

/** Rows `from` to `to`, in place. */
export function rowsOf(
  { name, datatype, row, rowBytes, data }: Divisible,
  from: number,
  to: number,
): Tensor {
  return {
    name,
    datatype,
    shape: [to - from, ...row],
    data: data.subarray(from * rowBytes, to * rowBytes),
  };
}

/**
 * Whether a tensor has no elements although the model's signature, where its sizes are known, does not say
 * so.
 */
export function isEmptiedBySender(
  signature: readonly unknown[] | null | undefined,
  shape: readonly number[],
): boolean {
  return shape.includes(0) && signature?.includes(0) !== true;
}

/** A shape as messages show it, a dimension that may vary as its symbol or `?`. */
export function formatShape(shape: readonly (number | string)[] | undefined): string {
  if (shape === undefined) return '[...]';
  return `[${shape.map((dimension) => (dimension === '' ? '?' : dimension)).join(',')}]`;
}
