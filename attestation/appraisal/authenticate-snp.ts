import { equalBytes, isZero } from '../encoding/bytes.js';
import { AssayError } from '../encoding/error.js';
import { type VekExtensions, type VekKind, vekExtensions } from '../endorsements/amd-extensions.js';
import {
  keyInfo,
  type ProductLine,
  productOfCpuid,
  tcbComponents,
} from '../evidence/snp-fields.js';
import { parseSnpReport, type SnpReport, signedBytes } from '../evidence/snp-report.js';
import {
  currentCrl,
  type KnownCertificate,
  requireNamed,
  requireSigned,
  requireValidity,
  subjectKey,
} from './certified.js';
import { LINK_CODES, type SnpAuthorities, snpAuthorities, sortCertificates } from './chain-snp.js';
import type { TrustAnchor } from './result.js';

/** What endorses a report, DER, in any order; see `amdEndorsements` for files and auxblobs. */
export interface SnpEndorsements {
  /** The VCEK or VLEK certificate, and authorities above it where they are not pinned. */
  readonly certificates: readonly Uint8Array[];
  readonly crls: readonly Uint8Array[];
}

export interface AuthenticateSnpOptions {
  /** Time that certificates and lists are judged at. */
  readonly at: Date;
  /** DER roots that replace AMD's pinned ones. The only way to verify simulated evidence. */
  readonly roots?: readonly Uint8Array[];
}

/** A report that AMD's hardware signed, or a simulator under a root that the caller named. */
export interface AuthenticatedSnp {
  readonly report: SnpReport;
  readonly product: ProductLine;
  readonly signingKey: VekKind;
  readonly vek: VekExtensions;
  /** Subject common names from the root down. */
  readonly chain: readonly string[];
  readonly trustAnchor: TrustAnchor;
  /**
   * Whether the VCEK's HWID equals CHIP_ID. `masked`: CHIP_ID is all zeros, so that nothing says
   * which chip; `none`: a VLEK names no chip.
   */
  readonly chip: 'bound' | 'masked' | 'none';
  /** Whether a current CRL of the root lists none of the authorities; false where none was given. */
  readonly revocationChecked: boolean;
  readonly at: Date;
}

const CRL_CODES = {
  issuer: 'SNP_CRL_ISSUER',
  signature: 'SNP_CRL_SIGNATURE',
  validity: 'SNP_CRL_VALIDITY',
  extension: 'SNP_CRL_EXTENSION',
} as const;

function signingKey(report: SnpReport): VekKind {
  const info = keyInfo(report.keyInfo);
  if (info === undefined || info.signingKey === 'none' || info.maskChipKey) {
    throw new AssayError('SNP_UNSIGNED', 'the firmware did not sign the report: its key is masked');
  }
  return info.signingKey;
}

/** The one certificate of the kind that KEY_INFO names; the other kind may travel beside it. */
function selectVek(kind: VekKind, veks: readonly KnownCertificate[]): KnownCertificate {
  const matching = veks.filter(
    ({ certificate }) => certificate.subjectCommonName === `SEV-${kind}`,
  );
  const [vek, ...others] = matching;
  if (others.length > 0) {
    throw new AssayError('SNP_VEK_AMBIGUOUS', `expected one ${kind} certificate, not several`);
  }
  if (vek !== undefined) return vek;
  if (veks.length > 0) {
    throw new AssayError(
      'SNP_VEK_KIND',
      `the report says that its ${kind} signed, and the certificate is of the other kind`,
    );
  }
  throw new AssayError('ENDORSEMENTS_MISSING', `the ${kind} certificate was not supplied`);
}

function requireEndEntity({ certificate }: KnownCertificate): void {
  const { keyKind, signatureAlgorithm, isCa, subjectCommonName } = certificate;
  if (keyKind !== 'p-384' || signatureAlgorithm !== 'rsa-pss-sha384-salt48') {
    throw new AssayError(
      'SNP_CERTIFICATE_KEY',
      `expected ${subjectCommonName} to have a P-384 key`,
    );
  }
  if (isCa) {
    throw new AssayError(LINK_CODES.constraints, `${subjectCommonName} must not be an authority`);
  }
}

function productLine(report: SnpReport, vek: VekExtensions): ProductLine {
  const lines: readonly ProductLine[] = ['Milan', 'Genoa', 'Turin', 'Venice'];
  const named = lines.find((line) => line === vek.product);
  if (named === undefined) {
    throw new AssayError('SNP_PRODUCT_UNKNOWN', `the certificate is for ${vek.product}`);
  }
  if (report.cpuid === undefined) return named;
  const { family, model } = report.cpuid;
  const line = productOfCpuid(report.cpuid);
  if (line === undefined) {
    throw new AssayError(
      'SNP_PRODUCT_UNKNOWN',
      `no product line has family 0x${family.toString(16)} and model 0x${model.toString(16)}`,
    );
  }
  if (line !== named) {
    throw new AssayError(
      'SNP_PRODUCT_MISMATCH',
      `the report comes from ${line}, the certificate is for ${named}`,
    );
  }
  return line;
}

function requireTcb(report: SnpReport, vek: VekExtensions, product: ProductLine): void {
  if (report.reportedTcb === vek.tcb) return;
  const text = (raw: bigint): string => JSON.stringify(tcbComponents(raw, product));
  throw new AssayError(
    'SNP_TCB_MISMATCH',
    `the certificate is for TCB ${text(vek.tcb)}, the report says ${text(report.reportedTcb)}`,
  );
}

function chipBinding(report: SnpReport, vek: VekExtensions): AuthenticatedSnp['chip'] {
  if (vek.hwid === undefined) return 'none';
  if (isZero(report.chipId)) return 'masked';
  if (!equalBytes(vek.hwid, report.chipId.subarray(0, vek.hwid.length))) {
    throw new AssayError('SNP_HWID_MISMATCH', 'the certificate is of another chip than CHIP_ID');
  }
  return 'bound';
}

/** Starts to check the report's signature; the answer waits until the chain has been judged. */
async function startSignature(
  bytes: Uint8Array,
  report: SnpReport,
  vek: KnownCertificate,
): Promise<{ readonly valid: Promise<boolean> }> {
  const key = await subjectKey(vek);
  const covered = new Uint8Array(signedBytes(bytes));
  const algorithm = { name: 'ECDSA', hash: 'SHA-384' };
  const valid = crypto.subtle.verify(algorithm, key, report.signature, covered);
  // Whoever asks gets the rejection; nobody asks where the chain fails first.
  valid.catch(() => {});
  return { valid };
}

/** Throws unless every list is the root's and current, and none names an authority of the chain. */
async function requireUnrevoked(
  crls: readonly Uint8Array[],
  { ark, issuer }: SnpAuthorities,
  at: Date,
): Promise<void> {
  for (const der of crls) {
    const list = await currentCrl(der, ark, at, CRL_CODES);
    for (const { certificate } of [ark, issuer]) {
      if (list.revoked.has(certificate.serialNumber)) {
        throw new AssayError('SNP_REVOKED', `AMD revoked ${certificate.subjectCommonName}`);
      }
    }
  }
}

/**
 * Authenticates a report: structure, signature, certificate chain, revocation, and that the
 * certificate is for this chip, product and TCB. What the report then says is for the policy to
 * judge. Sources: AMD 56860 and 57230, RFC 5280 section 6.
 *
 * Throws AssayError: SNP_* where the evidence does not hold, X509_*, CRL_* where an endorsement is
 * malformed, ENDORSEMENTS_MISSING where one that is needed was not supplied.
 */
export async function authenticateSnp(
  bytes: Uint8Array,
  endorsements: SnpEndorsements,
  { at, roots }: AuthenticateSnpOptions,
): Promise<AuthenticatedSnp> {
  const evidence = new Uint8Array(bytes);
  const report = parseSnpReport(evidence);
  const kind = signingKey(report);
  const sorted = sortCertificates(endorsements.certificates);
  const leaf = selectVek(kind, sorted.veks);
  requireEndEntity(leaf);
  const signature = await startSignature(evidence, report, leaf);
  const vek = vekExtensions(leaf.certificate, kind);
  const product = productLine(report, vek);
  const authorities = snpAuthorities(vek.product, kind, sorted, roots, at);
  const { ark, issuer, anchor } = authorities;
  const link = { subject: leaf, issuer };
  requireValidity(leaf.certificate, at, 'SNP_CERTIFICATE_VALIDITY');
  requireNamed(link, LINK_CODES.name);
  // All signatures at once; the first failure in the order of the chain is the one that is told.
  const chain = await Promise.allSettled([
    ...[...authorities.links, link].map((each) => requireSigned(each, LINK_CODES.signature)),
    requireUnrevoked(endorsements.crls, authorities, at),
  ]);
  for (const check of chain) if (check.status === 'rejected') throw check.reason;
  requireTcb(report, vek, product);
  const chip = chipBinding(report, vek);
  if (!(await signature.valid)) {
    throw new AssayError('SNP_SIGNATURE', 'the certified key did not sign these report bytes');
  }
  return {
    report,
    product,
    signingKey: kind,
    vek,
    chain: [ark, issuer, leaf].map(({ certificate }) => certificate.subjectCommonName),
    trustAnchor: anchor,
    chip,
    revocationChecked: endorsements.crls.length > 0,
    at,
  };
}
