import { AssayError } from '../encoding/error.js';
import { elementBytes, streamPositions, stringElements } from './elements.js';
import type { ExternalFiles } from './external.js';
import { type Constant, isSparse, type SparseView, type TensorView } from './tensor.js';
import { WireWriter } from './wire-writer.js';

/**
 * External data up to this size, bytes, is placed in the model: ONNX Runtime refuses to infer a shape from a
 * tensor of a few sizes that lies in a file.
 */
const PLACED = 4096;
/** Bytes of external data that is placed: tensors may lie in the same place of a file. */
const MOST_PLACED = 2 ** 28;
/** What typed elements may take more than they do in the file, bytes: a varint of one byte stands for eight. */
const MOST_GROWTH = 2 ** 28;

function pair(key: string, value: string | number): WireWriter {
  const writer = new WireWriter();
  writer.text(1, key);
  writer.text(2, String(value));
  return writer;
}

/** A TensorProto without its elements. */
function described({ type, dims }: TensorView, name?: string): WireWriter {
  const writer = new WireWriter();
  for (const dim of dims) writer.int(1, dim);
  writer.int(2, type.code);
  if (name !== undefined) writer.text(8, name);
  return writer;
}

/** Writes constants in the one way that there is here: `raw_data`, linear positions, or in their file. */
export class ConstantWriter {
  readonly #external: ExternalFiles;
  readonly #locations = new Set<string>();
  #placed = 0;
  #growth = 0;

  constructor(external: ExternalFiles) {
    this.#external = external;
  }

  /** The files that what was written so far refers to. */
  get external(): ExternalFiles {
    return new Map([...this.#external].filter(([location]) => this.#locations.has(location)));
  }

  /**
   * Of the model's own graph, the one place where ONNX Runtime takes the external data that it is given:
   * elsewhere it reads the working directory's files, which nobody measured. Throws MODEL_TOO_COMPLEX.
   */
  initializer(constant: Constant, name: string): WireWriter {
    if (isSparse(constant)) return this.sparse(constant, name);
    const { payload, size } = constant;
    if (payload.kind !== 'external' || size <= PLACED) return this.tensor(constant, name);
    const { location, offset } = payload.reference;
    this.#locations.add(location);
    const writer = described(constant, name);
    writer.message(13, pair('location', location));
    writer.message(13, pair('offset', offset));
    writer.message(13, pair('length', size));
    writer.int(14, 1);
    return writer;
  }

  /** TensorProto or SparseTensorProto with its elements; throws MODEL_TOO_COMPLEX. */
  constant(constant: Constant, name?: string): WireWriter {
    return isSparse(constant) ? this.sparse(constant, name) : this.tensor(constant, name);
  }

  tensor(view: TensorView, name?: string): WireWriter {
    this.#place(view);
    const writer = described(view, name);
    const elements = elementBytes(view, this.#external);
    if (view.type.field === 'string') {
      writer.strings(6, stringElements(elements), elements.length);
    } else {
      writer.bytes(9, elements);
    }
    return writer;
  }

  sparse(view: SparseView, name?: string): WireWriter {
    const { values, dims } = view;
    const writer = new WireWriter();
    writer.message(1, this.tensor(values, name));
    writer.message(2, this.#indices(view));
    for (const dim of dims) writer.int(3, dim);
    return writer;
  }

  /** As linear positions. */
  #indices(view: SparseView): WireWriter {
    const { indices } = view;
    this.#place(indices);
    const [rows = 0] = indices.dims;
    const bytes = new Uint8Array(8 * rows);
    let at = 0;
    streamPositions(view, this.#external, (positions) => {
      bytes.set(positions, at);
      at += positions.length;
    });
    const writer = described({ ...indices, dims: [rows] });
    writer.bytes(9, bytes);
    return writer;
  }

  #place(view: TensorView): void {
    this.#grow(view);
    if (view.payload.kind !== 'external') return;
    this.#placed += view.size;
    if (this.#placed <= MOST_PLACED) return;
    throw new AssayError(
      'MODEL_TOO_COMPLEX',
      `expected the external tensors that are placed in the model, those of up to ${PLACED} bytes and all of ` +
        `subgraphs, functions and sparse tensors, to take at most ${MOST_PLACED} bytes together`,
    );
  }

  #grow({ type, elements, size, payload, message }: TensorView): void {
    if (payload.kind !== 'typed') return;
    const length = type.field === 'string' ? message.length + 8 * elements : size;
    this.#growth += Math.max(0, length - message.length);
    if (this.#growth <= MOST_GROWTH) return;
    throw new AssayError(
      'MODEL_TOO_COMPLEX',
      `expected the typed elements of a model's tensors to take at most ${MOST_GROWTH} bytes more as raw_data`,
    );
  }
}
