import type { LoadedModel } from '../engine/engine.js';

/** One inference, executed, about to be answered. */
export interface InferenceRecord {
  /** The load that executed it; `loadId` tells a reload of the same version apart. */
  readonly model: LoadedModel;
  /** The request's `nonce` parameter, decoded; undefined where the caller sent none. */
  readonly nonce: Uint8Array | undefined;
  /** What the worker's annotator stated; undefined where it was not asked to. */
  readonly annotation: Uint8Array | undefined;
}

/** CBOR for the response parameters `receipt` and `receipt_salt`; the service base64url-encodes it. */
export interface InferenceProof {
  readonly receipt: Uint8Array;
  readonly salt: Uint8Array;
}

/** Appends an inference to the log; resolves when a signed tree head covers it. */
export interface Recorder {
  record(inference: InferenceRecord): Promise<InferenceProof>;
}
