import { randomFillSync } from 'node:crypto';
import {
  claimsEntry,
  decodeClaims,
  encodeClaims,
  type InferenceClaims,
} from '../../attestation/receipt/claims.js';
import { commitTensors, SALT_LENGTH } from '../../attestation/receipt/commitment.js';
import { nativeSha256Once } from '../../enclave/sha256.js';
import type { ExecutionNotes } from '../engine/engine.js';
import type { Tensor } from '../engine/tensor.js';
import { nativeHmacSha256 } from '../native-hmac.js';
import { joinAnnotation } from './annotation.js';

/** Salts are drawn many at once: a call of the random number generator costs more than its bytes. */
const salts = new Uint8Array(128 * SALT_LENGTH);
let drawn = salts.length;

function drawSalt(): Uint8Array {
  if (drawn === salts.length) {
    randomFillSync(salts);
    drawn = 0;
  }
  const salt = salts.slice(drawn, drawn + SALT_LENGTH);
  salts.fill(0, drawn, drawn + SALT_LENGTH);
  drawn += SALT_LENGTH;
  return salt;
}

/** Contexts change once a second and with a model's manifest, so what was decoded is kept. */
const MAX_DECODED = 64;
const decoded = new Map<string, InferenceClaims>();

function claimsOf(context: Uint8Array): InferenceClaims {
  const key = Buffer.from(context.buffer, context.byteOffset, context.length).toString('latin1');
  const known = decoded.get(key);
  if (known !== undefined) return known;
  if (decoded.size >= MAX_DECODED) decoded.clear();
  const claims = decodeClaims(context);
  decoded.set(key, claims);
  return claims;
}

/**
 * The engine's annotator: draws a salt, commits to both sides of an inference and claims it, in the
 * worker thread, so that none of it meets the event loop.
 * @param notes the context of `StatedLoads`, and the caller's nonce or nothing.
 */
export function annotate(
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
  { context, note }: ExecutionNotes,
): Uint8Array {
  const salt = drawSalt();
  const claims = encodeClaims({
    ...claimsOf(context),
    nonce: note.length === 0 ? null : note,
    request: commitTensors('request', inputs, salt, nativeHmacSha256),
    response: commitTensors('response', outputs, salt, nativeHmacSha256),
  });
  return joinAnnotation({ salt, entry: claimsEntry(claims, nativeSha256Once), claims });
}
