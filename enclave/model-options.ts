import * as z from 'zod';

/** The engine's BatchingOptions; the words are Triton's, in the configuration's spelling. */
const batching = z.strictObject({
  maxBatchSize: z
    .number()
    .int()
    .min(0)
    .max(1024)
    .optional()
    .describe(
      'max_batch_size: most rows of one execution, and so of a request; 0 or 1, never shared; unless given, shared up to 32',
    ),
  sweep: z
    .boolean()
    .default(true)
    .describe('measure at load which size up to maxBatchSize is fastest; false: take it as it is'),
  dimensions: z
    .record(z.string().min(1), z.array(z.number().int().min(1)).min(1))
    .default({})
    .describe(
      'sizes of other dimensions that may vary, by symbol: requests of these shapes share executions',
    ),
  preferredBatchSizes: z
    .array(z.number().int().min(1))
    .default([])
    .describe('preferred_batch_size'),
  maxQueueDelayMicroseconds: z
    .number()
    .int()
    .min(0)
    .default(0)
    .describe(
      'max_queue_delay_microseconds: how long a request waits for others while a worker is free; 0, not at all',
    ),
  maxQueueSize: z
    .number()
    .int()
    .min(1)
    .default(1024)
    .describe('max_queue_size: requests that may wait; more are answered RESOURCE_EXHAUSTED'),
  priorityLevels: z.number().int().min(0).default(0).describe('priority_levels; 0, all are equal'),
  defaultPriorityLevel: z
    .number()
    .int()
    .min(1)
    .optional()
    .describe('default_priority_level; the middle one unless given'),
  defaultTimeoutMicroseconds: z
    .number()
    .int()
    .min(0)
    .default(0)
    .describe(
      'default_timeout_microseconds: how long a request may wait, which may name less; 0, until its deadline',
    ),
});

/**
 * What a model's entry says of its name and its execution, in the service's configuration and in an image's
 * specification alike.
 */
export const modelOptions = {
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/)
    .describe('name that callers use'),
  version: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)
    .default('1')
    .describe('version that callers may name'),
  intraOpThreads: z.number().int().min(1).max(256).default(1).describe('threads in one operator'),
  graphOptimizationLevel: z
    .enum(['disabled', 'basic', 'extended', 'layout', 'all'])
    .default('all')
    .describe("ONNX Runtime's graph optimisation level; changes bits"),
  maxRunSeconds: z
    .number()
    .min(0.001)
    .max(86_400)
    .default(300)
    .describe('an execution that takes longer hangs: its callers are told, the service ends'),
  allowEmptyTensors: z
    .boolean()
    .default(false)
    .describe(
      'take inputs with a size of 0, as decoders have at their first step: some kernels of ONNX Runtime end the whole service on them',
    ),
  allowTrappingDivision: z
    .boolean()
    .default(false)
    .describe(
      'load it although callers can end the whole service: integers that they choose are divided unchecked',
    ),
  batching: batching
    .prefault({})
    .describe('sharing of executions, for models that prove that neighbours do not matter'),
};
