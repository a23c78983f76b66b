import { compareBytes, equalBytes, utf8 } from '../encoding/bytes.js';
import type { CborKey, CborValue } from '../encoding/cbor.js';
import { AssayError } from '../encoding/error.js';
import { CborFields } from '../encoding/fields.js';
import {
  type ExecutionProfile,
  executionDigest,
  profileFromCbor,
  profileToCbor,
} from './execution-profile.js';
import { type SelfTest, selfTestFromCbor, selfTestToCbor } from './self-test.js';

const CODE = 'MANIFEST_ENCODING';
const INVARIANCE = ['proven', 'varies', 'unproven', 'off'] as const;

/** A dimension: fixed, named, or unknown. */
type Dimension = number | string | null;

/** One input or output of a model, in the order of its signature. */
export interface TensorSignature {
  readonly name: string;
  /** ONNX's notation: `tensor(float)`, `tensor(int64)`, … */
  readonly type: string;
  /** Null where the model does not state even the rank. */
  readonly dims: readonly Dimension[] | null;
}

/** A file of a model, by its path relative to the model's folder. */
export interface ManifestFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: Uint8Array;
}

/** Whether requests of several callers share executions. */
export interface Batching {
  /** 1: every request is executed alone. */
  readonly maxBatchSize: number;
  /**
   * `proven`: at load, neighbours did not change one bit of an answer; `varies`, `unproven`, `off`:
   * then every request is executed alone.
   */
  readonly invariance: (typeof INVARIANCE)[number];
}

/** One model that the enclave serves: what was measured, and how it is executed. */
export interface ManifestModel {
  readonly name: string;
  readonly version: string;
  readonly files: readonly ManifestFile[];
  /** Merkle root over the initializers, 32 bytes. */
  readonly weights: Uint8Array;
  /** Digest of the computation, 32 bytes. */
  readonly graph: Uint8Array;
  readonly inputs: readonly TensorSignature[];
  readonly outputs: readonly TensorSignature[];
  readonly profile: ExecutionProfile;
  /** `executionDigest(graph, profile)`; a decoder recomputes it. */
  readonly execution: Uint8Array;
  readonly batching: Batching;
  /** Null where the model came without test vectors. */
  readonly selfTest: SelfTest | null;
}

function signatureToCbor(tensors: readonly TensorSignature[]): CborValue {
  return tensors.map(
    ({ name, type, dims }) =>
      new Map<CborKey, CborValue>([
        ['name', name],
        ['type', type],
        ['dims', dims],
      ]),
  );
}

/** A model's entry as a CBOR map. */
export function modelToCbor(model: ManifestModel): CborValue {
  return new Map<CborKey, CborValue>([
    ['name', model.name],
    ['version', model.version],
    [
      'files',
      model.files.map(
        ({ path, size, sha256: digest }) =>
          new Map<CborKey, CborValue>([
            ['path', path],
            ['size', size],
            ['sha256', digest],
          ]),
      ),
    ],
    ['weights', model.weights],
    ['graph', model.graph],
    ['inputs', signatureToCbor(model.inputs)],
    ['outputs', signatureToCbor(model.outputs)],
    ['profile', profileToCbor(model.profile)],
    ['execution', model.execution],
    [
      'batching',
      new Map<CborKey, CborValue>([
        ['maxBatchSize', model.batching.maxBatchSize],
        ['invariance', model.batching.invariance],
      ]),
    ],
    ['selfTest', selfTestToCbor(model.selfTest)],
  ]);
}

function fail(message: string): never {
  throw new AssayError(CODE, message);
}

function isDimension(value: CborValue): value is Dimension {
  return value === null || typeof value === 'string' || (typeof value === 'number' && value >= 0);
}

function dimsFromCbor(value: CborValue): readonly Dimension[] | null {
  if (value === null) return null;
  if (Array.isArray(value) && value.every(isDimension)) return value;
  return fail('expected dims to be null or an array of sizes, names and nulls');
}

function signatureFromCbor(items: readonly CborValue[]): TensorSignature[] {
  return items.map((item) => {
    const fields = new CborFields(item, 'a tensor of the manifest', CODE);
    const tensor = {
      name: fields.text('name'),
      type: fields.text('type'),
      dims: dimsFromCbor(fields.take('dims')),
    };
    fields.end();
    return tensor;
  });
}

function batchingFromCbor(fields: CborFields): Batching {
  const maxBatchSize = fields.unsigned('maxBatchSize');
  const word = fields.text('invariance');
  fields.end();
  const invariance = INVARIANCE.find((known) => known === word);
  if (invariance === undefined || maxBatchSize === 0) {
    return fail('expected a batch size of at least 1 and a known word for its invariance');
  }
  if (invariance !== 'proven' && maxBatchSize > 1) {
    return fail('expected requests to share executions only where invariance is proven');
  }
  return { maxBatchSize, invariance };
}

function outcomeFromCbor(value: CborValue): SelfTest | null {
  if (value === null) return null;
  const outcome = selfTestFromCbor(new CborFields(value, 'a self-test of the manifest', CODE));
  return (
    outcome ?? fail('expected at least one test set, and no more identical ones than there are')
  );
}

/** Reads what `modelToCbor` writes and nothing else; throws MANIFEST_ENCODING or MANIFEST_EXECUTION. */
export function modelFromCbor(item: CborValue): ManifestModel {
  const fields = new CborFields(item, 'a model of the manifest', CODE);
  const model = {
    name: fields.text('name'),
    version: fields.text('version'),
    files: fields.array('files').map((entry) => {
      const file = new CborFields(entry, 'a file of the manifest', CODE);
      const decoded = {
        path: file.text('path'),
        size: file.unsigned('size'),
        sha256: file.bytes('sha256', 32),
      };
      file.end();
      return decoded;
    }),
    weights: fields.bytes('weights', 32),
    graph: fields.bytes('graph', 32),
    inputs: signatureFromCbor(fields.array('inputs')),
    outputs: signatureFromCbor(fields.array('outputs')),
    profile: profileFromCbor(fields.map('profile')),
    execution: fields.bytes('execution', 32),
    batching: batchingFromCbor(fields.map('batching')),
    selfTest: outcomeFromCbor(fields.take('selfTest')),
  };
  fields.end();
  if (!equalBytes(model.execution, executionDigest(model.graph, model.profile))) {
    throw new AssayError(
      'MANIFEST_EXECUTION',
      `the execution digest of model ${model.name} is not that of its graph and profile`,
    );
  }
  return model;
}

/** Order of models in a manifest: by name, then by version, as UTF-8 bytes. */
export function compareModels(
  a: Pick<ManifestModel, 'name' | 'version'>,
  b: Pick<ManifestModel, 'name' | 'version'>,
): number {
  return compareBytes(utf8(a.name), utf8(b.name)) || compareBytes(utf8(a.version), utf8(b.version));
}
