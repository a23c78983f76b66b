import { toHex } from '../encoding/bytes.js';
import { AssayError } from '../encoding/error.js';
import { decodeRuntimeLog, runtimeEventDigest } from '../evidence/event-log.js';
import { findReplayFault, type ReplayFault } from '../evidence/replay.js';
import {
  eventTypeName,
  extendedEvents,
  parseTcgEventLog,
  replayDigests,
} from '../evidence/tcg-event-log.js';
import type { AuthenticatedTdx } from './authenticate-tdx.js';
import type { Findings } from './findings.js';

const TCG = 'TCG PC Client Platform Firmware Profile, section 10; UEFI 2.10, section 38.4.1';
const RUNTIME = 'Assay RTMR3 log';

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

/**
 * Replays a CCEL log against RTMR0 to RTMR2 of an authentic quote, and against RTMR3 unless Assay's
 * own log speaks for it. Events of MRTD are of the launch and are not replayed.
 */
export function appraiseCcel(
  findings: Findings,
  { quote }: AuthenticatedTdx,
  bytes: Uint8Array,
  hasRuntimeLog: boolean,
): void {
  withLog(findings, 'tdx.event-log', TCG, () => {
    const log = parseTcgEventLog(bytes);
    quote.report.rtmrs.forEach((value, i) => {
      if (i === 3 && hasRuntimeLog) return;
      const events = extendedEvents(log, i + 1, 'sha384').map(({ event, digest }) => ({
        digest,
        name: `event ${event.index} (${eventTypeName(event.type)})`,
      }));
      registerFinding(findings, `tdx.event-log.rtmr${i}`, `RTMR${i}`, value, events, TCG);
    });
  });
}

/** Replays Assay's own log against RTMR3 of an authentic quote. */
export function appraiseRuntimeLog(
  findings: Findings,
  { quote }: AuthenticatedTdx,
  bytes: Uint8Array,
): void {
  withLog(findings, 'tdx.runtime-log', RUNTIME, () => {
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
      RUNTIME,
    );
  });
}
