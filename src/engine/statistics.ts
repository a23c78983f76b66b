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

/** What Triton's ModelStatistics counts, for one load of a model. */
export class Statistics {
  readonly success = duration();
  readonly fail = duration();
  readonly queue = duration();
  readonly computeInput = duration();
  readonly computeInfer = duration();
  readonly computeOutput = duration();
  /** By batch size. */
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

  failed(nanoseconds: number): void {
    add(this.fail, nanoseconds);
  }

  executed(timings: InferenceTimings): void {
    this.executionCount += 1;
    const { batchSize } = timings;
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
