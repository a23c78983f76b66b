import { equalBytes } from '../encoding/bytes.js';
import type { CoseKey } from '../encoding/cose.js';
import { AssayError } from '../encoding/error.js';
import { assertConsistent } from '../encoding/merkle.js';
import { assertSignedSize, decodeProof, encodeProof, PROOF } from './proof.js';
import { type SignedTreeHead, verifyTreeHead } from './tree-head.js';

/** What a consistency proof says: the tree of the head's size extends the tree of `oldSize`. */
export interface DecodedConsistency {
  readonly oldSize: number;
  readonly path: readonly Uint8Array[];
  readonly head: Omit<SignedTreeHead, 'root'>;
}

/** COSE Receipt of consistency, RFC 9942 section 5.3.1. */
export function encodeConsistency(
  head: SignedTreeHead,
  oldSize: number,
  path: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  return encodeProof(head, PROOF.consistency, { first: oldSize, second: head.size, path });
}

/** Decodes a consistency proof; nothing is verified yet. Throws as `decodeReceipt`. */
export function decodeConsistency(bytes: Uint8Array): DecodedConsistency {
  const { first, second, path, ...head } = decodeProof(bytes, PROOF.consistency);
  assertSignedSize(second, head.size);
  return { oldSize: first, path, head };
}

/**
 * Verifies that the log only grew from the older head to the newer one: nothing was dropped, moved or
 * rewritten. Throws what `decodeConsistency` throws, RECEIPT_CONSISTENCY if the proof is for other
 * sizes or does not lead to both roots, RECEIPT_KEY or RECEIPT_SIGNATURE.
 * @param older a head that was verified before.
 */
export async function verifyConsistency(
  bytes: Uint8Array,
  older: SignedTreeHead,
  newer: SignedTreeHead,
  key: CoseKey,
): Promise<void> {
  const { oldSize, path, head } = decodeConsistency(bytes);
  if (oldSize !== older.size || head.size !== newer.size || !equalBytes(older.keyId, newer.keyId)) {
    throw new AssayError(
      'RECEIPT_CONSISTENCY',
      `expected a proof from ${older.size} to ${newer.size} entries of one log`,
    );
  }
  try {
    assertConsistent(older.root, oldSize, newer.root, newer.size, path);
  } catch (cause) {
    throw new AssayError('RECEIPT_CONSISTENCY', 'the newer log does not extend the older', cause);
  }
  await verifyTreeHead({ ...head, root: newer.root }, key);
  await verifyTreeHead(newer, key);
}
