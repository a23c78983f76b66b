/**
 * Assay's verifier: a library for Node and browsers that appraises evidence, receipts and proof files.
 * It reads no clock and no network: time and endorsements are arguments, and `EndorsementSource` is the
 * only part that fetches.
 */
export {
  type AppraisedBundle,
  type AppraiseOptions,
  appraiseBundle,
} from './appraisal/appraise.js';
export {
  type AppraisedEnclave,
  type AppraisedInference,
  appraiseInference,
  assertAgrees,
  type InferenceExchange,
} from './appraisal/appraise-inference.js';
export {
  type AppraisedProof,
  type AppraiseProofOptions,
  appraiseProof,
} from './appraisal/appraise-proof.js';
export { type AppraisalPolicy, parsePolicy } from './appraisal/policy.js';
export { appraiseEvidence } from './appraisal/raw-evidence.js';
export {
  type AttestationResult,
  type Claims,
  type ClaimValue,
  type Finding,
  type Outcome,
  type TdxTcbResult,
  type TrustAnchor,
  type Verdict,
  verdictOf,
} from './appraisal/result.js';
export { verifySnp } from './appraisal/verify-snp.js';
export { verifyTdx } from './appraisal/verify-tdx.js';
export { AssayError, type ErrorArea, type ErrorCode } from './encoding/error.js';
export type { P256, P256Key } from './encoding/p256.js';
export { pemBlocks, toPem } from './encoding/pem.js';
export { amdEndorsements } from './endorsements/amd.js';
export { EndorsementSource } from './endorsements/source.js';
export { decodeBundle, type EvidenceBundle } from './evidence/bundle.js';
export { launchPolicyDigest, parseLaunchPolicy } from './evidence/launch-policy.js';
export { decodeManifest, type Manifest } from './evidence/manifest.js';
export type { ManifestModel } from './evidence/manifest-model.js';
export { identifyModel, type ModelIdentity, type ModelSource } from './model/identity.js';
export type { InferenceClaims } from './receipt/claims.js';
export { decodeProofFile, type ProofFile } from './receipt/proof-file.js';
