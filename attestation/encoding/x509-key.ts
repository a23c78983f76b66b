import { toBase64Url } from './bytes.js';
import { members, octets, readDer, TAG } from './der.js';
import { AssayError } from './error.js';
import { cryptoUnavailable, type ImportedKey, isMalformedKey, keySigned } from './webcrypto.js';
import type { Certificate, SignatureAlgorithm } from './x509.js';

/** An RSAPublicKey (RFC 8017 appendix A.1.1) as a JWK (RFC 7518 section 6.3.1). */
function rsaJwk(publicKey: Uint8Array): JsonWebKey {
  const [n = '', e = ''] = members(readDer(publicKey), 'RSA key').map((member) => {
    const digits = octets(member, TAG.integer, 'RSA key');
    return toBase64Url(digits[0] === 0 ? digits.subarray(1) : digits);
  });
  return { kty: 'RSA', n, e };
}

/**
 * Imports the subject's key for verifying with the algorithm that its kind implies: a point of a curve
 * or the numbers of an RSA key, since decoding SubjectPublicKeyInfo again takes several times as long.
 * @throws AssayError X509_CERTIFICATE where it is no key, CRYPTO_UNAVAILABLE where the platform cannot
 *   import its kind.
 */
export async function importSubjectKey(certificate: Certificate): Promise<ImportedKey> {
  const { keyKind, publicKey } = certificate;
  try {
    if (keyKind === 'rsa-4096') {
      const algorithm = { name: 'RSA-PSS', hash: 'SHA-384' };
      return await crypto.subtle.importKey('jwk', rsaJwk(publicKey), algorithm, true, ['verify']);
    }
    const algorithm = { name: 'ECDSA', namedCurve: keyKind === 'p-256' ? 'P-256' : 'P-384' };
    return await crypto.subtle.importKey('raw', publicKey, algorithm, true, ['verify']);
  } catch (cause) {
    if (!isMalformedKey(cause)) throw cryptoUnavailable(cause);
    throw new AssayError(
      'X509_CERTIFICATE',
      `the key of ${certificate.subjectCommonName} does not import`,
      cause,
    );
  }
}

/**
 * Whether `key` signed these bytes as AMD's authorities do: RSASSA-PSS with SHA-384 and a salt of 48 bytes. Throws
 * CRYPTO_UNAVAILABLE where the platform cannot tell.
 */
export async function verifySignature(
  signed: {
    readonly tbs: Uint8Array;
    readonly signature: Uint8Array<ArrayBuffer>;
    readonly signatureAlgorithm: SignatureAlgorithm;
  },
  key: ImportedKey,
): Promise<boolean> {
  const isPss = signed.signatureAlgorithm === 'rsa-pss-sha384-salt48';
  if (!isPss || key.algorithm.name !== 'RSA-PSS') return false;
  const algorithm = { name: 'RSA-PSS', saltLength: 48 };
  return keySigned(algorithm, key, signed.signature, new Uint8Array(signed.tbs));
}
