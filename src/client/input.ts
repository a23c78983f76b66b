import * as z from 'zod';
import { fromBase64, fromUtf8 } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { parseStrictJson } from '../../attestation/encoding/json.js';
import { type Datatype, fixedType } from './datatype.js';
import { isNpy, parseNpy } from './npy.js';
import { elementCount, packBytes, type Tensor, tensor } from './tensor.js';

/**
 * What the model says of one input or output. A dimension of -1 is free; the shape is undefined where
 * the model does not state even the rank.
 */
export interface TensorSpec {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[] | undefined;
}

const MAX_RANK = 32;

function show(shape: readonly number[] | undefined): string {
  if (shape === undefined) return 'any';
  return `[${shape.map((dimension) => (dimension < 0 ? '?' : dimension)).join(', ')}]`;
}

function wrongDatatype({ name, datatype }: TensorSpec, actual: string): AssayError {
  const numpy = fixedType(datatype)?.numpy ?? 'S';
  return new AssayError(
    'TENSOR_DATATYPE',
    `input ${name}: expected ${datatype} (numpy ${numpy}), not ${actual}`,
  );
}

function assertFits(made: Tensor, spec: TensorSpec): Tensor {
  if (made.datatype !== spec.datatype) throw wrongDatatype(spec, made.datatype);
  const fits =
    spec.shape === undefined ||
    (made.shape.length === spec.shape.length &&
      spec.shape.every((dimension, i) => dimension < 0 || dimension === made.shape[i]));
  if (!fits) {
    throw new AssayError(
      'TENSOR_SHAPE',
      `input ${spec.name}: expected shape ${show(spec.shape)}, not ${show(made.shape)}`,
    );
  }
  return made;
}

/** The shape for so many elements, as `given` calls them: the model's, its one free dimension solved for. */
function solveShape(
  spec: TensorSpec,
  count: number,
  given = `${count} elements`,
): readonly number[] {
  const shape = spec.shape ?? [-1, -1];
  const free = shape.filter((dimension) => dimension < 0).length;
  const fixed = shape.reduce((product, d) => (d < 0 ? product : product * d), 1);
  if (free === 0) return shape;
  if (free > 1 || fixed === 0 || count % fixed !== 0) {
    throw new AssayError(
      'TENSOR_SHAPE',
      `input ${spec.name}: ${given} do not decide the free dimensions of ${show(spec.shape)}; give the shape`,
    );
  }
  return shape.map((dimension) => (dimension < 0 ? count / fixed : dimension));
}

/** Shape of nested arrays, and their leaves in order; throws TENSOR_JSON where they are ragged. */
function flatten(value: unknown, what: string): { shape: number[]; leaves: unknown[] } {
  const shape: number[] = [];
  for (let inner = value; Array.isArray(inner); inner = inner[0]) shape.push(inner.length);
  const leaves: unknown[] = [];
  const walk = (item: unknown, depth: number): void => {
    if (depth === shape.length && !Array.isArray(item)) leaves.push(item);
    else if (Array.isArray(item) && item.length === shape[depth]) {
      for (const member of item) walk(member, depth + 1);
    } else throw new AssayError('TENSOR_JSON', `${what}: the nested arrays are ragged`);
  };
  if (shape.length > MAX_RANK) throw new AssayError('TENSOR_JSON', `${what}: nested too deeply`);
  walk(value, 0);
  return { shape, leaves };
}

/** A tensor as `assay infer --json` prints it. Its name is the output's that it was; the spec's counts. */
const statedTensor = z.strictObject({
  name: z.string().optional(),
  datatype: z.string(),
  shape: z.array(z.int().min(0)).max(MAX_RANK),
  data: z.array(z.unknown()),
});

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Bytes that are no text travel in JSON as `{"base64": …}`. Throws TENSOR_ELEMENT for a numeral that is larger
 * than every double, which JSON's parser makes an infinity, and for an integer that it may have rounded.
 */
function elementFromJson(element: unknown, index: number, { name, datatype }: TensorSpec): unknown {
  if (typeof element === 'number' && !Number.isFinite(element)) {
    throw new AssayError(
      'TENSOR_ELEMENT',
      `input ${name}: element ${index} is a numeral beyond what a double holds; an infinity is the text "Infinity" or "-Infinity"`,
    );
  }
  const isLong = datatype === 'INT64' || datatype === 'UINT64';
  if (isLong && Number.isInteger(element) && !Number.isSafeInteger(element)) {
    throw new AssayError(
      'TENSOR_ELEMENT',
      `input ${name}: element ${index} is a numeral beyond 2^53 - 1, where doubles skip integers; give such an integer as text, its digits alone`,
    );
  }
  if (!isObject(element)) return element;
  const { success, data } = z.strictObject({ base64: z.base64() }).safeParse(element);
  return success ? fromBase64(data.base64) : element;
}

/** Throws TENSOR_JSON for another object, TENSOR_SHAPE where the caller gives a shape as well. */
function parseStated(
  spec: TensorSpec,
  value: object,
  given: readonly number[] | undefined,
): Tensor {
  const what = `input ${spec.name}`;
  const { success, data: stated } = statedTensor.safeParse(value);
  if (!success) {
    const expected =
      'elements in nested or flat arrays, or an object {"datatype", "shape", "data"}';
    throw new AssayError('TENSOR_JSON', `${what}: expected ${expected} with flat data`);
  }
  if (given !== undefined) {
    throw new AssayError('TENSOR_SHAPE', `${what}: the file states its shape; give none beside it`);
  }
  if (stated.datatype !== spec.datatype) throw wrongDatatype(spec, stated.datatype);
  const elements = stated.data.map((element, i) => elementFromJson(element, i, spec));
  return tensor(spec.name, spec.datatype, elements, stated.shape);
}

/** Quotation marks, escaped characters, and numerals or what looks like them in a string. */
const TOKEN = /"|\\.|-?\d[\d.eE+-]*/g;

/** Whether a numeral of JSON is an integer to its last digit, which the nearest double does not tell. */
function isInteger(numeral: string): boolean {
  const [digits = '', exponent = '0'] = numeral.replace(/^-/, '').split(/[eE]/);
  const [whole = '', fraction = ''] = digits.split('.');
  const all = whole + fraction;
  let end = all.length;
  while (end > 0 && all[end - 1] === '0') end -= 1;
  return end === 0 || end <= whole.length + Number(exponent);
}

/** Throws TENSOR_ELEMENT where a fraction stands for an integer, and was too small for the double to show it. */
function assertIntegers({ name, datatype }: TensorSpec, text: string): void {
  if (!/^U?INT/.test(datatype) || !/\d[.eE]/.test(text)) return;
  let inString = false;
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === '"') inString = !inString;
    if (inString || token === '"' || isInteger(token)) continue;
    const message = `input ${name}: expected integers of ${datatype}, not a numeral with a fraction`;
    throw new AssayError('TENSOR_ELEMENT', message);
  }
}

function parseArrays(
  spec: TensorSpec,
  value: unknown,
  given: readonly number[] | undefined,
): Tensor {
  const { shape, leaves } = flatten(value, `input ${spec.name}`);
  const flat = shape.length === 1 && spec.shape !== undefined && spec.shape.length !== 1;
  const wanted = given ?? (flat ? solveShape(spec, leaves.length) : shape);
  const elements = leaves.map((leaf, i) => elementFromJson(leaf, i, spec));
  return tensor(spec.name, spec.datatype, elements, wanted);
}

function parseJson(
  spec: TensorSpec,
  bytes: Uint8Array,
  given: readonly number[] | undefined,
): Tensor {
  const value = parseStrictJson(bytes, `input ${spec.name}`, 'TENSOR_JSON', bytes.length);
  const made = isObject(value) ? parseStated(spec, value, given) : parseArrays(spec, value, given);
  assertIntegers(spec, fromUtf8(bytes));
  return made;
}

function parseRaw(
  spec: TensorSpec,
  bytes: Uint8Array,
  given: readonly number[] | undefined,
): Tensor {
  const { name, datatype } = spec;
  const type = fixedType(datatype);
  if (type === undefined) {
    const shape = given ?? solveShape(spec, 1);
    if (elementCount(shape, name) !== 1) {
      throw new AssayError('TENSOR_SHAPE', `input ${name}: a raw file is one element of BYTES`);
    }
    return { name, datatype, shape, data: packBytes([bytes]) };
  }
  const read = `${bytes.length} bytes, read as raw elements of ${datatype},`;
  const shape = given ?? solveShape(spec, bytes.length / type.size, read);
  const expected = elementCount(shape, `input ${name}`) * type.size;
  if (expected !== bytes.length) {
    throw new AssayError(
      'TENSOR_LENGTH',
      `input ${name}: expected ${expected} bytes for ${datatype} [${shape.join(',')}], not ${bytes.length}`,
    );
  }
  return { name, datatype, shape, data: new Uint8Array(bytes) };
}

/**
 * An input tensor from the contents of a file: .npy by its magic number, JSON (nested or flat arrays, or a
 * tensor as `assay infer --json` prints it) where the caller says so, anything else raw little-endian
 * elements. The model's metadata decides datatype and shape, and what does not fit is refused: nothing is
 * converted silently: throws a code of TENSOR_….
 * @param shape for flat JSON and raw files where the model leaves more than one dimension free.
 */
export function inputFrom(
  spec: TensorSpec,
  bytes: Uint8Array,
  format: 'json' | 'binary',
  shape?: readonly number[],
): Tensor {
  if (format === 'json') return assertFits(parseJson(spec, bytes, shape), spec);
  if (isNpy(bytes)) return assertFits(parseNpy(spec.name, bytes), spec);
  return assertFits(parseRaw(spec, bytes, shape), spec);
}
