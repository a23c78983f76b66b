import type { SnpExpectations } from '../../attestation/appraisal/appraise-snp.js';
import type { AttestationResult } from '../../attestation/appraisal/result.js';
import { verifySnp } from '../../attestation/appraisal/verify-snp.js';
import { toHex } from '../../attestation/encoding/bytes.js';
import { SIMULATED_MEASUREMENT } from '../../enclave/platform/simulator/snp.js';
import { type AmdFault, forgeSnp } from './amd.js';
import { snpPolicy } from './platform-policy.js';

/** The time that forged evidence is judged at. */
export const FORGED_AT = new Date('2026-06-01T00:00:00Z');

/** The reference value of everything simulated. */
export const KNOWN_MEASUREMENT = toHex(SIMULATED_MEASUREMENT);

/** Verifies forged evidence under its own root and a policy that affirms a flawless machine. */
export async function judgeSnp(
  fault: AmdFault = {},
  policy: object = {},
  expectations: SnpExpectations = {},
): Promise<AttestationResult> {
  const { report, endorsements, roots } = await forgeSnp(fault);
  const parsed = snpPolicy({ measurements: [KNOWN_MEASUREMENT], ...policy });
  return verifySnp(report, endorsements, parsed, { at: FORGED_AT, roots }, expectations);
}

/** Ids of the checks with an outcome. */
export function idsOf(
  result: AttestationResult,
  outcome: AttestationResult['checks'][number]['outcome'],
): string[] {
  return result.checks.filter((check) => check.outcome === outcome).map(({ id }) => id);
}
