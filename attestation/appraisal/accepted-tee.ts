import type { Tee } from '../evidence/bundle.js';
import { Findings } from './findings.js';
import type { AppraisalPolicy } from './policy.js';
import { CHAIN_OF_TRUST } from './references-enclave.js';
import type { Finding } from './result.js';

/** Whether a policy has rules for a kind of hardware: without any it does not accept it. */
export function acceptedTee(tee: Tee, policy: AppraisalPolicy): readonly Finding[] {
  const findings = new Findings();
  const member = tee === 'sev-snp' ? 'snp' : 'tdx';
  findings.check(
    'policy.tee',
    policy[member] !== undefined,
    {
      expected: `a policy with the member ${member}`,
      actual: tee,
      reference: CHAIN_OF_TRUST.evidence,
    },
    {
      pass: 'The policy accepts this kind of hardware.',
      fail: 'The policy has no rules for this kind of hardware, so it does not accept it.',
    },
  );
  return findings.all;
}
