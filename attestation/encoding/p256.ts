import { isMalformedKey } from './webcrypto.js';

/**
 * Says whether r‖s, 64 bytes, is the ECDSA signature of one P-256 key over the SHA-256 of the data
 * (FIPS 186-5, section 6.4). Throws or rejects where the platform cannot tell.
 */
export type P256Key = (signature: Uint8Array, data: Uint8Array) => boolean | Promise<boolean>;

/**
 * Takes in a public key: 65 bytes, an uncompressed point (SEC 1, section 2.3.3). One that is no point of
 * the curve verifies nothing. Throws or rejects where the platform cannot take in such keys at all.
 */
export type P256 = (point: Uint8Array) => P256Key | Promise<P256Key>;

/** Nothing is signed with what is no key. */
export const NO_KEY: P256Key = () => false;

/** The portable default, which every browser has. Its answers come from other threads. */
export const webCryptoP256: P256 = async (point) => {
  const curve = { name: 'ECDSA', namedCurve: 'P-256' };
  let key: CryptoKey;
  try {
    key = await crypto.subtle.importKey('raw', new Uint8Array(point), curve, true, ['verify']);
  } catch (cause) {
    if (isMalformedKey(cause)) return NO_KEY;
    throw cause;
  }
  const algorithm = { name: 'ECDSA', hash: 'SHA-256' };
  return (signature, data) =>
    crypto.subtle.verify(algorithm, key, new Uint8Array(signature), new Uint8Array(data));
};
