import { limitsFor } from '../client/agreement.js';
import { broken, type Limits, type Quality, qualityOf } from '../client/quality.js';
import type { Tensor } from '../client/tensor.js';
import type { Tolerances } from '../hub/package.js';
import { type AdmissionFinding, finding, measurement } from './finding.js';

/**
 * What is held against outputs whose publisher declared nothing: numpy's comparison with the bounds of
 * ONNX's own backend tests (onnx.backend.test.case.model.TestCase).
 */
const UNDECLARED_LIMITS: Limits = { absolute: 1e-7, relative: 1e-3 };

function shown(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toPrecision(3);
}

function measures({ distance, topK }: Quality): string {
  const { numeric, differing, elements } = distance;
  if (differing === 0) return `identical bits in ${elements} elements`;
  if (numeric === null) return `${differing} of ${elements} elements differ`;
  return [
    `absolute at most ${shown(numeric.maxAbsolute)}, mean ${shown(numeric.meanAbsolute)}`,
    `relative at most ${shown(numeric.maxRelative)}, mean ${shown(numeric.meanRelative)}`,
    `${shown(numeric.maxUlp)} ULP`,
    `cosine ${numeric.cosine.toPrecision(7)}`,
    ...(topK === null ? [] : [`top-${topK.k} agrees in ${topK.agree} of ${topK.rows} rows`]),
  ].join('; ');
}

/** The same as numbers. */
function measuredNumbers({ distance, topK }: Quality): { readonly [name: string]: number } {
  const { numeric, differing, elements } = distance;
  return {
    elements,
    differing,
    ...(numeric ?? {}),
    ...(topK === null ? {} : { topKRows: topK.rows, topKAgree: topK.agree }),
  };
}

/**
 * Judges the outputs of one test set. Where the publisher declared no tolerance, ONNX's own bounds
 * decide, and what is within them but not identical is a warning, as is an output without a reference.
 */
export function qualityFindings(
  set: string,
  references: readonly Tensor[],
  outputs: readonly Tensor[],
  tolerances: Tolerances | null,
): AdmissionFinding[] {
  const judged = references.map((reference) => {
    const rule = `quality.${set}.${reference.name}`;
    const actual = outputs.find(({ name }) => name === reference.name);
    if (actual === undefined) return finding(rule, 'refuse', 'the model gave no such output');
    const declared =
      tolerances === null ? UNDECLARED_LIMITS : (limitsFor(tolerances, reference.name) ?? {});
    const form = ({ datatype, shape }: Tensor) => `${datatype} [${shape}]`;
    if (form(reference) !== form(actual)) {
      return finding(rule, 'refuse', `expected ${form(reference)}, not ${form(actual)}`);
    }
    const quality = qualityOf(reference, actual, declared);
    const reasons = broken(quality, declared);
    const told = measures(quality);
    const numbers = measuredNumbers(quality);
    if (reasons.length > 0) {
      return measurement(rule, 'refuse', `${reasons.join('; ')} (${told})`, numbers);
    }
    const undeclared = tolerances === null && quality.distance.differing > 0;
    return undeclared
      ? measurement(rule, 'warn', `${told}; the publisher declared no tolerance`, numbers)
      : measurement(rule, 'pass', told, numbers);
  });
  const uncompared = outputs.filter(({ name }) => !references.some((other) => other.name === name));
  return [
    ...judged,
    ...uncompared.map(({ name }) =>
      finding(`quality.${set}.${name}`, 'warn', 'it has no reference: nothing was compared'),
    ),
  ];
}
