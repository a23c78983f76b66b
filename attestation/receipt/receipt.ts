import type { CborWriter } from '../encoding/cbor-writer.js';
import type { CoseKey } from '../encoding/cose.js';
import { AssayError } from '../encoding/error.js';
import { leafHash, rootFromInclusion } from '../encoding/merkle.js';
import { assertSignedSize, decodeProof, encodeProof, PROOF, writeEmbeddedProof } from './proof.js';
import { type SignedTreeHead, verifyTreeHead } from './tree-head.js';

/** What a receipt says: the entry at `index` is in the tree of the head's size. */
export interface DecodedReceipt {
  /** Position in the epoch's log, which is the inference's sequence number. */
  readonly index: number;
  readonly path: readonly Uint8Array[];
  /** The head but for its root, which the entry and the path lead to. */
  readonly head: Omit<SignedTreeHead, 'root'>;
}

/** COSE Receipt of inclusion, RFC 9942 section 5.2.1. */
export function encodeReceipt(
  head: SignedTreeHead,
  index: number,
  path: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  return encodeProof(head, PROOF.inclusion, { first: head.size, second: index, path });
}

/** Where a log has an entry, and the signed head that covers it: all that a receipt is made of. */
export interface LogPlace {
  readonly head: SignedTreeHead;
  /** Of the entry. */
  readonly index: number;
  /** RFC 9162 inclusion path, from the leaf upwards. */
  readonly path: readonly Uint8Array[];
}

/** A receipt as a byte string inside of another message. */
export function writeEmbeddedReceipt(to: CborWriter, { head, index, path }: LogPlace): void {
  writeEmbeddedProof(to, head, PROOF.inclusion, { first: head.size, second: index, path });
}

/**
 * Decodes a receipt; nothing is verified yet. Throws RECEIPT_ENCODING, RECEIPT_ALGORITHM,
 * RECEIPT_TYPE, or RECEIPT_SIZE if the proof is for another tree size than the signed one.
 */
export function decodeReceipt(bytes: Uint8Array): DecodedReceipt {
  const { first, second, path, ...head } = decodeProof(bytes, PROOF.inclusion);
  assertSignedSize(first, head.size);
  return { index: second, path, head };
}

/**
 * Verifies that the attested key signed a tree that has this entry. Throws what `decodeReceipt`
 * throws, RECEIPT_INCLUSION if the path does not fit the position, RECEIPT_KEY or RECEIPT_SIGNATURE.
 * @param entry what was appended, for example `claimsEntry(claims)`.
 * @param key the signing key of an affirmed manifest.
 */
export async function verifyReceipt(
  bytes: Uint8Array,
  entry: Uint8Array,
  key: CoseKey,
): Promise<{ readonly index: number; readonly head: SignedTreeHead }> {
  const { index, path, head } = decodeReceipt(bytes);
  let root: Uint8Array;
  try {
    root = rootFromInclusion(leafHash(entry), index, head.size, path);
  } catch (cause) {
    throw new AssayError(
      'RECEIPT_INCLUSION',
      'the inclusion path does not fit its position',
      cause,
    );
  }
  const signed = { ...head, root };
  await verifyTreeHead(signed, key);
  return { index, head: signed };
}
