import { toHex } from '../encoding/bytes.js';
import {
  type LaunchPolicyRule,
  type LaunchRules,
  NO_NAME,
} from '../evidence/launch-policy-model.js';
import type { ManifestModel } from '../evidence/manifest-model.js';
import { anyOf, type Findings } from './findings.js';
import type { EnclavePolicy } from './policy-enclave.js';
import { CHAIN_OF_TRUST } from './references-enclave.js';

type KnownModel = NonNullable<EnclavePolicy['models']>[number];

/** The waiver of a finding, where the policy spells it out. */
export const flag = (waived: boolean | undefined, member: string): string | undefined =>
  waived === true ? `enclave.${member}` : undefined;

/** Checks one demand of the entries that make it, and keeps the entries that the model meets. */
function narrow(
  findings: Findings,
  id: string,
  entries: readonly KnownModel[],
  accepted: (entry: KnownModel) => readonly string[] | undefined,
  actual: string,
  reason: { readonly pass: string; readonly fail: string },
): readonly KnownModel[] {
  const met = entries.filter((entry) => accepted(entry)?.includes(actual) ?? true);
  const demanding = entries.length > 0 && entries.every((entry) => accepted(entry) !== undefined);
  if (demanding) {
    const values = entries.flatMap((entry) => accepted(entry) ?? []);
    const expected = anyOf(values, (value) => value);
    findings.check(
      id,
      met.length > 0,
      { expected, actual, reference: CHAIN_OF_TRUST.models },
      reason,
    );
  }
  return met;
}

/** Judges a model's graph and its name, and keeps the policy's entries that both lead to. */
function entriesOf(
  findings: Findings,
  model: ManifestModel,
  policy: EnclavePolicy,
): readonly KnownModel[] {
  const name = `${model.name} ${model.version}`;
  const graph = toHex(model.graph);
  const entries = policy.models ?? [];
  const computing = entries.filter((entry) => entry.graph === graph);
  findings.check(
    'enclave.model.graph',
    computing.length > 0,
    {
      expected: anyOf(entries, (entry) => entry.graph) || 'a model of the policy',
      actual: graph,
      reference: CHAIN_OF_TRUST.models,
    },
    {
      pass: `Model ${name} computes a graph that the policy knows.`,
      fail: `Model ${name} computes a graph that the policy does not know.`,
    },
    flag(policy.allowUnknownModels, 'allowUnknownModels'),
  );
  const owners = entries.filter((entry) => entry.name === model.name);
  const speaker = owners.length > 0 ? model.name : undefined;
  const known = computing.filter((entry) => entry.name === speaker);
  if (owners.length > 0 || computing.some((entry) => entry.name !== undefined)) {
    const graphs = anyOf(owners, (entry) => entry.graph);
    findings.check(
      'enclave.model.name',
      known.length > 0,
      {
        expected: graphs === '' ? 'a name of the policy' : `graph ${graphs} as ${model.name}`,
        actual: `graph ${graph} as ${model.name}`,
        reference: CHAIN_OF_TRUST.models,
      },
      {
        pass: `Model ${name} has the name that the policy gives to its graph.`,
        fail: `Model ${name} has a name that the policy does not give to its graph.`,
      },
    );
  }
  return known;
}

function knownFindings(findings: Findings, model: ManifestModel, policy: EnclavePolicy): void {
  const name = `${model.name} ${model.version}`;
  const known = entriesOf(findings, model, policy);
  const executed = narrow(
    findings,
    'enclave.model.execution',
    known,
    ({ executions }) => executions,
    toHex(model.execution),
    {
      pass: `Model ${name} is executed as the policy wants it.`,
      fail: `Model ${name} is executed in a way that the policy does not accept.`,
    },
  );
  const { selfTest } = model;
  const tested = narrow(
    findings,
    'enclave.model.vectors',
    executed,
    (entry) => entry.selfTest && [entry.selfTest.vectors],
    selfTest === null ? 'none' : toHex(selfTest.vectors),
    {
      pass: `Model ${name} passed the test vectors that the policy wants before it was served.`,
      fail: `Model ${name} did not pass the test vectors that the policy wants before it was served.`,
    },
  );
  narrow(
    findings,
    'enclave.model.outputs',
    tested,
    (entry) => entry.selfTest?.outputs,
    selfTest === null ? 'none' : toHex(selfTest.outputs),
    {
      pass: `Model ${name} computed bits from its test vectors that the policy accepts.`,
      fail: `Model ${name} computed other bits from its test vectors than the policy accepts.`,
    },
  );
}

const LAUNCH_FAILURES: { readonly [rule in LaunchPolicyRule]: string } = {
  model: 'The launch policy does not name model',
  name: 'The launch policy gives another name to the graph of model',
  execution: 'The launch policy pins another execution of model',
  vectors: 'The launch policy requires other test vectors of model',
  outputs: 'The launch policy requires other bits from the test vectors of model',
};

/**
 * Judges one model that the manifest states, by the verifier's policy and by the launch policy.
 * @param rules of the launch policy; null where there is none.
 */
export function modelFindings(
  findings: Findings,
  model: ManifestModel,
  rules: LaunchRules | null,
  policy: EnclavePolicy,
): void {
  knownFindings(findings, model, policy);
  if (rules === null) return;
  const name = `${model.name} ${model.version}`;
  const graph = toHex(model.graph);
  const broken = rules.broken(model);
  const { rule, demanded, found } = broken ?? { rule: 'model', demanded: [graph], found: graph };
  findings.check(
    'enclave.launch-policy.model',
    broken === null,
    {
      expected: anyOf(demanded, (demand) =>
        demand === NO_NAME ? 'a name that no entry has' : demand,
      ),
      actual: found || 'none',
      reference: CHAIN_OF_TRUST.models,
    },
    {
      pass: `The launch policy names model ${name}.`,
      fail: `${LAUNCH_FAILURES[rule]} ${name}.`,
    },
  );
}
