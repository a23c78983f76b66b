/**
 * Assay's library for relying parties in Node: attest a server, infer, verify every answer. The
 * verifier alone, for Node and browsers, is `assay/attestation`.
 */

export {
  type Agreement,
  type AnswerRelation,
  relateAnswers,
} from './client/agreement.js';
export type { AttestedEvidence } from './client/appraisals.js';
export { type Attestation, type AttestOptions, attest } from './client/attest.js';
export type { VendorServices } from './client/bundle-endorsements.js';
export { connect, NotAffirmedError } from './client/connect.js';
export type { Datatype, Element } from './client/datatype.js';
export { DiskCache, defaultCacheDirectory } from './client/disk-cache.js';
export { inputFrom, type TensorSpec } from './client/input.js';
export type { LogClient, LogOptions } from './client/log-client.js';
export { formatNpy, parseNpy } from './client/npy.js';
export type { FirstDifference, OutputDistance } from './client/output-distance.js';
export {
  connectAll,
  type ExcludedNode,
  NoQuorumError,
  type Quorum,
  type QuorumAnswer,
  type QuorumInferOptions,
  type QuorumNode,
  type QuorumOptions,
  type Tally,
  type Vote,
} from './client/quorum.js';
export {
  type Inference,
  type InferOptions,
  type Session,
  UnaskedAnswerError,
} from './client/session.js';
export { specOf } from './client/signature.js';
export { elementsOf, type Tensor, tensor, typedArrayOf } from './client/tensor.js';
export type { TypedArray } from './client/typed-array.js';
export { nativeP256 } from './system/native-p256.js';
