import { AssayError } from '../../attestation/encoding/error.js';
import { type OutputDistance, outputDistance } from './output-distance.js';
import { elementsOf, type Tensor } from './tensor.js';

/** What is close enough; every bound that is given must hold. Without any, bits must be identical. */
export interface OutputLimits {
  readonly absolute?: number | undefined;
  readonly relative?: number | undefined;
  readonly ulp?: number | undefined;
  /** Smallest cosine similarity. */
  readonly cosine?: number | undefined;
  /** The k largest elements along the last axis must have the same indices, in order. */
  readonly topK?: number | undefined;
}

/** Indices of the k largest elements of each row of the last axis; ties go to the lower index. */
function topIndices(tensor: Tensor, k: number): string {
  const values = elementsOf(tensor).map(Number);
  const width = tensor.shape.at(-1) ?? 1;
  const rows: string[] = [];
  for (let from = 0; from < values.length; from += width) {
    const row = values.slice(from, from + width).map((value, i) => ({ value, i }));
    row.sort((a, b) => b.value - a.value || a.i - b.i);
    rows.push(
      row
        .slice(0, k)
        .map(({ i }) => i)
        .join(),
    );
  }
  return rows.join(';');
}

/** Whether an output is close enough to its reference. */
export function isWithin(
  reference: Tensor,
  actual: Tensor,
  distance: OutputDistance,
  limits: OutputLimits | undefined,
): boolean {
  if (distance.differing === 0) return true;
  const { numeric } = distance;
  if (limits === undefined || numeric === null) return false;
  const { absolute, relative, ulp, cosine, topK } = limits;
  const bounds = [absolute, relative, ulp, cosine, topK];
  return (
    bounds.some((bound) => bound !== undefined) &&
    numeric.maxAbsolute <= (absolute ?? Number.POSITIVE_INFINITY) &&
    numeric.maxRelative <= (relative ?? Number.POSITIVE_INFINITY) &&
    numeric.maxUlp <= (ulp ?? Number.POSITIVE_INFINITY) &&
    numeric.cosine >= (cosine ?? Number.NEGATIVE_INFINITY) &&
    (topK === undefined || topIndices(reference, topK) === topIndices(actual, topK))
  );
}

/** Limits for each output; `default` is for those that `outputs` does not name. */
export interface Agreement {
  readonly default?: OutputLimits | undefined;
  readonly outputs?: { readonly [name: string]: OutputLimits } | undefined;
}

/** How two answers compare, output by output. */
export type AnswerRelation =
  | { readonly kind: 'identical' }
  | { readonly kind: 'within' | 'apart'; readonly outputs: readonly OutputDistance[] }
  | { readonly kind: 'incomparable'; readonly reason: string };

/** Compares an answer with a reference answer of the same outputs. */
export function relateAnswers(
  reference: readonly Tensor[],
  actual: readonly Tensor[],
  agreement: Agreement = {},
): AnswerRelation {
  if (reference.length !== actual.length) {
    return { kind: 'incomparable', reason: `${reference.length} outputs and ${actual.length}` };
  }
  const outputs: OutputDistance[] = [];
  let within = true;
  for (const [i, expected] of reference.entries()) {
    const got = actual[i] ?? expected;
    try {
      const distance = outputDistance(expected, got);
      const own = agreement.outputs ?? {};
      const limits = Object.hasOwn(own, expected.name) ? own[expected.name] : agreement.default;
      within &&= isWithin(expected, got, distance, limits);
      outputs.push(distance);
    } catch (error) {
      if (!(error instanceof AssayError)) throw error;
      return { kind: 'incomparable', reason: error.message };
    }
  }
  if (outputs.every(({ differing }) => differing === 0)) return { kind: 'identical' };
  return { kind: within ? 'within' : 'apart', outputs };
}
