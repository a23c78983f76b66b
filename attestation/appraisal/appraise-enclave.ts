import { equalBytes, isZero, toHex } from '../encoding/bytes.js';
import { LaunchRules } from '../evidence/launch-policy-model.js';
import { eventFindings } from './appraise-events.js';
import { flag, modelFindings } from './appraise-models.js';
import type { EnclaveStatement } from './enclave-statement.js';
import { Findings } from './findings.js';
import type { EnclavePolicy } from './policy-enclave.js';
import { CHAIN_OF_TRUST } from './references-enclave.js';
import type { Finding } from './result.js';

/**
 * Whether the host pinned the models before the first instruction ran. That it pinned nothing can be waived;
 * where it pinned something else no honest enclave serves, since the first thing that one reads is this field.
 */
function pinnedFinding(findings: Findings, stated: EnclaveStatement, policy: EnclavePolicy): void {
  const field = stated.tee === 'sev-snp' ? 'HOST_DATA' : 'MRCONFIGID';
  const { expectedBinding: expected, binding } = stated;
  const untouched = isZero(binding);
  const failure = untouched
    ? `The models are stated by measured software; ${field} pins no launch policy.`
    : `${field} pins another launch policy than the evidence carries.`;
  findings.check(
    'enclave.launch-policy.pinned',
    expected !== null && equalBytes(expected, binding),
    {
      expected: expected === null ? 'a launch policy in the evidence' : toHex(expected),
      actual: toHex(binding),
      reference: CHAIN_OF_TRUST.launchPolicy,
    },
    {
      pass: `The models are pinned at launch: ${field} is the digest of the launch policy.`,
      fail: failure,
    },
    untouched ? flag(policy.allowUnpinned, 'allowUnpinned') : undefined,
  );
}

function enforcedFinding(findings: Findings, stated: EnclaveStatement): void {
  const { launchPolicy, launchPolicyDigest, manifest } = stated;
  if (launchPolicy === null && manifest.launchPolicy === null) return;
  findings.check(
    'enclave.launch-policy.enforced',
    launchPolicyDigest !== null &&
      manifest.launchPolicy !== null &&
      equalBytes(launchPolicyDigest, manifest.launchPolicy),
    {
      expected: launchPolicyDigest === null ? 'none' : toHex(launchPolicyDigest),
      actual: manifest.launchPolicy === null ? 'none' : toHex(manifest.launchPolicy),
      reference: CHAIN_OF_TRUST.launchPolicy,
    },
    {
      pass: 'The enclave enforces this launch policy.',
      fail: 'The manifest names another launch policy than the evidence carries.',
    },
  );
}

/** What a launch policy rules out; where there is none, nothing does, and the manifest is silent about it. */
function ruleFindings(findings: Findings, stated: EnclaveStatement, policy: EnclavePolicy): void {
  const { launchPolicy, binding } = stated;
  const unpinned = launchPolicy === null && isZero(binding);
  const rules = [
    ['development', policy.allowDevelopment, 'allowDevelopment', 'debugging aids'],
    ['plaintext', policy.allowPlaintext, 'allowPlaintext', 'a listener without TLS'],
  ] as const;
  for (const [rule, waived, member, meaning] of rules) {
    const stands = launchPolicy?.[rule] === true ? 'allowed' : 'not allowed';
    findings.check(
      `enclave.${rule}`,
      launchPolicy?.[rule] === false,
      {
        expected: 'not allowed',
        actual: launchPolicy === null ? 'no launch policy' : stands,
        reference: CHAIN_OF_TRUST.launchPolicy,
      },
      {
        pass: `The launch policy does not allow ${meaning}.`,
        fail: `${launchPolicy === null ? 'No launch policy rules out' : 'The launch policy allows'} ${meaning}.`,
      },
      flag(waived, member) ?? (unpinned ? flag(policy.allowUnpinned, 'allowUnpinned') : undefined),
    );
  }
}

/** Judges what an authentic bundle says of its enclave: every check is made and told. */
export function appraiseEnclave(
  stated: EnclaveStatement,
  policy: EnclavePolicy,
): readonly Finding[] {
  const findings = new Findings();
  pinnedFinding(findings, stated, policy);
  enforcedFinding(findings, stated);
  ruleFindings(findings, stated, policy);
  const rules = stated.launchPolicy && new LaunchRules(stated.launchPolicy.models);
  for (const model of stated.manifest.models) modelFindings(findings, model, rules, policy);
  eventFindings(findings, stated, policy);
  const { softwareVersions } = policy;
  const { name, version } = stated.manifest.software;
  if (softwareVersions !== undefined) {
    findings.check(
      'enclave.software',
      name === 'assay' && softwareVersions.includes(version),
      {
        expected: softwareVersions.join(' or '),
        actual: `${name} ${version}`,
        reference: CHAIN_OF_TRUST.manifest,
      },
      {
        pass: 'The software is a version that the policy accepts.',
        fail: 'The software is no version that the policy accepts.',
      },
    );
  }
  return findings.all;
}
