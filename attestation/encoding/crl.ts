import { checkDer, derInteger, derTime, explicit, parseDer, sequence, unsigned } from './asn1.js';
import { equalBytes, toHex } from './bytes.js';
import { AssayError } from './error.js';
import {
  type Extension,
  parseExtensions,
  rawSignature,
  type SignatureAlgorithm,
  signatureAlgorithm,
} from './x509.js';

const REVOKED_TAG = 0x30;
const EXTENSIONS_TAG = 0xa0;

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

/**
 * A list has thousands of entries, all alike, so that no tree of nodes is made of it: its members are
 * cut from the DER, which was checked as a whole.
 */
function parse(der: Uint8Array): CertificateRevocationList {
  checkDer(der);
  const [tbs, outerAlgorithm, signature, ...none] = sequence(der, 'CertificateList');
  if (none.length > 0 || tbs === undefined || outerAlgorithm === undefined || !signature) {
    return fail('expected a list of three members');
  }
  const [version, algorithm, issuer, thisUpdate, nextUpdate, ...tail] = sequence(
    tbs,
    'TBSCertList',
  );
  if (!version || !algorithm || !issuer || !thisUpdate || !nextUpdate) {
    return fail('expected a list with issuer, thisUpdate and nextUpdate');
  }
  if (unsigned(parseDer(version), 'version') !== 1) {
    return fail('expected a v2 certificate revocation list');
  }
  if (!equalBytes(algorithm, outerAlgorithm)) {
    return fail('the two signature algorithms of the list differ');
  }
  const signedWith = signatureAlgorithm(parseDer(algorithm));
  const entries = tail[0]?.[0] === REVOKED_TAG ? sequence(tail.shift(), 'the entries') : [];
  const [extensions, ...unknown] = tail;
  if (unknown.length > 0 || (extensions !== undefined && extensions[0] !== EXTENSIONS_TAG)) {
    return fail('unexpected members behind the revoked certificates');
  }
  const revoked = new Map<string, Date>();
  for (const entry of entries) {
    const [serial, date = entry] = sequence(entry, 'a revoked certificate');
    revoked.set(toHex(derInteger(serial, 'serial number')), derTime(date, 'revocationDate'));
  }
  return {
    der,
    tbs,
    signatureAlgorithm: signedWith,
    issuer,
    thisUpdate: derTime(thisUpdate, 'thisUpdate'),
    nextUpdate: derTime(nextUpdate, 'nextUpdate'),
    revoked,
    extensions:
      extensions === undefined
        ? new Map()
        : parseExtensions(explicit(parseDer(extensions), 0, 'crlExtensions')[0]),
    signature: rawSignature(parseDer(signature), signedWith),
  };
}

/** Parses a DER list strictly; throws CRL_FORMAT. A list without nextUpdate is refused. */
export function parseCrl(der: Uint8Array): CertificateRevocationList {
  try {
    return parse(der);
  } catch (cause) {
    if (cause instanceof AssayError && cause.code === 'CRL_FORMAT') throw cause;
    const reason = cause instanceof Error ? cause.message : 'not DER';
    throw new AssayError('CRL_FORMAT', `the revocation list does not parse: ${reason}`, cause);
  }
}
