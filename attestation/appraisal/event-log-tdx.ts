import { isZero, toHex } from '../encoding/bytes.js';
import { AssayError } from '../encoding/error.js';
import { decodeRuntimeLog, runtimeEventDigest } from '../evidence/event-log.js';
import { findReplayFault, type ReplayFault, replayDigests } from '../evidence/replay.js';
import {
  eventTypeName,
  extendedEvents,
  NO_ACTION,
  parseTcgEventLog,
  type TcgEventLog,
} from '../evidence/tcg-event-log.js';
import type { AuthenticatedTdx } from './authenticate-tdx.js';
import type { Findings } from './findings.js';
import { TDX_REFERENCES } from './references-tdx.js';

/** RTMR3 in the CC protocol, where 0 is MRTD and 1 is RTMR0. */
const RTMR3 = 4;

/** An extend that a log tells of. */
interface LoggedExtend {
  readonly digest: Uint8Array;
  /** For people, for example `event 12 (EV_SEPARATOR)`. */
  readonly name: string;
}

function explain(fault: ReplayFault, logged: readonly LoggedExtend[], register: string): string {
  const name = logged[fault.at]?.name ?? 'the empty log';
  if (fault.kind === 'added') return `${register} was never extended with ${name} of the log.`;
  if (fault.kind === 'reordered') {
    return `${register} was extended with ${name} before the event that the log has ahead of it.`;
  }
  return `The log does not lead to ${register}: after its ${logged.length} events, the last of them ${name}, the register would differ.`;
}

function registerFinding(
  findings: Findings,
  id: string,
  register: string,
  value: Uint8Array,
  logged: readonly LoggedExtend[],
  reference: string,
): void {
  const digests = logged.map(({ digest }) => digest);
  const fault = findReplayFault(digests, value);
  findings.check(
    id,
    fault === undefined,
    { expected: toHex(replayDigests(digests)), actual: toHex(value), reference },
    {
      pass: `The log’s ${logged.length} events are what ${register} was extended with.`,
      fail: fault === undefined ? '' : explain(fault, logged, register),
    },
  );
}

/** Runs `check`, which parses a log; a log that does not parse is a failed finding. */
function withLog(findings: Findings, id: string, reference: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof AssayError)) throw error;
    findings.check(
      id,
      false,
      { expected: 'a well-formed event log', actual: error.message, reference },
      { pass: '', fail: `The event log does not parse: ${error.message}.` },
    );
  }
}

/** Why a register up to `last` cannot be held to all of the log: its digests, or an event and its register. */
function unbound({ algorithms, events }: TcgEventLog, last: number): string | undefined {
  if (!algorithms.includes('sha384')) {
    return `its digests are ${algorithms.join(' and ')}, and the registers are extended with sha384 alone`;
  }
  const found = events.find(({ register, type, digests }) =>
    type === NO_ACTION
      ? !digests.every(({ digest }) => isZero(digest))
      : register < 1 || register > last,
  );
  if (found === undefined) return undefined;
  const name = `event ${found.index} (${eventTypeName(found.type)})`;
  if (found.type === NO_ACTION) {
    return `${name}, which extends nothing, has a digest for register ${found.register}`;
  }
  return found.register === RTMR3
    ? `${name} is of RTMR3, which the runtime log alone speaks for`
    : `${name} is of register ${found.register}, which no event extends`;
}

/**
 * Replays a CCEL log against RTMR0 to RTMR2 of an authentic quote, and against RTMR3 unless Assay's
 * own log speaks for it, which is then whole and leaves no room for the firmware's. Every event has to be
 * one of those and to have a SHA-384 digest, so that a register vouches for the digest of each: MRTD is
 * complete before the firmware runs. Nothing vouches for an event's type, its digests of other algorithms,
 * or data that the digest is not of. EV_NO_ACTION extends nothing, and so says nothing of the guest; its
 * digests are zeros. A log of other digests is not replayed: its registers would be those of an empty one.
 */
export function appraiseCcel(
  findings: Findings,
  { quote }: AuthenticatedTdx,
  bytes: Uint8Array,
  hasRuntimeLog: boolean,
): void {
  withLog(findings, 'tdx.event-log', TDX_REFERENCES.eventLog, () => {
    const log = parseTcgEventLog(bytes);
    const last = hasRuntimeLog ? RTMR3 - 1 : RTMR3;
    const reason = unbound(log, last);
    findings.check(
      'tdx.event-log.events',
      reason === undefined,
      {
        expected: `events of RTMR0 to RTMR${last - 1} alone, with sha384 digests`,
        actual: reason ?? `${log.events.length} events`,
        reference: TDX_REFERENCES.eventLog,
      },
      {
        pass: 'Every event of the log is of a register that its digest is replayed against.',
        fail: `The log tells of what no register vouches for: ${reason}.`,
      },
    );
    if (!log.algorithms.includes('sha384')) return;
    quote.report.rtmrs.slice(0, last).forEach((value, i) => {
      const events = extendedEvents(log, i + 1, 'sha384').map(({ event, digest }) => ({
        digest,
        name: `event ${event.index} (${eventTypeName(event.type)})`,
      }));
      registerFinding(
        findings,
        `tdx.event-log.rtmr${i}`,
        `RTMR${i}`,
        value,
        events,
        TDX_REFERENCES.eventLog,
      );
    });
  });
}

/** Replays Assay's own log against RTMR3 of an authentic quote. */
export function appraiseRuntimeLog(
  findings: Findings,
  { quote }: AuthenticatedTdx,
  bytes: Uint8Array,
): void {
  withLog(findings, 'tdx.runtime-log', TDX_REFERENCES.runtimeLog, () => {
    const logged = decodeRuntimeLog(bytes).map((event, i) => ({
      digest: runtimeEventDigest(event),
      name: `event ${i} (${event.type})`,
    }));
    registerFinding(
      findings,
      'tdx.runtime-log.rtmr3',
      'RTMR3',
      quote.report.rtmrs[3],
      logged,
      TDX_REFERENCES.runtimeLog,
    );
  });
}
