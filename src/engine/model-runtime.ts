import { pack, unpack } from './batch.js';
import type { InferenceRequest, InferenceResult, LoadedModel, ModelSource } from './engine.js';
import { EngineError } from './error.js';
import { type Pending, type QueueLimits, RequestQueue } from './request-queue.js';
import { Statistics } from './statistics.js';
import type { TensorSpec } from './tensor.js';
import type { RunResult, Signature, WorkerThread } from './worker-thread.js';

/** Work taken from a model's queue, to be executed on one worker. */
export type Batch = readonly [Pending, ...Pending[]];

export interface RuntimeSettings {
  readonly limits: QueueLimits;
  /** Requests carry annotations back. */
  readonly annotate: boolean;
  /** Most rows of one execution; 1 where requests never share one. */
  readonly maxBatchSize: number;
}

export interface RuntimeHooks {
  /** Something waits. */
  readonly wake: () => void;
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
  readonly statistics = new Statistics();
  readonly #settings: RuntimeSettings;
  readonly #hooks: RuntimeHooks;
  readonly #queue: RequestQueue;
  #running = 0;
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
    this.#queue = new RequestQueue(settings.limits);
  }

  get waiting(): number {
    return this.#queue.size;
  }

  infer(request: InferenceRequest): Promise<InferenceResult> {
    const started = performance.now();
    return new Promise<InferenceResult>((resolve, reject) => {
      if (this.#draining !== undefined) {
        throw new EngineError(
          'draining',
          `model ${this.name} version ${this.version} is unloading`,
        );
      }
      const { signal } = request;
      const pending: Pending = {
        request,
        batchKey: this.#batchKey(request),
        rows: this.#settings.maxBatchSize > 1 ? (request.inputs[0]?.shape[0] ?? 1) : 1,
        bytes: request.inputs.reduce((sum, { data }) => sum + data.length, 0),
        priority: request.priority ?? 0,
        enqueued: started,
        settled: false,
        resolve,
        reject,
      };
      if (signal?.aborted === true) throw cancelled();
      this.#queue.push(pending);
      signal?.addEventListener('abort', () => this.#giveUp(pending), { once: true });
      this.#hooks.wake();
    }).then(
      (result) => {
        this.statistics.succeeded(nanosecondsSince(started), result.timings);
        return result;
      },
      (error: unknown) => {
        this.statistics.failed(nanosecondsSince(started));
        throw error;
      },
    );
  }

  /** The next work for a free worker, or undefined. */
  take(now: number): Batch | undefined {
    const [first, ...others] = this.#queue.take(this.#settings.maxBatchSize, now);
    if (first === undefined) {
      this.#settleDrain();
      return undefined;
    }
    this.#running += 1;
    return [first, ...others];
  }

  /** Executes a batch and answers each of its requests; `released` is called when the worker is free. */
  async execute(batch: Batch, worker: WorkerThread, released: () => void): Promise<void> {
    const dispatched = performance.now();
    let result: RunResult;
    try {
      result = await worker.run(pack(this.loadId, batch, this.#settings.annotate));
    } catch (error) {
      released();
      this.#fail(batch, error);
      return;
    }
    released();
    try {
      const results = unpack(batch, result, dispatched);
      const [first] = results;
      if (first !== undefined) this.statistics.executed(first.timings);
      results.forEach((own, index) => {
        batch[index]?.resolve(own);
      });
      this.#finished();
    } catch (error) {
      this.#fail(batch, error);
    }
  }

  async drain(): Promise<void> {
    if (this.#draining === undefined) {
      let resolve = (): void => undefined;
      const promise = new Promise<void>((done) => {
        resolve = done;
      }).then(() => this.#hooks.release());
      this.#draining = { promise, resolve: () => resolve() };
      this.#settleDrain();
    }
    await this.#draining.promise;
  }

  /** Rejects what waits; what runs is left to its worker. */
  abandon(error: EngineError): void {
    this.#queue.clear(error);
  }

  #giveUp(pending: Pending): void {
    this.#queue.giveUp(pending, cancelled());
    this.#settleDrain();
  }

  #fail(batch: Batch, error: unknown): void {
    const failure =
      error instanceof EngineError ? error : new EngineError('execution', String(error), error);
    for (const pending of batch) pending.reject(failure);
    this.#finished();
  }

  #finished(): void {
    this.#running -= 1;
    this.#settleDrain();
  }

  #settleDrain(): void {
    if (this.#running === 0 && this.#queue.size === 0) this.#draining?.resolve();
  }

  /** Requests share an execution only if they agree on all but the number of rows. */
  #batchKey(request: InferenceRequest): string {
    if (this.#settings.maxBatchSize <= 1) return '';
    const [head] = request.inputs;
    const tails = request.inputs.map(({ shape }) =>
      shape[0] === head?.shape[0] ? shape.slice(1).join('x') : `own${Math.random()}`,
    );
    return `${request.outputs.join('\0')}\0\0${tails.join(',')}`;
  }
}

function cancelled(): EngineError {
  return new EngineError('cancelled', 'the caller went away before the request was dispatched');
}

function nanosecondsSince(started: number): number {
  return Math.round((performance.now() - started) * 1e6);
}
