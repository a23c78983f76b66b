import {
  type ExecutionProfile,
  executionDigest,
} from '../attestation/evidence/execution-profile.js';
import { encodeManifest, type Manifest, manifestDigest } from '../attestation/evidence/manifest.js';
import {
  compareModels,
  type ManifestModel,
  type TensorSignature,
} from '../attestation/evidence/manifest-model.js';
import type { ModelIdentity, ValueSignature } from '../attestation/model/identity.js';
import type { EnclaveKeys } from './keys.js';

/** A model about to be loaded: what was measured, and how it will be executed. */
export interface ServedModel {
  readonly name: string;
  readonly version: string;
  readonly identity: ModelIdentity;
  readonly profile: ExecutionProfile;
}

/** A model that may be loaded; the rest is known once it is. */
export type AdmittedModel = Omit<ManifestModel, keyof TriedModel>;

/** What loading and trying a model showed. */
export type TriedModel = Pick<ManifestModel, 'batching' | 'selfTest'>;

/** A manifest, its bytes and their digest. */
export interface Statement {
  readonly manifest: Manifest;
  readonly bytes: Uint8Array;
  readonly digest: Uint8Array;
}

function signature(values: readonly ValueSignature[]): TensorSignature[] {
  return values.map(({ name, type, dims }) => ({ name, type, dims }));
}

/** What the manifest will say of a model before it is loaded. */
export function describeModel({ name, version, identity, profile }: ServedModel): AdmittedModel {
  return {
    name,
    version,
    files: identity.files.map(({ path, size, sha256 }) => ({ path, size, sha256 })),
    weights: identity.weights,
    graph: identity.graph,
    inputs: signature(identity.inputs),
    outputs: signature(identity.outputs),
    profile,
    execution: executionDigest(identity.graph, profile),
  };
}

/** Everything the enclave states of itself. */
export function makeStatement(
  keys: EnclaveKeys,
  models: readonly ManifestModel[],
  launchPolicy: Uint8Array | null,
  software: Manifest['software'],
): Statement {
  const manifest: Manifest = {
    epoch: keys.epoch,
    signingKey: keys.signing.publicKey,
    tlsKey: keys.tls.publicKeyDigest,
    encryptionKey: keys.encryption.publicKey,
    models: [...models].sort(compareModels),
    launchPolicy,
    software,
  };
  const bytes = encodeManifest(manifest);
  return { manifest, bytes, digest: manifestDigest(bytes) };
}
