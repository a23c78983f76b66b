import * as z from 'zod';

const bound = z.number().min(0);
const limits = z.strictObject({
  /** Largest difference of two elements. */
  absolute: bound.optional(),
  /** Largest difference as a part of the reference element's magnitude. */
  relative: bound.optional(),
  /** Largest distance in units in the last place. */
  ulp: bound.optional(),
  /** Smallest cosine similarity of the output as a vector. */
  cosine: z.number().min(-1).max(1).optional(),
  /** The k largest elements along the last axis must have the same indices. */
  topK: z.int().min(1).max(1024).optional(),
});

/** What a `tolerances.json` holds. */
export const tolerancesSchema = z.strictObject({
  version: z.literal(1),
  /** For outputs that `outputs` does not name. Absent: bits must be identical. */
  default: limits.optional(),
  outputs: z.record(z.string().min(1).max(1024), limits).optional(),
  /** Median latency in milliseconds that the source framework needed, for comparison. */
  baseline: z
    .strictObject({ latency: z.number().positive(), note: z.string().max(1024).optional() })
    .optional(),
});
