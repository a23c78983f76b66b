import type { CborValue } from '../encoding/cbor.js';
import { AssayError } from '../encoding/error.js';
import { dataTypeOf } from './data-type.js';
import { type WalkBudget, WireReader } from './wire.js';

const MAX_NESTING = 8;
const MAX_RANK = 256;

/** A dimension: a size, a symbol, or null where it is unknown. */
type Dimension = number | string | null;

interface Shaped {
  /** TensorProto.DataType; 0 where a producer left an output's type to the runtime. */
  readonly element: number;
  /** Null where the rank is unknown. */
  readonly dims: readonly Dimension[] | null;
}

/** A TypeProto without its denotations, which are documentation. */
export type ValueType =
  | ({ readonly kind: 'tensor' } & Shaped)
  | ({ readonly kind: 'sparse_tensor' } & Shaped)
  | { readonly kind: 'seq'; readonly of: ValueType }
  | { readonly kind: 'optional'; readonly of: ValueType }
  | { readonly kind: 'map'; readonly key: number; readonly of: ValueType }
  | { readonly kind: 'opaque'; readonly domain: string; readonly name: string };

function bad(reason: string): never {
  throw new AssayError('MODEL_TYPE', `a type ${reason}`);
}

function readDimension(message: Uint8Array, budget: WalkBudget): Dimension {
  const fields = new WireReader(message, 'Dimension', budget);
  let value: Dimension = null;
  let members = 0;
  while (fields.next()) {
    if (fields.number === 3) {
      fields.once().bytes();
      continue;
    }
    members += 1;
    if (fields.number === 1) {
      const size = fields.once().int64();
      if (size > BigInt(Number.MAX_SAFE_INTEGER)) bad('has a dimension beyond 2^53');
      // ONNX Runtime takes a negative size, which some exporters write, for an unknown one.
      value = size < 0n ? null : Number(size);
    } else if (fields.number === 2) {
      value = fields.once().text() || null;
    } else {
      fields.unknown();
    }
  }
  if (members > 1) bad('has a dimension that is both a size and a symbol');
  return value;
}

function readShaped(
  message: Uint8Array,
  kind: 'tensor' | 'sparse_tensor',
  budget: WalkBudget,
): ValueType {
  const fields = new WireReader(message, 'TypeProto.Tensor', budget);
  let element = 0;
  let dims: Dimension[] | null = null;
  while (fields.next()) {
    if (fields.number === 1) element = fields.once().int32();
    else if (fields.number === 2) {
      const shape = new WireReader(fields.once().bytes(), 'TensorShapeProto', budget);
      dims = [];
      while (shape.next()) {
        if (shape.number !== 1) shape.unknown();
        if (dims.length === MAX_RANK) bad(`has a rank above ${MAX_RANK}`);
        dims.push(readDimension(shape.bytes(), budget));
      }
    } else fields.unknown();
  }
  if (element !== 0) dataTypeOf(element);
  return { kind, element, dims };
}

/** TypeProto.Sequence, Optional (an element type) and Map (a key and a value type). */
function readContainer(
  message: Uint8Array,
  kind: 'seq' | 'optional' | 'map',
  budget: WalkBudget,
  depth: number,
): ValueType {
  const fields = new WireReader(message, `TypeProto (${kind})`, budget);
  const inner = kind === 'map' ? 2 : 1;
  let key = 0;
  let of: ValueType | null = null;
  while (fields.next()) {
    if (fields.number === inner) of = readType(fields.once().bytes(), budget, depth + 1);
    else if (kind === 'map' && fields.number === 1) key = fields.once().int32();
    else fields.unknown();
  }
  if (of === null) return bad(`is a ${kind} of nothing`);
  return kind === 'map' ? { kind, key: dataTypeOf(key).code, of } : { kind, of };
}

function readOpaque(message: Uint8Array, budget: WalkBudget): ValueType {
  const fields = new WireReader(message, 'TypeProto.Opaque', budget);
  let domain = '';
  let name = '';
  while (fields.next()) {
    if (fields.number === 1) domain = fields.once().text();
    else if (fields.number === 2) name = fields.once().text();
    else fields.unknown();
  }
  return { kind: 'opaque', domain, name };
}

/** Reads a TypeProto; throws MODEL_TYPE where it says nothing or two things. */
export function readType(message: Uint8Array, budget: WalkBudget, depth = 0): ValueType {
  if (depth > MAX_NESTING) bad(`is nested deeper than ${MAX_NESTING}`);
  const fields = new WireReader(message, 'TypeProto', budget);
  let type: ValueType | null = null;
  while (fields.next()) {
    if (fields.number === 6) {
      fields.once().bytes();
      continue;
    }
    if (type !== null) bad('says two things');
    if (fields.number === 1) type = readShaped(fields.bytes(), 'tensor', budget);
    else if (fields.number === 8) type = readShaped(fields.bytes(), 'sparse_tensor', budget);
    else if (fields.number === 4) type = readContainer(fields.bytes(), 'seq', budget, depth);
    else if (fields.number === 9) type = readContainer(fields.bytes(), 'optional', budget, depth);
    else if (fields.number === 5) type = readContainer(fields.bytes(), 'map', budget, depth);
    else if (fields.number === 7) type = readOpaque(fields.bytes(), budget);
    else fields.unknown();
  }
  return type ?? bad('says nothing');
}

/** ONNX's own notation, as ONNX Runtime prints it: `tensor(float)`, `map(int64,tensor(float))`. */
export function typeText(type: ValueType): string {
  const element = (code: number) =>
    code === 0 ? 'undefined' : dataTypeOf(code).name.toLowerCase();
  if (type.kind === 'tensor' || type.kind === 'sparse_tensor') {
    return `${type.kind}(${element(type.element)})`;
  }
  if (type.kind === 'map') return `map(${element(type.key)},${typeText(type.of)})`;
  if (type.kind === 'opaque') return `opaque(${type.domain},${type.name})`;
  return `${type.kind}(${typeText(type.of)})`;
}

/** Numbers symbols by first appearance, so that their names do not count but their equality does. */
export class Symbols {
  readonly #numbers = new Map<string, number>();

  numberOf(symbol: string): number {
    const known = this.#numbers.get(symbol);
    if (known !== undefined) return known;
    this.#numbers.set(symbol, this.#numbers.size);
    return this.#numbers.size - 1;
  }
}

/**
 * What a digest covers of a type: a symbol is an array with its number, unknown is null.
 * @param symbols null where they do not count: they are unknown.
 */
export function typeItem(type: ValueType | null, symbols: Symbols | null): CborValue {
  if (type === null) return null;
  if (type.kind === 'tensor' || type.kind === 'sparse_tensor') {
    const size = (dim: string): CborValue => symbols && [symbols.numberOf(dim)];
    const dims = type.dims?.map((dim) => (typeof dim === 'string' ? size(dim) : dim));
    return [type.kind, type.element, dims ?? null];
  }
  if (type.kind === 'map') return [type.kind, type.key, typeItem(type.of, symbols)];
  if (type.kind === 'opaque') return [type.kind, type.domain, type.name];
  return [type.kind, typeItem(type.of, symbols)];
}
