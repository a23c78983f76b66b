import { equalBytes, toHex } from '../encoding/bytes.js';
import { type CertificateRevocationList, parseCrl } from '../encoding/crl.js';
import { AssayError, type ErrorCode } from '../encoding/error.js';
import { sha256 } from '../encoding/hash.js';
import {
  type Certificate,
  importSubjectKey,
  parseCertificate,
  verifySignature,
} from '../encoding/x509.js';

/** A certificate with the name that caches know it by. */
export interface KnownCertificate {
  readonly certificate: Certificate;
  /** SHA-256 of the DER, hexadecimal. */
  readonly digest: string;
}

const LIMIT = 512;

/**
 * A bounded memory of facts that never change: what bytes parse to, which key signed which bytes.
 * Time, policy and revocation are no such facts and are judged anew for each appraisal. The oldest
 * entry goes first; failures are not kept.
 */
class Memory<T> {
  readonly #entries = new Map<string, T>();

  recall(key: string): T | undefined {
    return this.#entries.get(key);
  }

  clear(): void {
    this.#entries.clear();
  }

  keep(key: string, value: T): T {
    const oldest = this.#entries.keys().next();
    if (this.#entries.size >= LIMIT && oldest.done !== true) this.#entries.delete(oldest.value);
    this.#entries.set(key, value);
    return value;
  }
}

const certificates = new Memory<KnownCertificate>();
const lists = new Memory<CertificateRevocationList>();
const keys = new WeakMap<KnownCertificate, Promise<CryptoKey>>();
const signatures = new Memory<true>();

/** Drops what is remembered of supplied certificates and lists, as if they had never been seen. */
export function forgetCertificates(): void {
  for (const memory of [certificates, lists, signatures]) memory.clear();
}

/** Parses a certificate, once for each content; the input is copied. */
export function knownCertificate(der: Uint8Array): KnownCertificate {
  const digest = toHex(sha256(der));
  return (
    certificates.recall(digest) ??
    certificates.keep(digest, { certificate: parseCertificate(new Uint8Array(der)), digest })
  );
}

/** Parses a revocation list, once for each content. */
function knownCrl(der: Uint8Array): { list: CertificateRevocationList; digest: string } {
  const digest = toHex(sha256(der));
  const list = lists.recall(digest) ?? lists.keep(digest, parseCrl(new Uint8Array(der)));
  return { list, digest };
}

/** The subject's public key, imported once for each certificate. */
export function subjectKey(subject: KnownCertificate): Promise<CryptoKey> {
  const key = keys.get(subject) ?? importSubjectKey(subject.certificate);
  keys.set(subject, key);
  return key;
}

/** A certificate and the one that it has to be signed by. */
export interface Link {
  readonly subject: KnownCertificate;
  readonly issuer: KnownCertificate;
}

/** Throws `code` unless the certificate names its issuer (RFC 5280 section 6.1.3). */
export function requireNamed({ subject, issuer }: Link, code: ErrorCode): void {
  const { subjectCommonName: child, issuer: named } = subject.certificate;
  const { subjectCommonName: parent, subject: name } = issuer.certificate;
  if (!equalBytes(named, name)) {
    throw new AssayError(code, `${child} does not name ${parent} as its issuer`);
  }
}

/** Throws `code` unless the issuer signed the certificate; that it did is remembered. */
export async function requireSigned({ subject, issuer }: Link, code: ErrorCode): Promise<void> {
  const link = `${subject.digest} ${issuer.digest}`;
  if (signatures.recall(link)) return;
  if (!(await verifySignature(subject.certificate, await subjectKey(issuer)))) {
    const [child, parent] = [subject, issuer].map((each) => each.certificate.subjectCommonName);
    throw new AssayError(code, `${parent} did not sign ${child}`);
  }
  signatures.keep(link, true);
}

/** Throws `code` unless the certificate is within its dates at the given time. */
export function requireValidity(subject: Certificate, at: Date, code: ErrorCode): void {
  const { notBefore, notAfter, subjectCommonName } = subject;
  if (at < notBefore || at > notAfter) {
    throw new AssayError(
      code,
      `${subjectCommonName} is valid from ${notBefore.toISOString()} to ${notAfter.toISOString()}, not at ${at.toISOString()}`,
    );
  }
}

const KEY_CERT_SIGN = 1 << 5;
const CRL_SIGN = 1 << 6;
/** What may be critical in an authority's certificate, since it is judged. */
const JUDGED: readonly string[] = ['2.5.29.19', '2.5.29.15'];

/**
 * Throws unless the certificate may sign certificates, with `below` further authorities under it, and
 * has no critical extension beside those that say so (RFC 5280 sections 4.2 and 6.1.4). The vendors'
 * authorities all carry keyUsage, so it may not be absent.
 */
export function requireAuthority(
  subject: Certificate,
  below: number,
  codes: { readonly constraints: ErrorCode; readonly extension: ErrorCode },
): void {
  const { isCa, keyUsage = 0, pathLength = below, subjectCommonName } = subject;
  if (!isCa || (keyUsage & KEY_CERT_SIGN) === 0 || pathLength < below) {
    throw new AssayError(
      codes.constraints,
      `${subjectCommonName} may not issue certificates in this place`,
    );
  }
  for (const [id, { critical }] of subject.extensions) {
    if (critical && !JUDGED.includes(id)) {
      throw new AssayError(codes.extension, `${subjectCommonName} has critical extension ${id}`);
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

/**
 * A list that `issuer` signed and that is current at the given time (RFC 5280 section 6.3.3): no
 * critical extension, since each of those narrows what the list covers.
 */
export async function currentCrl(
  der: Uint8Array,
  issuer: KnownCertificate,
  at: Date,
  codes: CrlCodes,
): Promise<CertificateRevocationList> {
  const { list, digest } = knownCrl(der);
  const name = issuer.certificate.subjectCommonName;
  if (!equalBytes(list.issuer, issuer.certificate.subject)) {
    throw new AssayError(codes.issuer, `expected a revocation list that ${name} issued`);
  }
  if (((issuer.certificate.keyUsage ?? 0) & CRL_SIGN) === 0) {
    throw new AssayError(codes.signature, `${name} may not sign revocation lists`);
  }
  const link = `${digest} ${issuer.digest}`;
  if (!signatures.recall(link)) {
    if (!(await verifySignature(list, await subjectKey(issuer)))) {
      throw new AssayError(codes.signature, `${name} did not sign the revocation list`);
    }
    signatures.keep(link, true);
  }
  if (at < list.thisUpdate || at > list.nextUpdate) {
    throw new AssayError(
      codes.validity,
      `the revocation list of ${name} is current from ${list.thisUpdate.toISOString()} to ${list.nextUpdate.toISOString()}, not at ${at.toISOString()}`,
    );
  }
  for (const [id, extension] of list.extensions) {
    if (extension.critical) {
      throw new AssayError(codes.extension, `the revocation list has critical extension ${id}`);
    }
  }
  return list;
}
