import type { LoadedModel } from '../engine/engine.js';
import type { Duration } from '../engine/statistics.js';

const duration = ({ count, nanoseconds }: Duration): object => ({
  count,
  ns: Math.round(nanoseconds),
});

/** `ModelStatistics` of one load of a model. */
export function modelStatistics({ name, version, statistics }: LoadedModel): object {
  return {
    name,
    version,
    last_inference: statistics.lastInference,
    inference_count: statistics.inferenceCount,
    execution_count: statistics.executionCount,
    inference_stats: {
      success: duration(statistics.success),
      fail: duration(statistics.fail),
      queue: duration(statistics.queue),
      compute_input: duration(statistics.computeInput),
      compute_infer: duration(statistics.computeInfer),
      compute_output: duration(statistics.computeOutput),
    },
    batch_stats: [...statistics.batches.values()].map((batch) => ({
      batch_size: batch.batchSize,
      compute_input: duration(batch.computeInput),
      compute_infer: duration(batch.computeInfer),
      compute_output: duration(batch.computeOutput),
    })),
  };
}
