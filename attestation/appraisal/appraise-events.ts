import { concat, equalBytes, isZero, toHex } from '../encoding/bytes.js';
import { type RuntimeEvent, replayRuntimeLog } from '../evidence/event-log.js';
import { flag } from './appraise-models.js';
import type { EnclaveStatement } from './enclave-statement.js';
import type { Findings } from './findings.js';
import type { EnclavePolicy } from './policy-enclave.js';
import { CHAIN_OF_TRUST } from './references-enclave.js';

/**
 * On TDX the log must lead to RTMR3, begin with the launch policy, and tell of every model. The log is no
 * part of what the hardware signs: whoever passes the bundle on can leave it out, so that it may be missing
 * only where nothing was extended.
 */
export function eventFindings(
  findings: Findings,
  stated: EnclaveStatement,
  policy: EnclavePolicy,
): void {
  const { rtmr3, events } = stated;
  if (rtmr3 === null) return;
  const untouched = isZero(rtmr3);
  findings.check(
    'enclave.event-log',
    events !== null,
    {
      expected: 'an RTMR3 event log',
      actual: events === null ? `none, and RTMR3 ${toHex(rtmr3)}` : `${events.length} events`,
      reference: CHAIN_OF_TRUST.events,
    },
    {
      pass: 'The evidence carries the events that were extended into RTMR3.',
      fail: untouched
        ? 'The evidence carries no RTMR3 event log: the kernel may be too old for run-time registers.'
        : 'The evidence carries no RTMR3 event log, although RTMR3 was extended: it was left out.',
    },
    untouched ? flag(policy.allowMissingEventLog, 'allowMissingEventLog') : undefined,
  );
  if (events === null) return;
  const replayed = replayRuntimeLog(events);
  findings.check(
    'enclave.event-log.rtmr3',
    equalBytes(replayed, rtmr3),
    { expected: toHex(replayed), actual: toHex(rtmr3), reference: CHAIN_OF_TRUST.events },
    {
      pass: 'RTMR3 is what these events, in this order, lead to.',
      fail: 'RTMR3 is not what these events, in this order, lead to.',
    },
  );
  policyEventFinding(findings, events, stated);
  modelEventFindings(findings, events, stated);
}

/** The first event names the launch policy: everything after it was done under that policy. */
function policyEventFinding(
  findings: Findings,
  [first]: readonly RuntimeEvent[],
  { manifest: { launchPolicy } }: EnclaveStatement,
): void {
  if (launchPolicy === null) return;
  const named = first?.type === 'launch-policy' ? first.content : new Uint8Array();
  findings.check(
    'enclave.event-log.launch-policy',
    equalBytes(named, launchPolicy),
    {
      expected: `launch-policy ${toHex(launchPolicy)}`,
      actual: first === undefined ? 'no events' : `${first.type} ${toHex(first.content)}`,
      reference: CHAIN_OF_TRUST.events,
    },
    {
      pass: 'The launch policy was extended into RTMR3 before anything else.',
      fail: 'The first event of RTMR3 is not the launch policy that the manifest names.',
    },
  );
}

/** Graph and execution digests of the models that are loaded after these events. */
function loadedAfter(events: readonly RuntimeEvent[]): ReadonlySet<string> {
  const times = new Map<string, number>();
  for (const { type, content } of events) {
    const model = toHex(content);
    const before = times.get(model) ?? 0;
    if (type === 'model') times.set(model, before + 1);
    if (type === 'unload' && before > 0) times.set(model, before - 1);
  }
  return new Set([...times].filter(([, loaded]) => loaded > 0).map(([model]) => model));
}

/** The execution of an entry that accepts any. */
const ANY = new Uint8Array();
/** Of an event that tells of a model: its graph and execution digests, bytes. */
const MODEL_BYTES = 64;

function isOfModel({ type, content }: RuntimeEvent): boolean {
  return (type === 'model' || type === 'unload') && content.length === MODEL_BYTES;
}

function modelEventFindings(
  findings: Findings,
  events: readonly RuntimeEvent[],
  { manifest, launchPolicy }: EnclaveStatement,
): void {
  const loaded = loadedAfter(events);
  const stated = new Set(
    manifest.models.map((model) => toHex(concat(model.graph, model.execution))),
  );
  const missing = [...stated].filter((model) => !loaded.has(model));
  findings.check(
    'enclave.event-log.models',
    missing.length === 0,
    {
      expected: [...stated].join(', ') || 'no model',
      actual: [...loaded].join(', ') || 'no model',
      reference: CHAIN_OF_TRUST.events,
    },
    {
      pass: 'Every model of the manifest was extended into RTMR3 before it was loaded.',
      fail: 'The manifest states models that RTMR3 does not tell of.',
    },
  );
  // Manifests before this one may have stated what is unloaded by now; a launch policy holds from the start.
  const judged =
    launchPolicy === null
      ? loaded
      : new Set(events.flatMap(({ type, content }) => (type === 'model' ? [toHex(content)] : [])));
  const allowed = new Set(
    launchPolicy?.models.map(({ graph, execution }) => toHex(concat(graph, execution ?? ANY))),
  );
  const others = [...judged].filter(
    (model) => !stated.has(model) && !allowed.has(model) && !allowed.has(model.slice(0, 64)),
  );
  const strange = events.filter(
    (event, i) =>
      !isOfModel(event) &&
      !(i === 0 && event.type === 'launch-policy' && manifest.launchPolicy !== null),
  );
  // A model is extended before it is loaded and stated, and again once its last request is answered. Where no
  // launch policy is in force it could be any: to refuse it between the two would refuse a node at every load.
  const anyMayCome = manifest.launchPolicy === null;
  findings.check(
    'enclave.event-log.others',
    (anyMayCome || others.length === 0) && strange.length === 0,
    {
      expected: `${anyMayCome ? '' : 'no other model than those that are stated or allowed, and '}no other event than of models and the launch policy`,
      actual: [...others, ...strange.map(({ type }) => type)].join(', ') || 'none',
      reference: CHAIN_OF_TRUST.events,
    },
    {
      pass: othersText(launchPolicy !== null, others),
      fail: 'RTMR3 tells of something that neither the manifest nor the launch policy has.',
    },
  );
}

function othersText(pinned: boolean, others: readonly string[]): string {
  if (pinned) return 'Nothing else was ever loaded.';
  if (others.length === 0) return 'Nothing else is loaded.';
  return 'Beside them a model is loaded that this manifest does not state: it is on its way in or out.';
}
