import { toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { connect } from '../client/connect.js';
import { serviceStatus } from '../client/service-status.js';
import type { Tolerances } from '../hub/package.js';
import { type AuditedEntry, auditLog, type EntryOutcome, type LogAudit } from '../replay/audit.js';
import type { AuditedLog } from '../replay/audited-log.js';
import type { ProofFault } from '../replay/consult-log.js';
import type { Executor } from '../replay/executor.js';
import { LiveLog } from '../replay/live-log.js';
import { PublishedLog } from '../replay/published-log.js';
import { type Confidence, confidenceOf } from '../replay/sample.js';
import type { Appraisal } from './appraisal-options.js';
import type { Attestation } from './attestation-options.js';
import { EXIT, type ExitCode, exitCodeOf } from './exit-code.js';
import { readInput } from './input-files.js';
import type { Io, Json } from './io.js';
import { printable, type Style, section } from './output.js';
import { simulatedBanner } from './render-result.js';
import { exitOfReplay, replayJson, replayText, worstExit } from './replay-text.js';

/** Which log is audited, if any. */
export interface LogFlags {
  readonly log?: string;
  readonly logTarget?: string;
}

/** Opens the log that the flags name; undefined where they name none. Throws USAGE_OPTION for two. */
export async function openLog(
  { log, logTarget }: LogFlags,
  { policy, options }: Attestation,
): Promise<{ readonly log: AuditedLog; close(): void } | undefined> {
  if (log !== undefined && logTarget !== undefined) {
    throw new AssayError('USAGE_OPTION', 'expected --log or --log-target, not both');
  }
  if (log !== undefined) return { log: await PublishedLog.read(log), close: () => {} };
  if (logTarget === undefined) return undefined;
  const session = await connect(logTarget, policy, options);
  try {
    return { log: await LiveLog.open(session), close: () => session.close() };
  } catch (error) {
    session.close();
    throw error;
  }
}

const MEANING: { readonly [outcome in EntryOutcome]: string } = {
  identical: 'the same bits',
  within: 'other bits, within the tolerance',
  inconclusive: 'other bits under another profile, and no tolerance says whether that is too far',
  contradiction: 'not what the model computes',
  'not-executed': 'the request could not be executed again',
  refused: 'the proof at hand is not affirmed',
  'no-model': 'no model at hand computes this',
  unavailable: 'no proof at hand, or older than what the node keeps',
  unaudited: 'not looked at, or not proven to be of the log, when the audit was interrupted',
  manifest: 'no answer: a manifest of the enclave',
};

const EXITS: { readonly [outcome in EntryOutcome]: ExitCode } = {
  identical: EXIT.affirmed,
  within: EXIT.affirmed,
  manifest: EXIT.affirmed,
  inconclusive: EXIT.unchecked,
  'not-executed': EXIT.unchecked,
  'no-model': EXIT.unchecked,
  unavailable: EXIT.unchecked,
  unaudited: EXIT.unchecked,
  contradiction: EXIT.refused,
  refused: EXIT.refused,
};

/** A proof that is not affirmed may be refused, or one that could not be checked. */
function exitOfEntry({ outcome, replayed }: AuditedEntry): ExitCode {
  return outcome === 'refused' && replayed !== null ? exitOfReplay(replayed) : EXITS[outcome];
}

const outcomes = Object.keys(MEANING) as EntryOutcome[];
const PLACES = 20;

function indices(audit: LogAudit, outcome: EntryOutcome): number[] {
  return audit.entries.filter((entry) => entry.outcome === outcome).map(({ index }) => index);
}

/**
 * What the sample says of all answers whose proofs could be had, if nothing in it was wrong. Nothing where
 * the audit was interrupted: whoever answered until then chose what was looked at.
 */
function confidence({ head }: AuditedLog, audit: LogAudit): Confidence | null {
  const count = (outcome: EntryOutcome): number => indices(audit, outcome).length;
  const none =
    audit.interruption !== null ||
    audit.fault !== null ||
    audit.contradicted.length > 0 ||
    audit.entries.some((entry) => exitOfEntry(entry) === EXIT.refused);
  const undrawn = head.size - 1 - audit.entries.length;
  return none ? null : confidenceOf(count('identical') + count('within'), undrawn);
}

const percent = (part: number): string => `${Number((part * 100).toPrecision(3))} %`;

function confidenceText({ replayed, population, missed, bound95 }: Confidence): string {
  const lines = missed.map(
    ({ wrong, probability }) =>
      `  if ${percent(wrong)} of them were wrong, the sample had missed all of those with probability at most ${probability.toPrecision(3)}`,
  );
  return [
    `${replayed} answers replayed, none wrong. Of the ${population} that were replayed or not drawn, as far as they can be replayed:`,
    ...lines,
    `  with 95 % confidence at most ${percent(bound95)} of them are wrong`,
    '',
  ].join('\n');
}

/** Why nothing of the sample was executed again; null where something was. */
function idleReason(log: AuditedLog, { entries, later, interruption }: LogAudit): string | null {
  if (entries.some(({ replayed }) => replayed !== null)) return null;
  if (interruption !== null) return 'the audit was interrupted';
  const ahead = later === 0 ? '' : `; ${later} proofs at hand are of entries after it`;
  if (log.head.size === 1) {
    return `the head covers no answer${ahead}: heads are published at the start, every 256 entries and at shutdown`;
  }
  if (entries.length === 0) return 'the sample has no entry';
  return `no entry of the sample has a proof at hand that a model here computes${ahead}`;
}

/** What an interrupted audit did not look at, and so does not tell; null where nothing interrupted it. */
function incomplete(audit: LogAudit) {
  const { interruption, unjudged, settled } = audit;
  if (interruption === null) return null;
  const { code, message } = interruption;
  return {
    code,
    message,
    entries: indices(audit, 'unaudited').length,
    receipts: unjudged,
    settled,
  };
}

function incompleteText(style: Style, audit: LogAudit): string {
  const left = incomplete(audit);
  if (left === null) return '';
  const lines = [
    `${left.entries} of ${audit.entries.length} entries of the sample were not audited`,
    ...(left.receipts === 0
      ? []
      : [`${left.receipts} receipts at hand were not held against the log`]),
    ...(left.settled ? [] : ['what the log showed is not proven to be of one log']),
  ];
  const why = `${style.red('INCOMPLETE')}: ${left.code}, ${printable(left.message)}`;
  return `${[why, ...lines.map((line) => `  ${line}`)].join('\n')}\n\n`;
}

/** What the log showed is not of one log; or nobody proved that it is, which contradicts nothing. */
function faultText(style: Style, { fault }: LogAudit): string {
  if (fault === null) return '';
  const heading =
    fault.code === 'RECEIPT_UNSETTLED'
      ? style.yellow('NOT PROVEN TO BE ONE LOG')
      : style.red('NOT ONE LOG');
  return `\n${heading}: ${fault.code}, ${printable(fault.message)}\n`;
}

function auditText(style: Style, log: AuditedLog, audit: LogAudit, drawn: string): string {
  const faults = (title: string, list: readonly ProofFault[]): string =>
    section(
      style,
      title,
      list.map(({ file, error }) => [file, error.code, error.message]),
    );
  const rows = outcomes.flatMap((outcome) => {
    const found = indices(audit, outcome);
    if (found.length === 0) return [];
    const places = EXITS[outcome] === EXIT.affirmed ? [] : found.slice(0, PLACES);
    const more = places.length > 0 && found.length > PLACES ? ' …' : '';
    const where = places.length === 0 ? '' : `: entries ${places.join(', ')}${more}`;
    return [[outcome, String(found.length), `${MEANING[outcome]}${where}`]];
  });
  const sure = confidence(log, audit);
  const idle = idleReason(log, audit);
  return [
    simulatedBanner(style, audit.simulated),
    incompleteText(style, audit),
    section(style, 'Log', [
      ['entries', String(log.head.size)],
      ['root', toHex(log.head.root)],
      ['signed by', toHex(log.head.keyId)],
      ['with a proof at hand', String(audit.held)],
      ...(audit.later === 0 ? [] : [['later, with a proof at hand', String(audit.later)]]),
    ]),
    `\n${section(style, `Sample: ${drawn}`, rows)}`,
    faultText(style, audit),
    faults(style.red('CONTRADICTED by the log or by each other'), audit.contradicted),
    faults('Not proofs of this log', audit.outside),
    ...audit.entries.flatMap(({ file, replayed }) =>
      replayed === null || exitOfReplay(replayed) === EXIT.affirmed
        ? []
        : [replayText(style, { file: file ?? '', ...replayed })],
    ),
    idle === null ? '' : `\n${style.yellow('NOTHING REPLAYED')}: ${idle}\n`,
    sure === null ? '' : `\n${confidenceText(sure)}`,
  ].join('');
}

function auditJson(log: AuditedLog, audit: LogAudit): { readonly [name: string]: Json } {
  const faults = (list: readonly ProofFault[]): Json =>
    list.map(({ file, error }) => ({ file, code: error.code, message: error.message }));
  const sure = confidence(log, audit);
  return {
    simulated: audit.simulated,
    incomplete: incomplete(audit),
    nothingReplayed: idleReason(log, audit),
    log: {
      size: log.head.size,
      root: toHex(log.head.root),
      keyId: toHex(log.head.keyId),
      held: audit.held,
      later: audit.later,
    },
    counts: Object.fromEntries(outcomes.map((name) => [name, indices(audit, name).length])),
    confidence: sure && { ...sure, missed: sure.missed.map((line) => ({ ...line })) },
    fault: audit.fault && { code: audit.fault.code, message: audit.fault.message },
    contradicted: faults(audit.contradicted),
    outside: faults(audit.outside),
    entries: audit.entries.map(({ index, outcome, file, replayed }) => ({
      index,
      outcome,
      file,
      replay: replayed === null ? null : replayJson({ file: file ?? '', ...replayed }),
    })),
  };
}

/**
 * Exit code for what ended a replay early. A replay asks what its proofs and its log lead to: a node that calls
 * that a wrong call fails, and nobody called the command wrongly.
 */
export function exitOfInterruption(error: AssayError): ExitCode {
  return serviceStatus(error) === undefined ? exitCodeOf(error) : EXIT.service;
}

/** A fault that was found stays one, whatever interrupted the audit later. */
function exitOfAudit(audit: LogAudit, idle: boolean): ExitCode {
  const found = worstExit([
    ...audit.entries.map(exitOfEntry),
    ...(audit.contradicted.length > 0 ? [EXIT.refused] : []),
    ...(audit.fault === null ? [] : [exitCodeOf(audit.fault)]),
    ...(idle ? [EXIT.unchecked] : []),
  ]);
  const { interruption } = audit;
  if (found === EXIT.refused || interruption === null) return found;
  return exitOfInterruption(interruption);
}

/** Audits a log with the proofs of these files, and prints what was found, also where that was interrupted. */
export async function auditFiles(
  io: Io,
  log: AuditedLog,
  job: {
    readonly files: readonly string[];
    readonly appraisal: Appraisal;
    readonly executor: Executor;
    readonly agreement: Tolerances | undefined;
    readonly seed: Uint8Array;
    readonly fraction: number;
  },
): Promise<void> {
  const { files, appraisal, seed, fraction, ...rest } = job;
  const proofs = files.map((file) => ({ file, read: () => readInput(io, file) }));
  const audit = await io.during('auditing', (progress) =>
    auditLog(log, proofs, {
      ...rest,
      seed,
      fraction,
      policy: appraisal.policy,
      appraisal: appraisal.options,
      onProgress: (text) => progress.update(text),
    }),
  );
  io.exitCode = exitOfAudit(audit, idleReason(log, audit) !== null);
  const drawn = `${audit.entries.length} of ${log.head.size - 1} entries (${percent(fraction)}), by the seed ${toHex(seed)}`;
  io.print({ seed: toHex(seed), fraction, ...auditJson(log, audit) }, (style) =>
    auditText(style, log, audit, drawn),
  );
}
