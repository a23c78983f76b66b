import type { Held } from './displacement.js';
import type { BatchingOptions, InferenceRequest } from './engine.js';

/** Nanoseconds; below this, messages and signatures cost more than the execution. */
const SHORT_EXECUTION = 500_000;

/** Nanoseconds that the executions which a worker is given at once should take: others wait for them. */
const LONGEST_SERIES = 16_000_000;
/** Bytes that their inputs should have: they are in memory twice then, and large ones pay for themselves. */
const LARGEST_SERIES = 2 ** 20;
/** Executions that a worker is given at once: they may turn out longer than the one they were judged by. */
const MOST_EXECUTIONS = 8;

/** What a policy has to know of a queue. */
interface Waiting {
  readonly size: number;
  readonly rows: number;
  /** By address. */
  readonly held: ReadonlyMap<string, Held>;
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

  /**
   * Executions of `size` rows that a worker is given at once, to do one after another and to answer together.
   * Nothing crosses from one to the next; what they share is the message, the signature, and the event
   * loop's caches, which an execution empties. No more than the worker's share of what waits; and one
   * alone while several addresses wait, lest an answer for one waits for an execution for another.
   * @param lastExecution nanoseconds of the newest execution.
   */
  seriesNow({ rows, held }: Waiting, size: number, workers: number, lastExecution: number): number {
    const [own, other] = held.values();
    if (own === undefined || other !== undefined) return 1;
    const share = Math.floor(rows / (size * workers));
    const inTime = Math.floor(LONGEST_SERIES / lastExecution);
    const inMemory = Math.floor((LARGEST_SERIES * own.size) / (own.bytes * size));
    return Math.max(1, Math.min(share, inTime, inMemory, MOST_EXECUTIONS));
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
