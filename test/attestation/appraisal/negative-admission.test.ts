import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parsePolicy } from '../../../attestation/appraisal/policy.js';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { executionDigest } from '../../../attestation/evidence/execution-profile.js';
import type { LaunchPolicy } from '../../../attestation/evidence/launch-policy.js';
import type { LaunchPolicyModel } from '../../../attestation/evidence/launch-policy-model.js';
import type { BundleFault } from '../../forge/bundle.js';
import { affirmingPolicy, launchPolicyFor } from '../../forge/enclave.js';
import { fill } from '../../forge/fill.js';
import {
  affirming,
  double,
  type EvidenceCase,
  judgeEvidence,
  models,
  refusedEvidence,
  triple,
} from '../../forge/judge-evidence.js';

const graphOf = ({ identity }: typeof double): string => toHex(identity.graph);
const executionOf = ({ identity, profile }: typeof double): string =>
  toHex(executionDigest(identity.graph, profile));

/** What `double` is to have found with its test vectors, and evidence that it found this. */
const found = { vectors: fill(1), outputs: fill(2), sets: 2, identical: 2 };
const testedDouble: BundleFault = {
  manifest: (m) => ({
    ...m,
    models: m.models.map((model) =>
      model.name === 'double' ? { ...model, selfTest: found } : model,
    ),
  }),
};

/** A policy with these demands on `double`, and none on `triple`. */
function demanding(demand: Record<string, unknown>, more: Record<string, unknown> = {}) {
  return parsePolicy({
    ...affirmingPolicy(models),
    enclave: {
      models: [{ graph: graphOf(double), ...demand }, { graph: graphOf(triple) }],
      ...more,
    },
  });
}

/** A launch policy with these demands on `double`, and none on `triple`. */
function launchDemanding(demand: Omit<LaunchPolicyModel, 'graph' | 'execution'>): LaunchPolicy {
  const [first, ...rest] = launchPolicyFor(...models).models;
  assert.ok(first !== undefined);
  return { ...launchPolicyFor(...models), models: [{ ...first, ...demand }, ...rest] };
}

/** Neither the bundle nor the manifest tells of the launch policy that was pinned. */
const withoutLaunchPolicy: BundleFault = {
  manifest: (m) => ({ ...m, launchPolicy: null }),
  events: (events) => events.slice(1),
  bundle: (b) => ({ ...b, launchPolicy: null }),
};

/** As many entries as a launch policy has beside another, each of a graph that nobody serves. */
const others = Array.from({ length: 4095 }, (_, i) => {
  const graph = fill(0);
  new DataView(graph.buffer).setUint32(0, i);
  return { graph, execution: null };
});

const admission: readonly EvidenceCase[] = [
  {
    name: 'a launch policy that is none',
    code: 'LAUNCH_POLICY_ENCODING',
    fault: { bundle: (b) => ({ ...b, launchPolicy: fill(0xa0, 1) }) },
  },
  {
    name: 'a launch policy that was not pinned in HOST_DATA',
    code: 'enclave.launch-policy.pinned',
    fault: { pinned: launchPolicyFor(double) },
  },
  {
    name: 'a launch policy that was not pinned in MRCONFIGID',
    code: 'enclave.launch-policy.pinned',
    tee: 'tdx',
    fault: { pinned: launchPolicyFor(double) },
  },
  ...(['sev-snp', 'tdx'] as const).flatMap((tee) => [
    {
      name: `another launch policy, pinned where none needs to be (${tee})`,
      code: 'enclave.launch-policy.pinned',
      tee,
      fault: { pinned: launchPolicyFor(double) },
      policy: affirmingPolicy(models, { allowUnpinned: true }),
    },
    {
      name: `a pinned launch policy that the evidence leaves out, where none needs to be (${tee})`,
      code: 'enclave.launch-policy.pinned',
      tee,
      fault: withoutLaunchPolicy,
      policy: affirmingPolicy(models, { allowUnpinned: true }),
      also: ['enclave.development', 'enclave.plaintext'],
    },
  ]),
  {
    name: 'a model that the launch policy does not name',
    code: 'enclave.launch-policy.model',
    fault: { policy: launchPolicyFor(double) },
    shows: { expected: graphOf(double), actual: graphOf(triple) },
  },
  {
    name: 'a model that is none of thousands which the launch policy names',
    code: 'enclave.launch-policy.model',
    fault: {
      policy: {
        ...launchPolicyFor(double),
        models: [...launchPolicyFor(double).models, ...others],
      },
    },
    shows: {
      expected: `${others
        .slice(0, 64)
        .map(({ graph }) => toHex(graph))
        .join(' or ')} or others`,
      actual: graphOf(triple),
    },
  },
  {
    name: 'an execution that the launch policy does not name',
    code: 'enclave.launch-policy.model',
    fault: {
      policy: {
        ...launchPolicyFor(triple),
        models: [
          { graph: double.identity.graph, execution: fill(1) },
          { graph: triple.identity.graph, execution: null },
        ],
      },
    },
    shows: { expected: '01'.repeat(32), actual: executionOf(double) },
  },
  {
    name: 'a name that the launch policy gives to another graph',
    code: 'enclave.launch-policy.model',
    fault: { policy: launchDemanding({ name: 'triple' }) },
    shows: { expected: 'triple', actual: 'double' },
  },
  {
    name: 'a graph under a name that the launch policy gives to one that is not served',
    code: 'enclave.launch-policy.model',
    fault: {
      policy: {
        ...launchPolicyFor(...models),
        models: [
          ...launchPolicyFor(...models).models,
          { graph: fill(1), execution: null, name: 'triple' },
        ],
      },
    },
    shows: { expected: 'a name that no entry has', actual: 'triple' },
  },
  {
    name: 'no test vectors where the launch policy requires some',
    code: 'enclave.launch-policy.model',
    fault: { policy: launchDemanding({ selfTest: { vectors: fill(1), outputs: null } }) },
    shows: { expected: '01'.repeat(32), actual: 'none' },
  },
  {
    name: 'other test vectors than the launch policy requires',
    code: 'enclave.launch-policy.model',
    fault: {
      ...testedDouble,
      policy: launchDemanding({ selfTest: { vectors: fill(3), outputs: null } }),
    },
    shows: { expected: '03'.repeat(32), actual: '01'.repeat(32) },
  },
  {
    name: 'other bits than the launch policy requires of the test vectors',
    code: 'enclave.launch-policy.model',
    fault: {
      ...testedDouble,
      policy: launchDemanding({ selfTest: { vectors: fill(1), outputs: fill(3) } }),
    },
    shows: { expected: '03'.repeat(32), actual: '02'.repeat(32) },
  },
  {
    name: 'a known graph under a name that the policy gives to another',
    code: 'enclave.model.name',
    policy: parsePolicy({
      ...affirmingPolicy(models),
      enclave: {
        models: [
          { graph: graphOf(double), name: 'triple' },
          { graph: graphOf(double) },
          { graph: graphOf(triple) },
        ],
      },
    }),
  },
  {
    name: 'a known graph under a name that the policy does not know',
    code: 'enclave.model.name',
    policy: demanding({ name: 'twice' }),
  },
  {
    name: 'an unknown graph under a name that the policy gives to another',
    code: 'enclave.model.name',
    policy: parsePolicy({
      ...affirmingPolicy(models),
      enclave: {
        models: [{ graph: graphOf(double) }, { graph: '00'.repeat(32), name: 'triple' }],
        allowUnknownModels: true,
      },
    }),
  },
  {
    name: 'no test vectors where the policy wants some',
    code: 'enclave.model.vectors',
    policy: demanding({ selfTest: { vectors: '01'.repeat(32) } }),
  },
  {
    name: 'other test vectors than the policy wants',
    code: 'enclave.model.vectors',
    fault: testedDouble,
    policy: demanding({ selfTest: { vectors: '03'.repeat(32) } }),
  },
  {
    name: 'other bits from the test vectors than the policy accepts',
    code: 'enclave.model.outputs',
    fault: testedDouble,
    policy: demanding({ selfTest: { vectors: '01'.repeat(32), outputs: ['03'.repeat(32)] } }),
  },
  {
    name: 'an unknown model with a name that is longer than all that is told',
    code: 'enclave.model.graph',
    fault: {
      manifest: (m) => ({
        ...m,
        models: m.models.map((model) =>
          model.name === 'double' ? { ...model, name: 'd'.repeat(20_000) } : model,
        ),
      }),
    },
    policy: affirmingPolicy([triple]),
  },
  {
    name: 'debugging aids',
    code: 'enclave.development',
    fault: { policy: { ...launchPolicyFor(...models), development: true } },
  },
  {
    name: 'a listener without TLS',
    code: 'enclave.plaintext',
    fault: { policy: { ...launchPolicyFor(...models), plaintext: true } },
  },
  {
    name: 'a model that the policy does not know',
    code: 'enclave.model.graph',
    policy: affirmingPolicy([double]),
  },
  {
    name: 'an execution that the policy does not accept',
    code: 'enclave.model.execution',
    policy: parsePolicy({
      ...affirmingPolicy(models),
      enclave: {
        models: [
          { graph: graphOf(double), executions: ['00'.repeat(32)] },
          { graph: graphOf(triple) },
        ],
      },
    }),
  },
  {
    name: 'hardware for which the policy has no rules',
    code: 'policy.tee',
    policy: parsePolicy({ version: 1, snp: affirming.snp, enclave: affirming.enclave }),
    tee: 'tdx',
    also: ['tdx.measurement'],
  },
];

test('evidence that meets every demand on a model is affirmed, and shows each', async () => {
  const demand = {
    name: 'double',
    selfTest: { vectors: '01'.repeat(32), outputs: ['03'.repeat(32), '02'.repeat(32)] },
  };
  const launched = { name: 'double', selfTest: { vectors: fill(1), outputs: fill(2) } };
  const { result } = await judgeEvidence({
    name: 'none',
    code: '',
    fault: { ...testedDouble, policy: launchDemanding(launched) },
    policy: demanding(demand),
  });
  assert.equal(result.affirmed, true, result.summary);
  const shown = result.checks.map(({ id }) => id);
  for (const id of ['name', 'vectors', 'outputs']) {
    assert.ok(shown.includes(`enclave.model.${id}`), id);
  }
});

refusedEvidence('admission', admission);

describe('what no launch policy rules out', () => {
  for (const [name, waivers, named] of [
    ['is waived with the pin', {}, ['allowUnpinned', 'allowUnpinned']],
    [
      'is waived by name where the policy has the waiver',
      { allowPlaintext: true },
      ['allowUnpinned', 'allowPlaintext'],
    ],
  ] as const) {
    test(`${name}, and shown`, async () => {
      const { result } = await judgeEvidence({
        name,
        code: '',
        fault: { ...withoutLaunchPolicy, pinned: null },
        policy: affirmingPolicy(models, { allowUnpinned: true, ...waivers }),
      });
      const shown = ['enclave.development', 'enclave.plaintext'].map((rule) =>
        result.checks.find(({ id }) => id === rule),
      );
      assert.equal(result.affirmed, true, result.summary);
      assert.deepEqual(
        shown.map((check) => [check?.outcome, check?.actual, check?.reason]),
        [
          ['debugging aids', named[0]],
          ['a listener without TLS', named[1]],
        ].map(([what, waiver]) => [
          'waived',
          'no launch policy',
          `No launch policy rules out ${what}. The policy waives this by enclave.${waiver}.`,
        ]),
      );
    });
  }
});
