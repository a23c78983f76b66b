import { AssayError } from '../encoding/error.js';
import type { CollateralInput } from '../endorsements/intel.js';
import { appraiseTdx, type TdxExpectations } from './appraise-tdx.js';
import {
  type AuthenticatedTdx,
  type AuthenticateTdxOptions,
  authenticateTdx,
  verifyTdxSignatures,
} from './authenticate-tdx.js';
import { callerRoot, PARAVISOR } from './caveats.js';
import { tdxClaims } from './claims-tdx.js';
import { strictTdxPolicy } from './policy.js';
import type { TdxPolicy } from './policy-tdx.js';
import { tdxRefusal } from './refusal-tdx.js';
import { type AttestationResult, conclude, requireTime, type TdxTcbResult } from './result.js';
import type { TcbEvaluation } from './tcb-level.js';

/** What no check of a quote can show. Every result says so. */
const CAVEATS = [
  'Physical attacks on memory (TEE.fail, WireTap, Battering RAM) are not excluded: restrict PPIDs in the policy where they matter.',
  'Host-supplied ACPI tables execute in the guest; only RTMR0 tells of them.',
  'MRTD and the RTMRs say what was launched, not that it is free of faults.',
] as const;

/** The evaluation in the shape of results. */
function tcbResult(tcb: TcbEvaluation): TdxTcbResult {
  return { ...tcb, date: tcb.date.toISOString() };
}

function caveats(
  { trustAnchor }: AuthenticatedTdx,
  policy: TdxPolicy,
  { runtimeClaims }: TdxExpectations,
): string[] {
  return [
    ...CAVEATS,
    ...(policy.tcb?.minimumEvaluationDataNumber === undefined
      ? [
          'The policy sets no floor for tcbEvaluationDataNumber: collateral of an older TCB recovery is accepted while it is within its dates.',
        ]
      : []),
    ...(policy.ppids === undefined
      ? ['The policy names no machines: any genuine platform may have made the quote.']
      : []),
    ...callerRoot(trustAnchor, 'Intel'),
    ...(runtimeClaims === undefined ? [] : [PARAVISOR]),
  ];
}

/**
 * Verifies a raw quote of any origin: authenticity first, then every check of the policy. Evidence
 * that does not hold gives a result, not an exception; errors that are not about the evidence are
 * thrown. `fresh` is always false here, since a raw quote is bound to no nonce of this verifier.
 * @param given from `parsePolicy`, or what it would take as `tdx`; throws POLICY_INVALID.
 * @param collateral undefined where it could not be had: the quote's own signatures are checked, and
 *   the verdict is at best "could not check".
 */
export async function verifyTdx(
  quote: Uint8Array,
  collateral: CollateralInput | undefined,
  given: TdxPolicy,
  options: AuthenticateTdxOptions,
  expectations: TdxExpectations = {},
): Promise<AttestationResult> {
  requireTime(options.at);
  const policy = strictTdxPolicy(given);
  let tdx: AuthenticatedTdx;
  try {
    if (collateral === undefined) {
      const anchor = await verifyTdxSignatures(quote, options);
      const missing = 'no collateral was supplied: neither revocation nor TCB is known';
      return tdxRefusal(new AssayError('ENDORSEMENTS_MISSING', missing), options.at, anchor);
    }
    tdx = await authenticateTdx(quote, collateral, options);
  } catch (error) {
    if (error instanceof AssayError) return tdxRefusal(error, options.at);
    throw error;
  }
  return {
    tee: 'tdx',
    authentic: true,
    ...conclude(
      appraiseTdx(tdx, policy, expectations),
      'An authentic quote that meets the policy.',
      'An authentic quote. ',
    ),
    simulated: tdx.trustAnchor.simulated,
    trustAnchor: tdx.trustAnchor,
    at: options.at.toISOString(),
    fresh: false,
    claims: tdxClaims(tdx),
    tcb: tcbResult(tdx.tcb),
    caveats: caveats(tdx, policy, expectations),
  };
}
