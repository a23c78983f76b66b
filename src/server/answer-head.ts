import { AssayError } from '../../attestation/encoding/error.js';
import type { InferenceResult, LoadedModel } from '../engine/engine.js';
import { encodeParameterized } from './codec/infer-response.js';

/** One inference, executed, about to be answered. */
export interface Answered {
  readonly model: LoadedModel;
  /** The request's `nonce` parameter, decoded; undefined where the caller sent none. */
  readonly nonce: Uint8Array | undefined;
  readonly result: Pick<InferenceResult, 'annotation' | 'outputs'>;
}

/** `encodeHead` of an answer with its parameters, or an error in place of the answer. */
export type AnswerHead = (answered: Answered) => Uint8Array;

/** `encodeHead` of an answer, and what its parameters `receipt` and `receipt_salt` say: base64url of CBOR. */
export interface ReceiptedHead {
  readonly head: Uint8Array;
  readonly receipt: string;
  readonly salt: string;
}

/** Heads of answers with their receipts, as `encodeParameterized` lays them out. */
export function encodeReceipted(
  heads: readonly ReceiptedHead[],
): ReturnType<typeof encodeParameterized> {
  return encodeParameterized(
    heads.map(({ head, receipt, salt }) => ({
      head,
      parameters: [
        ['receipt', receipt],
        ['receipt_salt', salt],
      ],
    })),
  );
}

/** base64url by Node's own encoder: the portable one costs more than the rest of the answer. */
export function base64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}

/**
 * What the worker that executed the inference, logged it and signed made of it. Throws ENGINE_UNATTESTED for a
 * load that no manifest has: nothing is answered without a receipt.
 */
export function attestedHead({ model, result: { annotation } }: Answered): Uint8Array {
  if (annotation !== undefined) return annotation;
  throw new AssayError(
    'ENGINE_UNATTESTED',
    `no manifest of this epoch has this load of model ${model.name} ${model.version}`,
  );
}
