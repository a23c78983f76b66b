import { verdictOf } from '../../attestation/appraisal/result.js';
import { type NoModelError, outcomeOf, type ReplayedProof } from '../replay/replay-proof.js';
import { EXIT, type ExitCode } from './exit-code.js';
import type { Json } from './io.js';
import { printable, type Style } from './output.js';
import { relationJson, relationLines } from './relation-text.js';

/** What became of one proof. */
export interface ReplayRow extends ReplayedProof {
  readonly file: string;
  /** Of a proof that was not executed because nothing at hand has its model. */
  readonly noModel?: NoModelError;
}

/** Exit code of one replay: a contradiction is refused, what could not be decided is unchecked. */
export function exitOfReplay({ result, replay, failure }: ReplayedProof): ExitCode {
  if (failure !== null) return EXIT.unchecked;
  if (replay === null) return EXIT[verdictOf(result)];
  if (replay.verdict === 'contradiction') return EXIT.refused;
  return replay.verdict === 'inconclusive' ? EXIT.unchecked : EXIT.affirmed;
}

/** The worst of all: what is refused, then what could not be decided. */
export function worstExit(exits: readonly ExitCode[]): ExitCode {
  return [EXIT.refused, EXIT.unchecked].find((code) => exits.includes(code)) ?? EXIT.affirmed;
}

/** A replay for people: the verdict, how far the outputs are apart, what differs in the profile. */
export function replayText(style: Style, row: ReplayRow): string {
  const { file, result, replay, failure, noModel } = row;
  const banner = result.simulated ? style.yellow(' (SIMULATED)') : '';
  if (failure !== null) {
    const why = style.yellow(noModel === undefined ? 'NOT EXECUTED' : 'NO MODEL');
    return `${why}${banner} ${printable(file)}: ${printable(failure)}\n`;
  }
  if (replay === null) {
    const verdict = style.red(verdictOf(result).toUpperCase());
    return `${verdict}${banner} ${printable(file)}: ${printable(result.summary)}\n`;
  }
  const paint = {
    identical: style.green,
    within: style.green,
    contradiction: style.red,
    inconclusive: style.yellow,
  }[replay.verdict];
  const profile = replay.profile.map(
    ({ member, attested, replayed }) =>
      `  profile ${member}: ${attested} attested, ${replayed} here`,
  );
  const declared = replay.tolerances === null ? [] : [`  tolerances of ${replay.tolerances}`];
  const lines = [...relationLines(replay.relation), ...[...profile, ...declared].map(printable)];
  return [`${paint(replay.verdict.toUpperCase())}${banner} ${printable(file)}`, ...lines, ''].join(
    '\n',
  );
}

/** The same for scripts. */
export function replayJson({ file, noModel, ...replayed }: ReplayRow): Json {
  const { result, replay, failure } = replayed;
  return {
    file,
    simulated: result.simulated,
    evidence: { verdict: verdictOf(result), code: result.code, summary: result.summary },
    verdict: noModel === undefined ? outcomeOf(replayed) : 'no-model',
    failure,
    relation: replay === null ? null : relationJson(replay.relation),
    tolerances: replay?.tolerances ?? null,
    profile: replay === null ? null : replay.profile.map((difference) => ({ ...difference })),
  };
}
