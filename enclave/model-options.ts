import * as z from 'zod';

/**
 * The engine's BatchingOptions; the words are Triton's, in the configuration's spelling, and so is what it
 * refuses (model_config.proto: ModelDynamicBatching).
 */
const batching = z
  .strictObject({
    maxBatchSize: z.number().int().min(0).max(1024).optional(),
    sweep: z.boolean().default(true),
    dimensions: z.record(z.string().min(1), z.array(z.number().int().min(1)).min(1)).default({}),
    preferredBatchSizes: z.array(z.number().int().min(1)).default([]),
    maxQueueDelayMicroseconds: z.number().int().min(0).default(0),
    maxQueueSize: z.number().int().min(1).default(1024),
    priorityLevels: z.number().int().min(0).default(0),
    defaultPriorityLevel: z.number().int().min(1).optional(),
    defaultTimeoutMicroseconds: z.number().int().min(0).default(0),
  })
  .refine(
    ({ priorityLevels, defaultPriorityLevel = 0 }) => defaultPriorityLevel <= priorityLevels,
    {
      path: ['defaultPriorityLevel'],
      message: 'expected one of the priorityLevels',
    },
  )
  .refine(
    ({ maxBatchSize, preferredBatchSizes }) =>
      preferredBatchSizes.every((size) => maxBatchSize === undefined || size <= maxBatchSize),
    { path: ['preferredBatchSizes'], message: 'expected sizes up to maxBatchSize' },
  );

/**
 * What a model's entry says of its name and its execution, in the service's configuration and in an image's
 * specification alike.
 */
export const modelOptions = {
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/),
  version: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)
    .default('1'),
  intraOpThreads: z.number().int().min(1).max(256).default(1),
  graphOptimizationLevel: z.enum(['disabled', 'basic', 'extended', 'layout', 'all']).default('all'),
  maxRunSeconds: z.number().min(0.001).max(86_400).default(300),
  allowEmptyTensors: z.boolean().default(false),
  allowTrappingDivision: z.boolean().default(false),
  batching: batching.prefault({}),
};
