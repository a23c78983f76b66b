import { type BatchPolicy, ShortExecutions } from './batch-policy.js';
import { UsualTimes } from './execution-times.js';
import type { RequestQueue } from './request-queue.js';
import { addressIn, type Batch, bytesIn } from './series.js';
import type { Executor } from './worker-thread.js';

interface DispatcherSettings {
  /** See `isSteady`; where it is not, a worker is given one execution at a time. */
  readonly steady: boolean;
  /** Workers that can execute it now. */
  readonly workers: () => number;
  /** Nothing more is going to come: no request waits for others. */
  readonly hurries: () => boolean;
  /** Something waits that was left waiting for more: ask again. */
  readonly wake: () => void;
}

/** A series that has not ended. */
interface Given {
  readonly worker: Executor;
  /** Whose it is; undefined where it is several addresses', or not short as far as can be told. */
  readonly shortOf: string | undefined;
}

/** What of a model's queue a worker is given next, and when, by what its executions have taken so far. */
export class Dispatcher {
  readonly #queue: RequestQueue;
  readonly #policy: BatchPolicy;
  readonly #settings: DispatcherSettings;
  readonly #short = new ShortExecutions();
  readonly #times = new UsualTimes();
  readonly #executing: Given[] = [];
  /** Nanoseconds in ONNX Runtime of the newest execution. */
  #lastExecution = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(queue: RequestQueue, policy: BatchPolicy, settings: DispatcherSettings) {
    this.#queue = queue;
    this.#policy = policy;
    this.#settings = settings;
  }

  /** The next work for a free worker, executions one after another, or undefined. */
  take(now: number): readonly Batch[] | undefined {
    const workers = this.#executing.map(({ worker }) => worker);
    const left = this.#policy.gathers(this.#queue, workers, this.#lastExecution, now);
    return this.#takeUnless(Math.max(left, this.#delay(now)), now);
  }

  /**
   * What a worker can go on with that has a series; undefined unless that is a short one of this model, and it
   * and all that waits are of one address: where it turns out long, nobody else waits for it.
   */
  takeBehind(busy: Executor, now: number): readonly Batch[] | undefined {
    const [address, other] = this.#queue.held.keys();
    if (address === undefined || other !== undefined) return undefined;
    const own = this.#executing.find(({ worker }) => worker === busy)?.shortOf === address;
    return own ? this.#takeUnless(this.#delay(now), now) : undefined;
  }

  /** A worker was given a series; what is returned is called once it has ended. */
  begin(series: readonly Batch[], worker: Executor): () => void {
    const short =
      this.#settings.steady && series.every((batch) => this.#short.expects(bytesIn(batch)));
    const given = { worker, shortOf: short ? addressIn(series) : undefined };
    this.#executing.push(given);
    return () => {
      this.#executing.splice(this.#executing.indexOf(given), 1);
    };
  }

  /** @param nanoseconds that ONNX Runtime took for a batch. */
  learn(batch: Batch, nanoseconds: number): void {
    this.#lastExecution = nanoseconds;
    const bytes = bytesIn(batch);
    this.#short.learn(bytes, nanoseconds);
    this.#times.learn(bytes, nanoseconds);
  }

  #takeUnless(delay: number, now: number): readonly Batch[] | undefined {
    if (delay > 0 && !this.#queue.full) {
      this.#wakeIn(delay);
      return undefined;
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const series = this.#takeSeries(now);
    return series.length === 0 ? undefined : series;
  }

  #takeSeries(now: number): readonly Batch[] {
    const { steady, workers } = this.#settings;
    const rows = this.#policy.sizeNow(this.#queue);
    const most = steady ? this.#policy.seriesNow(this.#queue, rows, workers()) : 1;
    const turn = this.#policy.turn(this.#lastExecution);
    const series: Batch[] = [];
    for (let time = 0; ; ) {
      const [first, ...others] = this.#queue.take(rows, now, turn);
      if (first === undefined) return series;
      const batch: Batch = [first, ...others];
      series.push(batch);
      if (series.length >= most) return series;
      const last = this.#times.of(bytesIn(batch));
      time += last;
      if (!this.#policy.goesOn(time, last)) return series;
    }
  }

  /** Milliseconds for which what waits is better left waiting for more. */
  #delay(now: number): number {
    return this.#settings.hurries() ? 0 : this.#policy.waits(this.#queue, now);
  }

  #wakeIn(delay: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#settings.wake();
    }, Math.ceil(delay));
  }
}
