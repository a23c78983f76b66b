/**
 * The verifier: appraises SEV-SNP reports, TDX quotes, Assay's evidence bundles and its receipts. It
 * runs in Node and browsers, needs WebCrypto and nothing else, and fetches nothing but through
 * `EndorsementSource`. Times, endorsements and roots are arguments; verdicts are results with one
 * finding for each check, never a bare boolean.
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
export type { AuthenticateSnpOptions, SnpEndorsements } from './appraisal/authenticate-snp.js';
export type { AuthenticateTdxOptions } from './appraisal/authenticate-tdx.js';
export { type AppraisalPolicy, parsePolicy } from './appraisal/policy.js';
export { parseSnpPolicy, type SnpPolicy } from './appraisal/policy-snp.js';
export { parseTdxPolicy, type TdxPolicy } from './appraisal/policy-tdx.js';
export {
  type AttestationResult,
  type Claims,
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
export { AssayError, type ErrorCode } from './encoding/error.js';
export type { Sha256, Sha256Factory } from './encoding/hash.js';
export { type AmdEndorsements, amdEndorsements } from './endorsements/amd.js';
export { type CollateralInput, readCollateralText } from './endorsements/intel.js';
export {
  type EndorsementCache,
  EndorsementSource,
  type SourceOptions,
} from './endorsements/source.js';
export { type ChallengePosition, makeChallenge, reportData } from './evidence/binding.js';
export { decodeBundle, type EvidenceBundle, encodeBundle, type Tee } from './evidence/bundle.js';
export { type ExecutionProfile, executionDigest } from './evidence/execution-profile.js';
export {
  decodeLaunchPolicy,
  encodeLaunchPolicy,
  type LaunchPolicy,
  launchPolicyDigest,
  parseLaunchPolicy,
} from './evidence/launch-policy.js';
export {
  decodeManifest,
  encodeManifest,
  type Manifest,
  type ManifestModel,
  manifestDigest,
} from './evidence/manifest.js';
export { parseSnpReport, type SnpReport } from './evidence/snp-report.js';
export { parseTdxQuote, type TdxQuote } from './evidence/tdx-quote.js';
export {
  externalLocations,
  identifyModel,
  type ModelIdentity,
  type ModelSource,
} from './model/identity.js';
export { claimsEntry, decodeClaims, epochEntry, type InferenceClaims } from './receipt/claims.js';
export { type CommittedTensor, commitTensors, type HmacFactory } from './receipt/commitment.js';
export { verifyConsistency } from './receipt/consistency.js';
export { decodeInferenceReceipt, type InferenceReceipt } from './receipt/inference-receipt.js';
export { decodeProofFile, type ProofFile } from './receipt/proof-file.js';
export { decodeReceipt, verifyReceipt } from './receipt/receipt.js';
export { decodeTreeHead, type SignedTreeHead, verifyTreeHead } from './receipt/tree-head.js';
