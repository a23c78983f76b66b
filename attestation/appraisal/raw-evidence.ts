import { REPLAY } from './caveats.js';
import { Findings } from './findings.js';
import type { EnclavePolicy } from './policy-enclave.js';
import { CHAIN_OF_TRUST } from './references-enclave.js';
import type { AttestationResult } from './result.js';

/** What the verifier wants to know that only a bundle can show. */
export interface BundleDemands {
  /** The policy's member `enclave`. */
  readonly enclave?: EnclavePolicy | undefined;
  /** The verifier's own nonce. */
  readonly nonce?: Uint8Array | undefined;
}

/**
 * The result of a report or quote that came without a bundle, which may be a replay, held to demands that
 * only a bundle can meet: each fails. Whoever hands over evidence chooses its form, and must not get rid of
 * a check, or of a caveat, by leaving out what would be checked.
 */
export function withoutBundle(
  result: AttestationResult,
  { enclave, nonce }: BundleDemands,
): AttestationResult {
  if (!result.authentic) return result;
  const findings = new Findings();
  if (nonce !== undefined) {
    findings.check(
      'binding.nonce',
      false,
      {
        expected: 'the verifier’s nonce',
        actual: 'a report without a bundle',
        reference: CHAIN_OF_TRUST.evidence,
      },
      { pass: '', fail: 'Evidence without a bundle binds no nonce that could be checked.' },
    );
  }
  if (enclave !== undefined) {
    findings.check(
      'enclave.manifest',
      false,
      {
        expected: 'a manifest that the policy’s member enclave can judge',
        actual: 'a report without a bundle',
        reference: CHAIN_OF_TRUST.evidence,
      },
      { pass: '', fail: 'Evidence without a bundle states no enclave that could be judged.' },
    );
  }
  const [first] = findings.all;
  const caveats = [...result.caveats, REPLAY];
  if (first === undefined) return { ...result, caveats };
  const hasFailed = result.checks.some(({ outcome }) => outcome === 'fail');
  return {
    ...result,
    affirmed: false,
    code: hasFailed ? result.code : first.id,
    summary: hasFailed ? result.summary : first.reason,
    checks: [...result.checks, ...findings.all],
    caveats,
  };
}
