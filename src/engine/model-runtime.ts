import { BatchPolicy, mostRows } from './batch-policy.js';
import { tailsKey } from './batch-shapes.js';
import { Dispatcher } from './dispatcher.js';
import type {
  BatchingOptions,
  BatchingOutcome,
  InferenceRequest,
  InferenceResult,
  LoadedModel,
  ModelSource,
} from './engine.js';
import { asEngineError, EngineError } from './error.js';
import { addressOf, cancelled, inputBytesOf, overdue, type Pending } from './pending.js';
import type { RequestMemory } from './request-memory.js';
import { RequestQueue } from './request-queue.js';
import { type Batch, type Outcome, runSeries } from './series.js';
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
  readonly #dispatcher: Dispatcher;
  /** Of a request. */
  readonly #mostRows: number;
  /** Whether dimension 0 of a request's inputs is its batch size, as it is where there is a `max_batch_size`. */
  readonly #batched: boolean;
  /** Requests that wait or are executed. */
  #unanswered = 0;
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
    this.#dispatcher = new Dispatcher(this.#queue, this.#policy, {
      steady: settings.steady,
      workers: () => this.instances,
      hurries: () => this.#draining !== undefined,
      wake: hooks.wake,
    });
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

  /** As `Dispatcher.take`. */
  take(now: number): readonly Batch[] | undefined {
    return this.#dispatcher.take(now);
  }

  /** As `Dispatcher.takeBehind`. */
  takeBehind(busy: Executor, now: number): readonly Batch[] | undefined {
    return this.#dispatcher.takeBehind(busy, now);
  }

  /** Executes a series and answers each of its requests; `free` is called once the worker is. */
  async execute(series: readonly Batch[], worker: Executor, free: () => void): Promise<void> {
    const ended = this.#dispatcher.begin(series, worker);
    const released = (): void => {
      ended();
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
      if (took !== undefined) this.#dispatcher.learn(batch, took);
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
