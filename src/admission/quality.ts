import { absoluteDistance } from '../../attestation/model/distance.js';
import type { Numeric } from '../../attestation/model/number.js';
import { numbersOf, type OutputDistance, outputDistance } from '../client/output-distance.js';
import type { Tensor } from '../client/tensor.js';
import type { Tolerances } from '../hub/package.js';
import { type AdmissionFinding, finding, measurement } from './finding.js';

/** Bounds of one output, as a package's `tolerances.json` has them. */
export type Limits = NonNullable<Tolerances['default']>;

/**
 * What is held against outputs whose publisher declared nothing: numpy's comparison with the bounds of
 * ONNX's own backend tests (onnx.backend.test.case.model.TestCase).
 */
export const UNDECLARED_LIMITS: Limits = { absolute: 1e-7, relative: 1e-3 };

/** The declared limits of an output: its own, else the default. */
export function limitsFor(
  { outputs = {}, default: others }: Pick<Tolerances, 'default' | 'outputs'>,
  name: string,
): Limits | undefined {
  return Object.hasOwn(outputs, name) ? outputs[name] : others;
}

/** How far an output is from its reference, in every measure that limits can name. */
export interface Quality {
  readonly distance: OutputDistance;
  /** Elements beyond `absolute + relative × |reference|`. */
  readonly beyond: number;
  /** Rows along the last axis whose k largest elements have the same indices; null without topK. */
  readonly topK: { readonly k: number; readonly agree: number; readonly rows: number } | null;
}

/** Elements farther apart than numpy.isclose allows, NaN being near NaN. */
function beyondLimits(
  reference: readonly Numeric[],
  actual: readonly Numeric[],
  { absolute = 0, relative = 0 }: Limits,
): number {
  return reference.filter((x, i) => {
    const apart = absoluteDistance(x, actual[i] ?? Number.NaN);
    if (apart === 0) return false;
    const finite = Number.isFinite(Number(x)) && Number.isFinite(Number(actual[i]));
    return !finite || !(apart <= absolute + relative * Math.abs(Number(x)));
  }).length;
}

/** NaN is the largest, as numpy and PyTorch sort it; of equal elements the first comes first. */
function descending(a: Numeric, b: Numeric): number {
  const [first, second] = [Number.isNaN(a), Number.isNaN(b)];
  if (first || second) return Number(second) - Number(first);
  return a > b ? -1 : a < b ? 1 : 0;
}

function largest(row: readonly Numeric[], k: number): string {
  return row
    .map((value, index) => ({ value, index }))
    .sort((a, b) => descending(a.value, b.value) || a.index - b.index)
    .slice(0, k)
    .map(({ index }) => index)
    .join();
}

/** A scalar is a row of one. */
function topKOf(reference: Tensor, actual: Tensor, k: number): NonNullable<Quality['topK']> {
  const [x, y] = [numbersOf(reference), numbersOf(actual)];
  const width = reference.shape.at(-1) ?? 1;
  const rows = width === 0 ? 0 : x.length / width;
  let agree = 0;
  for (let at = 0; at < rows * width; at += width) {
    const [left, right] = [x, y].map((values) => largest(values.slice(at, at + width), k));
    agree += Number(left === right);
  }
  return { k, agree, rows };
}

/** Compares an output with its reference. Throws TENSOR_SHAPE if they are not of one form. */
export function qualityOf(reference: Tensor, actual: Tensor, limits: Limits): Quality {
  const distance = outputDistance(reference, actual);
  const beyond = (): number => beyondLimits(numbersOf(reference), numbersOf(actual), limits);
  return {
    distance,
    beyond: distance.numeric === null ? distance.differing : beyond(),
    topK: limits.topK === undefined ? null : topKOf(reference, actual, limits.topK),
  };
}

/** The rules of the limits that an output breaks, each as a phrase. */
export function broken({ distance, beyond, topK }: Quality, limits: Limits): string[] {
  const { numeric, elements } = distance;
  const reasons: string[] = [];
  const { absolute, relative, ulp, cosine } = limits;
  const only = absolute === undefined && relative === undefined && ulp === undefined;
  if (only && cosine === undefined && limits.topK === undefined) {
    if (distance.differing > 0)
      reasons.push(`${distance.differing} of ${elements} elements differ`);
  } else if (absolute !== undefined || relative !== undefined || numeric === null) {
    if (beyond > 0) reasons.push(`${beyond} of ${elements} elements are beyond the tolerance`);
  }
  if (numeric === null) return reasons;
  if (numeric.lost > 0) {
    reasons.push(
      `${numeric.lost} of ${elements} elements are NaN or infinite where the reference is a number: an overflow, as of float16, or an operation without a result`,
    );
  }
  if (ulp !== undefined && numeric.maxUlp > ulp) reasons.push(`${numeric.maxUlp} ULP > ${ulp}`);
  if (cosine !== undefined && numeric.cosine < cosine) {
    reasons.push(`cosine ${numeric.cosine} < ${cosine}`);
  }
  if (topK !== null && topK.agree < topK.rows) {
    reasons.push(`top-${topK.k} agrees in ${topK.agree} of ${topK.rows} rows`);
  }
  return reasons;
}

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
 * decide, and what is within them but not identical is a warning.
 */
export function qualityFindings(
  set: string,
  references: readonly Tensor[],
  outputs: readonly Tensor[],
  tolerances: Tolerances | null,
): AdmissionFinding[] {
  return references.map((reference) => {
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
}
