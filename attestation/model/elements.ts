import { concat } from '../encoding/bytes.js';
import { AssayError } from '../encoding/error.js';
import { type Sha256Factory, updateHash } from '../encoding/hash.js';
import { type ExternalFiles, externalBytes } from './external.js';
import { type SparseView, type TensorView, TYPED_FIELDS } from './tensor.js';
import { WireReader, wireType } from './wire.js';

const CHUNK = 64 * 1024;

/** Takes the next bytes of a tensor; may keep no reference to them. */
export type Sink = (bytes: Uint8Array) => void;

/** Gathers small pieces, so that a hash is not called for each number. */
export class Chunk {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #sink: Sink;
  #length = 0;

  /** @param most an upper bound of what will be written, so that small tensors stay small. */
  constructor(sink: Sink, most: number) {
    this.#bytes = new Uint8Array(Math.min(CHUNK, Math.ceil(most / 8) * 8 + 8));
    this.#view = new DataView(this.#bytes.buffer);
    this.#sink = sink;
  }

  /** The low `width` bytes of a 64-bit number, little-endian. */
  number(low: number, high: number, width: number): void {
    if (this.#length + 8 > this.#bytes.length) this.flush();
    this.#view.setUint32(this.#length, low, true);
    this.#view.setUint32(this.#length + 4, high, true);
    this.#length += width;
  }

  /** Bytes as they are: copied if few, passed on if many. */
  bytes(bytes: Uint8Array): void {
    if (this.#length + bytes.length > this.#bytes.length) this.flush();
    if (bytes.length > this.#bytes.length) {
      this.#sink(bytes);
    } else {
      this.#bytes.set(bytes, this.#length);
      this.#length += bytes.length;
    }
  }

  flush(): void {
    if (this.#length > 0) this.#sink(this.#bytes.subarray(0, this.#length));
    this.#length = 0;
  }
}

function outOfRange(tensor: TensorView): never {
  const name = JSON.stringify(tensor.name.slice(0, 200));
  throw new AssayError('MODEL_TENSOR', `tensor ${name} has a value outside ${tensor.type.name}`);
}

/** Writes one varint entry of `int32_data`, `int64_data` or `uint64_data`. */
function writeEntry(tensor: TensorView, fields: WireReader, chunk: Chunk): void {
  fields.readVarint();
  const { type } = tensor;
  if (type.bits === 64) {
    chunk.number(fields.low, fields.high, 8);
    return;
  }
  const value = type.field === 'int32' ? fields.low | 0 : fields.high * 2 ** 32 + fields.low;
  if (value < type.least || value > type.most) outOfRange(tensor);
  chunk.number(fields.low, 0, Math.max(1, type.bits / 8));
}

function writeTyped(tensor: TensorView, chunk: Chunk): void {
  const fields = new WireReader(tensor.message, 'TensorProto', null);
  while (fields.next()) {
    const field = TYPED_FIELDS[fields.number];
    if (field === undefined) {
      fields.skip();
    } else if (field === 'string') {
      const text = fields.bytes();
      chunk.number(text.length, Math.floor(text.length / 2 ** 32), 8);
      chunk.bytes(text);
    } else if (field === 'float' || field === 'double') {
      const width = field === 'float' ? 4 : 8;
      chunk.bytes(fields.wire === wireType.bytes ? fields.bytes() : fields.fixed(width));
    } else if (fields.wire === wireType.bytes) {
      const packed = new WireReader(fields.bytes(), 'TensorProto', null);
      while (packed.more) writeEntry(tensor, packed, chunk);
    } else {
      writeEntry(tensor, fields, chunk);
    }
  }
}

/**
 * Streams the canonical bytes of a tensor: its elements in row-major order, little-endian, wherever
 * the model keeps them. Sub-byte elements are packed from bit 0 up and the padding is zero; a string
 * is its length (64 bits) and its bytes. Raw and external elements are passed on without a copy.
 */
export function streamElements(tensor: TensorView, files: ExternalFiles, sink: Sink): void {
  const { type, payload, size, elements } = tensor;
  const padding = type.bits < 8 ? size * 8 - elements * type.bits : 0;
  let seen = 0;
  const masked: Sink = (bytes) => {
    seen += bytes.length;
    const last = bytes[bytes.length - 1];
    if (padding <= 0 || seen < size || last === undefined) {
      sink(bytes);
    } else {
      sink(bytes.subarray(0, -1));
      sink(Uint8Array.of(last & (0xff >> padding)));
    }
  };
  if (payload.kind === 'raw') {
    masked(payload.bytes);
  } else if (payload.kind === 'external') {
    masked(externalBytes(payload.reference, size, files));
  } else {
    const chunk = new Chunk(masked, size + tensor.message.length * 8);
    writeTyped(tensor, chunk);
    chunk.flush();
  }
}

/** The canonical bytes of a tensor: a view where they lie in one piece, else a copy. */
export function elementBytes(tensor: TensorView, files: ExternalFiles): Uint8Array {
  const parts: Uint8Array[] = [];
  const copied = tensor.payload.kind === 'typed';
  streamElements(tensor, files, (bytes) => parts.push(copied ? new Uint8Array(bytes) : bytes));
  const [first] = parts;
  return first !== undefined && parts.length === 1 ? first : concat(...parts);
}

/** The elements of canonical bytes of strings: each is its length in 64 bits, and then its bytes. */
export function* stringElements(bytes: Uint8Array): Iterable<Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length; ) {
    const end = at + 8 + Number(view.getBigUint64(at, true));
    yield bytes.subarray(at + 8, end);
    at = end;
  }
}

/** SHA-256 of the canonical bytes of a tensor. */
export function hashElements(
  tensor: TensorView,
  files: ExternalFiles,
  factory: Sha256Factory,
): Uint8Array {
  const hash = factory();
  streamElements(tensor, files, (bytes) => updateHash(hash, bytes));
  return hash.digest();
}

/**
 * Streams a sparse tensor's indices as linear positions (64 bits each, little-endian), whichever of ONNX's two
 * forms they have. Throws MODEL_TENSOR unless they ascend and lie inside the shape.
 */
export function streamPositions(sparse: SparseView, files: ExternalFiles, sink: Sink): void {
  const { indices, dims } = sparse;
  const rank = indices.dims.length === 1 ? 1 : dims.length;
  const sizes = rank === 1 ? [dims.reduce((product, size) => product * size, 1)] : dims;
  const chunk = new Chunk(sink, indices.size);
  let axis = 0;
  let position = 0;
  let previous = -1;
  streamElements(indices, files, (bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at < bytes.length; at += 8) {
      const size = sizes[axis] ?? 0;
      const index = view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
      if (index >= size) outOfRange(indices);
      position = position * size + index;
      axis += 1;
      if (axis < rank) continue;
      if (position <= previous) outOfRange(indices);
      chunk.number(position, Math.floor(position / 2 ** 32), 8);
      previous = position;
      position = 0;
      axis = 0;
    }
  });
  chunk.flush();
}
