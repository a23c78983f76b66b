import type { ManifestModel } from '../../attestation/evidence/manifest-model.js';
import { claimsEntry, type InferenceClaims } from '../../attestation/receipt/claims.js';
import { type CommittedTensor, commitTensors } from '../../attestation/receipt/commitment.js';
import type { Enclave } from '../../enclave/enclave.js';
import type { Issuer } from '../../enclave/issuer.js';

/** The claims of an enclave that tells the truth of one inference. */
export function honestClaims(
  { keys, manifest, manifestDigest }: Enclave,
  { name, version, graph, execution }: ManifestModel,
  [inputs, outputs]: readonly [readonly CommittedTensor[], readonly CommittedTensor[]],
  { nonce, salt }: { readonly nonce: Uint8Array | null; readonly salt: Uint8Array },
): InferenceClaims {
  return {
    issuedAt: 1_790_000_000,
    nonce,
    epoch: manifest.epoch,
    model: { name, version },
    graph,
    execution,
    request: commitTensors('request', inputs, salt),
    response: commitTensors('response', outputs, salt),
    manifest: manifestDigest,
    signingKey: keys.signing.id,
  };
}

/** Logs the claims of an inference on the event loop, where the product has its workers do it. */
export function issueClaims(issuer: Issuer, claims: Uint8Array): Promise<Uint8Array> {
  return issuer.append(claimsEntry(claims));
}
