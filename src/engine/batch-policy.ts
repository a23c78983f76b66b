import type { Held } from './displacement.js';
import type { BatchingOptions, InferenceRequest } from './engine.js';
import type { TensorSpec } from './tensor.js';

/** Milliseconds; below this, messages and signatures cost more than the execution. */
const SHORT_EXECUTION = 0.5;

/** Nanoseconds that the executions which a worker is given at once should take: others wait for them. */
const LONGEST_SERIES = 16_000_000;
/** Bytes that their inputs should have: they are in memory twice then, and large ones pay for themselves. */
const LARGEST_SERIES = 2 ** 20;
/** Executions that a worker is given at once: they may turn out longer than those they were judged by. */
const MOST_EXECUTIONS = 8;
/** Requests of one connection that are taken together where executions are short. */
const LONG_TURN = 8;
const NEVER = Number.POSITIVE_INFINITY;

/** What a policy has to know of a queue. */
interface Waiting {
  readonly rows: number;
  /** By address. */
  readonly held: ReadonlyMap<string, Held>;
  /** performance.now() at which what has waited longest was accepted; undefined where nothing waits. */
  readonly oldest: number | undefined;
}

/** What a worker has to execute. */
export interface Executing {
  readonly executions: number;
  /** performance.now() at which it was given the last of it. */
  readonly dispatched: number;
  /** All has ended, and the answers are on their way. */
  readonly ended: boolean;
}

/**
 * Rows that one request may have: what the operator states,
 * where every input's first dimension is one of rows.
 */
export function mostRows(
  { maxBatchSize = 0 }: BatchingOptions,
  inputs: readonly TensorSpec[],
): number {
  const rows = inputs.every(({ shape }) => typeof shape?.[0] === 'string');
  return rows && maxBatchSize > 1 ? maxBatchSize : Number.POSITIVE_INFINITY;
}

/**
 * What is known of a model's short executions. A worker that has one is given the next at once, where it
 * is of the same address and nothing else waits: no other worker could begin it much earlier, and this one
 * does not stand idle until its answers have reached the event loop and the next work has come back, which
 * takes longer than the execution. Where the time depends on values one may turn out long all the same: what was
 * given behind it waits for it, though another worker may be free, and is the same address's.
 */
export class ShortExecutions {
  /** Most bytes of inputs with which one was short. */
  #bytes = 0;

  /**
   * Where one was long, half of its bytes is the most that is expected to be short.
   * @param nanoseconds that an execution took with so many bytes of inputs.
   */
  learn(bytes: number, nanoseconds: number): void {
    if (nanoseconds / 1e6 < SHORT_EXECUTION) this.#bytes = Math.max(this.#bytes, bytes);
    else this.#bytes = Math.min(this.#bytes, bytes / 4);
  }

  /** Whether one with so many will be short; never one with far more than any that was. */
  expects(bytes: number): boolean {
    return bytes <= 2 * this.#bytes;
  }
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
  readonly #max: number;
  readonly #preferred: readonly number[];
  readonly #options: BatchingOptions;
  /** Milliseconds that a request may wait for others. */
  readonly #patience: number;

  constructor(maxBatchSize: number, options: BatchingOptions) {
    this.#max = maxBatchSize;
    this.#options = options;
    this.#preferred = (options.preferredBatchSizes ?? [])
      .filter((size) => size <= maxBatchSize)
      .sort((a, b) => b - a);
    this.#patience = maxBatchSize > 1 ? (options.maxQueueDelayMicroseconds ?? 0) / 1000 : 0;
  }

  /**
   * Milliseconds for which a second worker would only break a batch in two: one is executing this model,
   * will be free before a message could reach another, and takes all that waits. That it will be is a guess
   * by the newest execution; one that turns out longer keeps nobody waiting. 0: dispatch.
   * @param lastExecution nanoseconds of the newest execution.
   */
  gathers(
    { rows }: Waiting,
    executing: Iterable<Executing>,
    lastExecution: number,
    now: number,
  ): number {
    if (rows >= this.#max || lastExecution / 1e6 >= SHORT_EXECUTION) return 0;
    let left = 0;
    for (const { executions, dispatched, ended } of executing) {
      const end = ended ? now + SHORT_EXECUTION : dispatched + executions * SHORT_EXECUTION;
      left = Math.max(left, end - now);
    }
    return left;
  }

  /**
   * Requests that a connection may have in its turn. What is answered together on one connection shares its
   * writes and the client's, which for a short execution is worth more than another connection loses that
   * waits for one.
   * @param lastExecution nanoseconds of the newest execution.
   */
  turn(lastExecution: number): number {
    return lastExecution / 1e6 < SHORT_EXECUTION ? LONG_TURN : 1;
  }

  /** Rows to dispatch now. */
  sizeNow({ rows }: Waiting): number {
    return this.#preferred.find((wanted) => wanted <= rows) ?? this.#max;
  }

  /** Milliseconds to wait for more, for a batch that is full or of a preferred size; 0: dispatch. */
  waits(waiting: Waiting, now: number): number {
    const { rows } = waiting;
    const ready = rows >= this.#max || this.#preferred.some((wanted) => wanted <= rows);
    if (ready || this.#patience === 0) return 0;
    const { oldest = now } = waiting;
    return Math.max(0, oldest + this.#patience - now);
  }

  /**
   * Most executions of `size` rows that a worker is given at once, to do one after another and to answer
   * together. Nothing crosses from one to the next; what they share is the message, the signature, and the event
   * loop's caches, which an execution empties. No more than the worker's share of what waits; and one
   * alone while several addresses wait, lest an answer for one waits for an execution for another.
   */
  seriesNow({ rows, held }: Waiting, size: number, workers: number): number {
    const [own, other] = held.values();
    if (own === undefined || other !== undefined) return 1;
    const share = Math.floor(Math.min(rows / size, own.size) / workers);
    const inMemory = Math.floor((LARGEST_SERIES * own.size) / (own.bytes * size));
    return Math.max(1, Math.min(share, inMemory, MOST_EXECUTIONS));
  }

  /**
   * Whether a series may have one more that takes as long as its last: another address's request may come
   * behind it at any time.
   * @param all nanoseconds that what it has should take, by what is usual.
   * @param last the same of the last of it.
   */
  goesOn(all: number, last: number): boolean {
    return all + last <= LONGEST_SERIES;
  }

  /** Triton's level of a request: 1 leaves first. One that is not among the levels counts as none. */
  priorityOf({ priority = 0 }: InferenceRequest): number {
    const { priorityLevels = 0 } = this.#options;
    const named = priority > 0 && priority <= priorityLevels;
    return named ? priority : defaultPriority(this.#options);
  }

  /**
   * The moment after which a request is not dispatched, on the clock of `performance.now()`. A request may
   * shorten the model's timeout and not lengthen it, as with Triton's `allow_timeout_override`; where the
   * model has none, which Triton does not let be overridden, the request's own counts.
   */
  expiryOf({ timeout = 0, deadline }: InferenceRequest, now: number): number {
    const { defaultTimeoutMicroseconds = 0 } = this.#options;
    const [own, usual] = [timeout || NEVER, defaultTimeoutMicroseconds || NEVER];
    return Math.min(deadline ?? NEVER, now + Math.min(own, usual) / 1000);
  }
}
