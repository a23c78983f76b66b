import type { OutputDistance } from '../client/output-distance.js';
import { outputDistance } from '../client/output-distance.js';
import { elementsOf, type Tensor } from '../client/tensor.js';
import type { Tolerances } from '../hub/package.js';
import { type AdmissionFinding, finding } from './finding.js';

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
  readonly meanRelative: number;
  /** Elements beyond `absolute + relative × |reference|`. */
  readonly beyond: number;
  /** Rows along the last axis whose k largest elements have the same indices; null without topK. */
  readonly topK: { readonly k: number; readonly agree: number; readonly rows: number } | null;
}

function numbersOf(tensor: Tensor): number[] {
  return tensor.datatype === 'BYTES' ? [] : elementsOf(tensor).map(Number);
}

/** Elements farther apart than numpy.allclose allows; a NaN is only near a NaN. */
function beyondLimits(
  reference: readonly number[],
  actual: readonly number[],
  { absolute = 0, relative = 0 }: Limits,
): number {
  return reference.filter((x, i) => {
    const y = actual[i] ?? Number.NaN;
    if (Object.is(x, y) || x === y || (Number.isNaN(x) && Number.isNaN(y))) return false;
    return !(Math.abs(x - y) <= absolute + relative * Math.abs(x));
  }).length;
}

function largest(row: readonly number[], k: number): string {
  return row
    .map((value, index) => ({ value, index }))
    .sort((a, b) => b.value - a.value || a.index - b.index)
    .slice(0, k)
    .map(({ index }) => index)
    .join();
}

/** Compares an output with its reference. Throws TENSOR_SHAPE if they are not of one form. */
export function qualityOf(reference: Tensor, actual: Tensor, limits: Limits): Quality {
  const distance = outputDistance(reference, actual);
  const [x, y] = [numbersOf(reference), numbersOf(actual)];
  const relative = x.map((value, i) => {
    const other = y[i] ?? Number.NaN;
    if (value === other || Object.is(value, other)) return 0;
    const apart = Math.abs(value - other) / Math.abs(value);
    return Number.isNaN(apart) ? Number.POSITIVE_INFINITY : apart;
  });
  const width = reference.shape.at(-1) ?? 1;
  const rows = width === 0 ? 0 : x.length / width;
  const k = limits.topK;
  const row = (values: readonly number[], i: number) => values.slice(i * width, (i + 1) * width);
  const agreeing = (count: number): number =>
    Array.from({ length: rows }, (_, i) => i).filter(
      (i) => largest(row(x, i), count) === largest(row(y, i), count),
    ).length;
  return {
    distance,
    meanRelative: x.length === 0 ? 0 : relative.reduce((sum, value) => sum + value, 0) / x.length,
    beyond: distance.numeric === null ? distance.differing : beyondLimits(x, y, limits),
    topK: k === undefined ? null : { k, agree: agreeing(k), rows },
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

function measures({ distance, meanRelative, topK }: Quality): string {
  const { numeric, differing, elements } = distance;
  if (differing === 0) return `identical bits in ${elements} elements`;
  if (numeric === null) return `${differing} of ${elements} elements differ`;
  return [
    `absolute at most ${shown(numeric.maxAbsolute)}, mean ${shown(numeric.meanAbsolute)}`,
    `relative at most ${shown(numeric.maxRelative)}, mean ${shown(meanRelative)}`,
    `${shown(numeric.maxUlp)} ULP`,
    `cosine ${numeric.cosine.toPrecision(7)}`,
    ...(topK === null ? [] : [`top-${topK.k} agrees in ${topK.agree} of ${topK.rows} rows`]),
  ].join('; ');
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
    if (reasons.length > 0) return finding(rule, 'refuse', `${reasons.join('; ')} (${told})`);
    const undeclared = tolerances === null && quality.distance.differing > 0;
    return undeclared
      ? finding(rule, 'warn', `${told}; the publisher declared no tolerance`)
      : finding(rule, 'pass', told);
  });
}
