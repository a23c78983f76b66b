import type { AnswerRelation } from '../client/agreement.js';
import type { OutputDistance } from '../client/output-distance.js';
import type { Json } from './io.js';
import { printable } from './output.js';

const digits = (value: number): string =>
  Number.isFinite(value) ? value.toPrecision(3) : String(value);

function distanceText({ name, elements, differing, first, numeric }: OutputDistance): string {
  if (differing === 0) return `${name}: identical bits`;
  const where =
    first === null ? '' : `; the first at ${first.index}: ${first.reference} and ${first.actual}`;
  const far =
    numeric === null
      ? ''
      : `; at most ${digits(numeric.maxAbsolute)} absolute, ${digits(numeric.maxRelative)} relative, ${digits(numeric.maxUlp)} ULP; cosine ${numeric.cosine.toFixed(6)}`;
  return `${name}: ${differing} of ${elements} elements differ${where}${far}`;
}

/** How two answers compare, one line an output. */
export function relationLines(relation: AnswerRelation): readonly string[] {
  if (relation.kind === 'identical') return ['  every output has identical bits'];
  if (relation.kind === 'incomparable') return [`  ${printable(relation.reason)}`];
  return relation.outputs.map((distance) => `  ${printable(distanceText(distance))}`);
}

/** JSON has no infinity: it is text there. */
const number = (value: number): Json => (Number.isFinite(value) ? value : String(value));

/** The same for scripts. */
export function relationJson(relation: AnswerRelation): Json {
  if (relation.kind === 'identical' || relation.kind === 'incomparable') return { ...relation };
  return {
    kind: relation.kind,
    outputs: relation.outputs.map(({ first, numeric, ...rest }) => ({
      ...rest,
      first: first === null ? null : { ...first },
      numeric:
        numeric === null
          ? null
          : Object.fromEntries(
              Object.entries(numeric).map(([name, value]) => [name, number(value)]),
            ),
    })),
  };
}
