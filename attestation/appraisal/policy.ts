import * as z from 'zod';
import { schemaError } from '../encoding/schema.js';
import { enclavePolicySchema } from './policy-enclave.js';
import { type SnpPolicy, snpPolicySchema } from './policy-snp.js';
import { type TdxPolicy, tdxPolicySchema } from './policy-tdx.js';

const policySchema = z.strictObject({
  version: z.literal(1),
  /** What SEV-SNP evidence must meet; absent: SEV-SNP is not accepted. */
  snp: snpPolicySchema.optional(),
  /** What TDX evidence must meet; absent: TDX is not accepted. */
  tdx: tdxPolicySchema.optional(),
  /** What the enclave's own statements must meet. */
  enclave: enclavePolicySchema.optional(),
});

/** Reference values and rules of a relying party: strict data, without code. */
export type AppraisalPolicy = z.output<typeof policySchema>;

/** Policies, and their parts, as they were read. */
const parsed = new WeakSet<object>();

/**
 * Reads the parsed JSON or YAML of a policy file. An unknown member is an error: a rule that is
 * misspelt must not be a rule that is not there. Throws POLICY_INVALID, naming each member at fault.
 */
export function parsePolicy(value: unknown): AppraisalPolicy {
  const result = policySchema.safeParse(value);
  if (!result.success) {
    throw schemaError('POLICY_INVALID', 'the policy is not valid', result.error);
  }
  const { data } = result;
  for (const each of [data, data.snp, data.tdx]) if (each !== undefined) parsed.add(each);
  return data;
}

/**
 * The policy as `parsePolicy` gave it; what came another way, such as a file's JSON that a caller took for a policy,
 * is read by it first. Throws POLICY_INVALID.
 */
export function strictPolicy(policy: AppraisalPolicy): AppraisalPolicy {
  return parsed.has(policy) ? policy : parsePolicy(policy);
}

/** `strictPolicy` for what SEV-SNP evidence must meet. */
export function strictSnpPolicy(policy: SnpPolicy): SnpPolicy {
  return parsed.has(policy) ? policy : (parsePolicy({ version: 1, snp: policy }).snp ?? policy);
}

/** `strictPolicy` for what TDX evidence must meet. */
export function strictTdxPolicy(policy: TdxPolicy): TdxPolicy {
  return parsed.has(policy) ? policy : (parsePolicy({ version: 1, tdx: policy }).tdx ?? policy);
}
