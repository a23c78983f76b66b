import { hmac } from '@noble/hashes/hmac.js';
import {
  sha256 as nobleSha256,
  sha384 as nobleSha384,
  sha512 as nobleSha512,
} from '@noble/hashes/sha2.js';
import { concat, utf8 } from './bytes.js';

/** A running SHA-256. `node:crypto`'s Hash satisfies it, and is faster for large inputs. */
export interface Sha256 {
  update(bytes: Uint8Array): unknown;
  digest(): Uint8Array;
}

/** Makes running hashes; whoever hashes much passes one over the platform's native code. */
export type Sha256Factory = () => Sha256;

/** Node's hashes, and those of other runtimes, take less than 2 GiB at once. */
const AT_ONCE = 2 ** 30;

/** Hashes bytes of any length. */
export function updateHash(hash: Sha256, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; at += AT_ONCE) {
    hash.update(bytes.subarray(at, Math.min(bytes.length, at + AT_ONCE)));
  }
}

/** The portable default: synchronous, no platform dependency. */
export const portableSha256: Sha256Factory = () => nobleSha256.create();

/** SHA-256 of the concatenation of the parts, at once: `sha256`, or the platform's own. */
export type Sha256Once = (...parts: readonly Uint8Array[]) => Uint8Array;

/** The same by running hashes. */
export function onceBy(factory: Sha256Factory): Sha256Once {
  return (...parts) => {
    const hash = factory();
    for (const part of parts) hash.update(part);
    return hash.digest();
  };
}

/** SHA-256 of the concatenation of the parts. For short inputs; synchronous. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const hash = nobleSha256.create();
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}

/** SHA-384 of the concatenation of the parts. */
export function sha384(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(nobleSha384(concat(...parts)));
}

/** SHA-512 of the concatenation of the parts. */
export function sha512(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(nobleSha512(concat(...parts)));
}

/** HMAC-SHA-256 (RFC 2104) of the concatenation of the parts. */
export function portableHmacSha256(
  key: Uint8Array,
  parts: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const running = hmac.create(nobleSha256, key);
  for (const part of parts) running.update(part);
  return new Uint8Array(running.digest());
}

/** The domain label that starts every hash of Assay's own: `assay/<what>/v1` and a zero byte. */
export function label(what: string): Uint8Array<ArrayBuffer> {
  return utf8(`assay/${what}/v1\0`);
}
