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
export type { CoseKey } from './encoding/cose.js';
export { AssayError, type ErrorArea, type ErrorCode } from './encoding/error.js';
export type { P256, P256Key } from './encoding/p256.js';
export { pemBlocks, toPem } from './encoding/pem.js';
export { type AmdEndorsements, amdEndorsements } from './endorsements/amd.js';
export {
  type CachedAnswer,
  type EndorsementCache,
  EndorsementSource,
  type SourceOptions,
} from './endorsements/source.js';
export { decodeBundle, type EvidenceBundle } from './evidence/bundle.js';
export type { ExecutionProfile } from './evidence/execution-profile.js';
export {
  type LaunchPolicy,
  launchPolicyDigest,
  parseLaunchPolicy,
} from './evidence/launch-policy.js';
export type { LaunchPolicyModel } from './evidence/launch-policy-model.js';
export { decodeManifest, type Manifest } from './evidence/manifest.js';
export type { ManifestModel, TensorSignature } from './evidence/manifest-model.js';
export type { SelfTest } from './evidence/self-test.js';
export {
  identifyModel,
  type ModelFile,
  type ModelIdentity,
  type ModelSource,
  type OperatorCount,
  type OpsetImport,
  type ValueSignature,
} from './model/identity.js';
export type { InferenceClaims } from './receipt/claims.js';
export type { CommittedTensor } from './receipt/commitment.js';
export { decodeProofFile, type ProofEndorsements, type ProofFile } from './receipt/proof-file.js';
export type { SignedTreeHead } from './receipt/tree-head.js';
