import { equalBytes, toHex } from './bytes.js';
import { contextTag, expectTag, members, readDer, TAG, time, unsigned } from './der.js';
import { AssayError } from './error.js';
import {
  type Extension,
  parseExtensions,
  rawSignature,
  type SignatureAlgorithm,
  signatureAlgorithm,
} from './x509.js';

/** A v2 certificate revocation list, RFC 5280 section 5. */
export interface CertificateRevocationList {
  readonly der: Uint8Array;
  readonly tbs: Uint8Array;
  readonly signatureAlgorithm: SignatureAlgorithm;
  /** DER Name. */
  readonly issuer: Uint8Array;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
  /** Serial numbers (contents octets, hexadecimal) to the time of revocation. */
  readonly revoked: ReadonlyMap<string, Date>;
  readonly extensions: ReadonlyMap<string, Extension>;
  readonly signature: Uint8Array<ArrayBuffer>;
}

function fail(message: string): never {
  throw new AssayError('CRL_FORMAT', message);
}

function parse(der: Uint8Array): CertificateRevocationList {
  const [tbs, outerAlgorithm, signature, ...none] = members(readDer(der), 'CertificateList');
  if (none.length > 0 || tbs === undefined || outerAlgorithm === undefined || !signature) {
    return fail('expected a list of three members');
  }
  const [version, algorithm, issuer, thisUpdate, nextUpdate, ...tail] = members(tbs, 'TBSCertList');
  if (!version || !algorithm || !issuer || !thisUpdate || !nextUpdate) {
    return fail('expected a list with issuer, thisUpdate and nextUpdate');
  }
  if (unsigned(version, 'version') !== 1) {
    return fail('expected a v2 certificate revocation list');
  }
  if (!equalBytes(algorithm.der, outerAlgorithm.der)) {
    return fail('the two signature algorithms of the list differ');
  }
  const signedWith = signatureAlgorithm(algorithm);
  const entries = tail[0]?.tag === TAG.sequence ? members(tail.shift(), 'the entries') : [];
  const [extensions, ...unknown] = tail;
  if (unknown.length > 0 || (extensions && extensions.tag !== contextTag(0))) {
    return fail('unexpected members behind the revoked certificates');
  }
  // One text, of which the serial numbers are cut.
  const digits = toHex(der);
  const revoked = new Map<string, Date>();
  for (const entry of entries) {
    const [serial, date] = members(entry, 'a revoked certificate');
    const { start, end } = expectTag(serial, TAG.integer, 'serial number');
    revoked.set(digits.slice(2 * start, 2 * end), time(date, 'revocationDate'));
  }
  return {
    der,
    tbs: tbs.der,
    signatureAlgorithm: signedWith,
    issuer: issuer.der,
    thisUpdate: time(thisUpdate, 'thisUpdate'),
    nextUpdate: time(nextUpdate, 'nextUpdate'),
    revoked,
    extensions: parseExtensions(extensions),
    signature: rawSignature(signature, signedWith),
  };
}

/**
 * Parses a DER list of at most 1 MiB strictly; throws CRL_FORMAT. A list without nextUpdate is refused.
 */
export function parseCrl(der: Uint8Array): CertificateRevocationList {
  try {
    return parse(der);
  } catch (cause) {
    if (cause instanceof AssayError && cause.code === 'CRL_FORMAT') throw cause;
    const reason = cause instanceof Error ? cause.message : 'not DER';
    throw new AssayError('CRL_FORMAT', `the revocation list does not parse: ${reason}`, cause);
  }
}
