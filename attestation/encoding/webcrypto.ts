import { AssayError } from './error.js';

/** A CryptoKey. The name is global in DOM's types alone, the value in Node's too: callers may have either. */
export type ImportedKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>;

/**
 * Whether WebCrypto refused key data because they are no key of the algorithm, such as a point off the
 * curve (Web Cryptography API, importKey: DataError).
 */
export function isMalformedKey(cause: unknown): boolean {
  return cause instanceof Error && cause.name === 'DataError';
}

/**
 * CRYPTO_UNAVAILABLE: the platform cannot take in a key or check with it, for example because pages of an
 * insecure origin have no WebCrypto. What such a key signed is neither genuine nor forged for it.
 */
export function cryptoUnavailable(cause: unknown): AssayError {
  return new AssayError(
    'CRYPTO_UNAVAILABLE',
    'this platform cannot take in the public key that a signature is to be checked with, or cannot check with it',
    cause,
  );
}

/** Whether the key signed the data; throws CRYPTO_UNAVAILABLE where the platform cannot tell. */
export async function keySigned(
  algorithm: Parameters<typeof crypto.subtle.verify>[0],
  key: ImportedKey,
  signature: Uint8Array<ArrayBuffer>,
  data: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  try {
    return await crypto.subtle.verify(algorithm, key, signature, data);
  } catch (cause) {
    throw cryptoUnavailable(cause);
  }
}
