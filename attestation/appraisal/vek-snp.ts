import { equalBytes, isZero, toHex } from '../encoding/bytes.js';
import { AssayError } from '../encoding/error.js';
import { keySigned } from '../encoding/webcrypto.js';
import type { Certificate } from '../encoding/x509.js';
import { type VekExtensions, type VekKind, vekExtensions } from '../endorsements/amd-extensions.js';
import {
  keyInfo,
  type ProductLine,
  productOfCpuid,
  tcbVersionText,
} from '../evidence/snp-fields.js';
import { type SnpReport, signedBytes } from '../evidence/snp-report.js';
import { knownCertificate, requireValidity } from './certified.js';
import { requireAny } from './chain-snp.js';
import { type PendingSignature, subjectKey } from './signatures.js';

/** The key that the report says signed it; throws SNP_UNSIGNED where it names none. */
export function requireSigningKey(report: SnpReport): VekKind {
  const info = keyInfo(report.keyInfo);
  if (info === undefined || info.signingKey === 'none' || info.maskChipKey) {
    throw new AssayError('SNP_UNSIGNED', 'the firmware did not sign the report: its key is masked');
  }
  return info.signingKey;
}

/** Throws SNP_CERTIFICATE_{KEY, CONSTRAINTS} unless this can be the certificate of a report's key. */
export function requireEndEntity(vek: Certificate): void {
  const { keyKind, signatureAlgorithm, isCa, subjectCommonName } = vek;
  if (keyKind !== 'p-384' || signatureAlgorithm !== 'rsa-pss-sha384-salt48') {
    throw new AssayError(
      'SNP_CERTIFICATE_KEY',
      `expected ${subjectCommonName} to have a P-384 key, signed by RSASSA-PSS, not ${keyKind} and ${signatureAlgorithm}`,
    );
  }
  if (isCa) {
    throw new AssayError(
      'SNP_CERTIFICATE_CONSTRAINTS',
      `${subjectCommonName} must not be an authority`,
    );
  }
}

/**
 * The product line of the report's CPUID; undefined for a report of version 2, which has none. Throws
 * SNP_PRODUCT_UNKNOWN.
 */
export function reportedLine({ cpuid }: SnpReport): ProductLine | undefined {
  if (cpuid === undefined) return undefined;
  const line = productOfCpuid(cpuid);
  if (line !== undefined) return line;
  const { family, model } = cpuid;
  throw new AssayError(
    'SNP_PRODUCT_UNKNOWN',
    `no product line has family 0x${family.toString(16)} and model 0x${model.toString(16)}`,
  );
}

/** The product line of the certificate, which is the report's; throws SNP_PRODUCT_{UNKNOWN, MISMATCH}. */
export function productLine(line: ProductLine | undefined, vek: VekExtensions): ProductLine {
  const lines: readonly ProductLine[] = ['Milan', 'Genoa', 'Turin', 'Venice'];
  const named = lines.find((line) => line === vek.product);
  if (named === undefined) {
    throw new AssayError('SNP_PRODUCT_UNKNOWN', `the certificate is for ${vek.product}`);
  }
  if (line !== undefined && line !== named) {
    throw new AssayError(
      'SNP_PRODUCT_MISMATCH',
      `the report comes from ${line}, the certificate is for ${named}`,
    );
  }
  return named;
}

/** Throws SNP_TCB_MISMATCH unless the key was derived for REPORTED_TCB. */
export function requireTcb(report: SnpReport, vek: VekExtensions, product: ProductLine): void {
  if (report.reportedTcb === vek.tcb) return;
  const text = (raw: bigint): string => tcbVersionText(raw, product);
  throw new AssayError(
    'SNP_TCB_MISMATCH',
    `the certificate is for TCB ${text(vek.tcb)}, the report says ${text(report.reportedTcb)}`,
  );
}

/** Throws SNP_HWID_MISMATCH unless the HWID is CHIP_ID's, as far as both say which chip. */
export function requireChip({ hwid }: VekExtensions, chipId: Uint8Array): void {
  if (hwid === undefined || isZero(chipId)) return;
  if (!equalBytes(hwid, chipId.subarray(0, hwid.length))) {
    throw new AssayError(
      'SNP_HWID_MISMATCH',
      `the HWID of the certificate is ${toHex(hwid)}, CHIP_ID is ${toHex(chipId)}`,
    );
  }
}

/** Starts to check the report's own signature. */
export function startReport(
  bytes: Uint8Array,
  report: SnpReport,
  vek: Certificate,
): PendingSignature {
  const algorithm = { name: 'ECDSA', hash: 'SHA-384' };
  const covered = new Uint8Array(signedBytes(bytes));
  const holds = subjectKey(vek).then((key) => keySigned(algorithm, key, report.signature, covered));
  // Another rule may fail first, and then nobody waits for this one.
  holds.catch(() => undefined);
  const error = () =>
    new AssayError('SNP_SIGNATURE', 'the certified key did not sign these report bytes');
  return { holds, error };
}

/**
 * Throws what an appraisal refuses the certificate with,
 * signatures aside, unless it is for this report and valid.
 */
function requireVekOf(report: SnpReport, leaf: Certificate, at: Date): void {
  requireEndEntity(leaf);
  const vek = vekExtensions(leaf, requireSigningKey(report));
  requireTcb(report, vek, productLine(reportedLine(report), vek));
  requireChip(vek, report.chipId);
  requireValidity(leaf, at);
}

/**
 * Whether this DER certificate, signatures aside, is one
 * that endorses the report; throws X509_* where it is none.
 */
export function isVekOf(report: SnpReport, der: Uint8Array, at: Date): boolean {
  const leaf = knownCertificate(der);
  if (leaf.subjectCommonName !== `SEV-${requireSigningKey(report)}`) return false;
  try {
    requireVekOf(report, leaf, at);
    return true;
  } catch (error) {
    if (error instanceof AssayError) return false;
    throw error;
  }
}

/** Keys that a report's signature is tried under: how many certificates fit it is for their supplier to say. */
const MAX_TRIED = 32;

/**
 * The certificate of the kind that KEY_INFO names; the other kind may travel beside it. Of several it is the
 * first that is for this report and whose key signed it: tables age, and who verifies many machines has the
 * certificates of all. One alone is taken as it is, for its own fault to be told; of several, none of them for
 * this report, that of the first is thrown.
 */
export async function selectVek(
  bytes: Uint8Array,
  report: SnpReport,
  veks: readonly Certificate[],
  at: Date,
): Promise<Certificate> {
  const kind = requireSigningKey(report);
  const ofKind = veks.filter(({ subjectCommonName }) => subjectCommonName === `SEV-${kind}`);
  const [only, another] = ofKind;
  if (only === undefined) {
    throw veks.length > 0
      ? new AssayError(
          'SNP_VEK_KIND',
          `the report says that its ${kind} signed, and the certificate is of the other kind`,
        )
      : new AssayError('ENDORSEMENTS_MISSING', `the ${kind} certificate was not supplied`);
  }
  if (another === undefined) return only;
  const [first = only, ...others] = requireAny(ofKind, (vek) => requireVekOf(report, vek, at));
  if (others.length === 0) return first;
  for (const vek of [first, ...others].slice(0, MAX_TRIED)) {
    if (await startReport(bytes, report, vek).holds) return vek;
  }
  return first;
}
