import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { toEcdsaSigValue } from '../../attestation/encoding/der.js';
import { NO_KEY, type P256 } from '../../attestation/encoding/p256.js';
import { errnoOf } from './errno.js';

/**
 * P-256 by Node's own calls, which answer at once: WebCrypto hands each signature to another thread,
 * and for one signature that costs the event loop about as much as checking it (`make bench`, TDX). They
 * are given the key alone: with a signature of r‖s, which takes options, Node 24 takes 1.7 times as long.
 */
export const nativeP256: P256 = (point) => {
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((coordinate) =>
    Buffer.from(coordinate).toString('base64url'),
  );
  const jwk = { kty: 'EC', crv: 'P-256', x: x ?? '', y: y ?? '' };
  let key: KeyObject;
  try {
    key = createPublicKey({ key: jwk, format: 'jwk' });
  } catch (cause) {
    if (errnoOf(cause) === 'ERR_CRYPTO_INVALID_JWK') return NO_KEY;
    throw cause;
  }
  return (signature, data) =>
    signature.length === 64 && verify('sha256', data, key, toEcdsaSigValue(signature));
};
