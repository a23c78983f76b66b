import { concat, fromUtf8, utf8 } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { type Datatype, FIXED_DATATYPES, fixedType } from './datatype.js';
import { MAX_MESSAGE } from './exchange.js';
import { assertTensor, elementCount, packBytes, type Tensor, unpackBytes } from './tensor.js';

/**
 * The .npy format, versions 1 to 3 (numpy.lib.format). Only plain arrays: object arrays are pickles,
 * which are programs, and are refused.
 */
const MAGIC = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59);
const ALIGNMENT = 64;
/** Bytes of a header: what numpy reads from files that it does not trust (`max_header_size`). */
const MAX_HEADER = 10_000;

function fail(message: string, cause?: unknown): never {
  throw new AssayError('TENSOR_NPY', message, cause);
}

/** Whether bytes begin as every .npy file does. */
export function isNpy(bytes: Uint8Array): boolean {
  return MAGIC.every((byte, i) => bytes[i] === byte);
}

interface Header {
  readonly order: string;
  /** Element type without its byte order: `f4`, `S10`. */
  readonly type: string;
  readonly fortran: boolean;
  readonly shape: readonly number[];
}

const MEMBER = /^'(descr|fortran_order|shape)':\s*('[^']*'|True|False|\([\d, ]*\))\s*(?:,\s*|$)/;

/** The header is a Python dict literal of exactly three members. */
function parseHeader(text: string): Header {
  const whole = text.trimEnd();
  if (!whole.startsWith('{') || !whole.endsWith('}')) fail('the header is not a dictionary');
  const members = new Map<string, string>();
  let rest = whole.slice(1, -1).trim();
  while (rest !== '') {
    const match = MEMBER.exec(rest);
    const [member = '', name = '', value = ''] = match ?? [];
    if (match === null || members.has(name)) {
      return fail("the header's members are not descr, fortran_order and shape, once each");
    }
    members.set(name, value);
    rest = rest.slice(member.length);
  }
  const descr = /^'([<>|=])([a-zA-Z]\d{0,9})'$/.exec(members.get('descr') ?? '');
  const fortran = /^(True|False)$/.exec(members.get('fortran_order') ?? '')?.[1];
  const dimensions = /^\((|\d+,|\d+(?:, ?\d+)+,?)\)$/.exec(members.get('shape') ?? '')?.[1];
  const [, order, type] = descr ?? [];
  if (order === undefined || type === undefined) {
    return fail('expected an array of one plain element type');
  }
  if (fortran === undefined || dimensions === undefined) {
    return fail('expected fortran_order True or False, and a shape of integers');
  }
  const shape = dimensions.split(',').flatMap((part) => (part.trim() === '' ? [] : [Number(part)]));
  return { order, type, fortran: fortran === 'True', shape };
}

function swap(data: Uint8Array, size: number): Uint8Array {
  const swapped = new Uint8Array(data);
  for (let i = 0; i + size <= swapped.length; i += size) swapped.subarray(i, i + size).reverse();
  return swapped;
}

/** Column-major to row-major order. */
function transpose(data: Uint8Array, size: number, shape: readonly number[]): Uint8Array {
  const out = new Uint8Array(data.length);
  const index = shape.map(() => 0);
  for (let to = 0; to < data.length; to += size) {
    let from = 0;
    for (let d = shape.length - 1; d >= 0; d--) from = from * (shape[d] ?? 0) + (index[d] ?? 0);
    out.set(data.subarray(from * size, (from + 1) * size), to);
    for (let d = shape.length - 1; d >= 0; d--) {
      index[d] = (index[d] ?? 0) + 1;
      if ((index[d] ?? 0) < (shape[d] ?? 0)) break;
      index[d] = 0;
    }
  }
  return out;
}

/** An element of numpy's `S` or `U` ends where its padding of zeros begins. */
function unpad(element: Uint8Array, unit: number): Uint8Array {
  let end = element.length;
  while (end >= unit && element.subarray(end - unit, end).every((byte) => byte === 0)) end -= unit;
  return element.subarray(0, end);
}

/** `U` is UTF-32 in the file's byte order. */
function fromUtf32(element: Uint8Array): Uint8Array {
  const view = new DataView(element.buffer, element.byteOffset, element.byteLength);
  let text = '';
  for (let i = 0; i < element.length; i += 4) {
    const point = view.getUint32(i, true);
    if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) fail('a character is no Unicode');
    text += String.fromCodePoint(point);
  }
  return utf8(text);
}

/** Bytes of one element, and the datatype that its type maps to. */
function layout(type: string): { datatype: Datatype; size: number; unit: number } {
  const fixed = FIXED_DATATYPES.find((name) => fixedType(name)?.numpy === type);
  if (fixed !== undefined) {
    const size = fixedType(fixed)?.size ?? 0;
    return { datatype: fixed, size, unit: size };
  }
  const [, kind, digits] = /^([SU])(\d+)$/.exec(type) ?? [];
  if (type.startsWith('O')) fail('an object array is a pickle, which is a program: no datatype');
  if (kind === undefined) return fail(`element type ${type} has no datatype in the protocol`);
  const unit = kind === 'U' ? 4 : 1;
  return { datatype: 'BYTES', size: Number(digits) * unit, unit };
}

/** Parses a .npy file; throws TENSOR_NPY. The whole file must be the array: no byte may follow it. */
export function parseNpy(name: string, bytes: Uint8Array): Tensor {
  if (!isNpy(bytes)) fail('expected the magic number of the .npy format');
  const [major, minor] = [bytes[6] ?? 0, bytes[7]];
  if (major < 1 || major > 3 || minor !== 0) fail('expected version 1.0, 2.0 or 3.0');
  const wide = major > 1;
  const start = wide ? 12 : 10;
  if (bytes.length < start) fail('the file ends inside its header');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = start + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  if (end - start > MAX_HEADER) {
    fail(`expected a header of at most ${MAX_HEADER} bytes, not ${end - start}`);
  }
  if (end > bytes.length) fail('the file ends inside its header');
  const { order, type, fortran, shape } = parseHeader(fromUtf8(bytes.subarray(start, end)));
  const { datatype, size, unit } = layout(type);
  const count = elementCount(shape, `${name} (.npy)`);
  const body = bytes.subarray(end);
  if (count * size !== body.length) {
    const what = `${type} [${shape.join(',')}]`;
    fail(`expected ${count * size} bytes for ${what}, not ${body.length}`);
  }
  if (size === 0 && count > bytes.length) fail('more empty strings than bytes');
  if (order === '|' && unit > 1) fail(`element type ${type} needs a byte order`);
  let data: Uint8Array = order === '>' && unit > 1 ? swap(body, unit) : body;
  if (fortran && shape.length > 1) data = transpose(data, size, shape);
  if (datatype === 'BOOL' && data.some((byte) => byte > 1)) fail('a boolean is neither 0 nor 1');
  if (datatype !== 'BYTES') return { name, datatype, shape, data: new Uint8Array(data) };
  const elements = Array.from({ length: count }, (_, i) => {
    const element = unpad(data.subarray(i * size, (i + 1) * size), unit);
    return unit === 4 ? fromUtf32(element) : element;
  });
  return { name, datatype, shape, data: packBytes(elements) };
}

/** BYTES as numpy's `S`: elements of one size, that of the longest, padded with zeros. */
function fixedStrings({ name, data }: Tensor): { type: string; body: Uint8Array } {
  const elements = unpackBytes(data, name);
  if (elements.some((element) => element.at(-1) === 0)) {
    fail('a string that ends in a zero byte cannot be written to .npy');
  }
  const size = elements.reduce((longest, { length }) => Math.max(longest, length), 1);
  // No message has more: what exceeds it is padding.
  if (size * elements.length > MAX_MESSAGE) {
    fail(
      `expected strings of at most ${MAX_MESSAGE} bytes, each padded to the longest: ${elements.length} of ${size} have ${size * elements.length}`,
    );
  }
  const body = new Uint8Array(size * elements.length);
  for (const [i, element] of elements.entries()) body.set(element, i * size);
  return { type: `|S${size}`, body };
}

/**
 * Makes a version 1.0 .npy file. BYTES become numpy's `S`, which cannot end in a zero byte and takes as much
 * for each element as for the longest: TENSOR_NPY for such elements, and for more than 256 MiB.
 * Throws TENSOR_DATATYPE, TENSOR_SHAPE or TENSOR_LENGTH for what is no tensor.
 */
export function formatNpy(tensor: Tensor): Uint8Array<ArrayBuffer> {
  assertTensor(tensor);
  const fixed = fixedType(tensor.datatype);
  const { type, body } =
    fixed === undefined
      ? fixedStrings(tensor)
      : { type: `${fixed.size === 1 ? '|' : '<'}${fixed.numpy}`, body: tensor.data };
  const [only] = tensor.shape;
  const shape = tensor.shape.length === 1 ? `(${only},)` : `(${tensor.shape.join(', ')})`;
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': ${shape}, }`;
  const padding = (ALIGNMENT - ((10 + text.length + 1) % ALIGNMENT)) % ALIGNMENT;
  const header = utf8(`${text}${' '.repeat(padding)}\n`);
  const prefix = Uint8Array.of(1, 0, header.length & 255, header.length >> 8);
  return concat(MAGIC, prefix, header, body);
}
