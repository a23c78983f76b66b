import { type AppraiseOptions, appraiseBundle } from '../../attestation/appraisal/appraise.js';
import { type AppraisalPolicy, parsePolicy } from '../../attestation/appraisal/policy.js';
import type { AttestationResult, Finding } from '../../attestation/appraisal/result.js';
import { type PolicyDocument, waived } from './policy-waivers.js';

function open({ checks }: AttestationResult): readonly Finding[] {
  return checks.filter(({ outcome }) => outcome === 'fail' || outcome === 'unchecked');
}

/**
 * What keeps a policy from affirming a bundle that is authentic: one sentence for each check that does not
 * hold, with the member of a policy that would waive it, where one would. Throws POLICY_INVALID for the policy.
 */
export async function policyShortfalls(
  bundle: Uint8Array,
  policy: PolicyDocument,
  options: AppraiseOptions,
): Promise<readonly string[]> {
  const judge = async (under: AppraisalPolicy): Promise<AttestationResult> =>
    (await appraiseBundle(bundle, under, options)).result;
  const result = await judge(parsePolicy(policy));
  const shortfalls = open(result);
  if (shortfalls.length === 0) return [];
  const names = new Map<string, string>();
  for (const [name, lenient] of waived(policy, result)) {
    const left = new Set(open(await judge(lenient)).map(({ id }) => id));
    for (const { id } of shortfalls) if (!left.has(id) && !names.has(id)) names.set(id, name);
  }
  return shortfalls.map(({ id, reason }) => {
    const name = names.get(id);
    return `${id}: ${reason}${name === undefined ? '' : ` A policy waives this by ${name}.`}`;
  });
}
