import * as z from 'zod';
import { schemaError } from '../encoding/schema.js';
import { type AppraisalPolicy, strictPolicy } from './policy.js';
import { oneOf } from './policy-values.js';

/** Text of an input by its name: digests, sizes, numbers. Nothing in it is judged. */
const inputs = z.record(z.string().max(64), z.string().max(4096));

const schema = z.strictObject({
  version: z.literal(1),
  snp: z
    .strictObject({
      measurements: oneOf(48),
      hostData: oneOf(32).optional(),
      idKeyDigests: oneOf(48).optional(),
      authorKeyDigests: oneOf(48).optional(),
    })
    .optional(),
  tdx: z
    .strictObject({
      mrTd: oneOf(48),
      rtmr1: oneOf(48).optional(),
      rtmr2: oneOf(48).optional(),
      mrConfigId: oneOf(48).optional(),
    })
    .optional(),
  /** What the values were computed from, so that a difference can be explained. */
  inputs,
});

/**
 * Reference Values (RFC 9334) of one launch, computed before it: a file that appraisal policies
 * include, so that nobody copies digests by hand.
 */
export type ReferenceValues = z.output<typeof schema>;

/** Reads a parsed reference-values file; throws POLICY_REFERENCE_VALUES. */
export function parseReferenceValues(value: unknown): ReferenceValues {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw schemaError('POLICY_REFERENCE_VALUES', 'the reference values are not valid', result.error);
}

type Sets = { readonly [name: string]: readonly string[] | undefined };

/** Every set with the values of its counterpart added, each once. */
function united(sets: Sets, more: Sets): Record<string, string[]> {
  const all: Record<string, string[]> = {};
  for (const [name, values] of [...Object.entries(sets), ...Object.entries(more)]) {
    if (values !== undefined) all[name] = [...new Set([...(all[name] ?? []), ...values])];
  }
  return all;
}

/**
 * The policy with the reference values of each file added to its own sets. A value is expected if any
 * of them names it; a platform that the policy has no rules for gets the strict default rules.
 */
export function withReferenceValues(
  policy: AppraisalPolicy,
  references: readonly ReferenceValues[],
): AppraisalPolicy {
  const merged = { ...policy };
  for (const { snp, tdx } of references) {
    if (snp !== undefined) {
      const { measurements, hostData, idKeyDigests, authorKeyDigests } = merged.snp ?? {};
      const known = { measurements, hostData, idKeyDigests, authorKeyDigests };
      merged.snp = { ...merged.snp, ...united(known, snp) };
    }
    if (tdx !== undefined) {
      const { mrTd, rtmr1, rtmr2, mrConfigId } = merged.tdx ?? {};
      merged.tdx = { ...merged.tdx, ...united({ mrTd, rtmr1, rtmr2, mrConfigId }, tdx) };
    }
  }
  return strictPolicy(merged);
}
