import type { AppraiseOptions } from '../../attestation/appraisal/appraise.js';
import { utf8 } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { AMD_KDS, amdEndorsements } from '../../attestation/endorsements/amd.js';
import { INTEL_PCS } from '../../attestation/endorsements/intel-pcs.js';
import type { EndorsementSource } from '../../attestation/endorsements/source.js';
import { endorsementsOf } from '../../attestation/evidence/auxblob.js';
import { decodeBundle, type EvidenceBundle } from '../../attestation/evidence/bundle.js';
import { nativeP256 } from '../system/native-p256.js';
import { gatherSnpEndorsements } from './snp-endorsements.js';
import { gatherTdxCollateral } from './tdx-endorsements.js';

/** Where endorsements are fetched that the caller did not supply. */
export interface VendorServices {
  readonly source: EndorsementSource;
  /** AMD's Key Distribution Service, or a mirror. */
  readonly kds?: string;
  /** Intel's Provisioning Certification Service, or a PCCS. */
  readonly pcs?: string;
}

type Endorsements = NonNullable<AppraiseOptions['endorsements']>;

/** What the evidence is appraised with, and in words what could not be had. */
export interface Completed {
  readonly endorsements: Endorsements;
  readonly notes: readonly string[];
}

/** When the evidence is appraised, and under which roots in place of the vendors'. */
interface Trust {
  readonly at: Date;
  readonly roots: readonly Uint8Array[] | undefined;
}

async function forSnp(
  { report, endorsements }: EvidenceBundle,
  supplied: Endorsements,
  { source, kds = AMD_KDS }: VendorServices,
  { at, roots }: Trust,
): Promise<Completed> {
  const host = amdEndorsements(endorsementsOf(endorsements));
  const caller = amdEndorsements(supplied.amd ?? []);
  const service = { source, base: kds, at, roots };
  const { certificates, crls, notes } = await gatherSnpEndorsements(
    report,
    { host, caller },
    service,
  );
  const carried = new Set(host.certificates);
  const amd = [...certificates.filter((der) => !carried.has(der)), ...crls];
  return { endorsements: { ...supplied, amd }, notes };
}

async function forTdx(
  { report, endorsements }: EvidenceBundle,
  supplied: Endorsements,
  { source, pcs = INTEL_PCS }: VendorServices,
  { at, roots }: Trust,
): Promise<Completed> {
  if (supplied.intel !== undefined) return { endorsements: supplied, notes: [] };
  const trusted = { at, p256: nativeP256, roots };
  const { collateral, missing } = await gatherTdxCollateral(report, { source, base: pcs }, trusted);
  if (missing === undefined) {
    return { endorsements: { ...supplied, intel: utf8(JSON.stringify(collateral)) }, notes: [] };
  }
  const rest = endorsements === null ? '' : ' The quote was judged by the host’s alone.';
  return { endorsements: supplied, notes: [`Collateral: ${missing.message}.${rest}`] };
}

/**
 * Completes what the bundle and the caller have with what the vendors serve. What a host supplies of
 * revocation and TCB is as old as it likes, so the vendors are asked unless the caller supplied it, and
 * the host's stands alone only where they cannot be reached. Nobody is asked about evidence that is not
 * authentic: that, or a bundle that cannot be read, changes nothing, and the appraisal says what it means.
 */
export async function completeEndorsements(
  bytes: Uint8Array,
  supplied: Endorsements,
  services: VendorServices,
  trust: Trust,
): Promise<Completed> {
  try {
    const bundle = decodeBundle(bytes);
    return bundle.tee === 'sev-snp'
      ? await forSnp(bundle, supplied, services, trust)
      : await forTdx(bundle, supplied, services, trust);
  } catch (error) {
    if (error instanceof AssayError) return { endorsements: supplied, notes: [] };
    throw error;
  }
}
