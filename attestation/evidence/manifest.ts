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
import { compareModels, type ManifestModel, modelFromCbor, modelToCbor } from './manifest-model.js';

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

function fail(message: string): never {
  throw new AssayError(CODE, message);
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

/** Each name and version once, in order, so that one set of models has one encoding. */
function assertSorted(models: readonly ManifestModel[]): void {
  models.forEach((model, i) => {
    const previous = models[i - 1];
    if (previous !== undefined && compareModels(previous, model) >= 0) {
      fail('expected the models to be sorted by name and version, each once');
    }
  });
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
