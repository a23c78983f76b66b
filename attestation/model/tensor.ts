import { AssayError } from '../encoding/error.js';
import { type DataType, dataTypeOf, type TypedField } from './data-type.js';
import { type ExternalReference, externalReference, readPair } from './external.js';
import { type WalkBudget, WireReader, wireType } from './wire.js';

/** Highest rank of a tensor. */
const MAX_RANK = 256;

/** Where a tensor's elements are. */
type TensorPayload =
  | { readonly kind: 'raw'; readonly bytes: Uint8Array }
  | { readonly kind: 'external'; readonly reference: ExternalReference }
  | { readonly kind: 'typed' };

/** A TensorProto: everything but its elements, and where those are. */
export interface TensorView {
  readonly name: string;
  readonly type: DataType;
  readonly dims: readonly number[];
  readonly elements: number;
  /** Length of the little-endian elements, bytes; 0 for strings. */
  readonly size: number;
  readonly payload: TensorPayload;
  /** The message itself: typed elements are read from it when they are wanted. */
  readonly message: Uint8Array;
}

/** A SparseTensorProto, named after its values. */
export interface SparseView {
  readonly values: TensorView;
  readonly indices: TensorView;
  readonly dims: readonly number[];
}

/** A value that the model fixes: an initializer, or what ONNX's operator Constant gives. */
export type Constant = TensorView | SparseView;

export function isSparse(constant: Constant): constant is SparseView {
  return 'indices' in constant;
}

/** A sparse constant is called after its values. */
export function nameOf(constant: Constant): string {
  return isSparse(constant) ? constant.values.name : constant.name;
}

/** Field numbers of TensorProto's typed elements. */
export const TYPED_FIELDS: Readonly<Record<number, TypedField>> = {
  4: 'float',
  5: 'int32',
  6: 'string',
  7: 'int64',
  10: 'double',
  11: 'uint64',
};

function bad(name: string, reason: string): never {
  throw new AssayError('MODEL_TENSOR', `tensor ${JSON.stringify(name.slice(0, 200))} ${reason}`);
}

/** Sizes as exact numbers; throws if one is negative or their product is not exact. */
function sizesOf(dims: readonly bigint[], name: string): [dims: number[], product: number] {
  let product = 1;
  const sizes = dims.map((dim) => {
    if (dim < 0n || dim > BigInt(Number.MAX_SAFE_INTEGER)) bad(name, 'has a dim that is no size');
    return Number(dim);
  });
  if (sizes.includes(0)) return [sizes, 0];
  for (const size of sizes) {
    product *= size;
    if (!Number.isSafeInteger(product)) bad(name, 'has more elements than can be counted');
  }
  return [sizes, product];
}

/** Elements of one occurrence of a typed field; throws where it ends inside one. */
function countElements(fields: WireReader, field: TypedField, name: string): number {
  if (field === 'string') {
    fields.skip();
    return 1;
  }
  if (fields.wire !== wireType.bytes) {
    if (field === 'float') fields.fixed(4);
    else if (field === 'double') fields.fixed(8);
    else fields.int64();
    return 1;
  }
  const packed = fields.bytes();
  const width = field === 'float' ? 4 : field === 'double' ? 8 : 0;
  if (width !== 0) {
    if (packed.length % width !== 0)
      bad(name, `has a packed list of ${field}s that ends inside one`);
    return packed.length / width;
  }
  let count = 0;
  for (const byte of packed) if (byte < 0x80) count += 1;
  return count;
}

/** Entries that a typed field must have for this many elements. */
function entriesFor(type: DataType, elements: number): number {
  if (type.code === 14 || type.code === 15) return elements * 2;
  return type.bits > 0 && type.bits < 8 ? Math.ceil((elements * type.bits) / 8) : elements;
}

/** The one place of a tensor's elements; throws where there is none, or more than one. */
function payloadOf(
  tensor: { readonly name: string; readonly type: DataType; readonly elements: number },
  raw: Uint8Array | null,
  external: ExternalReference | null,
  typed: { readonly field: TypedField | null; readonly entries: number },
  size: number,
): TensorPayload {
  const places = [raw, external, typed.field].filter((place) => place !== null).length;
  if (places > 1) bad(tensor.name, 'has its elements in more than one place');
  if (external !== null || raw !== null) {
    if (tensor.type.field === 'string') bad(tensor.name, 'has strings outside string_data');
    if (external !== null) return { kind: 'external', reference: external };
  }
  if (raw !== null) {
    if (raw.length !== size) bad(tensor.name, `has ${raw.length} bytes, not the ${size} it needs`);
    return { kind: 'raw', bytes: raw };
  }
  if (typed.field !== null && typed.field !== tensor.type.field) {
    bad(tensor.name, `has ${typed.field} values, which ${tensor.type.name} is not held in`);
  }
  const needed = entriesFor(tensor.type, tensor.elements);
  if (typed.entries !== needed) {
    bad(tensor.name, `has ${typed.entries} values, not the ${needed} that it needs`);
  }
  return { kind: 'typed' };
}

/**
 * Reads a TensorProto and requires that exactly one place holds its elements, as many as its type
 * and dims say. Throws MODEL_TENSOR, MODEL_DATA_TYPE, MODEL_EXTERNAL_*.
 */
export function readTensor(message: Uint8Array, budget: WalkBudget): TensorView {
  const fields = new WireReader(message, 'TensorProto', budget);
  const rawDims: bigint[] = [];
  const pairs: (readonly [string, string])[] = [];
  let name = '';
  let code = 0;
  let raw: Uint8Array | null = null;
  let location = 0;
  let field: TypedField | null = null;
  let entries = 0;
  while (fields.next()) {
    const typed = TYPED_FIELDS[fields.number];
    if (typed !== undefined) {
      if (field !== null && field !== typed) bad(name, 'has values in two typed fields');
      field = typed;
      entries += countElements(fields, typed, name);
      continue;
    }
    switch (fields.number) {
      case 1:
        fields.int64s(rawDims, MAX_RANK);
        break;
      case 2:
        code = fields.once().int32();
        break;
      case 8:
        name = fields.once().text();
        break;
      case 9:
        raw = fields.once().bytes();
        break;
      case 12:
        fields.once().bytes();
        break;
      case 16:
        budget.spend();
        fields.bytes();
        break;
      case 13:
        pairs.push(readPair(fields.bytes(), budget));
        break;
      case 14:
        location = fields.once().int32();
        break;
      default:
        // 3 is `segment`, which no runtime reads.
        fields.unknown();
    }
  }
  if (location !== 0 && location !== 1) bad(name, `has the unknown data_location ${location}`);
  if (location === 0 && pairs.length > 0) bad(name, 'has external_data but no such data_location');
  const type = dataTypeOf(code);
  const [dims, elements] = sizesOf(rawDims, name);
  const size = Math.ceil((elements * type.bits) / 8);
  const reference = location === 1 ? externalReference(pairs) : null;
  const payload = payloadOf({ name, type, elements }, raw, reference, { field, entries }, size);
  return { name, type, dims, elements, size, payload, message };
}

/** Reads a SparseTensorProto: values of shape [NNZ], 64-bit indices of shape [NNZ] or [NNZ, rank]. */
export function readSparse(message: Uint8Array, budget: WalkBudget): SparseView {
  const fields = new WireReader(message, 'SparseTensorProto', budget);
  const rawDims: bigint[] = [];
  let values: TensorView | null = null;
  let indices: TensorView | null = null;
  while (fields.next()) {
    if (fields.number === 1) values = readTensor(fields.once().bytes(), budget);
    else if (fields.number === 2) indices = readTensor(fields.once().bytes(), budget);
    else if (fields.number === 3) fields.int64s(rawDims, MAX_RANK);
    else fields.unknown();
  }
  if (values === null) return bad('', 'is sparse and has no values');
  const { name } = values;
  if (indices === null) return bad(name, 'is sparse and has no indices');
  const [dims] = sizesOf(rawDims, name);
  const [count, rank] = indices.dims;
  const shaped =
    values.dims.length === 1 &&
    count === values.dims[0] &&
    (indices.dims.length === 1 || (indices.dims.length === 2 && rank === dims.length));
  if (!shaped || indices.type.name !== 'INT64' || dims.length === 0) {
    bad(name, 'is sparse, and its values, indices and dims do not fit together');
  }
  return { values, indices, dims };
}
