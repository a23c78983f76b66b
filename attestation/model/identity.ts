import { compareBytes, utf8 } from '../encoding/bytes.js';
import { AssayError } from '../encoding/error.js';
import {
  onceBy,
  portableSha256,
  type Sha256Factory,
  type Sha256Once,
  updateHash,
} from '../encoding/hash.js';
import { Computation, type FunctionDigests } from './computation.js';
import { dataTypeOf } from './data-type.js';
import { locationsOf } from './external-data.js';
import { digestFunctions, eachNode } from './functions.js';
import { ModelHasher } from './hashing.js';
import { readModel } from './onnx.js';
import { assertFree, Scope } from './scope.js';
import { isSparse } from './tensor.js';
import { Symbols, typeText } from './type.js';
import type { ModelView, NodeView, ValueView } from './views.js';
import { constantsOf, digestWeights } from './weights.js';

/** A model and its external data, as they were read: once, whole, and never again. */
export interface ModelSource {
  /** The name under which the model file is listed; its external data are listed relative to it. */
  readonly path: string;
  /** The ModelProto. Hashed through views, never copied. */
  readonly bytes: Uint8Array;
  /**
   * External data by location as the model spells it, exactly those of `externalLocations(readModel(bytes))`.
   * The caller reads them: regular files below the model's folder, no links, one read each.
   */
  readonly external?: ReadonlyMap<string, Uint8Array>;
}

/** What hashes a model. */
export interface IdentifyOptions {
  /** Default: the portable one. In Node pass one over `createHash('sha256')`, which is faster. */
  readonly sha256?: Sha256Factory;
  /** The same of short inputs, of which a model has several for each node; default: by `sha256`. */
  readonly sha256Once?: Sha256Once;
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

/** What a model is. Digests are SHA-256. */
export interface ModelIdentity {
  /** The model file, then its external data sorted by path. */
  readonly files: readonly ModelFile[];
  /** RFC 9162 Merkle root over the constants: initializers and what Constant nodes give. */
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
  /** Constants, and the elements in all of them. */
  readonly parameters: { readonly tensors: number; readonly elements: number };
  /** For information: nothing vouches for it. */
  readonly producer: { readonly name: string; readonly version: string };
}

/** A model with its identity, and the digest of every value in it. */
export interface ModelAnalysis {
  readonly identity: ModelIdentity;
  readonly model: ModelView;
  /** The names of the model's graph; every definition has its digest. */
  readonly scope: Scope;
  readonly functions: FunctionDigests;
  readonly hasher: ModelHasher;
}

function compareText(a: string, b: string): number {
  return compareBytes(utf8(a), utf8(b));
}

function digestFiles(
  source: ModelSource,
  model: ModelView,
  factory: Sha256Factory,
): readonly ModelFile[] {
  const external = source.external ?? new Map<string, Uint8Array>();
  const wanted = locationsOf(model);
  if (wanted.has(source.path)) {
    throw new AssayError(
      'MODEL_EXTERNAL_PATH',
      `external data location ${JSON.stringify(source.path.slice(0, 200))} is the model file itself: expected other files, each listed once`,
    );
  }
  for (const path of external.keys()) {
    if (!wanted.has(path)) {
      throw new AssayError(
        'MODEL_EXTERNAL_UNDECLARED',
        `file ${JSON.stringify(path.slice(0, 200))} was supplied, but no tensor lies in it`,
      );
    }
  }
  const file = (path: string, bytes: Uint8Array): ModelFile => {
    const hash = factory();
    updateHash(hash, bytes);
    return { path, size: bytes.length, sha256: hash.digest() };
  };
  const others = [...external].sort(([a], [b]) => compareText(a, b));
  return [file(source.path, source.bytes), ...others.map(([path, bytes]) => file(path, bytes))];
}

function signatureOf(value: ValueView, optional: boolean): ValueSignature {
  const { name, type } = value;
  const shaped = type?.kind === 'tensor' || type?.kind === 'sparse_tensor' ? type : null;
  return {
    name,
    type: type === null ? 'undefined' : typeText(type),
    elementType: shaped === null || shaped.element === 0 ? null : dataTypeOf(shaped.element).name,
    dims: shaped?.dims ?? null,
    optional,
  };
}

function countOperators(model: ModelView): OperatorCount[] {
  const counts = new Map<string, OperatorCount>();
  const visit = ({ domain, op: name }: NodeView): void => {
    const key = JSON.stringify([domain, name]);
    counts.set(key, { domain, name, count: (counts.get(key)?.count ?? 0) + 1 });
  };
  eachNode(model.graph.nodes, visit);
  for (const body of model.functions) eachNode(body.nodes, visit);
  return [...counts.values()].sort(
    (a, b) => compareText(a.domain, b.domain) || compareText(a.name, b.name),
  );
}

/** Requires that no runtime has a name that callers use for something else, and that inputs have a type. */
function assertInterface(scope: Scope): void {
  for (const { name } of [...scope.inputs, ...scope.outputs]) assertFree(name);
  const untyped = scope.inputs.find(({ type }) => type === null);
  if (untyped !== undefined || scope.outputs.length === 0) {
    throw new AssayError('MODEL_GRAPH', 'expected a type for every input, and an output');
  }
}

/**
 * Identifies a model from its bytes alone, in time and memory linear in them (the elements of tensors
 * are hashed where they lie). Each byte of a tensor is hashed twice, once for its file and once for
 * the tensor. Throws MODEL_* errors for everything that is malformed, ambiguous or excessive.
 */
export function identifyModel(source: ModelSource, options: IdentifyOptions = {}): ModelIdentity {
  return analyseModel(source, options).identity;
}

/**
 * `identifyModel`, with everything that was found on the way.
 * @param model what `readModel` gave of the source's bytes, where it was called before.
 */
export function analyseModel(
  source: ModelSource,
  options: IdentifyOptions = {},
  model: ModelView = readModel(source.bytes),
): ModelAnalysis {
  const factory = options.sha256 ?? portableSha256;
  const once = options.sha256Once ?? onceBy(factory);
  const files = digestFiles(source, model, factory);
  const hasher = new ModelHasher(factory, once, source.external ?? new Map());
  const functions = digestFunctions(model.functions, model.opsets, hasher);
  const scope = Scope.ofGraph(model.graph, model.opsets, model.irVersion);
  assertInterface(scope);
  const computation = new Computation(hasher, functions, model.opsets, new Symbols());
  // The signature comes first, so that its symbols are numbered before any inner one.
  const inputs = scope.inputs.map(({ name, type, fallback }) => [
    name,
    computation.type(type),
    fallback === null ? null : hasher.constant(fallback),
  ]);
  const outputs = scope.outputs.map(({ name, type }) => [name, computation.type(type)]);
  const values = computation.outputs(scope);
  computation.rest(scope);
  const constants = constantsOf(model);
  const elements = constants.reduce(
    (sum, constant) => sum + (isSparse(constant) ? constant.values : constant).elements,
    0,
  );
  const identity: ModelIdentity = {
    files,
    weights: digestWeights(constants, hasher),
    graph: hasher.digest('graph', [inputs, outputs, values]),
    irVersion: model.irVersion,
    opsets: [...model.opsets]
      .map(([domain, version]) => ({ domain, version }))
      .sort((a, b) => compareText(a.domain, b.domain)),
    inputs: scope.inputs.map((value) => signatureOf(value, value.fallback !== null)),
    outputs: scope.outputs.map((value) => signatureOf(value, false)),
    operators: countOperators(model),
    parameters: { tensors: constants.length, elements },
    producer: model.producer,
  };
  return { identity, model, scope, functions, hasher };
}
