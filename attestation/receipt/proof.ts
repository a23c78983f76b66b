import { type CborValue, decodeCbor, isCborMap, TAG_SIGN1 } from '../encoding/cbor.js';
import { CBOR_NULL, type CborWriter, headLength, writeCbor } from '../encoding/cbor-writer.js';
import { COSE_HEADER } from '../encoding/cose.js';
import { AssayError } from '../encoding/error.js';
import { CborFields } from '../encoding/fields.js';
import { isNode } from '../encoding/merkle.js';
import {
  decodeReceiptSign1,
  decodeTreeHeadHeader,
  type SignedTreeHead,
  type TreeHeadHeader,
} from './tree-head.js';

/** Proof types of RFC9162_SHA256, RFC 9942 sections 5.2 and 5.3. */
export const PROOF = { inclusion: -1, consistency: -2 } as const;
type ProofType = (typeof PROOF)[keyof typeof PROOF];

const CODE = 'RECEIPT_ENCODING';
const MAX_PATH = 64;

/** Two numbers and a path of nodes: both proofs of RFC 9942 have this form. */
export interface Proof {
  readonly first: number;
  readonly second: number;
  readonly path: readonly Uint8Array[];
}

function fail(message: string, cause?: unknown): never {
  throw new AssayError(CODE, message, cause);
}

/** Bytes of a byte string of this length. */
const bytesLength = (length: number): number => headLength(length) + length;

function writeProof(to: CborWriter, { first, second, path }: Proof): void {
  to.head(4, 3);
  to.integer(first);
  to.integer(second);
  to.head(4, path.length);
  for (const node of path) to.bytes(node);
}

function proofLength({ first, second, path }: Proof): number {
  let length = 1 + headLength(first) + headLength(second) + headLength(path.length);
  for (const node of path) length += bytesLength(node.length);
  return length;
}

/** A COSE Receipt: the root is detached, the proof is in the unprotected header. */
export function encodeProof(
  head: SignedTreeHead,
  type: ProofType,
  proof: Proof,
): Uint8Array<ArrayBuffer> {
  return writeCbor((to) => writeSign1(to, head, type, proof));
}

/** The same as a byte string inside of another message. */
export function writeEmbeddedProof(
  to: CborWriter,
  head: SignedTreeHead,
  type: ProofType,
  proof: Proof,
): void {
  to.head(2, sign1Length(head, proof));
  writeSign1(to, head, type, proof);
}

/** Item by item: a receipt is encoded for each inference. */
function writeSign1(to: CborWriter, head: SignedTreeHead, type: ProofType, proof: Proof): void {
  to.head(6, TAG_SIGN1);
  to.head(4, 4);
  to.bytes(head.protectedBytes);
  to.head(5, 1);
  to.integer(COSE_HEADER.vdp);
  to.head(5, 1);
  to.integer(type);
  to.head(4, 1);
  to.head(2, proofLength(proof));
  writeProof(to, proof);
  to.byte(CBOR_NULL);
  to.bytes(head.signature);
}

function sign1Length({ protectedBytes, signature }: SignedTreeHead, proof: Proof): number {
  // Of one byte each: the tag, two arrays, two maps, the proof's type, null.
  const fixed = 7 + headLength(COSE_HEADER.vdp);
  const variable = bytesLength(protectedBytes.length) + bytesLength(signature.length);
  return fixed + variable + bytesLength(proofLength(proof));
}

function parseProof(bytes: Uint8Array): Proof {
  let value: CborValue;
  try {
    value = decodeCbor(bytes);
  } catch (cause) {
    return fail('the proof is not deterministic CBOR', cause);
  }
  const [first, second, path, ...rest] = Array.isArray(value)
    ? (value as readonly CborValue[])
    : [];
  if (typeof first !== 'number' || typeof second !== 'number' || first < 0 || second < 0) {
    return fail('expected a proof to begin with two unsigned integers');
  }
  if (!Array.isArray(path) || path.length === 0 || path.length > MAX_PATH || rest.length > 0) {
    return fail(`expected a proof to end with a path of 1 to ${MAX_PATH} nodes`);
  }
  const nodes = (path as readonly CborValue[]).filter(isNode);
  if (nodes.length !== path.length) fail('expected every node of a path to be 32 bytes');
  return { first, second, path: nodes };
}

/** A proof and what its signature covers, all but the root, which the proof leads to. */
export interface DecodedProof extends TreeHeadHeader, Proof {
  readonly protectedBytes: Uint8Array;
  readonly signature: Uint8Array;
}

/** Decodes a receipt with one proof of this type. Throws RECEIPT_ENCODING and the header's errors. */
export function decodeProof(bytes: Uint8Array, type: ProofType): DecodedProof {
  const sign1 = decodeReceiptSign1(bytes);
  if (sign1.payload !== null) fail('expected the payload, the root, to be detached');
  const unprotected = new CborFields(sign1.unprotectedHeader, 'the unprotected header', CODE);
  const proofs = unprotected.take(COSE_HEADER.vdp);
  unprotected.end();
  const list = isCborMap(proofs) && proofs.size === 1 ? proofs.get(type) : undefined;
  const [content, ...more] = Array.isArray(list) ? (list as readonly CborValue[]) : [];
  if (!(content instanceof Uint8Array) || more.length > 0) {
    return fail('expected exactly one proof, of the expected type');
  }
  const header = decodeTreeHeadHeader(sign1);
  const { protectedBytes, signature } = sign1;
  return { ...header, ...parseProof(content), protectedBytes, signature };
}

/** Throws RECEIPT_SIZE unless the proof is for the tree that was signed. */
export function assertSignedSize(proved: number, signed: number): void {
  if (proved !== signed) {
    throw new AssayError(
      'RECEIPT_SIZE',
      `the proof is for a tree of ${proved} entries, the signed one has ${signed}`,
    );
  }
}
