import { equalBytes } from '../encoding/bytes.js';
import { writeCbor } from '../encoding/cbor-writer.js';
import {
  COSE_HEADER,
  type CoseKey,
  coseKeyThumbprint,
  decodeSign1,
  ES256,
  encodeSign1,
  importCoseKey,
  type Sign1,
  sign1Input,
  verifySign1,
} from '../encoding/cose.js';
import { AssayError } from '../encoding/error.js';
import { CborFields } from '../encoding/fields.js';

/** What a tree head's signature covers, besides the root. */
export interface TreeHeadHeader {
  /** Entries in the tree, the manifests' included. */
  readonly size: number;
  /** COSE Key Thumbprint of the signing key, 32 bytes. */
  readonly keyId: Uint8Array;
}

/** A signed root of the epoch's log; receipts and consistency proofs are made from it. */
export interface SignedTreeHead extends TreeHeadHeader {
  /** RFC 9162 Merkle root, 32 bytes. */
  readonly root: Uint8Array;
  readonly protectedBytes: Uint8Array;
  /** ES256, r ‖ s, 64 bytes. */
  readonly signature: Uint8Array;
}

/** The algorithm RFC9162_SHA256 of the Verifiable Data Structures registry, RFC 9942 section 5.1. */
const RFC9162_SHA256 = 1;
/** Media type (RFC 9596): no other message that the key may ever sign has this header. */
const TYPE = 'application/vnd.assay.tree-head+cose';
/** Assay's own header parameter: RFC 9942 signs the root alone, this signs the size with it. */
const TREE_SIZE = 'tree_size';

/** Protected header of a tree head. */
export function encodeTreeHeadHeader({ size, keyId }: TreeHeadHeader): Uint8Array<ArrayBuffer> {
  return writeCbor((to) => {
    to.head(5, 5);
    to.integer(COSE_HEADER.alg);
    to.integer(ES256);
    to.integer(COSE_HEADER.kid);
    to.bytes(keyId);
    to.integer(COSE_HEADER.typ);
    to.text(TYPE);
    to.integer(COSE_HEADER.vds);
    to.integer(RFC9162_SHA256);
    to.text(TREE_SIZE);
    to.integer(size);
  });
}

/** The bytes to sign for a root under a protected header: Sig_structure, RFC 9052 section 4.4. */
export function treeHeadInput(
  protectedBytes: Uint8Array,
  root: Uint8Array,
): Uint8Array<ArrayBuffer> {
  return sign1Input(protectedBytes, root);
}

/**
 * Reads the protected header that receipts, consistency proofs and tree heads share. Throws
 * RECEIPT_ALGORITHM unless it names ES256, and RECEIPT_ENCODING for everything else.
 */
export function decodeTreeHeadHeader(sign1: Sign1): TreeHeadHeader {
  const fields = new CborFields(sign1.protectedHeader, 'the protected header', 'RECEIPT_ENCODING');
  if (fields.take(COSE_HEADER.alg) !== ES256) {
    throw new AssayError('RECEIPT_ALGORITHM', 'expected ES256, the algorithm of the attested key');
  }
  const keyId = fields.bytes(COSE_HEADER.kid, 32);
  const type = fields.take(COSE_HEADER.typ);
  const structure = fields.take(COSE_HEADER.vds);
  const size = fields.unsigned(TREE_SIZE);
  fields.end();
  if (type !== TYPE || structure !== RFC9162_SHA256) {
    throw new AssayError('RECEIPT_TYPE', `expected a ${TYPE} over an RFC9162_SHA256 tree`);
  }
  return { size, keyId };
}

/** Parses a COSE_Sign1; throws RECEIPT_ENCODING. */
export function decodeReceiptSign1(bytes: Uint8Array): Sign1 {
  try {
    return decodeSign1(bytes);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'not a COSE_Sign1';
    throw new AssayError('RECEIPT_ENCODING', `the receipt does not decode: ${reason}`, cause);
  }
}

/** A tree head by itself: COSE_Sign1 with the root as its payload. */
export function encodeTreeHead(head: SignedTreeHead): Uint8Array<ArrayBuffer> {
  return encodeSign1({
    protectedBytes: head.protectedBytes,
    unprotectedHeader: new Map(),
    payload: head.root,
    signature: head.signature,
  });
}

/** Decodes a tree head; its signature is yet to be verified. Throws as `decodeTreeHeadHeader`. */
export function decodeTreeHead(bytes: Uint8Array): SignedTreeHead {
  const sign1 = decodeReceiptSign1(bytes);
  const header = decodeTreeHeadHeader(sign1);
  if (sign1.payload === null || sign1.payload.length !== 32 || sign1.unprotectedHeader.size !== 0) {
    throw new AssayError('RECEIPT_ENCODING', 'expected a root of 32 bytes and no other header');
  }
  return {
    ...header,
    root: sign1.payload,
    protectedBytes: sign1.protectedBytes,
    signature: sign1.signature,
  };
}

/**
 * Verifies that the attested key signed this root at this size. Throws RECEIPT_KEY if the head names
 * another key, RECEIPT_SIGNATURE if the signature does not hold, CRYPTO_UNAVAILABLE where the platform
 * cannot import the key.
 */
export async function verifyTreeHead(head: SignedTreeHead, key: CoseKey): Promise<void> {
  if (!equalBytes(head.keyId, coseKeyThumbprint(key))) {
    throw new AssayError('RECEIPT_KEY', 'the receipt names another key than the attested one');
  }
  try {
    await verifySign1(head, await importCoseKey(key), head.root);
  } catch (cause) {
    if (!(cause instanceof AssayError) || !cause.code.startsWith('COSE_')) throw cause;
    throw new AssayError(
      'RECEIPT_SIGNATURE',
      'the attested key did not sign the tree head that the receipt leads to',
      cause,
    );
  }
}
