import { compareBytes, equalBytes, utf8 } from '../encoding/bytes.js';
import {
  type CborKey,
  type CborValue,
  countItems,
  encodeCbor,
  MAX_ITEMS,
} from '../encoding/cbor.js';
import { type CoseKey, coseKeyFromCbor, coseKeyToCbor } from '../encoding/cose.js';
import { AssayError } from '../encoding/error.js';
import { CborFields } from '../encoding/fields.js';
import { sha256 } from '../encoding/hash.js';
import {
  type ExecutionProfile,
  executionDigest,
  profileFromCbor,
  profileToCbor,
} from './execution-profile.js';
import { type SelfTest, selfTestFromCbor, selfTestToCbor } from './self-test.js';

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
interface ModelFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: Uint8Array;
}

/** Whether requests of several callers share executions. */
interface Batching {
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
  readonly files: readonly ModelFile[];
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

/** All that the enclave states of itself. REPORT_DATA covers it through its digest. */
export interface Manifest {
  /** 32 random bytes, drawn once per boot. */
  readonly epoch: Uint8Array;
  /** Signs tree heads, and nothing else. */
  readonly signingKey: CoseKey;
  /** SHA-256 of the TLS certificate's SubjectPublicKeyInfo, DER. */
  readonly tlsKey: Uint8Array;
  /** X25519 public key, 32 bytes: for what callers will encrypt; no method takes it yet. */
  readonly encryptionKey: Uint8Array;
  readonly models: readonly ManifestModel[];
  /** SHA-256 digest of the launch policy that is enforced; null where there is none. */
  readonly launchPolicy: Uint8Array | null;
  /** Name and version of the software that made the statement. */
  readonly software: { readonly name: string; readonly version: string };
}

/** The model that the manifest states under this name and version. */
export function statedModel(
  { models }: Manifest,
  { name, version }: Pick<ManifestModel, 'name' | 'version'>,
): ManifestModel | undefined {
  return models.find((model) => model.name === name && model.version === version);
}

const VERSION = 1;
const CODE = 'MANIFEST_ENCODING';
/** Models of one manifest: a verifier holds each to all entries of its own policy and of the launch policy. */
export const MAX_MODELS = 1024;
/** Bytes of a manifest: a bundle has room for it beside a launch policy and a log of as many. */
const MAX_BYTES = 4 * 1024 * 1024;
const INVARIANCE = ['proven', 'varies', 'unproven', 'off'] as const;

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

function modelToCbor(model: ManifestModel): CborValue {
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

function assertFew(models: readonly unknown[]): void {
  if (models.length > MAX_MODELS) {
    throw new AssayError(
      'MANIFEST_MODELS',
      `expected at most ${MAX_MODELS} models in a manifest, every version counted, not ${models.length}`,
    );
  }
}

function assertReadable(bytes: Uint8Array, what: string, why: string): void {
  const items = countItems(bytes);
  if (items <= MAX_ITEMS && bytes.length <= MAX_BYTES) return;
  throw new AssayError(
    'MANIFEST_SIZE',
    `expected ${what} of at most ${MAX_ITEMS} items and ${MAX_BYTES} bytes, not ${items} and ${bytes.length}: ${why}`,
  );
}

/** Throws MANIFEST_SIZE for a model that no manifest which verifiers read can have: it need not be tried. */
export function assertStatable(model: Omit<ManifestModel, 'batching' | 'selfTest'>): void {
  const { inputs, outputs, files } = model;
  const entry = {
    ...model,
    batching: { maxBatchSize: 1, invariance: 'off' },
    selfTest: null,
  } as const;
  assertReadable(
    encodeCbor(modelToCbor(entry)),
    "a model's entry in the manifest",
    `it has ${inputs.length} inputs, ${outputs.length} outputs and ${files.length} files`,
  );
}

/**
 * The manifest in deterministic CBOR. Throws MANIFEST_MODELS for more models, or MANIFEST_SIZE for more of
 * their inputs, outputs and files, than a verifier reads.
 */
export function encodeManifest(manifest: Manifest): Uint8Array<ArrayBuffer> {
  assertFew(manifest.models);
  const bytes = encodeCbor(
    new Map<CborKey, CborValue>([
      ['version', VERSION],
      ['epoch', manifest.epoch],
      ['signingKey', coseKeyToCbor(manifest.signingKey)],
      ['tlsKey', manifest.tlsKey],
      ['encryptionKey', manifest.encryptionKey],
      ['models', manifest.models.map(modelToCbor)],
      ['launchPolicy', manifest.launchPolicy],
      [
        'software',
        new Map<CborKey, CborValue>([
          ['name', manifest.software.name],
          ['version', manifest.software.version],
        ]),
      ],
    ]),
  );
  assertReadable(
    bytes,
    'a manifest',
    `its ${manifest.models.length} models have too many inputs, outputs and files, or too long names`,
  );
  return bytes;
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

function modelFromCbor(item: CborValue): ManifestModel {
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

/** Each name and version once, in order, so that one set of models has one encoding. */
function assertSorted(models: readonly ManifestModel[]): void {
  models.forEach((model, i) => {
    const previous = models[i - 1];
    if (previous !== undefined && compareModels(previous, model) >= 0) {
      fail('expected the models to be sorted by name and version, each once');
    }
  });
}

/** Order of models in a manifest: by name, then by version, as UTF-8 bytes. */
export function compareModels(
  a: Pick<ManifestModel, 'name' | 'version'>,
  b: Pick<ManifestModel, 'name' | 'version'>,
): number {
  return compareBytes(utf8(a.name), utf8(b.name)) || compareBytes(utf8(a.version), utf8(b.version));
}

/**
 * Decodes a manifest strictly. Throws MANIFEST_ENCODING (anything but the encoding of a manifest),
 * MANIFEST_VERSION, MANIFEST_MODELS (more than 1024) or MANIFEST_EXECUTION (an execution digest that its
 * profile does not give).
 */
export function decodeManifest(bytes: Uint8Array): Manifest {
  const fields = CborFields.decode(bytes, 'the manifest', CODE, MAX_BYTES);
  const version = fields.unsigned('version');
  if (version !== VERSION) {
    throw new AssayError(
      'MANIFEST_VERSION',
      `expected manifest version ${VERSION}, not ${version}`,
    );
  }
  const key = fields.take('signingKey');
  const launchPolicy = fields.take('launchPolicy');
  if (
    launchPolicy !== null &&
    !(launchPolicy instanceof Uint8Array && launchPolicy.length === 32)
  ) {
    fail('expected launchPolicy to be null or 32 bytes');
  }
  const models = fields.array('models');
  assertFew(models);
  const software = fields.map('software');
  const manifest = {
    epoch: fields.bytes('epoch', 32),
    signingKey: signingKeyFromCbor(key),
    tlsKey: fields.bytes('tlsKey', 32),
    encryptionKey: fields.bytes('encryptionKey', 32),
    models: models.map(modelFromCbor),
    launchPolicy,
    software: { name: software.text('name'), version: software.text('version') },
  };
  software.end();
  fields.end();
  assertSorted(manifest.models);
  return manifest;
}

function signingKeyFromCbor(value: CborValue): CoseKey {
  try {
    return coseKeyFromCbor(value);
  } catch (cause) {
    throw new AssayError(CODE, 'expected signingKey to be a COSE_Key for ES256', cause);
  }
}

/** SHA-256 of a manifest's bytes, the form in which REPORT_DATA and claims refer to it. */
export function manifestDigest(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return sha256(bytes);
}
