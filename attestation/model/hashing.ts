import { type CborValue, encodeCbor } from '../encoding/cbor.js';
import { AssayError } from '../encoding/error.js';
import { label, type Sha256Factory, type Sha256Once } from '../encoding/hash.js';
import { hashElements, streamPositions } from './elements.js';
import type { ExternalFiles } from './external.js';
import { type Constant, isSparse, type SparseView, type TensorView } from './tensor.js';

/**
 * What tensors may take of external files: so often all of their bytes, and so many bytes more. Tensors may lie
 * in the same place, and each is hashed and loaded by itself.
 */
const EXTERNAL = { times: 16, more: 2 ** 28 } as const;

/** The kinds of digest, each with a domain label of its own: `assay/model-<kind>/v1`. */
type DigestKind =
  | 'call'
  | 'constant'
  | 'function'
  | 'graph'
  | 'input'
  | 'node'
  | 'parameter'
  | 'sparse'
  | 'subgraph'
  | 'tensor'
  | 'value'
  | 'weight';

/**
 * Hashes the parts of one model. What a digest covers is deterministic CBOR, so that every part has
 * its length and its type; each tensor's elements are hashed once.
 */
export class ModelHasher {
  readonly sha256: Sha256Factory;
  /** For what is short. */
  readonly once: Sha256Once;
  readonly files: ExternalFiles;
  readonly #labels = new Map<DigestKind, Uint8Array>();
  readonly #elements = new Map<TensorView, Uint8Array>();
  /** Bytes that external tensors may still take. */
  #left: number;

  constructor(sha256: Sha256Factory, once: Sha256Once, files: ExternalFiles) {
    this.sha256 = sha256;
    this.once = once;
    this.files = files;
    const size = [...files.values()].reduce((sum, { length }) => sum + length, 0);
    this.#left = EXTERNAL.times * size + EXTERNAL.more;
  }

  /** What a digest of this kind is made of: the label, then CBOR. */
  #label(kind: DigestKind): Uint8Array {
    const known = this.#labels.get(kind) ?? label(`model-${kind}`);
    this.#labels.set(kind, known);
    return known;
  }

  digest(kind: DigestKind, content: CborValue): Uint8Array {
    return this.once(this.#label(kind), encodeCbor(content));
  }

  #charge({ payload, size }: TensorView): void {
    if (payload.kind === 'external') this.#left -= size;
    if (this.#left >= 0) return;
    throw new AssayError(
      'MODEL_TOO_COMPLEX',
      `expected the external data of all tensors to take at most ${EXTERNAL.times} times the bytes of their files, and ${EXTERNAL.more} more`,
    );
  }

  /** SHA-256 of a tensor's canonical bytes. Throws MODEL_TOO_COMPLEX where external ones are too many. */
  elements(tensor: TensorView): Uint8Array {
    const known = this.#elements.get(tensor);
    if (known !== undefined) return known;
    const digest = hashElements(tensor, this.files, this.sha256);
    this.#charge(tensor);
    this.#elements.set(tensor, digest);
    return digest;
  }

  /** What a weight's leaf and its value's digest cover: type, dims and elements. */
  tensorItem(tensor: TensorView): CborValue {
    return [tensor.type.code, tensor.dims, this.elements(tensor)];
  }

  /** Dims of the whole, the non-zero values, their linear positions. */
  sparseItem(sparse: SparseView): CborValue {
    const positions = this.sha256();
    this.#charge(sparse.indices);
    streamPositions(sparse, this.files, (bytes) => positions.update(bytes));
    return [sparse.values.type.code, sparse.dims, this.elements(sparse.values), positions.digest()];
  }

  constant(constant: Constant): Uint8Array {
    return isSparse(constant)
      ? this.digest('sparse', this.sparseItem(constant))
      : this.digest('tensor', this.tensorItem(constant));
  }
}
