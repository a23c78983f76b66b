import 'reflect-metadata';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  CRLDistributionPointsExtension,
  Extension,
  type JsonName,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
  X509CrlGenerator,
} from '@peculiar/x509';

/**
 * Certificates and revocation lists for simulated vendors: AMD's hierarchy here, Intel's beside it,
 * and the forgeries of the tests. A template says everything, so that a test can get one thing wrong.
 */

/** How an issuer signs: AMD's RSASSA-PSS, Intel's ECDSA, or whatever a forgery calls for. */
export type SigningAlgorithm =
  | { readonly name: 'RSA-PSS'; readonly hash: string; readonly saltLength: number }
  | { readonly name: 'RSASSA-PKCS1-v1_5'; readonly hash: string }
  | { readonly name: 'ECDSA'; readonly hash: string };

export const AMD_SIGNING: SigningAlgorithm = { name: 'RSA-PSS', hash: 'SHA-384', saltLength: 48 };
export const INTEL_SIGNING: SigningAlgorithm = { name: 'ECDSA', hash: 'SHA-256' };

/** One attribute a relative distinguished name, in order, for example `{ CN: ['ARK-Milan'] }`. */
export type DistinguishedName = JsonName;

/** A v3 extension: `value` is the DER inside the OCTET STRING (raw bytes for AMD's HWID). */
export interface ExtensionTemplate {
  readonly oid: string;
  readonly critical?: boolean;
  readonly value: Uint8Array;
}

/** Whoever signs: its name and its private key. */
export interface Issuer {
  readonly name: DistinguishedName;
  readonly privateKey: CryptoKey;
  readonly signing: SigningAlgorithm;
}

/** Ends the common name of every simulated authority. */
export const SIMULATED_SUFFIX = ' SIMULATED by Assay';
/** Dates of everything simulated: fixed, so that tests at a fixed time and demos later both hold. */
export const SIMULATED_DATES = {
  notBefore: new Date('2024-01-01T00:00:00Z'),
  notAfter: new Date('2049-01-01T00:00:00Z'),
} as const;

export interface CertificateTemplate {
  /** Hexadecimal contents of the INTEGER, without a leading zero byte. */
  readonly serialNumber: string;
  readonly subject: DistinguishedName;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly publicKey: CryptoKey;
  readonly extensions: readonly ExtensionTemplate[];
}

/** A certificate, what it was made from, and what its subject signs with. */
export interface Authority {
  readonly der: Uint8Array<ArrayBuffer>;
  readonly template: CertificateTemplate;
  readonly issuer: Issuer;
}

/** basicConstraints with cA, critical. */
export function caConstraint(pathLength?: number): ExtensionTemplate {
  return templateOf(new BasicConstraintsExtension(true, pathLength, true));
}

/** keyUsage, critical. */
export function keyUsage(...usages: readonly (keyof typeof KeyUsageFlags)[]): ExtensionTemplate {
  const bits = usages.reduce((sum, usage) => sum | KeyUsageFlags[usage], 0);
  return templateOf(new KeyUsagesExtension(bits, true));
}

/** subjectKeyIdentifier of this key. */
export async function subjectKeyId(key: CryptoKey): Promise<ExtensionTemplate> {
  return templateOf(await SubjectKeyIdentifierExtension.create(key));
}

/** authorityKeyIdentifier of the issuer's key. */
export async function authorityKeyId(key: CryptoKey): Promise<ExtensionTemplate> {
  return templateOf(await AuthorityKeyIdentifierExtension.create(key));
}

/** cRLDistributionPoints with one URL. */
export function crlPoint(url: string): ExtensionTemplate {
  return templateOf(new CRLDistributionPointsExtension([url]));
}

function templateOf(extension: Extension): ExtensionTemplate {
  const { type, critical, value } = extension;
  return { oid: type, critical, value: new Uint8Array(value) };
}

function extensionsOf(templates: readonly ExtensionTemplate[]): Extension[] {
  return templates.map(
    ({ oid, critical, value }) => new Extension(oid, critical ?? false, new Uint8Array(value)),
  );
}

/** Issues a certificate; DER. A self-signed one names itself as the issuer. */
export async function issueCertificate(
  template: CertificateTemplate,
  issuer: Issuer,
): Promise<Uint8Array<ArrayBuffer>> {
  const { extensions, subject, ...rest } = template;
  const certificate = await X509CertificateGenerator.create({
    ...rest,
    subject: new Name(subject),
    issuer: new Name(issuer.name),
    signingKey: issuer.privateKey,
    signingAlgorithm: issuer.signing,
    extensions: extensionsOf(extensions),
  });
  return new Uint8Array(certificate.rawData);
}

export interface CrlTemplate {
  readonly thisUpdate: Date;
  readonly nextUpdate?: Date;
  /** Serial numbers as in `CertificateTemplate`. */
  readonly revoked: readonly { readonly serialNumber: string; readonly date: Date }[];
  /** Beside the list's number. */
  readonly extensions?: readonly ExtensionTemplate[];
}

/** CRL Number 1, which every list has (RFC 5280 section 5.2.3). */
const CRL_NUMBER: ExtensionTemplate = { oid: '2.5.29.20', value: Uint8Array.of(2, 1, 1) };

/** Issues a v2 revocation list; DER. */
export async function issueCrl(
  template: CrlTemplate,
  issuer: Issuer,
): Promise<Uint8Array<ArrayBuffer>> {
  const list = await X509CrlGenerator.create({
    issuer: new Name(issuer.name),
    thisUpdate: template.thisUpdate,
    ...(template.nextUpdate === undefined ? {} : { nextUpdate: template.nextUpdate }),
    entries: template.revoked.map(({ serialNumber, date }) => ({
      serialNumber,
      revocationDate: date,
    })),
    extensions: extensionsOf([CRL_NUMBER, ...(template.extensions ?? [])]),
    signingKey: issuer.privateKey,
    signingAlgorithm: issuer.signing,
  });
  return new Uint8Array(list.rawData);
}
