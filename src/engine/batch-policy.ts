import type { BatchingOptions, InferenceRequest } from './engine.js';

/** Nanoseconds; below this, messages and signatures cost more than the execution. */
const SHORT_EXECUTION = 500_000;

/** What a policy has to know of a queue. */
interface Waiting {
  readonly size: number;
  readonly rows: number;
}

/** The level of requests that name none; 0 where there are no levels. */
export function defaultPriority({
  priorityLevels = 0,
  defaultPriorityLevel = Math.ceil(priorityLevels / 2),
}: BatchingOptions): number {
  return priorityLevels === 0 ? 0 : defaultPriorityLevel;
}

/**
 * When to dispatch how much. Greedy by default: what waits when a worker is free goes at once. Only
 * where the operator sets a delay does a free worker wait for a preferred size.
 */
export class BatchPolicy {
  /** Milliseconds that a free worker waits for more. */
  readonly patience: number;
  readonly #max: number;
  readonly #preferred: readonly number[];
  readonly #options: BatchingOptions;
  #since: number | undefined;

  constructor(maxBatchSize: number, options: BatchingOptions) {
    this.#max = maxBatchSize;
    this.#options = options;
    this.#preferred = (options.preferredBatchSizes ?? [])
      .filter((size) => size <= maxBatchSize)
      .sort((a, b) => b - a);
    this.patience = maxBatchSize > 1 ? (options.maxQueueDelayMicroseconds ?? 0) / 1000 : 0;
  }

  /**
   * True where a second worker would only break a batch in two: one is executing this model, will be
   * free before a message could reach another, and takes all that waits.
   */
  gathers({ rows }: Waiting, lastExecution: number): boolean {
    return rows < this.#max && lastExecution < SHORT_EXECUTION;
  }

  /** Rows to dispatch now; 0 to wait for more. */
  sizeNow({ size, rows }: Waiting, now: number): number {
    if (size === 0) {
      this.#since = undefined;
      return this.#max;
    }
    const preferred = this.#preferred.find((wanted) => wanted <= rows);
    const full = rows >= this.#max || preferred !== undefined;
    this.#since ??= now;
    if (!full && now - this.#since < this.patience) return 0;
    this.#since = undefined;
    return preferred ?? this.#max;
  }

  /** Triton's level of a request: 1 leaves first. One that is not among the levels counts as none. */
  priorityOf({ priority = 0 }: InferenceRequest): number {
    const { priorityLevels = 0 } = this.#options;
    const named = priority > 0 && priority <= priorityLevels;
    return named ? priority : defaultPriority(this.#options);
  }

  /** The moment after which a request is not dispatched, on the clock of `performance.now()`. */
  expiryOf({ timeout = 0, deadline }: InferenceRequest, now: number): number {
    const wait = timeout === 0 ? (this.#options.defaultTimeoutMicroseconds ?? 0) : timeout;
    const patience = wait === 0 ? Number.POSITIVE_INFINITY : now + wait / 1000;
    return Math.min(deadline ?? Number.POSITIVE_INFINITY, patience);
  }
}
