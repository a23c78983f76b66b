import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeRuntimeLog, encodeRuntimeLog } from '../../../attestation/evidence/event-log.js';
import { affirmingPolicy } from '../../forge/enclave.js';
import { fill } from '../../forge/fill.js';
import {
  type EvidenceCase,
  judgeEvidence,
  models,
  refusedEvidence,
} from '../../forge/judge-evidence.js';

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
    name: 'a model with a digest longer than any',
    code: 'enclave.event-log.others',
    fault: { events: (events) => [...events, { type: 'model', content: fill(1, 64 * 1024) }] },
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

test('models that are stated and that no launch policy allows are no others', async () => {
  const { result } = await judgeEvidence({
    name: 'no launch policy',
    code: '',
    tee: 'tdx',
    fault: {
      pinned: null,
      manifest: (m) => ({ ...m, launchPolicy: null }),
      bundle: (b) => ({ ...b, launchPolicy: null }),
      events: (events) => events.slice(1),
    },
    policy: affirmingPolicy(models, { allowUnpinned: true }),
  });
  const others = result.checks.find(({ id }) => id === 'enclave.event-log.others');
  assert.deepEqual([result.affirmed, others?.outcome], [true, 'pass']);
});
