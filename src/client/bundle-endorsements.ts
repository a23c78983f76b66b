import type { AppraiseOptions } from '../../attestation/appraisal/appraise.js';
import { equalBytes, utf8 } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { AMD_KDS } from '../../attestation/endorsements/amd.js';
import { INTEL_PCS } from '../../attestation/endorsements/intel-pcs.js';
import type { EndorsementSource } from '../../attestation/endorsements/source.js';
import { parseAuxblob } from '../../attestation/evidence/auxblob.js';
import { decodeBundle, type EvidenceBundle } from '../../attestation/evidence/bundle.js';
import { gatherSnpEndorsements } from './snp-endorsements.js';
import { gatherTdxCollateral } from './tdx-endorsements.js';

/** Where endorsements are fetched that neither the enclave's host nor the caller supplied. */
export interface VendorServices {
  readonly source: EndorsementSource;
  /** AMD's Key Distribution Service, or a mirror. */
  readonly kds?: string;
  /** Intel's Provisioning Certification Service, or a PCCS. */
  readonly pcs?: string;
}

type Endorsements = NonNullable<AppraiseOptions['endorsements']>;

async function forSnp(
  { report, endorsements }: EvidenceBundle,
  supplied: Endorsements,
  { source, kds = AMD_KDS }: VendorServices,
  at: Date,
): Promise<Endorsements> {
  const table = endorsements === null ? [] : parseAuxblob(endorsements);
  const host = table.filter(({ kind }) => kind !== 'other').map(({ data }) => data);
  const blobs = [...host, ...(supplied.amd ?? [])];
  const { certificates, crls } = await gatherSnpEndorsements(report, blobs, {
    source,
    base: kds,
    at,
  });
  const carried = (der: Uint8Array): boolean => host.some((known) => equalBytes(known, der));
  return { ...supplied, amd: [...certificates, ...crls].filter((der) => !carried(der)) };
}

async function forTdx(
  { report, endorsements }: EvidenceBundle,
  supplied: Endorsements,
  { source, pcs = INTEL_PCS }: VendorServices,
): Promise<Endorsements> {
  if (endorsements !== null || supplied.intel !== undefined) return supplied;
  const { collateral } = await gatherTdxCollateral(report, { source, base: pcs });
  return collateral === undefined
    ? supplied
    : { ...supplied, intel: utf8(JSON.stringify(collateral)) };
}

/**
 * Completes what the bundle and the caller have with what the vendors serve. What cannot be had, or a
 * bundle that cannot be read, changes nothing: the appraisal says what that means.
 */
export async function completeEndorsements(
  bytes: Uint8Array,
  supplied: Endorsements,
  services: VendorServices,
  at: Date,
): Promise<Endorsements> {
  try {
    const bundle = decodeBundle(bytes);
    return bundle.tee === 'sev-snp'
      ? await forSnp(bundle, supplied, services, at)
      : await forTdx(bundle, supplied, services);
  } catch (error) {
    if (error instanceof AssayError) return supplied;
    throw error;
  }
}
