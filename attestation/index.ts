/**
 * Assay's verifier: a library for Node and browsers that appraises evidence, receipts and proof files.
 * It reads no clock and no network: time and endorsements are arguments, and `EndorsementSource` is the
 * only part that fetches.
 */
export {
  type AppraiseBundleOptions,
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
export type { SnpExpectations } from './appraisal/appraise-snp.js';
export type { TdxExpectations } from './appraisal/appraise-tdx.js';
export type { AuthenticateSnpOptions, SnpEndorsements } from './appraisal/authenticate-snp.js';
export type { AuthenticateTdxOptions } from './appraisal/authenticate-tdx.js';
export { type AppraisalPolicy, parsePolicy } from './appraisal/policy.js';
export type { SnpPolicy } from './appraisal/policy-snp.js';
export type { TdxPolicy } from './appraisal/policy-tdx.js';
export { appraiseEvidence } from './appraisal/raw-evidence.js';
export {
  type AttestationResult,
  type Claims,
  type ClaimValue,
  type Finding,
  type Outcome,
  type TcbShortfall,
  type TdxTcbResult,
  type TrustAnchor,
  type Verdict,
  verdictOf,
} from './appraisal/result.js';
export { TdxCache } from './appraisal/tdx-cache.js';
export type { Endorsements } from './appraisal/verify-hardware.js';
export { verifySnp } from './appraisal/verify-snp.js';
export { verifyTdx } from './appraisal/verify-tdx.js';
export type { CoseKey } from './encoding/cose.js';
export { AssayError, type ErrorArea, type ErrorCode } from './encoding/error.js';
export type { Sha256, Sha256Factory, Sha256Once } from './encoding/hash.js';
export type { P256, P256Key } from './encoding/p256.js';
export { type PemLabel, pemBlocks, toPem } from './encoding/pem.js';
export { type AmdEndorsements, amdEndorsements } from './endorsements/amd.js';
export type { CollateralInput, CollateralText } from './endorsements/intel.js';
export {
  type CachedAnswer,
  type EndorsementCache,
  EndorsementSource,
  type Fetched,
  type Retain,
  type Retention,
  type SourceOptions,
} from './endorsements/source.js';
export type { ChallengePosition } from './evidence/binding.js';
export { decodeBundle, type EvidenceBundle, type Tee } from './evidence/bundle.js';
export type { ExecutionProfile, ProfileLibrary } from './evidence/execution-profile.js';
export {
  encodeLaunchPolicy,
  type LaunchPolicy,
  type LaunchPolicyDigest,
  launchPolicyDigest,
  parseLaunchPolicy,
} from './evidence/launch-policy.js';
export type { LaunchPolicyModel, RequiredSelfTest } from './evidence/launch-policy-model.js';
export { decodeManifest, type Manifest } from './evidence/manifest.js';
export type {
  Batching,
  ManifestFile,
  ManifestModel,
  TensorSignature,
} from './evidence/manifest-model.js';
export type { SelfTest, VectorLimits, VectorTolerances } from './evidence/self-test.js';
export type { NumericDistance } from './model/distance.js';
export { externalLocations } from './model/external-data.js';
export {
  type IdentifyOptions,
  identifyModel,
  type ModelFile,
  type ModelIdentity,
  type ModelSource,
  type OperatorCount,
  type OpsetImport,
  type ValueSignature,
} from './model/identity.js';
export { readModel } from './model/onnx.js';
export type { ModelView } from './model/views.js';
export type { InferenceClaims } from './receipt/claims.js';
export type { CommittedTensor, HmacSha256 } from './receipt/commitment.js';
export { decodeProofFile, type ProofEndorsements, type ProofFile } from './receipt/proof-file.js';
export type { SignedTreeHead } from './receipt/tree-head.js';
