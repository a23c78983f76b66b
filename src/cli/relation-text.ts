import type { NumericDistance } from '../../attestation/model/distance.js';
import type { AnswerRelation } from '../client/agreement.js';
import type { OutputDistance } from '../client/output-distance.js';
import type { ExcludedNode } from '../client/quorum.js';
import type { Json } from './io.js';
import { printable } from './output.js';

const digits = (value: number): string =>
  Number.isFinite(value) && !Number.isInteger(value) ? value.toPrecision(3) : String(value);

/** A distance for people, one phrase a measure. */
export function numericTexts({ maxAbsolute, maxRelative, maxUlp, cosine }: NumericDistance) {
  return [
    `at most ${digits(maxAbsolute)} absolute`,
    `${digits(maxRelative)} relative`,
    `${digits(maxUlp)} ULP`,
    `cosine ${cosine.toFixed(6)}`,
  ];
}

function distanceText({ name, elements, differing, first, numeric }: OutputDistance): string {
  if (differing === 0) return `${name}: identical bits`;
  const where =
    first === null ? '' : `; the first at ${first.index}: ${first.reference} and ${first.actual}`;
  const far = numeric === null ? '' : `; ${numericTexts(numeric).join(', ')}`;
  return `${name}: ${differing} of ${elements} elements differ${where}${far}`;
}

/** How two answers compare, one line an output. */
export function relationLines(relation: AnswerRelation): readonly string[] {
  if (relation.kind === 'identical') return ['  every output has identical bits'];
  if (relation.kind === 'incomparable') return [`  ${printable(relation.reason)}`];
  return relation.outputs.map((distance) => `  ${printable(distanceText(distance))}`);
}

/** The same for scripts. */
export function relationJson(relation: AnswerRelation): Json {
  if (relation.kind === 'identical' || relation.kind === 'incomparable') return { ...relation };
  return {
    kind: relation.kind,
    outputs: relation.outputs.map(({ first, numeric, ...rest }) => ({
      ...rest,
      first: first === null ? null : { ...first },
      numeric: numeric && { ...numeric },
    })),
  };
}

/** Nodes that took no part, for scripts. */
export function excludedJson(excluded: readonly ExcludedNode[]): Json {
  return excluded.map(({ target, error: { code, message } }) => ({ target, code, message }));
}
