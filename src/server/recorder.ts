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

/** The response parameters `receipt` and `receipt_salt`: base64url of CBOR. */
export interface InferenceProof {
  readonly receipt: string;
  readonly salt: string;
}

/** base64url by Node's own encoder: the portable one costs more than the rest of the answer. */
export function base64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}

/** Appends an inference to the log; resolves when a signed tree head covers it. */
export interface Recorder {
  record(inference: InferenceRecord): Promise<InferenceProof>;
}
