import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { fromBase64Url } from '../attestation/encoding/bytes.js';
import { type CoseKey, coseKeyThumbprint } from '../attestation/encoding/cose.js';
import { fromEcdsaSigValue } from '../attestation/encoding/der.js';
import { AssayError } from '../attestation/encoding/error.js';

/** The key that signs tree heads, and nothing else. Its bytes never leave the process. */
export interface SigningKey {
  readonly publicKey: CoseKey;
  /** COSE Key Thumbprint, 32 bytes. */
  readonly id: Uint8Array;
  /** The handle that the enclave's threads share. */
  readonly privateKey: KeyObject;
  /** ES256 over the bytes, r ‖ s. */
  readonly sign: (bytes: Uint8Array) => Uint8Array;
}

/** A coordinate of a public key, as its JWK has it. */
export function coordinate(key: KeyObject, name: 'x' | 'y'): Uint8Array<ArrayBuffer> {
  const value = key.export({ format: 'jwk' })[name];
  if (value === undefined) {
    throw new AssayError('PLATFORM_KEY', `the new key has no coordinate ${name}`);
  }
  return fromBase64Url(value);
}

/**
 * Signs with ES256 in the calling thread: another one, asked for it, would cost more than the signature.
 * Node is given the key alone, without options: with r ‖ s asked for, Node 24 takes twice as long or more.
 */
export function signEs256(key: KeyObject): (bytes: Uint8Array) => Uint8Array {
  return (bytes) => fromEcdsaSigValue(sign('sha256', bytes, key));
}

/** A new signing key on P-256. */
export function makeSigningKey(): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const cose = { x: coordinate(publicKey, 'x'), y: coordinate(publicKey, 'y') };
  return { publicKey: cose, id: coseKeyThumbprint(cose), privateKey, sign: signEs256(privateKey) };
}
