import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeRuntimeLog, encodeRuntimeLog } from '../../../attestation/evidence/event-log.js';
import type { BundleFault } from '../../forge/bundle.js';
import { affirmingPolicy, launchPolicyFor } from '../../forge/enclave.js';
import { fill } from '../../forge/fill.js';
import {
  type EvidenceCase,
  judgeEvidence,
  models,
  refusedEvidence,
} from '../../forge/judge-evidence.js';

/** What the log calls a model that no manifest states: its graph, then its execution. */
const strange = fill(1, 64);
const comesAndGoes: NonNullable<BundleFault['events']> = (events) => [
  ...events,
  { type: 'model', content: strange },
  { type: 'unload', content: strange },
];

/** The launch policy of these tests with one more entry. */
function launchPolicyWith(execution: Uint8Array | null): BundleFault {
  const { models: entries, ...rest } = launchPolicyFor(...models);
  return { policy: { ...rest, models: [...entries, { graph: fill(1), execution }] } };
}

/** Measured software alone says what is served. */
const unpinned: BundleFault = {
  pinned: null,
  manifest: (m) => ({ ...m, launchPolicy: null }),
  bundle: (b) => ({ ...b, launchPolicy: null }),
};

const logFaults: readonly EvidenceCase[] = [
  {
    name: 'no event log',
    code: 'enclave.event-log',
    fault: { bundle: (b) => ({ ...b, eventLog: null }) },
  },
  {
    name: 'no event log of a register that was extended, where one may be missing',
    code: 'enclave.event-log',
    fault: { bundle: (b) => ({ ...b, eventLog: null }) },
    policy: affirmingPolicy(models, { allowMissingEventLog: true }),
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
    name: 'a model that is neither stated nor allowed, and was loaded for a while',
    code: 'enclave.event-log.others',
    fault: { events: comesAndGoes },
  },
  {
    name: 'a model that was executed otherwise than the launch policy allows',
    code: 'enclave.event-log.others',
    fault: { ...launchPolicyWith(fill(2)), events: comesAndGoes },
  },
  {
    name: 'a launch policy that the manifest does not state',
    code: 'enclave.event-log.others',
    fault: unpinned,
    policy: affirmingPolicy(models, { allowUnpinned: true }),
  },
  ...['model', 'unload'].map((type) => ({
    name: `a digest longer than any, ${type}`,
    code: 'enclave.event-log.others',
    fault: {
      ...unpinned,
      events: (events) => [...events.slice(1), { type, content: fill(1, 64 * 1024) }],
    } satisfies BundleFault,
    policy: affirmingPolicy(models, { allowUnpinned: true }),
  })),
  {
    name: 'a model that is not stated, of a launch policy that the evidence leaves out',
    code: 'enclave.launch-policy.pinned',
    fault: {
      events: (events) => [...events, { type: 'model', content: strange }],
      bundle: (b) => ({ ...b, launchPolicy: null }),
    },
    policy: affirmingPolicy(models, { allowUnpinned: true }),
    also: [
      'enclave.development',
      'enclave.event-log.others',
      'enclave.launch-policy.enforced',
      'enclave.plaintext',
    ],
  },
  {
    name: 'a model that is stated and was not loaded',
    code: 'enclave.event-log.models',
    fault: { events: (events) => events.slice(0, -1) },
  },
];
const eventLogs = logFaults.map((given) => ({ ...given, tee: 'tdx' as const }));

refusedEvidence('event logs', eventLogs);

test('no event log of a register that is zero is waived, and shown', async () => {
  const { result } = await judgeEvidence({
    name: 'a kernel without run-time registers',
    code: '',
    tee: 'tdx',
    fault: { events: () => [], bundle: (b) => ({ ...b, eventLog: null }) },
    policy: affirmingPolicy(models, { allowMissingEventLog: true }),
  });
  assert.equal(result.affirmed, true, result.summary);
  const log = result.checks.find(({ id }) => id === 'enclave.event-log');
  assert.equal(log?.outcome, 'waived');
});

const quiet: readonly (EvidenceCase & { readonly says: string })[] = [
  {
    name: 'a model that the launch policy allows, executed in any way',
    code: '',
    fault: { ...launchPolicyWith(null), events: comesAndGoes },
    says: 'Nothing else was ever loaded.',
  },
  {
    name: 'a model that the launch policy allows as it was executed',
    code: '',
    fault: { ...launchPolicyWith(fill(1)), events: comesAndGoes },
    says: 'Nothing else was ever loaded.',
  },
  {
    name: 'models that are stated and that no launch policy allows',
    code: '',
    fault: { ...unpinned, events: (events) => events.slice(1) },
    says: 'Nothing else is loaded.',
  },
  {
    name: 'a model without a launch policy that a manifest before may have stated',
    code: '',
    fault: { ...unpinned, events: (events) => comesAndGoes(events.slice(1)) },
    says: 'Nothing else is loaded.',
  },
  {
    name: 'a model without a launch policy that is being loaded, or drained',
    code: '',
    fault: {
      ...unpinned,
      events: (events) => [...events.slice(1), { type: 'model', content: strange }],
    },
    says: 'Beside them a model is loaded that this manifest does not state: it is on its way in or out.',
  },
];
for (const { says, ...given } of quiet) {
  test(`${given.name}: no other`, async () => {
    const { result } = await judgeEvidence({
      ...given,
      tee: 'tdx',
      policy: affirmingPolicy(models, { allowUnpinned: true }),
    });
    const others = result.checks.find(({ id }) => id === 'enclave.event-log.others');
    assert.deepEqual([result.affirmed, others?.outcome, others?.reason], [true, 'pass', says]);
  });
}
