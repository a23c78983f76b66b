import type { Sha256Factory } from '../encoding/hash.js';

/** A model and its external data, as they were read: once, whole, and never again. */
export interface ModelSource {
  /** The name under which the model file is listed; its external data are listed relative to it. */
  readonly path: string;
  /** The ModelProto. Hashed through views, never copied. */
  readonly bytes: Uint8Array;
  /**
   * External data by location as the model spells it, exactly those of `externalLocations(bytes)`.
   * The caller reads them: regular files below the model's folder, no links, one read each.
   */
  readonly external?: ReadonlyMap<string, Uint8Array>;
}

export interface IdentifyOptions {
  /** Default: the portable one. In Node pass one over `createHash('sha256')`, which is faster. */
  readonly sha256?: Sha256Factory;
}

/** One file of a model. */
export interface ModelFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256 of the whole file. */
  readonly sha256: Uint8Array;
}

/** An operator set that the model imports; the domain of ONNX itself is the empty one. */
export interface OpsetImport {
  readonly domain: string;
  readonly version: number;
}

/** A named input or output of the model. */
export interface ValueSignature {
  readonly name: string;
  /** ONNX's notation: `tensor(float)`, `seq(tensor(int64))`, `map(int64,tensor(float))`, … */
  readonly type: string;
  /** Element type of a tensor by its name in TensorProto.DataType (`FLOAT`); null if no tensor. */
  readonly elementType: string | null;
  /** A size, a symbol, or null where unknown; null as a whole where the rank is unknown. */
  readonly dims: readonly (number | string | null)[] | null;
  /** True for an input with a default: an initializer that the caller may override. */
  readonly optional: boolean;
}

/** How often an operator occurs in the file: graph, subgraphs and function bodies, each once. */
export interface OperatorCount {
  readonly domain: string;
  readonly name: string;
  readonly count: number;
}

/** What a model is: DESIGN section 4, "Model identity". Digests are SHA-256. */
export interface ModelIdentity {
  /** The model file, then its external data sorted by path. */
  readonly files: readonly ModelFile[];
  /** RFC 9162 Merkle root over the initializers. */
  readonly weights: Uint8Array;
  /** Digest of the computation. */
  readonly graph: Uint8Array;
  readonly irVersion: number;
  /** Sorted by domain. */
  readonly opsets: readonly OpsetImport[];
  /** In the model's order, without constants that an old IR version lists as inputs. */
  readonly inputs: readonly ValueSignature[];
  readonly outputs: readonly ValueSignature[];
  /** Sorted by domain, then name. */
  readonly operators: readonly OperatorCount[];
  /** Initializers, and the elements in all of them. */
  readonly parameters: { readonly tensors: number; readonly elements: number };
  /** For information: nothing vouches for it. */
  readonly producer: { readonly name: string; readonly version: string };
}

/**
 * Identifies a model. `identifyModel` (this file) has this type; `externalLocations(bytes)` names
 * the files to read first.
 */
export type IdentifyModel = (source: ModelSource, options?: IdentifyOptions) => ModelIdentity;
