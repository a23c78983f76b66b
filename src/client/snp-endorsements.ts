import {
  type AuthenticateSnpOptions,
  authenticateSnp,
  type SnpEndorsements,
} from '../../attestation/appraisal/authenticate-snp.js';
import { knownCertificate, requireValidity } from '../../attestation/appraisal/certified.js';
import { requireIssued } from '../../attestation/appraisal/issued-snp.js';
import { isVekOf, reportedLine, requireSigningKey } from '../../attestation/appraisal/vek-snp.js';
import { equalBytes } from '../../attestation/encoding/bytes.js';
import { parseCrl } from '../../attestation/encoding/crl.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { parseCertificate } from '../../attestation/encoding/x509.js';
import {
  type AmdEndorsements,
  type AmdRequest,
  fetchAmdCrl,
  fetchVcek,
  isListOf,
} from '../../attestation/endorsements/amd.js';
import type { VekKind } from '../../attestation/endorsements/amd-extensions.js';
import type { EndorsementSource } from '../../attestation/endorsements/source.js';
import {
  isTcbWhole,
  type ProductLine,
  tcbComponents,
} from '../../attestation/evidence/snp-fields.js';
import { parseSnpReport, type SnpReport } from '../../attestation/evidence/snp-report.js';

/** Where AMD is asked, and for when. */
export interface AmdService {
  readonly source: EndorsementSource;
  /** Base URL of AMD's KDS or of a mirror of it. */
  readonly base: string;
  /** Time that the appraisal is made for: a CRL that is not current then is of no use. */
  readonly at: Date;
  /** DER roots that replace AMD's pinned ones. */
  readonly roots?: readonly Uint8Array[] | undefined;
}

/** Endorsements by who vouches for their age, with what could not be fetched, in words. */
export interface Gathered extends Required<SnpEndorsements> {
  readonly notes: readonly string[];
  /**
   * Set where the certificate that the report needs could
   * not be had, and no other of its kind is there to judge.
   */
  readonly missing: AssayError | undefined;
}

/** What AMD would be asked; throws SNP_* for a report that no certificate of AMD's can endorse. */
function request(report: SnpReport, authentic: AmdRequest['authentic']): AmdRequest {
  const line = reportedLine(report);
  const { reportedTcb } = report;
  return {
    authentic,
    kind: requireSigningKey(report),
    products: line === undefined ? ['Milan', 'Genoa'] : [line],
    chipId: report.chipId,
    reportedTcb,
    tcb: (product) =>
      isTcbWhole(reportedTcb, product as ProductLine)
        ? tcbComponents(reportedTcb, product as ProductLine)
        : undefined,
  };
}

function nameOf(der: Uint8Array): { readonly subject: string; readonly issuer: string } {
  const { subjectCommonName, issuerCommonName } = parseCertificate(der);
  return { subject: subjectCommonName, issuer: issuerCommonName };
}

/** The product line of an issuer's name, which becomes part of a URL. */
function productOf(issuer: string): string | undefined {
  return /^SEV-(?:VLEK-)?([A-Za-z]+)(?: SIMULATED by Assay)?$/.exec(issuer)?.[1];
}

/** Runs a fetch; what could not be had is a note, since it is neither a pass nor a fail. */
async function attempt<T>(fetch: () => Promise<T>): Promise<T | AssayError> {
  try {
    return await fetch();
  } catch (error) {
    if (error instanceof AssayError) return error;
    throw error;
  }
}

/** Endorsements by who supplied them. */
export interface SuppliedSnp {
  /** With the evidence: an auxblob's, or of a file that somebody collected. */
  readonly host: AmdEndorsements;
  /** By whoever verifies. */
  readonly caller: AmdEndorsements;
}

/** A report that is authentic, revocation aside. */
interface AuthenticReport {
  readonly report: Uint8Array;
  readonly certificates: readonly Uint8Array[];
  readonly kind: VekKind;
  readonly product: string | undefined;
}

function trustOf({ at, roots }: AmdService): AuthenticateSnpOptions {
  return roots === undefined ? { at } : { at, roots };
}

/** What is wrong with a list that the root did not sign. */
const REFUSED_LIST: readonly string[] = ['SNP_CRL_ISSUER', 'SNP_CRL_SIGNATURE'];

/** AMD's CRL, or why it was not to be had. */
async function currentCrl(
  service: AmdService,
  { report, certificates, kind, product }: AuthenticReport,
): Promise<Uint8Array | string> {
  if (product === undefined) return 'the issuer’s name has no product line of AMD';
  const authentic = async (crl: Uint8Array): Promise<void> => {
    const judged = authenticateSnp(report, { certificates, crls: [crl] }, trustOf(service));
    const fault = await attempt(() => judged);
    if (fault instanceof AssayError && REFUSED_LIST.includes(fault.code)) throw fault;
  };
  const { source, base, at } = service;
  const fetched = await attempt(() => fetchAmdCrl(source, { kind, product, authentic }, base));
  if (fetched instanceof AssayError) return fetched.message;
  const { thisUpdate, nextUpdate } = parseCrl(fetched);
  if (at >= thisUpdate && at <= nextUpdate) return fetched;
  return 'AMD’s present CRL is not current at the time of the appraisal';
}

/** Whether the report is authentic, revocation aside. */
async function isAuthentic(
  report: Uint8Array,
  certificates: readonly Uint8Array[],
  service: AmdService,
): Promise<boolean> {
  const endorsements = { certificates, crls: [] };
  const snp = await attempt(() => authenticateSnp(report, endorsements, trustOf(service)));
  return !(snp instanceof AssayError);
}

/**
 * Completes what was supplied with what AMD serves. The VCEK is asked for where none that was supplied is for
 * this report, as those of a host are not that has stored them before its firmware was updated: it is the same
 * whoever supplies it. One that does not hold at the time of the appraisal, kept or fetched, is of no use. The
 * root's CRL is asked for unless the caller supplied one of this product line: a host that is revoked would
 * supply the last one from before, so that its list stands beside AMD's, and alone only where AMD's cannot be
 * had. Nobody is asked for a CRL for a report that is not authentic.
 * `service` undefined means offline.
 *
 * Throws where a supplied certificate or the report does not parse, and before anybody is asked where the
 * report says of itself that it cannot be authentic; failing fetches are told in the result.
 */
export async function gatherSnpEndorsements(
  reportBytes: Uint8Array,
  { host, caller }: SuppliedSnp,
  service: AmdService | undefined,
): Promise<Gathered> {
  const certificates = [...caller.certificates, ...host.certificates];
  const supplied = { certificates, crls: caller.crls, hostCrls: host.crls };
  if (service === undefined) return { ...supplied, notes: [], missing: undefined };
  const authentic = async (der: Uint8Array): Promise<void> => {
    requireValidity(knownCertificate(der), service.at);
    await requireIssued(der, certificates, service.roots);
  };
  const report = parseSnpReport(reportBytes);
  const wanted = request(report, authentic);
  const { kind } = wanted;
  let vek = certificates.find((der) => isVekOf(report, der, service.at));
  if (vek === undefined) {
    const fetched = await attempt(() => fetchVcek(service.source, wanted, service.base));
    if (fetched instanceof AssayError) {
      const hasOther = certificates.some((der) => nameOf(der).subject === `SEV-${kind}`);
      const missing = hasOther ? undefined : fetched;
      return { ...supplied, notes: [fetched.message], missing };
    }
    vek = fetched;
    certificates.unshift(fetched);
  }
  const product = productOf(nameOf(vek).issuer);
  const isOfLine = (der: Uint8Array): boolean =>
    product === undefined || isListOf(parseCrl(der), product);
  if (caller.crls.some(isOfLine) || !(await isAuthentic(reportBytes, certificates, service))) {
    return { ...supplied, notes: [], missing: undefined };
  }
  const crl = await currentCrl(service, { report: reportBytes, certificates, kind, product });
  if (typeof crl === 'string') {
    const rest = host.crls.some(isOfLine) ? ' It was judged by the host’s list alone.' : '';
    return { ...supplied, notes: [`Revocation: ${crl}.${rest}`], missing: undefined };
  }
  const hostCrls = host.crls.filter((der) => !equalBytes(der, crl));
  return { certificates, crls: [...caller.crls, crl], hostCrls, notes: [], missing: undefined };
}
