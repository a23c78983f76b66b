import { parseCrl } from '../../attestation/encoding/crl.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { parseCertificate } from '../../attestation/encoding/x509.js';
import {
  type AmdEndorsements,
  type AmdRequest,
  amdEndorsements,
  fetchAmdCrl,
  fetchVcek,
} from '../../attestation/endorsements/amd.js';
import type { EndorsementSource } from '../../attestation/endorsements/source.js';
import {
  keyInfo,
  type ProductLine,
  productOfCpuid,
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
}

/** Endorsements with what could not be fetched, in words. */
export interface Gathered extends AmdEndorsements {
  readonly notes: readonly string[];
  /** Set where the certificate that the report needs could not be had. */
  readonly missing: AssayError | undefined;
}

function request(report: SnpReport): AmdRequest {
  const line = report.cpuid === undefined ? undefined : productOfCpuid(report.cpuid);
  return {
    kind: keyInfo(report.keyInfo)?.signingKey === 'VLEK' ? 'VLEK' : 'VCEK',
    products: line === undefined ? ['Milan', 'Genoa'] : [line],
    chipId: report.chipId,
    tcb: (product) => tcbComponents(report.reportedTcb, product as ProductLine),
  };
}

function nameOf(der: Uint8Array): { readonly subject: string; readonly issuer: string } {
  const { subjectCommonName, issuerCommonName } = parseCertificate(der);
  return { subject: subjectCommonName, issuer: issuerCommonName };
}

/** The product line of an issuer's name, which is part of a URL before anybody has checked it. */
function productOf(issuer: string): string {
  const product = /^SEV-(?:VLEK-)?([A-Za-z]+)(?: SIMULATED by Assay)?$/.exec(issuer)?.[1];
  if (product !== undefined) return product;
  throw new AssayError('ENDORSEMENTS_UNKNOWN', 'the issuer’s name has no product line of AMD');
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

/**
 * Completes what was supplied (files, an auxblob's entries: DER or PEM, any order) with what AMD
 * serves: the VCEK and the root's CRL, where they are missing. Supplied ones come first and are never
 * replaced. `service` undefined means offline.
 *
 * Throws where a supplied blob or the report does not parse; failing fetches are told in the result.
 */
export async function gatherSnpEndorsements(
  reportBytes: Uint8Array,
  blobs: readonly Uint8Array[],
  service: AmdService | undefined,
): Promise<Gathered> {
  const supplied = amdEndorsements(blobs);
  if (service === undefined) return { ...supplied, notes: [], missing: undefined };
  const { source, base, at } = service;
  const wanted = request(parseSnpReport(reportBytes));
  const certificates = [...supplied.certificates];
  const crls = [...supplied.crls];
  const notes: string[] = [];
  let vek = certificates.find((der) => nameOf(der).subject === `SEV-${wanted.kind}`);
  if (vek === undefined) {
    const fetched = await attempt(() => fetchVcek(source, wanted, base));
    if (fetched instanceof AssayError) {
      return { certificates, crls, notes: [fetched.message], missing: fetched };
    }
    vek = fetched;
    certificates.unshift(fetched);
  }
  if (crls.length === 0) {
    const issuer = nameOf(vek).issuer;
    const fetched = await attempt(() => fetchAmdCrl(source, wanted.kind, productOf(issuer), base));
    if (fetched instanceof AssayError) {
      notes.push(`Revocation: ${fetched.message}.`);
    } else {
      const { thisUpdate, nextUpdate } = parseCrl(fetched);
      if (at >= thisUpdate && at <= nextUpdate) crls.push(fetched);
      else notes.push('Revocation: AMD’s present CRL is not current at the time of the appraisal.');
    }
  }
  return { certificates, crls, notes, missing: undefined };
}
