import { equalBytes, toHex } from '../encoding/bytes.js';
import type { LaunchPolicy } from '../evidence/launch-policy.js';
import type { ManifestModel } from '../evidence/manifest.js';
import { eventFindings } from './appraise-events.js';
import { DESIGN, type EnclaveStatement } from './enclave-statement.js';
import { Findings } from './findings.js';
import type { EnclavePolicy } from './policy-enclave.js';
import type { Finding } from './result.js';

const flag = (waived: boolean | undefined, member: string): string | undefined =>
  waived === true ? `enclave.${member}` : undefined;

/** Whether the host pinned the models before the first instruction ran. */
function pinnedFinding(findings: Findings, stated: EnclaveStatement, policy: EnclavePolicy): void {
  const field = stated.tee === 'sev-snp' ? 'HOST_DATA' : 'MRCONFIGID';
  const { expectedBinding: expected, binding } = stated;
  findings.check(
    'enclave.launch-policy.pinned',
    expected !== null && equalBytes(expected, binding),
    {
      expected: expected === null ? 'a launch policy' : toHex(expected),
      actual: expected === null ? 'none in the evidence' : toHex(binding),
      reference: DESIGN,
    },
    {
      pass: `The models are pinned at launch: ${field} is the digest of the launch policy.`,
      fail:
        expected === null
          ? 'The models are stated by measured software; no launch policy pins them.'
          : `The models are stated by measured software; ${field} does not pin the launch policy.`,
    },
    flag(policy.allowUnpinned, 'allowUnpinned'),
  );
}

function ruleFindings(findings: Findings, stated: EnclaveStatement, policy: EnclavePolicy): void {
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
      reference: DESIGN,
    },
    {
      pass: 'The enclave enforces this launch policy.',
      fail: 'The manifest names another launch policy than the evidence carries.',
    },
  );
  if (launchPolicy === null) return;
  const rules = [
    ['development', policy.allowDevelopment, 'allowDevelopment', 'debugging aids'],
    ['plaintext', policy.allowPlaintext, 'allowPlaintext', 'a listener without TLS'],
  ] as const;
  for (const [rule, waived, member, meaning] of rules) {
    findings.check(
      `enclave.${rule}`,
      !launchPolicy[rule],
      {
        expected: 'not allowed',
        actual: launchPolicy[rule] ? 'allowed' : 'not allowed',
        reference: DESIGN,
      },
      {
        pass: `The launch policy does not allow ${meaning}.`,
        fail: `The launch policy allows ${meaning}.`,
      },
      flag(waived, member),
    );
  }
}

function isNamed(policy: LaunchPolicy, model: ManifestModel): boolean {
  return policy.models.some(
    ({ graph, execution }) =>
      equalBytes(graph, model.graph) &&
      (execution === null || equalBytes(execution, model.execution)),
  );
}

function modelFindings(
  findings: Findings,
  model: ManifestModel,
  { launchPolicy }: EnclaveStatement,
  policy: EnclavePolicy,
): void {
  const name = `${model.name} ${model.version}`;
  const graph = toHex(model.graph);
  const known = policy.models?.filter((entry) => entry.graph === graph) ?? [];
  findings.check(
    'enclave.model.graph',
    known.length > 0,
    {
      expected: policy.models?.map((entry) => entry.graph).join(' or ') ?? 'a model of the policy',
      actual: graph,
      reference: DESIGN,
    },
    {
      pass: `Model ${name} computes a graph that the policy knows.`,
      fail: `Model ${name} computes a graph that the policy does not know.`,
    },
    flag(policy.allowUnknownModels, 'allowUnknownModels'),
  );
  const pinned = known.filter(({ executions }) => executions !== undefined);
  if (known.length > 0 && pinned.length === known.length) {
    const accepted = pinned.flatMap(({ executions }) => executions ?? []);
    const execution = toHex(model.execution);
    findings.check(
      'enclave.model.execution',
      accepted.includes(execution),
      { expected: accepted.join(' or '), actual: execution, reference: DESIGN },
      {
        pass: `Model ${name} is executed as the policy wants it.`,
        fail: `Model ${name} is executed in a way that the policy does not accept.`,
      },
    );
  }
  if (launchPolicy === null) return;
  findings.check(
    'enclave.launch-policy.model',
    isNamed(launchPolicy, model),
    {
      expected: launchPolicy.models.map((entry) => toHex(entry.graph)).join(' or '),
      actual: graph,
      reference: DESIGN,
    },
    {
      pass: `The launch policy names model ${name}.`,
      fail: `The launch policy does not name model ${name}, as it is executed.`,
    },
  );
}

/** Judges what an authentic bundle says of its enclave: every check is made and told. */
export function appraiseEnclave(
  stated: EnclaveStatement,
  policy: EnclavePolicy,
): readonly Finding[] {
  const findings = new Findings();
  pinnedFinding(findings, stated, policy);
  ruleFindings(findings, stated, policy);
  for (const model of stated.manifest.models) modelFindings(findings, model, stated, policy);
  eventFindings(findings, stated, policy);
  const { softwareVersions } = policy;
  const { name, version } = stated.manifest.software;
  if (softwareVersions !== undefined) {
    findings.check(
      'enclave.software',
      name === 'assay' && softwareVersions.includes(version),
      { expected: softwareVersions.join(' or '), actual: `${name} ${version}`, reference: DESIGN },
      {
        pass: 'The software is a version that the policy accepts.',
        fail: 'The software is no version that the policy accepts.',
      },
    );
  }
  return findings.all;
}
