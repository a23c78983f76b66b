import {
  type ExecutionProfile,
  executionDigest,
} from '../attestation/evidence/execution-profile.js';
import {
  compareModels,
  type Manifest,
  type ManifestModel,
  type TensorSignature,
} from '../attestation/evidence/manifest.js';
import type { ModelIdentity, ValueSignature } from '../attestation/model/identity.js';
import type { EnclaveKeys } from './keys.js';

/** A model about to be served: what was measured, and how it will be executed. */
export interface ServedModel {
  readonly name: string;
  readonly version: string;
  readonly identity: ModelIdentity;
  readonly profile: ExecutionProfile;
}

function signature(values: readonly ValueSignature[]): TensorSignature[] {
  return values.map(({ name, type, dims }) => ({ name, type, dims }));
}

/** The manifest's entry for a model. */
export function manifestModel({ name, version, identity, profile }: ServedModel): ManifestModel {
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
export function makeManifest(
  keys: EnclaveKeys,
  models: readonly ManifestModel[],
  launchPolicy: Uint8Array | null,
  software: Manifest['software'],
): Manifest {
  return {
    epoch: keys.epoch,
    signingKey: keys.signing.publicKey,
    tlsKey: keys.tls.publicKeyDigest,
    encryptionKey: keys.encryption.publicKey,
    models: [...models].sort(compareModels),
    launchPolicy,
    software,
  };
}
