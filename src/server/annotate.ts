import { createHmac, randomBytes } from 'node:crypto';
import { concat } from '../../attestation/encoding/bytes.js';
import { commitTensors, SALT_LENGTH } from '../../attestation/receipt/commitment.js';
import type { Tensor } from '../engine/tensor.js';

/** What the worker that executed a request computed over its tensors. */
export interface Commitments {
  readonly salt: Uint8Array;
  readonly request: Uint8Array;
  readonly response: Uint8Array;
}

const hmac = (key: Uint8Array) => createHmac('sha256', key);

/**
 * The engine's annotator: draws a salt and commits to both sides of an inference, in the worker
 * thread, so that the cost that grows with the tensors never meets the event loop. The engine passes
 * the 96 bytes through: salt ‖ request ‖ response.
 */
export function annotate(inputs: readonly Tensor[], outputs: readonly Tensor[]): Uint8Array {
  const salt = randomBytes(SALT_LENGTH);
  return concat(
    salt,
    commitTensors('request', inputs, salt, hmac),
    commitTensors('response', outputs, salt, hmac),
  );
}

/** Splits what `annotate` made. */
export function splitAnnotation(annotation: Uint8Array): Commitments {
  return {
    salt: annotation.subarray(0, 32),
    request: annotation.subarray(32, 64),
    response: annotation.subarray(64, 96),
  };
}
