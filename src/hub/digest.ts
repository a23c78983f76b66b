import { createHash } from 'node:crypto';
import * as z from 'zod';
import { toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';

/** `sha256:` and 64 lower-case hexadecimal digits (OCI image-spec, descriptor.md, "Digests"). */
export type Digest = `sha256:${string}`;

const PATTERN = /^sha256:[0-9a-f]{64}$/;

/** True for a digest of the one algorithm that a hub may use. */
export function isDigest(text: string): text is Digest {
  return PATTERN.test(text);
}

/** A digest in what others wrote. */
export const digestSchema = z.custom<Digest>(
  (value) => typeof value === 'string' && isDigest(value),
  { message: 'expected sha256: and 64 lower-case hexadecimal digits' },
);

/** Digest of bytes. */
export function digestOf(bytes: Uint8Array): Digest {
  return digestFrom(createHash('sha256').update(bytes).digest());
}

/** The digest that says what SHA-256 of bytes is: 32 bytes. */
export function digestFrom(sha256: Uint8Array): Digest {
  return `sha256:${toHex(sha256)}`;
}

/** The hexadecimal digits of a digest: what blobs are called on disk. */
export function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length);
}

/** Refuses bytes that are not those of the digest; throws HUB_DIGEST. */
export function expectDigest(bytes: Uint8Array, expected: Digest, what: string): void {
  const actual = digestOf(bytes);
  if (actual !== expected) {
    throw new AssayError('HUB_DIGEST', `expected ${what} to be ${expected}, not ${actual}`);
  }
}
