import { toHex } from '../../attestation/encoding/bytes.js';
import { type Agreement, relateAnswers } from '../client/agreement.js';
import type { ExcludedNode, Tally, Vote } from '../client/quorum.js';
import type { Tensor } from '../client/tensor.js';
import type { Json } from './io.js';
import { printable, type Style } from './output.js';
import { excludedJson, relationJson, relationLines } from './relation-text.js';
import { simulatedBanner } from './render-result.js';
import { tensorSection, tensorToJson } from './tensor-text.js';

/** What a request to all nodes came to. */
export interface Decision {
  readonly outputs: readonly Tensor[] | null;
  readonly tally: Tally;
  readonly excluded: readonly ExcludedNode[];
  /** Null where no node was affirmed and nothing tells. */
  readonly simulated: boolean | null;
  /** Affirmed enclaves, where they were too few to be asked; null where they were asked. */
  readonly tooFew: number | null;
}

function voteJson(
  { target, answer }: Vote,
  reference: Vote | undefined,
  agreement: Agreement,
): Json {
  const { outputs, index, claims } = answer;
  return {
    target,
    index,
    epoch: toHex(claims.epoch),
    execution: toHex(claims.execution),
    relation:
      reference === undefined
        ? null
        : relationJson(relateAnswers(reference.answer.outputs, outputs, agreement)),
  };
}

/** What was decided, as JSON. */
export function decisionJson(decision: Decision, agree: number, agreement: Agreement): Json {
  const { outputs, tally, excluded, simulated, tooFew } = decision;
  const { agreeing, dissenting, failed } = tally;
  const [reference] = agreeing;
  const votes = (list: readonly Vote[]): Json =>
    list.map((vote) => voteJson(vote, reference, agreement));
  return {
    agreed: outputs !== null,
    agree,
    simulated,
    tooFew,
    outputs: outputs === null ? null : outputs.map(tensorToJson),
    agreeing: votes(agreeing),
    dissenting: votes(dissenting),
    failed: excludedJson(failed),
    excluded: excludedJson(excluded),
  };
}

/** What was decided, for people. */
export function decisionText(
  style: Style,
  decision: Decision,
  agree: number,
  agreement: Agreement,
): string {
  const { outputs, tally, excluded, simulated, tooFew } = decision;
  const { agreeing, dissenting, failed } = tally;
  const [reference] = agreeing;
  const nodes = agreeing.length + dissenting.length + failed.length + excluded.length;
  const verdict =
    tooFew === null
      ? `${agreeing.length} of ${nodes} nodes agree, ${agree} must`
      : `${tooFew + excluded.length} targets lead to ${tooFew} affirmed enclaves, ${agree} must agree`;
  const voted = (title: string, votes: readonly Vote[]): string[] =>
    votes.flatMap(({ target, answer }) => [
      `${title} ${printable(target)}, answer ${answer.index} of its epoch`,
      ...(reference === undefined
        ? []
        : relationLines(relateAnswers(reference.answer.outputs, answer.outputs, agreement))),
    ]);
  const silent = (title: string, list: readonly ExcludedNode[]): string[] =>
    list.map(
      ({ target, error }) => `${title} ${printable(`${target}: ${error.code}: ${error.message}`)}`,
    );
  return [
    simulatedBanner(style, simulated === true).trimEnd(),
    `${outputs === null ? style.red('NO QUORUM') : style.green('AGREED')}: ${verdict}`,
    ...(outputs ?? []).map((tensor) => tensorSection(style, tensor).trimEnd()),
    ...voted(style.green('agrees'), agreeing),
    ...voted(style.red('DISSENTS'), dissenting),
    ...silent(style.yellow('failed'), failed),
    ...silent(style.yellow('not affirmed'), excluded),
  ]
    .filter((line) => line !== '')
    .join('\n');
}
