import {
  type AppraisedInference,
  assertAgrees,
  type InferenceExchange,
} from '../../attestation/appraisal/appraise-inference.js';
import { equalBytes, toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import type { ManifestModel } from '../../attestation/evidence/manifest-model.js';
import type { InferenceClaims } from '../../attestation/receipt/claims.js';
import { type CommittedTensor, commitTensors } from '../../attestation/receipt/commitment.js';
import { nativeHmacSha256 } from '../system/native-hmac.js';

/** Throws CLIENT_MODEL_CHANGED: a model that was replaced while the request was under way was not asked for. */
export function assertSameModel(asked: ManifestModel, { graph, execution }: InferenceClaims): void {
  if (equalBytes(asked.graph, graph) && equalBytes(asked.execution, execution)) return;
  throw new AssayError(
    'CLIENT_MODEL_CHANGED',
    `${asked.name} ${asked.version} was replaced: expected graph ${toHex(asked.graph)} and execution ${toHex(asked.execution)}, not ${toHex(graph)} and ${toHex(execution)}`,
  );
}

/** Of the checks of an answer, those that compare it with what its very manifest states. */
const BY_MANIFEST: ReadonlySet<string> = new Set([
  'receipt.manifest',
  'receipt.graph',
  'receipt.execution',
]);

/**
 * The enclave's key signed the answer, but no evidence was seen for the manifest that it names: the models
 * changed again before any could be fetched: RECEIPT_UNATTESTED. What needs no manifest is refused as ever.
 */
export function refuseUnattested({ claims, checks, ...appraised }: AppraisedInference): never {
  const others = checks.filter(({ id }) => !BY_MANIFEST.has(id));
  assertAgrees({ ...appraised, claims, checks: others });
  throw new AssayError(
    'RECEIPT_UNATTESTED',
    `expected an answer under a manifest that the evidence covers, not ${toHex(claims.manifest)}: the enclave's models changed before evidence for it was fetched, ask again`,
  );
}

/** Throws USAGE_PROOF: with other tensors than the claims commit to, every verifier would refuse a proof. */
export function assertUnchanged(
  { nonce, inputs, outputs, salt }: InferenceExchange,
  claims: InferenceClaims,
): void {
  const holds = (side: 'request' | 'response', tensors: readonly CommittedTensor[]): boolean =>
    equalBytes(commitTensors(side, tensors, salt, nativeHmacSha256), claims[side]);
  const changed = [
    ...(holds('request', inputs) ? [] : ['inputs']),
    ...(holds('response', outputs) ? [] : ['outputs']),
    ...(claims.nonce !== null && equalBytes(nonce, claims.nonce) ? [] : ['nonce']),
  ];
  if (changed.length === 0) return;
  throw new AssayError(
    'USAGE_PROOF',
    `expected the ${changed.join(' and ')} of this answer as they were sent and received, they were changed since: make the proof first, or infer with a copy`,
  );
}
