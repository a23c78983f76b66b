import type { VectorLimits } from '../../attestation/evidence/self-test.js';
import { absoluteDistance } from '../../attestation/model/distance.js';
import type { Numeric } from '../../attestation/model/number.js';
import { numbersOf, type OutputDistance, outputDistance } from './output-distance.js';
import type { Tensor } from './tensor.js';

/** Bounds of one output, as a package's `tolerances.json` has them. Without any, bits must be identical. */
export type Limits = VectorLimits;

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

/** The rules of the limits that an output breaks, each as a phrase. What a NaN is compared with is broken. */
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
  if (ulp !== undefined && !(numeric.maxUlp <= ulp)) reasons.push(`${numeric.maxUlp} ULP > ${ulp}`);
  if (cosine !== undefined && !(numeric.cosine >= cosine)) {
    reasons.push(`cosine ${numeric.cosine} < ${cosine}`);
  }
  if (topK !== null && !(topK.k >= 1 && topK.agree >= topK.rows)) {
    reasons.push(`top-${topK.k} agrees in ${topK.agree} of ${topK.rows} rows`);
  }
  return reasons;
}
