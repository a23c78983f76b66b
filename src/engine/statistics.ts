import type { EngineErrorReason } from './error.js';

/** Durations in nanoseconds, as Triton's statistics have them. */
export interface InferenceTimings {
  readonly queue: number;
  readonly computeInput: number;
  readonly computeInfer: number;
  readonly computeOutput: number;
  /** Batch size of the request: its rows. */
  readonly rows: number;
  /** Rows of all requests that shared the execution. */
  readonly batchSize: number;
}

/** A count and a sum of nanoseconds: Triton's StatisticDuration. */
export interface Duration {
  count: number;
  nanoseconds: number;
}

export interface BatchStatistics {
  readonly batchSize: number;
  readonly computeInput: Duration;
  readonly computeInfer: Duration;
  readonly computeOutput: Duration;
}

const duration = (): Duration => ({ count: 0, nanoseconds: 0 });

function add(to: Duration, nanoseconds: number): void {
  to.count += 1;
  to.nanoseconds += nanoseconds;
}

/** Triton's reasons of a request's failure, as `MetricModelReporter` names them. */
export const FAILURE_REASONS = ['REJECTED', 'CANCELED', 'BACKEND', 'OTHER'] as const;
export type FailureReason = (typeof FAILURE_REASONS)[number];

const FAILURES: Readonly<Record<EngineErrorReason, FailureReason>> = {
  exhausted: 'REJECTED',
  deadline: 'REJECTED',
  cancelled: 'CANCELED',
  execution: 'BACKEND',
  timeout: 'BACKEND',
  'invalid-request': 'OTHER',
  draining: 'OTHER',
  load: 'OTHER',
  memory: 'OTHER',
};

/**
 * Where no most is configured, callers choose how many rows a request has: statistics of every number would be
 * theirs to grow, and each answer with them occupies the event loop.
 */
const MOST_SIZES = 1024;

/** What Triton's ModelStatistics counts, for one load of a model. */
export class Statistics {
  readonly success = duration();
  readonly fail = duration();
  /** Of `fail`'s, by why; a reason that never was is absent. */
  readonly failures = new Map<FailureReason, number>();
  readonly queue = duration();
  readonly computeInput = duration();
  readonly computeInfer = duration();
  readonly computeOutput = duration();
  /** By batch size; of `MOST_SIZES` at most, the first that there were. */
  readonly batches = new Map<number, BatchStatistics>();
  /** Rows of the requests that were answered: to Triton one of batch size 4 is four inferences. */
  inferenceCount = 0;
  executionCount = 0;
  /** Milliseconds since 1970; 0 before the first. */
  lastInference = 0;

  succeeded(nanoseconds: number, timings: InferenceTimings): void {
    add(this.success, nanoseconds);
    add(this.queue, timings.queue);
    add(this.computeInput, timings.computeInput);
    add(this.computeInfer, timings.computeInfer);
    add(this.computeOutput, timings.computeOutput);
    this.inferenceCount += timings.rows;
    this.lastInference = Date.now();
  }

  /** Counts from zero again, as once a model was tried: no caller asked for that. */
  restart(): void {
    const { success, fail, queue, computeInput, computeInfer, computeOutput } = this;
    for (const each of [success, fail, queue, computeInput, computeInfer, computeOutput]) {
      Object.assign(each, duration());
    }
    this.failures.clear();
    this.batches.clear();
    this.inferenceCount = 0;
    this.executionCount = 0;
    this.lastInference = 0;
  }

  /** @param why undefined: a failure that is not the engine's. */
  failed(nanoseconds: number, why?: EngineErrorReason): void {
    const reason = why === undefined ? 'OTHER' : FAILURES[why];
    add(this.fail, nanoseconds);
    this.failures.set(reason, (this.failures.get(reason) ?? 0) + 1);
  }

  executed(timings: InferenceTimings): void {
    this.executionCount += 1;
    const { batchSize } = timings;
    if (this.batches.size >= MOST_SIZES && !this.batches.has(batchSize)) return;
    const batch = this.batches.get(batchSize) ?? {
      batchSize,
      computeInput: duration(),
      computeInfer: duration(),
      computeOutput: duration(),
    };
    this.batches.set(batchSize, batch);
    add(batch.computeInput, timings.computeInput);
    add(batch.computeInfer, timings.computeInfer);
    add(batch.computeOutput, timings.computeOutput);
  }
}
