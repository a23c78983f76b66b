import { equalBytes, toHex } from '../encoding/bytes.js';
import { type CertificateRevocationList, parseCrl } from '../encoding/crl.js';
import { AssayError, type ErrorCode } from '../encoding/error.js';
import { sha256 } from '../encoding/hash.js';
import { type Certificate, parseCertificate } from '../encoding/x509.js';
import { verifySignature } from '../encoding/x509-key.js';
import { Recent } from './recent.js';
import { type PendingSignature, signedBy, subjectKey } from './signatures.js';

const LIMIT = 512;

/** Bytes at the end of a signature: no two genuine ones end alike, and forged ones are compared whole. */
const TAIL = 16;

/**
 * What bytes parse to, one object for each content. With it (see `signedBy`) go the keys and which
 * signatures held: facts that never change. Time, policy and revocation are judged anew each time.
 */
const certificates = new Recent<Certificate>(LIMIT);
const lists = new Recent<CertificateRevocationList>(LIMIT);

/** Drops what is remembered of supplied certificates and lists, as if they had never been seen. */
export function forgetCertificates(): void {
  certificates.clear();
  lists.clear();
}

const placeOf = (der: Uint8Array): string => toHex(der.subarray(-TAIL));

/** Parses a certificate, once for each content; the input is copied. */
export function knownCertificate(der: Uint8Array): Certificate {
  return certificates.get(
    placeOf(der),
    () => parseCertificate(new Uint8Array(der)),
    (known) => equalBytes(known.der, der),
  );
}

const fingerprints = new WeakMap<Certificate, string>();

/** SHA-256 of a certificate, hexadecimal. */
export function fingerprint(certificate: Certificate): string {
  const digest = fingerprints.get(certificate) ?? toHex(sha256(certificate.der));
  fingerprints.set(certificate, digest);
  return digest;
}

/** A certificate and the one that it has to be signed by. */
export interface Link {
  readonly subject: Certificate;
  readonly issuer: Certificate;
}

/** Throws SNP_CERTIFICATE_NAME unless the certificate names its issuer (RFC 5280 section 6.1.3). */
export function requireNamed({ subject, issuer }: Link): void {
  const { subjectCommonName: child, issuer: named } = subject;
  const { subjectCommonName: parent, subject: name } = issuer;
  if (!equalBytes(named, name)) {
    throw new AssayError('SNP_CERTIFICATE_NAME', `${child} does not name ${parent} as its issuer`);
  }
}

/** Starts to check that the issuer signed the certificate; SNP_CERTIFICATE_SIGNATURE where it did not. */
export function startLink({ subject, issuer }: Link): PendingSignature {
  return {
    holds: signedBy(subject, issuer, () =>
      subjectKey(issuer).then((key) => verifySignature(subject, key)),
    ),
    error: () =>
      new AssayError(
        'SNP_CERTIFICATE_SIGNATURE',
        `${issuer.subjectCommonName} did not sign ${subject.subjectCommonName}`,
      ),
  };
}

/** Throws SNP_CERTIFICATE_VALIDITY unless the certificate is within its dates at the given time. */
export function requireValidity(subject: Certificate, at: Date): void {
  const { notBefore, notAfter, subjectCommonName } = subject;
  if (at >= notBefore && at <= notAfter) return;
  throw new AssayError(
    'SNP_CERTIFICATE_VALIDITY',
    `${subjectCommonName} is valid from ${notBefore.toISOString()} to ${notAfter.toISOString()}, not at ${at.toISOString()}`,
  );
}

const KEY_CERT_SIGN = 1 << 5;
const CRL_SIGN = 1 << 6;
/** What may be critical in an authority's certificate, since it is judged. */
const JUDGED: readonly string[] = ['2.5.29.19', '2.5.29.15'];

/**
 * Throws SNP_CERTIFICATE_{CONSTRAINTS, EXTENSION} unless the certificate may sign certificates, with
 * `below` further authorities under it, and has no critical extension beside those that say so (RFC 5280
 * sections 4.2 and 6.1.4). The vendors' authorities all carry keyUsage, so it may not be absent.
 */
export function requireAuthority(subject: Certificate, below: number): void {
  const { isCa, keyUsage = 0, pathLength = below, subjectCommonName } = subject;
  if (!isCa || (keyUsage & KEY_CERT_SIGN) === 0 || pathLength < below) {
    throw new AssayError(
      'SNP_CERTIFICATE_CONSTRAINTS',
      `${subjectCommonName} may not issue certificates in this place`,
    );
  }
  for (const [id, { critical }] of subject.extensions) {
    if (critical && !JUDGED.includes(id)) {
      throw new AssayError(
        'SNP_CERTIFICATE_EXTENSION',
        `${subjectCommonName} has critical extension ${id}`,
      );
    }
  }
}

/** Codes for what can be wrong with a revocation list. */
export interface CrlCodes {
  readonly issuer: ErrorCode;
  readonly signature: ErrorCode;
  readonly validity: ErrorCode;
  readonly extension: ErrorCode;
}

/** A revocation list whose signature is being checked. */
export interface StartedCrl {
  readonly list: CertificateRevocationList;
  readonly signature: PendingSignature;
}

/** The list with these bytes: a remembered one, or parsed from a copy. */
export function knownList(der: Uint8Array): CertificateRevocationList {
  const known = lists.peek(placeOf(der));
  return known !== undefined && equalBytes(known.der, der) ? known : parseCrl(new Uint8Array(der));
}

/**
 * Starts to check that the issuer signed the list; throws at once where it may not or did not. Only a
 * list whose signature holds is remembered: anybody can make others, and each has up to 1 MiB.
 */
export function startCrl(
  list: CertificateRevocationList,
  issuer: Certificate,
  codes: CrlCodes,
): StartedCrl {
  const name = issuer.subjectCommonName;
  if (!equalBytes(list.issuer, issuer.subject)) {
    throw new AssayError(codes.issuer, `expected a revocation list that ${name} issued`);
  }
  if (((issuer.keyUsage ?? 0) & CRL_SIGN) === 0) {
    throw new AssayError(codes.signature, `${name} may not sign revocation lists`);
  }
  const holds = signedBy(list, issuer, () =>
    subjectKey(issuer).then((key) => verifySignature(list, key)),
  );
  const remember = (held: boolean): void => {
    if (held) lists.put(placeOf(list.der), list);
  };
  Promise.resolve(holds).then(remember, () => undefined);
  const error = () => new AssayError(codes.signature, `${name} did not sign the revocation list`);
  return { list, signature: { holds, error } };
}

/**
 * Throws unless the list is current at the given time and has no critical extension, since each of
 * those narrows what it covers (RFC 5280 section 6.3.3).
 */
export function requireCurrent(
  { thisUpdate, nextUpdate, extensions }: CertificateRevocationList,
  issuer: Certificate,
  at: Date,
  codes: CrlCodes,
): void {
  if (!(at >= thisUpdate && at <= nextUpdate)) {
    throw new AssayError(
      codes.validity,
      `the revocation list of ${issuer.subjectCommonName} is current from ${thisUpdate.toISOString()} to ${nextUpdate.toISOString()}, not at ${at.toISOString()}`,
    );
  }
  for (const [id, { critical }] of extensions) {
    if (critical) {
      throw new AssayError(codes.extension, `the revocation list has critical extension ${id}`);
    }
  }
}
