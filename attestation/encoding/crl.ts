import forge from 'node-forge';
import {
  children,
  elements,
  explicit,
  integerBytes,
  isContext,
  isUniversal,
  parseDer,
  time,
  unsigned,
} from './asn1.js';
import { equalBytes, toHex } from './bytes.js';
import { AssayError } from './error.js';
import {
  type Extension,
  parseExtensions,
  rawSignature,
  type SignatureAlgorithm,
  signatureAlgorithm,
} from './x509.js';

const { Type } = forge.asn1;

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

function parse(der: Uint8Array): CertificateRevocationList {
  const [tbsNode, outerAlgorithm, signature, ...none] = children(parseDer(der), 'CertificateList');
  const tbs = children(tbsNode, 'TBSCertList');
  if (none.length > 0 || outerAlgorithm === undefined) {
    throw new AssayError('CRL_FORMAT', 'expected a list of three members');
  }
  const [version, innerAlgorithm, issuer, thisUpdate, nextUpdate, ...tail] = tbs;
  if (innerAlgorithm === undefined || issuer === undefined || unsigned(version, 'version') !== 1) {
    throw new AssayError('CRL_FORMAT', 'expected a v2 certificate revocation list');
  }
  const algorithm = signatureAlgorithm(innerAlgorithm);
  const [tbsDer = der, outerDer = der] = elements(der);
  const [, innerDer = der, issuerDer = der] = elements(tbsDer);
  if (!equalBytes(innerDer, outerDer)) {
    throw new AssayError('CRL_FORMAT', 'the two signature algorithms of the list differ');
  }
  const revoked = new Map<string, Date>();
  const hasEntries = isUniversal(tail[0], Type.SEQUENCE);
  if (hasEntries) {
    for (const entry of children(tail[0], 'revokedCertificates')) {
      const [serial, date] = children(entry, 'revoked certificate');
      revoked.set(toHex(integerBytes(serial, 'serial number')), time(date, 'revocationDate'));
    }
  }
  const [extensionNode, ...unknown] = tail.slice(hasEntries ? 1 : 0);
  if (unknown.length > 0 || (extensionNode !== undefined && !isContext(extensionNode, 0))) {
    throw new AssayError('CRL_FORMAT', 'unexpected members behind the revoked certificates');
  }
  return {
    der,
    tbs: tbsDer,
    signatureAlgorithm: algorithm,
    issuer: issuerDer,
    thisUpdate: time(thisUpdate, 'thisUpdate'),
    nextUpdate: time(nextUpdate, 'nextUpdate'),
    revoked,
    extensions:
      extensionNode === undefined
        ? new Map()
        : parseExtensions(explicit(extensionNode, 0, 'crlExtensions')[0]),
    signature: rawSignature(signature, algorithm),
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
