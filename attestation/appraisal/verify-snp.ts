import { AssayError } from '../encoding/error.js';
import { appraiseSnp, type SnpExpectations } from './appraise-snp.js';
import {
  type AuthenticateSnpOptions,
  type OpenedSnp,
  openSnp,
  type SnpEndorsements,
} from './authenticate-snp.js';
import { callerRoot, PARAVISOR, SUPPLIERS_CHOICE } from './caveats.js';
import { snpClaims } from './claims-snp.js';
import { strictSnpPolicy } from './policy.js';
import type { SnpPolicy } from './policy-snp.js';
import { snpRefusal } from './refusal-snp.js';
import { type AttestationResult, conclude, requireTime } from './result.js';

/** What no check of a report can show. Every result says so. */
const CAVEATS = [
  'Physical attacks on memory (TEE.fail, WireTap, Battering RAM) are not excluded: restrict chip ids or product lines in the policy where they matter.',
  'Keys of chips whose firmware was once broken (early Milan) may have been extracted: set TCB floors and chip ids.',
  'Host-supplied ACPI tables execute in the guest and are in no SNP digest.',
  'MEASUREMENT says what was launched, not that it is free of faults.',
] as const;

function caveats(
  { snp, onSuppliersLists }: OpenedSnp,
  policy: SnpPolicy,
  { runtimeClaims }: SnpExpectations,
): string[] {
  return [
    ...CAVEATS,
    ...(policy.minimumTcb === undefined
      ? ['The policy sets no TCB floor: firmware with known faults is not refused.']
      : []),
    ...callerRoot(snp.trustAnchor, 'AMD'),
    ...(snp.signingKey === 'VLEK'
      ? ['A VLEK names a cloud provider, not a chip: CHIP_ID is not certified.']
      : []),
    ...(runtimeClaims === undefined ? [] : [PARAVISOR]),
    ...(onSuppliersLists ? [SUPPLIERS_CHOICE] : []),
  ];
}

/** The verdict on a report that is authentic. */
function snpResult(
  opened: OpenedSnp,
  policy: SnpPolicy,
  expectations: SnpExpectations,
): AttestationResult {
  const { snp } = opened;
  const kind = `An authentic report of a ${snp.product} processor`;
  return {
    tee: 'sev-snp',
    authentic: true,
    ...conclude(
      appraiseSnp(snp, policy, expectations),
      `${kind} that meets the policy.`,
      `${kind}. `,
    ),
    simulated: snp.trustAnchor.simulated,
    trustAnchor: snp.trustAnchor,
    at: snp.at.toISOString(),
    fresh: false,
    claims: snpClaims(snp),
    caveats: caveats(opened, policy, expectations),
  };
}

/**
 * Verifies a raw report of any origin: authenticity, then every check of the policy (which is made
 * while the signatures are checked, and dropped where one does not hold). Evidence
 * that does not hold gives a result, not an exception; errors that are not about the evidence are
 * thrown. `fresh` is always false here, since a raw report is bound to no nonce of this verifier.
 * @param given from `parsePolicy`, or what it would take as `snp`; throws POLICY_INVALID.
 */
export async function verifySnp(
  report: Uint8Array,
  endorsements: SnpEndorsements,
  given: SnpPolicy,
  options: AuthenticateSnpOptions,
  expectations: SnpExpectations = {},
): Promise<AttestationResult> {
  requireTime(options.at);
  const policy = strictSnpPolicy(given);
  try {
    const opened = await openSnp(report, endorsements, options);
    await opened.started;
    const result = snpResult(opened, policy, expectations);
    await opened.authentic();
    return result;
  } catch (error) {
    if (error instanceof AssayError) return snpRefusal(error, options.at);
    throw error;
  }
}
