import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { appraiseBundle } from '../../../attestation/appraisal/appraise.js';
import { type AppraisalPolicy, parsePolicy } from '../../../attestation/appraisal/policy.js';
import { concat, toHex } from '../../../attestation/encoding/bytes.js';
import { encodeCbor } from '../../../attestation/encoding/cbor.js';
import { label, sha256, sha512 } from '../../../attestation/encoding/hash.js';
import { reportData } from '../../../attestation/evidence/binding.js';
import type { Tee } from '../../../attestation/evidence/bundle.js';
import { decodeRuntimeLog, encodeRuntimeLog } from '../../../attestation/evidence/event-log.js';
import type { LaunchPolicy } from '../../../attestation/evidence/launch-policy.js';
import type { LaunchPolicyModel } from '../../../attestation/evidence/launch-policy-model.js';
import { type BundleFault, forgeBundle } from '../../forge/bundle.js';
import { editMap, flip } from '../../forge/cbor.js';
import { affirmingPolicy, launchPolicyFor, servedModel } from '../../forge/enclave.js';

/** Evidence with exactly one thing wrong, and the one reason for which it is refused. */
interface Case {
  readonly name: string;
  /** Error code or check id of the first failure. */
  readonly code: string;
  /** Default SEV-SNP. */
  readonly tee?: Tee;
  readonly fault?: BundleFault;
  /** Changes the bytes that the verifier receives. */
  readonly bytes?: (bytes: Uint8Array) => Uint8Array;
  /** The verifier's nonce; null for none. */
  readonly nonce?: Uint8Array | null;
  readonly policy?: AppraisalPolicy;
  readonly at?: Date;
  /** Appraise under the vendors' pinned roots. */
  readonly pinnedRoots?: true;
  /** All checks that fail, where one fault is seen by several. */
  readonly also?: readonly string[];
}

const double = servedModel('double', 2);
const triple = servedModel('triple', 3);
const models = [double, triple];
const nonce = new Uint8Array(32).fill(7);
const affirming = affirmingPolicy(models);
const fill = (byte: number, length = 32): Uint8Array => new Uint8Array(length).fill(byte);
const graphOf = ({ identity }: typeof double): string => toHex(identity.graph);

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

const bundles: readonly Case[] = [
  { name: 'nothing', code: 'BUNDLE_ENCODING', bytes: () => new Uint8Array() },
  { name: 'cut short', code: 'BUNDLE_ENCODING', bytes: (b) => b.subarray(0, -1) },
  { name: 'a byte behind', code: 'BUNDLE_ENCODING', bytes: (b) => concat(b, fill(0, 1)) },
  { name: 'no map', code: 'BUNDLE_ENCODING', bytes: (b) => encodeCbor([b]) },
  {
    name: 'an unknown member',
    code: 'BUNDLE_ENCODING',
    bytes: (b) => editMap(b, (map) => map.set('note', 'trust me')),
  },
  {
    name: 'a missing member',
    code: 'BUNDLE_ENCODING',
    bytes: (b) => editMap(b, (map) => map.delete('eventLog')),
  },
  {
    name: 'another format',
    code: 'BUNDLE_PROFILE',
    bytes: (b) => editMap(b, (map) => map.set('profile', 'urn:assay:evidence-bundle:2')),
  },
  {
    name: 'unknown hardware',
    code: 'BUNDLE_ENCODING',
    bytes: (b) => editMap(b, (map) => map.set('tee', 'sgx')),
  },
  {
    name: 'a path of short nodes',
    code: 'BUNDLE_ENCODING',
    fault: { bundle: (b) => ({ ...b, challenge: { ...b.challenge, path: [fill(1, 31)] } }) },
  },
  {
    name: 'a path for more nonces than there can be',
    code: 'BUNDLE_ENCODING',
    fault: {
      bundle: (b) => ({ ...b, challenge: { ...b.challenge, path: Array(33).fill(fill(1)) } }),
    },
  },
];

const hardware: readonly Case[] = [
  {
    name: 'a report that was changed',
    code: 'SNP_SIGNATURE',
    fault: { bundle: (b) => ({ ...b, report: flip(b.report, 0x10) }) },
  },
  {
    name: 'a quote that was changed',
    code: 'TDX_QUOTE_SIGNATURE',
    tee: 'tdx',
    fault: { bundle: (b) => ({ ...b, report: flip(b.report, 48 + 136) }) },
  },
  {
    name: 'a report that says it is a quote',
    code: 'TDX_QUOTE_VERSION',
    fault: { bundle: (b) => ({ ...b, tee: 'tdx', endorsements: null }) },
  },
  {
    name: 'no endorsements',
    code: 'ENDORSEMENTS_MISSING',
    fault: { bundle: (b) => ({ ...b, endorsements: null }) },
  },
  {
    name: 'no collateral',
    code: 'ENDORSEMENTS_MISSING',
    tee: 'tdx',
    fault: { bundle: (b) => ({ ...b, endorsements: null }) },
  },
  {
    name: 'a certificate table that is none',
    code: 'SNP_AUXBLOB',
    fault: { bundle: (b) => ({ ...b, endorsements: fill(9, 40) }) },
  },
  { name: 'SIMULATED under AMD’s roots', code: 'SNP_ROOT_UNTRUSTED', pinnedRoots: true },
  {
    name: 'SIMULATED under Intel’s root',
    code: 'TDX_ROOT_UNTRUSTED',
    tee: 'tdx',
    pinnedRoots: true,
  },
  {
    name: 'before its certificates begin',
    code: 'SNP_CERTIFICATE_VALIDITY',
    at: new Date('2001-01-01'),
  },
];

const relabelled = (what: string) => (challenge: Uint8Array, manifest: Uint8Array) =>
  sha512(label(what), challenge, sha256(manifest));

const binding: readonly Case[] = [
  { name: 'a nonce of somebody else', code: 'BINDING_CHALLENGE', nonce: fill(1) },
  { name: 'a nonce of nobody', code: 'BINDING_CHALLENGE', nonce: fill(99) },
  { name: 'a nonce of 31 bytes', code: 'BINDING_NONCE', nonce: fill(7, 31) },
  { name: 'a nonce of 33 bytes', code: 'BINDING_NONCE', nonce: fill(7, 33) },
  { name: 'an empty nonce', code: 'BINDING_NONCE', nonce: fill(7, 0) },
  {
    name: 'another position',
    code: 'BINDING_CHALLENGE',
    fault: { bundle: (b) => ({ ...b, challenge: { ...b.challenge, index: 0 } }) },
  },
  {
    name: 'a position outside the tree',
    code: 'BINDING_CHALLENGE',
    fault: { bundle: (b) => ({ ...b, challenge: { ...b.challenge, index: 3 } }) },
  },
  {
    name: 'another number of nonces',
    code: 'BINDING_CHALLENGE',
    fault: { bundle: (b) => ({ ...b, challenge: { ...b.challenge, size: 2 } }) },
  },
  {
    name: 'a path that was changed',
    code: 'BINDING_CHALLENGE',
    fault: {
      bundle: (b) => ({
        ...b,
        challenge: { ...b.challenge, path: b.challenge.path.map((node) => flip(node, 0)) },
      }),
    },
  },
  {
    name: 'a path cut short',
    code: 'BINDING_CHALLENGE',
    fault: {
      bundle: (b) => ({ ...b, challenge: { ...b.challenge, path: b.challenge.path.slice(1) } }),
    },
  },
  {
    name: 'another challenge, for a verifier without a nonce',
    code: 'BINDING_REPORT_DATA',
    nonce: null,
    fault: { bundle: (b) => ({ ...b, challenge: { ...b.challenge, root: fill(3) } }) },
  },
  {
    name: 'another manifest than the hardware signed for',
    code: 'BINDING_REPORT_DATA',
    fault: { bundle: (b) => ({ ...b, manifest: flip(b.manifest, -1) }) },
  },
  {
    name: 'a report made under another label',
    code: 'BINDING_REPORT_DATA',
    fault: { reportData: relabelled('claims') },
  },
  {
    name: 'a report over the nonce instead of the challenge',
    code: 'BINDING_REPORT_DATA',
    fault: { reportData: (_, manifest) => reportData(nonce, manifest) },
  },
  {
    name: 'a report over the challenge alone',
    code: 'BINDING_REPORT_DATA',
    fault: { reportData: (challenge) => concat(challenge, fill(0)) },
  },
  {
    name: 'a quote over the challenge alone',
    code: 'BINDING_REPORT_DATA',
    tee: 'tdx',
    fault: { reportData: (challenge) => concat(challenge, fill(0)) },
  },
];

const manifests: readonly Case[] = [
  {
    name: 'another version',
    code: 'MANIFEST_VERSION',
    fault: { manifestBytes: (b) => editMap(b, (map) => map.set('version', 2)) },
  },
  {
    name: 'an unknown member',
    code: 'MANIFEST_ENCODING',
    fault: { manifestBytes: (b) => editMap(b, (map) => map.set('note', 'x')) },
  },
  {
    name: 'a missing member',
    code: 'MANIFEST_ENCODING',
    fault: { manifestBytes: (b) => editMap(b, (map) => map.delete('tlsKey')) },
  },
  {
    name: 'a byte behind',
    code: 'MANIFEST_ENCODING',
    fault: { manifestBytes: (b) => concat(b, fill(0, 1)) },
  },
  {
    name: 'an epoch of 31 bytes',
    code: 'MANIFEST_ENCODING',
    fault: { manifest: (m) => ({ ...m, epoch: fill(1, 31) }) },
  },
  {
    name: 'a signing key of another kind',
    code: 'MANIFEST_ENCODING',
    fault: { manifestBytes: (b) => editMap(b, (map) => map.set('signingKey', new Map([[1, 1]]))) },
  },
  {
    name: 'an encryption key of 33 bytes',
    code: 'MANIFEST_ENCODING',
    fault: { manifest: (m) => ({ ...m, encryptionKey: fill(1, 33) }) },
  },
  {
    name: 'a launch policy digest of 48 bytes',
    code: 'MANIFEST_ENCODING',
    fault: { manifest: (m) => ({ ...m, launchPolicy: fill(1, 48) }) },
  },
  {
    name: 'models out of order',
    code: 'MANIFEST_ENCODING',
    fault: { manifest: (m) => ({ ...m, models: [...m.models].reverse() }) },
  },
  {
    name: 'a model twice',
    code: 'MANIFEST_ENCODING',
    fault: { manifest: (m) => ({ ...m, models: m.models.flatMap((model) => [model, model]) }) },
  },
  {
    name: 'more identical test sets than there are',
    code: 'MANIFEST_ENCODING',
    fault: {
      manifest: (m) => ({
        ...m,
        models: m.models.map((model) => ({
          ...model,
          selfTest: { vectors: fill(1), outputs: fill(2), sets: 1, identical: 2 },
        })),
      }),
    },
  },
  {
    name: 'shared executions without a proof that neighbours do not matter',
    code: 'MANIFEST_ENCODING',
    fault: {
      manifest: (m) => ({
        ...m,
        models: m.models.map((model) => ({
          ...model,
          batching: { maxBatchSize: 8, invariance: 'varies' as const },
        })),
      }),
    },
  },
  {
    name: 'an execution digest of another profile',
    code: 'MANIFEST_EXECUTION',
    fault: {
      manifest: (m) => ({
        ...m,
        models: m.models.map((model) => ({
          ...model,
          profile: { ...model.profile, intraOpThreads: 8 },
        })),
      }),
    },
  },
  {
    name: 'another launch policy than the evidence carries',
    code: 'enclave.launch-policy.enforced',
    fault: { manifest: (m) => ({ ...m, launchPolicy: fill(1) }) },
  },
  {
    name: 'a launch policy that the evidence leaves out, where none needs to be pinned',
    code: 'enclave.launch-policy.enforced',
    fault: { bundle: (b) => ({ ...b, launchPolicy: null }) },
    policy: affirmingPolicy(models, { allowUnpinned: true }),
  },
  {
    name: 'software that is not accepted',
    code: 'enclave.software',
    policy: affirmingPolicy(models, { softwareVersions: ['9.9.9'] }),
  },
];

const admission: readonly Case[] = [
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
  {
    name: 'a model that the launch policy does not name',
    code: 'enclave.launch-policy.model',
    fault: { policy: launchPolicyFor(double) },
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
  },
  {
    name: 'a name that the launch policy gives to another graph',
    code: 'enclave.launch-policy.model',
    fault: { policy: launchDemanding({ name: 'triple' }) },
  },
  {
    name: 'no test vectors where the launch policy requires some',
    code: 'enclave.launch-policy.model',
    fault: { policy: launchDemanding({ selfTest: { vectors: fill(1), outputs: null } }) },
  },
  {
    name: 'other test vectors than the launch policy requires',
    code: 'enclave.launch-policy.model',
    fault: {
      ...testedDouble,
      policy: launchDemanding({ selfTest: { vectors: fill(3), outputs: null } }),
    },
  },
  {
    name: 'other bits than the launch policy requires of the test vectors',
    code: 'enclave.launch-policy.model',
    fault: {
      ...testedDouble,
      policy: launchDemanding({ selfTest: { vectors: fill(1), outputs: fill(3) } }),
    },
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

const logFaults: readonly Case[] = [
  {
    name: 'no event log',
    code: 'enclave.event-log',
    fault: { bundle: (b) => ({ ...b, eventLog: null }) },
  },
  {
    name: 'a log that is none',
    code: 'EVENT_LOG_FORMAT',
    fault: { bundle: (b) => ({ ...b, eventLog: fill(0, 3) }) },
  },
  {
    name: 'a log without the event that says which model was loaded first',
    code: 'enclave.event-log.rtmr3',
    fault: {
      bundle: (b) => ({
        ...b,
        eventLog: encodeRuntimeLog(decodeRuntimeLog(b.eventLog ?? fill(0)).slice(0, 1)),
      }),
    },
    also: ['enclave.event-log.models'],
  },
  {
    name: 'a log that does not begin with the launch policy',
    code: 'enclave.event-log.launch-policy',
    fault: { events: (events) => events.slice(1) },
  },
  {
    name: 'models loaded before the launch policy was enforced',
    code: 'enclave.event-log.launch-policy',
    fault: { events: (events) => [...events].reverse() },
    also: ['enclave.event-log.others'],
  },
  {
    name: 'a model that was unloaded and is stated still',
    code: 'enclave.event-log.models',
    fault: {
      events: (events) => [...events, { type: 'unload', content: events[1]?.content ?? fill(0) }],
    },
  },
  {
    name: 'an event that means nothing',
    code: 'enclave.event-log.others',
    fault: { events: (events) => [...events, { type: 'debug', content: fill(0) }] },
  },
  {
    name: 'a model that was loaded and is neither stated nor allowed',
    code: 'enclave.event-log.others',
    fault: { events: (events) => [...events, { type: 'model', content: fill(1, 64) }] },
  },
  {
    name: 'a model that is stated and was not loaded',
    code: 'enclave.event-log.models',
    fault: { events: (events) => events.slice(0, -1) },
  },
];
const eventLogs = logFaults.map((given) => ({ ...given, tee: 'tdx' as const }));

async function judge({ tee = 'sev-snp', ...given }: Case) {
  const forged = await forgeBundle(tee, models, nonce, given.fault);
  const own = given.nonce === undefined ? nonce : given.nonce;
  return appraiseBundle(given.bytes?.(forged.bytes) ?? forged.bytes, given.policy ?? affirming, {
    at: given.at ?? new Date(),
    ...(own === null ? {} : { nonce: own }),
    ...(given.pinnedRoots ? {} : { roots: forged.roots }),
  });
}

for (const tee of ['sev-snp', 'tdx'] as const) {
  test(`${tee} evidence without a fault is affirmed`, async () => {
    const { result } = await judge({ name: 'none', code: '', tee });
    assert.equal(result.affirmed, true, result.summary);
  });
}

test('evidence that meets every demand on a model is affirmed, and shows each', async () => {
  const demand = {
    name: 'double',
    selfTest: { vectors: '01'.repeat(32), outputs: ['03'.repeat(32), '02'.repeat(32)] },
  };
  const launched = { name: 'double', selfTest: { vectors: fill(1), outputs: fill(2) } };
  const { result } = await judge({
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

const groups = { bundles, hardware, binding, manifests, admission, 'event logs': eventLogs };
for (const [group, cases] of Object.entries(groups)) {
  describe(`refused: ${group}`, () => {
    for (const given of cases) {
      test(`${given.name}: ${given.code}`, async () => {
        const { result, enclave } = await judge(given);
        assert.equal(result.affirmed, false);
        assert.equal(result.code, given.code, result.summary);
        const failed = result.checks
          .filter(({ outcome }) => outcome === 'fail')
          .map(({ id }) => id);
        if (result.authentic) {
          assert.deepEqual(new Set(failed), new Set([given.code, ...(given.also ?? [])]));
        } else {
          assert.equal(enclave, null);
          assert.equal(result.fresh, false);
        }
      });
    }
  });
}
