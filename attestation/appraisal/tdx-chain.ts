import { equalBytes } from '../encoding/bytes.js';
import type { CertificateRevocationList } from '../encoding/crl.js';
import { AssayError } from '../encoding/error.js';
import type { P256 } from '../encoding/p256.js';
import type { Certificate } from '../encoding/x509.js';
import { type PendingSignature, signedBy, subjectP256, verifyWith } from './signatures.js';
import type { TrustedRoots } from './trust.js';

/*
 * Rules of Intel's certificates: Intel SGX PCK Certificate and CRL Profile Specification, and
 * RFC 5280 section 6.1.
 */

const BASIC_CONSTRAINTS = '2.5.29.19';
const KEY_USAGE = '2.5.29.15';
const USAGE = { digitalSignature: 1 << 0, keyCertSign: 1 << 5, cRLSign: 1 << 6 } as const;

/** What a certificate is for; its common name must contain one of the phrases. */
export interface Role {
  readonly name: string;
  readonly phrases: readonly string[];
  readonly ca: boolean;
  /** CA certificates that may stand below it. */
  readonly below: number;
}

const ROOT: Role = { name: 'root CA', phrases: ['SGX Root CA'], ca: true, below: 1 };
export const PCK_CA: Role = {
  name: 'PCK CA',
  phrases: ['SGX PCK Platform CA', 'SGX PCK Processor CA'],
  ca: true,
  below: 0,
};
export const PCK: Role = {
  name: 'PCK certificate',
  phrases: ['SGX PCK Certificate'],
  ca: false,
  below: 0,
};
export const TCB_SIGNING: Role = {
  name: 'TCB signing certificate',
  phrases: ['SGX TCB Signing'],
  ca: false,
  below: 0,
};

/** What every chain, list and document of one verification is judged with. */
export interface Circumstances {
  readonly at: Date;
  readonly p256: P256;
}

function checkRole(certificate: Certificate, role: Role): void {
  const wrong = (rule: string): never => {
    throw new AssayError('TDX_CERTIFICATE_ROLE', `expected the ${role.name} to ${rule}`);
  };
  if (!role.phrases.some((phrase) => certificate.subjectCommonName.includes(phrase))) {
    wrong(`have a common name with "${role.phrases.join('" or "')}"`);
  }
  if (certificate.keyKind !== 'p-256') wrong('hold a P-256 key');
  if (certificate.isCa !== role.ca) wrong(role.ca ? 'be a CA' : 'be no CA');
  if (role.ca && (certificate.pathLength ?? Number.POSITIVE_INFINITY) < role.below) {
    wrong(`allow ${role.below} CA certificates below it`);
  }
  const usage = role.ca ? USAGE.keyCertSign | USAGE.cRLSign : USAGE.digitalSignature;
  if (((certificate.keyUsage ?? 0) & usage) !== usage) {
    wrong(role.ca ? 'be for signing certificates and CRLs' : 'be for digital signatures');
  }
  for (const [id, { critical }] of certificate.extensions) {
    if (critical && id !== BASIC_CONSTRAINTS && id !== KEY_USAGE) {
      wrong(`have no critical extension that is not known here (${id})`);
    }
  }
}

function checkDates(certificate: Certificate, role: Role, at: Date): void {
  const { notBefore, notAfter } = certificate;
  if (at >= notBefore && at <= notAfter) return;
  throw new AssayError(
    at < notBefore ? 'TDX_CERTIFICATE_NOT_YET_VALID' : 'TDX_CERTIFICATE_EXPIRED',
    `the ${role.name} is valid from ${notBefore.toISOString()} until ${notAfter.toISOString()}, not at ${at.toISOString()}`,
  );
}

/** A chain whose rules hold; `pending` decides whether its signatures do. */
export interface CheckedChain {
  readonly leaf: Certificate;
  readonly issuer: Certificate;
  readonly root: Certificate;
  readonly pending: readonly PendingSignature[];
}

/** Whether the issuer signed a certificate or list; Intel's are all ECDSA P-256 with SHA-256. */
function certifiedBy(
  signed: Certificate | CertificateRevocationList,
  issuer: Certificate,
  p256: P256,
): PendingSignature['holds'] {
  return signedBy(
    signed,
    issuer,
    () =>
      signed.signatureAlgorithm === 'ecdsa-p256-sha256' &&
      verifyWith(subjectP256(issuer, p256), signed.signature, signed.tbs),
  );
}

/**
 * Checks a chain, leaf first and root last, of exactly the certificates that `roles` name. The root
 * must be one of the trusted ones, byte for byte; its own signature adds nothing to that.
 * @throws AssayError TDX_CHAIN_LENGTH, TDX_ROOT_UNTRUSTED, TDX_CERTIFICATE_ROLE,
 *   TDX_CERTIFICATE_NOT_YET_VALID, TDX_CERTIFICATE_EXPIRED or TDX_CHAIN_NAMES.
 */
export function checkChain(
  chain: readonly Certificate[],
  roles: readonly Role[],
  roots: TrustedRoots,
  { at, p256 }: Circumstances,
): CheckedChain {
  const all = [...roles, ROOT];
  const [leaf, issuer] = chain;
  const last = chain.at(-1);
  if (chain.length !== all.length || !leaf || !issuer || !last) {
    throw new AssayError(
      'TDX_CHAIN_LENGTH',
      `expected the chain ${all.map(({ name }) => name).join(' ← ')}, not ${chain.length} certificates`,
    );
  }
  const root = roots.certificates.find(({ der }) => equalBytes(der, last.der));
  if (root === undefined) {
    throw new AssayError(
      'TDX_ROOT_UNTRUSTED',
      `the chain ends in ${last.subjectCommonName}, which is not a ${roots.source} root`,
    );
  }
  const pending: PendingSignature[] = [];
  all.forEach((role, i) => {
    const certificate = i === chain.length - 1 ? root : chain[i];
    const parent = i + 1 === chain.length - 1 ? root : chain[i + 1];
    if (certificate === undefined) return;
    checkRole(certificate, role);
    checkDates(certificate, role, at);
    if (parent === undefined) return;
    if (!equalBytes(certificate.issuer, parent.subject)) {
      throw new AssayError(
        'TDX_CHAIN_NAMES',
        `the ${role.name} names another issuer than ${parent.subjectCommonName}`,
      );
    }
    pending.push({
      holds: certifiedBy(certificate, parent, p256),
      error: () =>
        new AssayError(
          'TDX_CERTIFICATE_SIGNATURE',
          `the ${role.name} is not signed by ${parent.subjectCommonName}`,
        ),
    });
  });
  return { leaf, issuer: chain.length === 2 ? root : issuer, root, pending };
}

/** Checks who issued a revocation list and, pending, its signature. Throws COLLATERAL_CRL_ISSUER. */
export function checkCrlIssuer(
  crl: CertificateRevocationList,
  issuer: Certificate,
  what: string,
  p256: P256,
): PendingSignature {
  if (!equalBytes(crl.issuer, issuer.subject)) {
    throw new AssayError(
      'COLLATERAL_CRL_ISSUER',
      `expected the ${what} to be issued by ${issuer.subjectCommonName}`,
    );
  }
  return {
    holds: certifiedBy(crl, issuer, p256),
    error: () =>
      new AssayError(
        'COLLATERAL_CRL_SIGNATURE',
        `the ${what} is not signed by ${issuer.subjectCommonName}`,
      ),
  };
}

/**
 * Checks who issued a revocation list, its dates and, pending, its signature.
 * @throws AssayError COLLATERAL_CRL_ISSUER, COLLATERAL_NOT_YET_VALID, COLLATERAL_EXPIRED or
 *   CRL_FORMAT.
 */
export function checkCrl(
  crl: CertificateRevocationList,
  issuer: Certificate,
  what: string,
  { at, p256 }: Circumstances,
): PendingSignature {
  const signature = checkCrlIssuer(crl, issuer, what, p256);
  if ([...crl.extensions.values()].some(({ critical }) => critical)) {
    throw new AssayError(
      'CRL_FORMAT',
      `the ${what} has a critical extension that is not known here`,
    );
  }
  checkWindow(what, crl.thisUpdate, crl.nextUpdate, at);
  return signature;
}

/** Throws COLLATERAL_NOT_YET_VALID or COLLATERAL_EXPIRED; both ends belong to the window. */
export function checkWindow(what: string, from: Date, until: Date, at: Date): void {
  if (at >= from && at <= until) return;
  throw new AssayError(
    at < from ? 'COLLATERAL_NOT_YET_VALID' : 'COLLATERAL_EXPIRED',
    `the ${what} holds from ${from.toISOString()} until ${until.toISOString()}, not at ${at.toISOString()}`,
  );
}

/** Throws TDX_CERTIFICATE_REVOKED if a list of the certificate's issuer names it. */
export function checkRevocation(
  certificate: Certificate,
  crl: CertificateRevocationList,
  role: Role,
): void {
  const date = crl.revoked.get(certificate.serialNumber);
  if (date !== undefined) {
    throw new AssayError(
      'TDX_CERTIFICATE_REVOKED',
      `the ${role.name} was revoked at ${date.toISOString()}`,
    );
  }
}
