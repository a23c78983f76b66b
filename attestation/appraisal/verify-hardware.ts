import { AssayError } from '../encoding/error.js';
import type { P256 } from '../encoding/p256.js';
import { type AmdEndorsements, amdEndorsements } from '../endorsements/amd.js';
import { endorsementsOf } from '../evidence/auxblob.js';
import type { EvidenceBundle } from '../evidence/bundle.js';
import type { SnpEndorsements } from './authenticate-snp.js';
import { onSuppliersWord } from './caveats.js';
import type { AppraisalPolicy } from './policy.js';
import { isOfEvidence } from './refusal.js';
import { snpRefusal } from './refusal-snp.js';
import type { AttestationResult } from './result.js';
import { verifySnp } from './verify-snp.js';
import { verifyTdx } from './verify-tdx.js';

/** What endorses a report beside what its bundle carries. */
export interface Endorsements {
  /** AMD certificates and revocation lists, DER or PEM. */
  readonly amd?: readonly Uint8Array[];
  /** Intel PCS collateral as JSON, in place of the bundle's. */
  readonly intel?: Uint8Array;
}

/** How the hardware's half of evidence is verified. */
export interface HardwareOptions {
  /** Time that the appraisal is made for. */
  readonly at: Date;
  /** DER roots that replace the vendors' pinned ones: the only way to believe a simulator. */
  readonly roots?: readonly Uint8Array[] | undefined;
  /** What checks the ECDSA P-256 signatures of TDX evidence in place of WebCrypto. */
  readonly p256?: P256;
  /** The verifier's own: what it had from the vendor. */
  readonly endorsements?: Endorsements;
  /**
   * Those of the file that the bundle came in, which its maker chose as the host chose the bundle's:
   * revocation lists count as the host's do.
   * Collateral counts before the bundle's, and after the verifier's.
   */
  readonly carried?: Endorsements;
}

/** A report or quote, and what its supplier says of it. */
interface HardwareEvidence extends Pick<EvidenceBundle, 'tee' | 'report' | 'endorsements'> {
  readonly runtimeClaims?: Uint8Array | undefined;
}

/**
 * The verifier's own files; throws USAGE_ENDORSEMENTS where
 * they are damaged, which says nothing of the evidence.
 */
function ownEndorsements(files: readonly Uint8Array[]): AmdEndorsements {
  try {
    return amdEndorsements(files);
  } catch (error) {
    if (!(error instanceof AssayError)) throw error;
    throw new AssayError(
      'USAGE_ENDORSEMENTS',
      `the verifier's own endorsements of AMD cannot be read: ${error.message}`,
      error,
    );
  }
}

/** What endorses an SNP report; throws SNP_AUXBLOB or X509_FORMAT for what came with it. */
function snpEndorsements(
  own: AmdEndorsements,
  table: Uint8Array | null,
  carried: readonly Uint8Array[],
): SnpEndorsements {
  const known = amdEndorsements([...endorsementsOf(table), ...carried]);
  return {
    certificates: [...own.certificates, ...known.certificates],
    crls: own.crls,
    hostCrls: known.crls,
  };
}

/**
 * The hardware's half: authenticity of the report, then every check of the policy on it. Throws
 * USAGE_ENDORSEMENTS, and USAGE_TIME for an invalid `at`.
 */
export async function verifyHardware(
  bundle: HardwareEvidence,
  policy: AppraisalPolicy,
  { at, roots, p256, endorsements = {}, carried = {} }: HardwareOptions,
): Promise<AttestationResult> {
  const options = roots === undefined ? { at } : { at, roots };
  const { runtimeClaims } = bundle;
  const expectations = runtimeClaims === undefined ? {} : { runtimeClaims };
  if (bundle.tee === 'sev-snp') {
    const own = ownEndorsements(endorsements.amd ?? []);
    try {
      const all = snpEndorsements(own, bundle.endorsements, carried.amd ?? []);
      return await verifySnp(bundle.report, all, policy.snp ?? {}, options, expectations);
    } catch (error) {
      if (isOfEvidence(error)) return snpRefusal(error, at);
      throw error;
    }
  }
  const own = endorsements.intel;
  const collateral = own ?? carried.intel ?? bundle.endorsements ?? undefined;
  const trusted = p256 === undefined ? options : { ...options, p256 };
  const tdx = policy.tdx ?? {};
  const result = await verifyTdx(bundle.report, collateral, tdx, trusted, expectations);
  return own === undefined && collateral !== undefined ? onSuppliersWord(result) : result;
}
