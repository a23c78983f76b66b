import { BatchPolicy, mostRows, ShortExecutions } from './batch-policy.js';
import { tailsKey } from './batch-shapes.js';
import type {
  BatchingOptions,
  BatchingOutcome,
  InferenceRequest,
  InferenceResult,
  LoadedModel,
  ModelSource,
} from './engine.js';
import { asEngineError, EngineError } from './error.js';
import { UsualTimes } from './execution-times.js';
import { addressOf, cancelled, inputBytesOf, overdue, type Pending } from './pending.js';
import type { RequestMemory } from './request-memory.js';
import { RequestQueue } from './request-queue.js';
import { addressIn, type Batch, bytesIn, type Outcome, runSeries } from './series.js';
import { Statistics } from './statistics.js';
import type { TensorSpec } from './tensor.js';
import type { Executor, Signature } from './worker-thread.js';

export interface RuntimeSettings {
  readonly memory: RequestMemory;
  /** What the annotator is told of an execution that is dispatched now; undefined: it is not called. */
  readonly context: () => Uint8Array | undefined;
  readonly batching: BatchingOutcome;
  readonly options: BatchingOptions & { readonly maxQueueSize: number };
  readonly acceptsEmpty: boolean;
  /** See `isSteady`; where it is not, a worker is given one execution at a time. */
  readonly steady: boolean;
  /** Its sessions as they are now. */
  readonly sessions: { readonly count: number; readonly bytes: number };
}

export interface RuntimeHooks {
  /** Something waits: dispatch it soon. */
  readonly wake: () => void;
  /** The queue is full: dispatch now what can be. */
  readonly dispatch: () => void;
  /** Nothing waits or runs any more, and nothing will. */
  readonly release: () => Promise<void>;
}

/** A series that has not ended. */
interface Given {
  readonly worker: Executor;
  /** Whose it is; undefined where it is several addresses', or not short as far as can be told. */
  readonly shortOf: string | undefined;
}

/** One load of a model: its queue, its statistics, its way in and out of executions. */
export class ModelRuntime implements LoadedModel {
  readonly loadId: number;
  readonly name: string;
  readonly version: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly batching: BatchingOutcome;
  readonly options: BatchingOptions;
  readonly acceptsEmpty: boolean;
  readonly statistics = new Statistics();
  readonly #settings: RuntimeSettings;
  readonly #hooks: RuntimeHooks;
  readonly #policy: BatchPolicy;
  readonly #queue: RequestQueue;
  /** Of a request. */
  readonly #mostRows: number;
  /** Whether dimension 0 of a request's inputs is its batch size, as it is where there is a `max_batch_size`. */
  readonly #batched: boolean;
  /** Requests that wait or are executed. */
  #unanswered = 0;
  readonly #short = new ShortExecutions();
  readonly #times = new UsualTimes();
  readonly #executing: Given[] = [];
  /** Nanoseconds in ONNX Runtime of the newest execution. */
  #lastExecution = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #draining: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;

  constructor(
    loadId: number,
    source: ModelSource,
    signature: Signature,
    settings: RuntimeSettings,
    hooks: RuntimeHooks,
  ) {
    this.loadId = loadId;
    this.#settings = settings;
    this.#hooks = hooks;
    this.name = source.name;
    this.version = source.version;
    this.inputs = signature.inputs;
    this.outputs = signature.outputs;
    this.batching = settings.batching;
    this.options = settings.options;
    this.acceptsEmpty = settings.acceptsEmpty;
    this.#policy = new BatchPolicy(settings.batching.maxBatchSize, settings.options);
    this.#queue = new RequestQueue(settings.options.maxQueueSize, settings.memory);
    this.#mostRows = mostRows(settings.options, signature.inputs);
    this.#batched = settings.batching.maxBatchSize > 1 || Number.isFinite(this.#mostRows);
  }

  get waiting(): number {
    return this.#queue.size;
  }

  get instances(): number {
    return this.#settings.sessions.count;
  }

  get memory(): number {
    return this.#settings.sessions.bytes;
  }

  infer(request: InferenceRequest): Promise<InferenceResult> {
    const started = performance.now();
    const { batchKey, sharedRows, rows } = this.#share(request);
    const inputBytes = inputBytesOf(request);
    return new Promise<InferenceResult>((resolve, reject) => {
      const pending: Pending = {
        request,
        address: addressOf(request.caller ?? ''),
        batchKey,
        sharedRows,
        rows,
        inputBytes,
        bytes: Math.max(inputBytes, request.messageBytes ?? 0),
        priority: this.#policy.priorityOf(request),
        enqueued: started,
        expires: this.#policy.expiryOf(request, started),
        waiting: false,
        resolve: (result) => {
          this.statistics.succeeded(nanosecondsSince(started), result.timings);
          this.#answered();
          resolve(result);
        },
        reject: (error) => {
          this.statistics.failed(nanosecondsSince(started), error.reason);
          this.#answered();
          reject(error);
        },
      };
      this.#unanswered += 1;
      const refusal = this.#refusal(request);
      if (refusal === undefined) this.#enqueue(pending);
      else pending.reject(refusal);
    });
  }

  #refusal({ inputs }: InferenceRequest): EngineError | undefined {
    if (this.#draining !== undefined) {
      const reason = `model ${this.name} version ${this.version} is unloading`;
      return new EngineError('draining', reason);
    }
    const large = inputs.find(({ shape: [rows = 1] }) => rows > this.#mostRows);
    if (large === undefined) return undefined;
    return new EngineError(
      'invalid-request',
      `input ${large.name}: expected at most ${this.#mostRows} rows (max_batch_size), not ${large.shape[0]}`,
    );
  }

  #enqueue(pending: Pending): void {
    const { cancellation } = pending.request;
    try {
      if (this.instances === 0) throw this.#withoutWorkers();
      if (cancellation?.cancelled === true) throw cancelled();
      if (!this.#queue.hasRoom(pending)) {
        this.#settings.memory.dropExpired(performance.now());
        this.#hooks.dispatch();
      }
      this.#queue.push(pending);
    } catch (error) {
      pending.reject(asEngineError(error));
      return;
    }
    cancellation?.onCancel(() => this.#queue.giveUp(pending, cancelled()));
    this.#hooks.wake();
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
    const rows = this.#policy.sizeNow(this.#queue);
    const most = this.#settings.steady
      ? this.#policy.seriesNow(this.#queue, rows, this.instances)
      : 1;
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
    return this.#draining === undefined ? this.#policy.waits(this.#queue, now) : 0;
  }

  /** Executes a series and answers each of its requests; `free` is called once the worker is. */
  async execute(series: readonly Batch[], worker: Executor, free: () => void): Promise<void> {
    const short =
      this.#settings.steady && series.every((batch) => this.#short.expects(bytesIn(batch)));
    const given = { worker, shortOf: short ? addressIn(series) : undefined };
    this.#executing.push(given);
    const released = (): void => {
      this.#executing.splice(this.#executing.indexOf(given), 1);
      free();
    };
    const outcomes = await this.#run(series, worker);
    const shared = worker.hung
      ? []
      : series.filter((batch, i) => batch.length > 1 && outcomes[i] instanceof EngineError);
    if (shared.length === 0) released();
    series.forEach((batch, i) => {
      if (!shared.includes(batch)) this.#settle(batch, outcomes[i]);
    });
    for (const batch of shared) await this.#runEachAlone(batch, worker);
    if (shared.length > 0) released();
  }

  async #run(series: readonly Batch[], worker: Executor): Promise<readonly Outcome[]> {
    const outcomes = await runSeries(this.loadId, series, worker, this.#settings.context());
    series.forEach((batch, i) => {
      const outcome = outcomes[i];
      const took = outcome instanceof EngineError ? undefined : outcome?.[0]?.timings.computeInfer;
      if (took === undefined) return;
      this.#lastExecution = took;
      const bytes = bytesIn(batch);
      this.#short.learn(bytes, took);
      this.#times.learn(bytes, took);
    });
    return outcomes;
  }

  /** Answers a batch, or lets it wait again where its worker was lost at another. */
  #settle(batch: Batch, outcome: Outcome): void {
    for (const { bytes } of batch) this.#settings.memory.release(bytes);
    if (outcome === undefined) {
      for (const pending of batch) this.#enqueue(pending);
    } else if (outcome instanceof EngineError) {
      for (const pending of batch) pending.reject(outcome);
    } else {
      const [first] = outcome;
      if (first !== undefined) this.statistics.executed(first.timings);
      outcome.forEach((result, i) => {
        batch[i]?.resolve(result);
      });
    }
  }

  /**
   * A batch failed, or its worker died at it: whoever is not to blame gets an answer, and nobody hears of
   * another's data. Without the worker they wait again, to be executed alone: then none is blamed for another.
   */
  async #runEachAlone(batch: Batch, worker: Executor): Promise<void> {
    for (const pending of batch) {
      const alone = { ...pending, batchKey: '', sharedRows: 1 };
      this.#settle([alone], await this.#runAlone(alone, worker));
    }
  }

  async #runAlone(pending: Pending, worker: Executor): Promise<Outcome> {
    const gone = overdue(pending, performance.now());
    if (gone !== undefined || !worker.alive) return gone;
    const [outcome] = await this.#run([[pending]], worker);
    return outcome;
  }

  async drain(): Promise<void> {
    if (this.#draining === undefined) {
      let resolve = (): void => undefined;
      const promise = new Promise<void>((done) => {
        resolve = done;
      }).then(() => this.#hooks.release());
      this.#draining = { promise, resolve: () => resolve() };
      this.#settleDrain();
      this.#hooks.wake();
    }
    await this.#draining.promise;
  }

  /** Rejects what waits if no worker is left to execute it; what runs is left to its worker. */
  workerLost(): void {
    if (this.instances > 0) return;
    this.#queue.clear(this.#withoutWorkers());
  }

  #withoutWorkers(): EngineError {
    return new EngineError(
      'draining',
      `model ${this.name} version ${this.version} has no worker left, the service has to be restarted`,
    );
  }

  /** Looks again, after so many milliseconds, at what waits. */
  #wakeIn(delay: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#hooks.wake();
    }, Math.ceil(delay));
  }

  #answered(): void {
    this.#unanswered -= 1;
    this.#settleDrain();
  }

  #settleDrain(): void {
    if (this.#unanswered === 0) this.#draining?.resolve();
  }

  /** Requests share an execution only if they agree on all but the number of rows. */
  #share(request: InferenceRequest): Pick<Pending, 'batchKey' | 'sharedRows' | 'rows'> {
    const rows = this.#batched ? (request.inputs[0]?.shape[0] ?? 1) : 1;
    if (this.#batched && request.inputs.some(({ shape }) => shape[0] !== rows)) {
      return { batchKey: '', sharedRows: 1, rows: 1 };
    }
    if (this.batching.maxBatchSize <= 1) return { batchKey: '', sharedRows: 1, rows };
    const key = tailsKey(request.inputs.map(({ shape }) => shape.slice(1)));
    const sharedRows = this.batching.sizes.get(key) ?? 1;
    return { batchKey: `${request.outputs.join('\0')}\0\0${key}`, sharedRows, rows };
  }
}

function nanosecondsSince(started: number): number {
  return Math.round((performance.now() - started) * 1e6);
}
