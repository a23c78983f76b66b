import { equalBytes } from '../encoding/bytes.js';
import { AssayError } from '../encoding/error.js';
import { label, sha512 } from '../encoding/hash.js';
import { inclusionPaths, leafHash, rootFromInclusion } from '../encoding/merkle.js';
import { manifestDigest } from './manifest.js';

/** Length of a verifier's nonce, bytes. */
const NONCE_LENGTH = 32;

/** Where a verifier's nonce stands in the tree of the nonces that one hardware report answers. */
export interface ChallengePosition {
  /** The challenge that the report covers, 32 bytes: without the nonce, only the attester's word. */
  readonly root: Uint8Array;
  readonly index: number;
  readonly size: number;
  /** Inclusion path, RFC 9162 section 2.1.3.1; empty for a nonce that is alone. */
  readonly path: readonly Uint8Array[];
}

/** Throws BINDING_NONCE unless the nonce has exactly 32 bytes. */
export function assertNonce(nonce: Uint8Array): void {
  if (nonce.length !== NONCE_LENGTH) {
    throw new AssayError(
      'BINDING_NONCE',
      `expected a nonce of ${NONCE_LENGTH} bytes, not ${nonce.length}`,
    );
  }
}

/** RFC 9162 Merkle tree over nonces of 32 bytes, at least one: the position of each. */
export function makeChallenge(nonces: readonly Uint8Array[]): readonly ChallengePosition[] {
  if (nonces.length === 0) throw new AssayError('BINDING_NONCE', 'expected at least one nonce');
  const { root, paths } = inclusionPaths(
    nonces.map((nonce) => {
      assertNonce(nonce);
      return leafHash(nonce);
    }),
  );
  return paths.map((path, index) => ({ root, index, size: nonces.length, path }));
}

/**
 * The challenge that a verifier's own nonce leads to. Throws BINDING_NONCE, or BINDING_CHALLENGE if
 * the nonce is not where the position says.
 */
export function challengeOf(nonce: Uint8Array, position: ChallengePosition): Uint8Array {
  assertNonce(nonce);
  const refuse = (cause?: unknown): never => {
    throw new AssayError(
      'BINDING_CHALLENGE',
      'the evidence was not made for this nonce: it does not lead to the challenge that is covered',
      cause,
    );
  };
  const { root, index, size, path } = position;
  try {
    if (equalBytes(rootFromInclusion(leafHash(nonce), index, size, path), root)) return root;
  } catch (cause) {
    return refuse(cause);
  }
  return refuse();
}

/**
 * REPORT_DATA (SNP) or REPORTDATA (TDX), 64 bytes: SHA-512(label ‖ challenge ‖ SHA-256(manifest)).
 * @param challenge 32 bytes, from `makeChallenge` (attester) or `challengeOf` (verifier).
 * @param manifest the manifest's bytes.
 */
export function reportData(challenge: Uint8Array, manifest: Uint8Array): Uint8Array<ArrayBuffer> {
  if (challenge.length !== 32) {
    throw new AssayError(
      'BINDING_CHALLENGE',
      `expected a challenge of 32 bytes, not ${challenge.length}`,
    );
  }
  return sha512(label('report-data'), challenge, manifestDigest(manifest));
}
