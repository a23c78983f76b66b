import assert from 'node:assert/strict';
import { parsePolicy } from '../../attestation/appraisal/policy.js';
import type { SnpPolicy } from '../../attestation/appraisal/policy-snp.js';
import type { TdxPolicy } from '../../attestation/appraisal/policy-tdx.js';

/** The part of a policy that is for SEV-SNP; throws POLICY_INVALID. */
export function snpPolicy(value: unknown): SnpPolicy {
  return parsePolicy({ version: 1, snp: value }).snp ?? assert.fail('expected a policy');
}

/** The part of a policy that is for TDX; throws POLICY_INVALID. */
export function tdxPolicy(value: unknown): TdxPolicy {
  return parsePolicy({ version: 1, tdx: value }).tdx ?? assert.fail('expected a policy');
}
