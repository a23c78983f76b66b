import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verifyTdx } from '../../../../attestation/appraisal/verify-tdx.js';
import { utf8 } from '../../../../attestation/encoding/bytes.js';
import { sha384 } from '../../../../attestation/encoding/hash.js';
import {
  encodeRuntimeLog,
  type RuntimeEvent,
  replayRuntimeLog,
} from '../../../../attestation/evidence/event-log.js';
import { replayDigests } from '../../../../attestation/evidence/replay.js';
import {
  eventTypeName,
  extendedEvents,
  isDataCovered,
  parseTcgEventLog,
} from '../../../../attestation/evidence/tcg-event-log.js';
import type { TdReport } from '../../../../attestation/evidence/td-report.js';
import { forgeTdx } from '../../../forge/intel.js';
import { tdxPolicy } from '../../../forge/platform-policy.js';
import { BOOT_EVENTS, forgeTcgLog, type LoggedEvent } from '../../../forge/tcg-log.js';

const at = new Date('2026-11-21T00:00:00Z');
const RUNTIME: readonly RuntimeEvent[] = [
  { type: 'launch-policy', content: new Uint8Array(48).fill(1) },
  { type: 'model', content: new Uint8Array(32).fill(2) },
  { type: 'model', content: new Uint8Array(32).fill(3) },
];

const registerOf = (log: Uint8Array, register: number): Uint8Array =>
  replayDigests(
    extendedEvents(parseTcgEventLog(log), register, 'sha384').map(({ digest }) => digest),
  );

/** A TD that booted as the events say, or extended RTMR3 as Assay's log says. */
const booted =
  (rtmr3: Uint8Array) =>
  (report: TdReport): TdReport => {
    const log = forgeTcgLog(BOOT_EVENTS);
    return {
      ...report,
      rtmrs: [registerOf(log, 1), registerOf(log, 2), registerOf(log, 3), rtmr3],
    };
  };

async function failures(
  rtmr3: Uint8Array,
  expectations: { readonly eventLog?: Uint8Array; readonly runtimeLog?: Uint8Array },
): Promise<readonly string[]> {
  const { quote, collateral, roots } = await forgeTdx({ report: booted(rtmr3) });
  const policy = tdxPolicy({ allowUnknown: ['mrTd', 'rtmr0', 'rtmr1', 'rtmr2'] });
  const result = await verifyTdx(quote, collateral, policy, { at, roots }, expectations);
  return result.checks
    .filter(({ outcome }) => outcome === 'fail')
    .map(({ id, reason }) => `${id}: ${reason}`);
}

const fromCcel = registerOf(forgeTcgLog(BOOT_EVENTS), 4);

test('a log that leads to the registers is affirmed, padded or not', async () => {
  for (const filler of [0, 0xff]) {
    for (const length of [0, 1, 60_000]) {
      const eventLog = forgeTcgLog(BOOT_EVENTS, new Uint8Array(length).fill(filler));
      assert.deepEqual(await failures(fromCcel, { eventLog }), []);
    }
  }
  const runtimeLog = encodeRuntimeLog(RUNTIME);
  const rtmr3 = replayRuntimeLog(RUNTIME);
  assert.deepEqual(await failures(rtmr3, { runtimeLog }), []);
  const eventLog = forgeTcgLog(BOOT_EVENTS.filter(({ register }) => register !== 4));
  assert.deepEqual(await failures(rtmr3, { runtimeLog, eventLog }), []);
});

test('beside Assay’s log the firmware’s has no event of RTMR3', async () => {
  const runtimeLog = encodeRuntimeLog(RUNTIME);
  const found = (eventLog: Uint8Array): Promise<readonly string[]> =>
    failures(replayRuntimeLog(RUNTIME), { runtimeLog, eventLog });
  assert.deepEqual(await found(forgeTcgLog(BOOT_EVENTS)), [
    'tdx.event-log.events: The log tells of what no register vouches for: event 8 (EV_EVENT_TAG) is of RTMR3, which the runtime log alone speaks for.',
  ]);
  const silent = { register: 4, type: 3, data: utf8('nothing'), digest: new Uint8Array(48) };
  assert.deepEqual(await found(forgeTcgLog([...BOOT_EVENTS.slice(0, 8), silent])), []);
});

const swap = (a: number, b: number): LoggedEvent[] => {
  const events = [...BOOT_EVENTS];
  const [first, second] = [events[a], events[b]];
  if (first !== undefined && second !== undefined) [events[a], events[b]] = [second, first];
  return events;
};

test('a log that does not is refused, with the register and the event', async () => {
  const extra: LoggedEvent = { register: 2, type: 13, data: utf8('added') };
  const changed = BOOT_EVENTS.map((event) =>
    event.type === 13 ? { ...event, data: utf8('console=ttyS1') } : event,
  );
  const cases: readonly (readonly [string, readonly LoggedEvent[], RegExp])[] = [
    ['reordered', swap(1, 2), /^tdx\.event-log\.rtmr0: RTMR0 .* event 2 \(EV_EFI_VARIABLE/],
    [
      'added at the end',
      [...BOOT_EVENTS, extra],
      /^tdx\.event-log\.rtmr1: RTMR1 was never extended with event 9 \(EV_IPL\)/,
    ],
    [
      'added in the middle',
      [...BOOT_EVENTS.slice(0, 3), extra, ...BOOT_EVENTS.slice(3)],
      /^tdx\.event-log\.rtmr1: RTMR1 was never extended with event 3 \(EV_IPL\)/,
    ],
    [
      'truncated',
      BOOT_EVENTS.slice(0, -1),
      /^tdx\.event-log\.rtmr3: The log does not lead to RTMR3: after its 0 events/,
    ],
    [
      'truncated before the end',
      BOOT_EVENTS.filter((_, i) => i !== 7),
      /^tdx\.event-log\.rtmr2: The log does not lead to RTMR2: after its 1 events, the last of them event 6 \(EV_IPL\)/,
    ],
    ['changed', changed, /^tdx\.event-log\.rtmr2: The log does not lead to RTMR2/],
  ];
  for (const [name, events, expected] of cases) {
    const found = await failures(fromCcel, { eventLog: forgeTcgLog(events) });
    assert.equal(found.length, 1, name);
    assert.match(found[0] ?? '', expected, name);
  }
});

test('an event that no register vouches for is refused, with its register', async () => {
  const data = utf8('kernel cmdline: harmless');
  const found = async (event: LoggedEvent): Promise<readonly string[]> =>
    failures(fromCcel, { eventLog: forgeTcgLog([...BOOT_EVENTS, event]) });
  for (const register of [0, 5, 9, 0xffffffff]) {
    assert.deepEqual(await found({ register, type: 13, data }), [
      `tdx.event-log.events: The log tells of what no register vouches for: event 9 (EV_IPL) is of register ${register}, which no event extends.`,
    ]);
  }
  for (const register of [0, 2, 9]) {
    assert.deepEqual(await found({ register, type: 3, data, digest: new Uint8Array(48) }), []);
    const last = new Uint8Array(48).fill(1, 47);
    for (const event of [
      { register, type: 3, data },
      { register, type: 3, data, digest: last },
    ]) {
      assert.deepEqual(await found(event), [
        `tdx.event-log.events: The log tells of what no register vouches for: event 9 (EV_NO_ACTION), which extends nothing, has a digest for register ${register}.`,
      ]);
    }
  }
  const moved = BOOT_EVENTS.map((event, i) => (i === 8 ? { ...event, register: 9 } : event));
  const both = await failures(fromCcel, { eventLog: forgeTcgLog(moved) });
  assert.deepEqual(
    both.map((each) => each.split(':')[0]),
    ['tdx.event-log.events', 'tdx.event-log.rtmr3'],
  );
});

test('a log without SHA-384 digests is refused, also where no register was extended', async () => {
  const invented = BOOT_EVENTS.filter(({ digest }) => digest === undefined);
  const { quote, collateral, roots } = await forgeTdx({
    report: (report) => {
      const zero = new Uint8Array(48);
      return { ...report, rtmrs: [zero, zero, zero, zero] };
    },
  });
  const policy = tdxPolicy({ allowUnknown: ['mrTd', 'rtmr0', 'rtmr1', 'rtmr2'] });
  const outcomes = async (eventLog: Uint8Array) => {
    const result = await verifyTdx(quote, collateral, policy, { at, roots }, { eventLog });
    const found = result.checks.filter(({ id }) => id.startsWith('tdx.event-log'));
    return found.map(({ id, outcome, actual }) => ({ id, outcome, actual }));
  };
  assert.deepEqual(await outcomes(forgeTcgLog(invented, new Uint8Array(), ['sha256'])), [
    {
      id: 'tdx.event-log.events',
      outcome: 'fail',
      actual: 'its digests are sha256, and the registers are extended with sha384 alone',
    },
  ]);
  const empty = await outcomes(forgeTcgLog([]));
  assert.deepEqual(
    empty.map(({ outcome }) => outcome),
    Array(5).fill('pass'),
  );
});

test('of several digests the registers vouch for SHA-384', async () => {
  const log = (events: readonly LoggedEvent[]) =>
    forgeTcgLog(events, new Uint8Array(), ['sha256', 'sha384']);
  assert.deepEqual(await failures(fromCcel, { eventLog: log(BOOT_EVENTS.slice(1)) }), []);
  const [ipl] = BOOT_EVENTS.filter(({ type }) => type === 13);
  if (ipl === undefined) assert.fail();
  const rewritten = { ...ipl, data: utf8('harmless'), digest: sha384(ipl.data) };
  const { events } = parseTcgEventLog(log([ipl, rewritten]));
  assert.deepEqual(events.map(isDataCovered), [true, false]);
});

test('Assay’s own log is held to RTMR3', async () => {
  const rtmr3 = replayRuntimeLog(RUNTIME);
  const [policy, first, second] = RUNTIME;
  if (policy === undefined || first === undefined || second === undefined) assert.fail();
  const cases: readonly (readonly [readonly RuntimeEvent[], RegExp])[] = [
    [[policy, second, first], /RTMR3 was extended with event 2 \(model\) before/],
    [[policy, first], /does not lead to RTMR3: after its 2 events/],
    [[...RUNTIME, first], /never extended with event 3 \(model\)/],
    [[], /after its 0 events, the last of them the empty log/],
    [[{ ...policy, type: 'model' }, first, second], /does not lead to RTMR3/],
  ];
  for (const [events, expected] of cases) {
    const found = await failures(rtmr3, { runtimeLog: encodeRuntimeLog(events) });
    assert.equal(found.length, 1);
    assert.match(found[0] ?? '', expected);
    assert.match(found[0] ?? '', /^tdx\.runtime-log\.rtmr3: /);
  }
});

test('a log that does not parse is a failed check', async () => {
  const log = forgeTcgLog(BOOT_EVENTS);
  const patched = (offset: number, value: number): Uint8Array => {
    const bytes = new Uint8Array(log);
    bytes[offset] = value;
    return bytes;
  };
  const first = 32 + 33;
  const broken: readonly Uint8Array[] = [
    new Uint8Array(),
    log.slice(0, 40),
    log.slice(0, -1),
    patched(4, 4),
    patched(8, 1),
    patched(28, 0xff),
    patched(32, 0x20),
    patched(32 + 24, 9),
    patched(32 + 28, 0x12),
    patched(first + 8, 2),
    patched(first + 12, 0x0b),
    patched(first + 12 + 2 + 48 + 3, 0x7f),
    new Uint8Array(5 * 1024 * 1024),
  ];
  for (const eventLog of broken) {
    const found = await failures(fromCcel, { eventLog });
    assert.equal(found.length, 1);
    assert.match(found[0] ?? '', /^tdx\.event-log: The event log does not parse/);
  }
  for (const runtimeLog of [new Uint8Array(), Uint8Array.of(0xa0), new Uint8Array(5_000_000)]) {
    const found = await failures(fromCcel, { runtimeLog });
    assert.match(found[0] ?? '', /^tdx\.runtime-log: The event log does not parse/);
  }
});

test('what a digest covers is told apart from what it does not', () => {
  const { events } = parseTcgEventLog(forgeTcgLog(BOOT_EVENTS));
  assert.deepEqual(
    events.map(isDataCovered),
    BOOT_EVENTS.map(({ digest }) => digest === undefined),
  );
  const silent = forgeTcgLog([{ register: 2, type: 3, data: utf8('never extended') }]);
  assert.deepEqual(parseTcgEventLog(silent).events.map(isDataCovered), [false]);
  assert.equal(eventTypeName(0x80000003), 'EV_EFI_BOOT_SERVICES_APPLICATION');
  assert.equal(eventTypeName(0x12345), '0x12345');
});
