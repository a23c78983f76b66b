import { availableParallelism } from 'node:os';
import { decideBatching } from './batch-gate.js';
import type {
  AnnotatorSettings,
  BatchingOutcome,
  Engine,
  ExecutionOptions,
  LoadedModel,
  LoadOptions,
  ModelSource,
} from './engine.js';
import { EngineError } from './error.js';
import { ModelRuntime } from './model-runtime.js';
import type { QueueLimits } from './request-queue.js';
import { type Signature, WorkerThread } from './worker-thread.js';

export interface EngineSettings {
  /** Worker threads; default one a core. Each holds a session of every model. */
  readonly workers?: number;
  readonly annotator?: AnnotatorSettings;
  /** Per model. */
  readonly queue?: Partial<QueueLimits>;
  /** Called when the engine cannot go on; the process should end and be restarted. */
  readonly onFatal?: (error: EngineError) => void;
}

const DEFAULT_LIMITS: QueueLimits = { maxQueueSize: 1024, maxQueueBytes: 256 * 1024 * 1024 };

/** Replacements of one worker without a single execution between, after which the engine gives up. */
const MAX_FRUITLESS_RESTARTS = 3;

interface Slot {
  thread: WorkerThread;
  busy: boolean;
  /** Work that needs the worker between executions: loads and unloads. */
  readonly errands: (() => Promise<void>)[];
  restarts: number;
}

interface Registered {
  readonly runtime: ModelRuntime;
  readonly source: ModelSource;
  readonly options: Required<ExecutionOptions>;
}

/** Starts the worker threads; rejects with EngineError if one cannot start. */
export async function createEngine(settings: EngineSettings = {}): Promise<Engine> {
  // ONNX Runtime since 1.30 reports its use to its vendor over HTTPS unless the process says not to.
  // Threads have environments of their own, which native code does not see: it is said here.
  process.env['ORT_DISABLE_TELEMETRY'] = '1';
  const engine = new OnnxEngine(settings);
  await engine.started();
  return engine;
}

class OnnxEngine implements Engine {
  readonly #settings: EngineSettings;
  readonly #slots: Slot[];
  readonly #models = new Map<number, Registered>();
  #nextLoad = 0;
  #waking: NodeJS.Immediate | undefined;
  #closing = false;

  constructor(settings: EngineSettings) {
    this.#settings = settings;
    const workers = settings.workers ?? availableParallelism();
    this.#slots = Array.from({ length: workers }, () => ({
      thread: this.#spawn(),
      busy: false,
      errands: [],
      restarts: 0,
    }));
  }

  async started(): Promise<void> {
    await Promise.all(this.#slots.map(({ thread }) => thread.started()));
  }

  async load(source: ModelSource, options: LoadOptions = {}): Promise<LoadedModel> {
    if (this.#closing) throw new EngineError('draining', 'the engine is shutting down');
    const complete: Required<ExecutionOptions> = {
      intraOpThreads: options.intraOpThreads ?? 1,
      graphOptimizationLevel: options.graphOptimizationLevel ?? 'all',
    };
    this.#nextLoad += 1;
    const loadId = this.#nextLoad;
    const { signature, batching } = await this.#loadEverywhere(loadId, source, complete, options);
    const queue = { ...DEFAULT_LIMITS, ...this.#settings.queue };
    const { maxQueueSize = queue.maxQueueSize } = options.batching ?? {};
    const runtime = new ModelRuntime(
      loadId,
      source,
      signature,
      {
        limits: { ...queue, maxQueueSize },
        context: () => this.#settings.annotator?.context(loadId),
        batching,
        options: options.batching ?? {},
        instances: this.#slots.length,
      },
      {
        wake: () => this.#wake(),
        dispatch: () => this.#pump(),
        release: () => this.#unload(loadId),
      },
    );
    this.#models.set(loadId, { runtime, source, options: complete });
    return runtime;
  }

  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all([...this.#models.values()].map(({ runtime }) => runtime.drain()));
    await Promise.all(this.#slots.map(({ thread }) => thread.close()));
  }

  #spawn(): WorkerThread {
    return new WorkerThread({ annotator: this.#settings.annotator?.module.href }, (dead) => {
      const slot = this.#slots.find(({ thread }) => thread === dead);
      if (slot !== undefined) void this.#replace(slot);
    });
  }

  /**
   * The first worker decides whether the model can be served and its requests batched, the others
   * follow together.
   */
  async #loadEverywhere(
    loadId: number,
    source: ModelSource,
    execution: Required<ExecutionOptions>,
    options: LoadOptions,
  ): Promise<{ signature: Signature; batching: BatchingOutcome }> {
    const [first, ...others] = this.#slots;
    if (first === undefined) throw new EngineError('load', 'the engine has no workers');
    const decided = await this.#errand(first, async (thread) => {
      const signature = await thread.load(loadId, source, execution);
      return { signature, batching: await decideBatching(thread, loadId, signature, options) };
    });
    await Promise.all(
      others.map((slot) => this.#errand(slot, (thread) => thread.load(loadId, source, execution))),
    );
    return decided;
  }

  async #unload(loadId: number): Promise<void> {
    this.#models.delete(loadId);
    await Promise.all(
      this.#slots.map((slot) =>
        this.#errand(slot, (thread) => thread.unload(loadId)).catch(() => undefined),
      ),
    );
  }

  /** Runs work on a slot's worker, between executions. */
  #errand<T>(slot: Slot, work: (thread: WorkerThread) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      slot.errands.push(() => work(slot.thread).then(resolve, reject));
      this.#pump();
    });
  }

  /**
   * Dispatches at the end of this turn of the event loop: requests that one read from a socket brought
   * then share an execution, where the first would otherwise leave alone.
   */
  #wake(): void {
    this.#waking ??= setImmediate(() => {
      this.#waking = undefined;
      this.#pump();
    });
  }

  /** Gives every free worker what is next for it. Synchronous: called whenever something changes. */
  #pump(): void {
    for (const slot of this.#slots) {
      if (slot.busy || !slot.thread.alive) continue;
      const { thread } = slot;
      const release = (): void => {
        // A worker that died meanwhile has been replaced; the new one is free when it says so.
        if (slot.thread === thread) slot.busy = false;
        this.#pump();
      };
      const errand = slot.errands.shift();
      if (errand !== undefined) {
        slot.busy = true;
        void errand().finally(release);
        continue;
      }
      const work = this.#next();
      if (work === undefined) continue;
      slot.busy = true;
      slot.restarts = 0;
      void work.runtime.execute(work.batch, thread, release);
    }
  }

  /** The next batch of the models, which take turns. */
  #next():
    | { runtime: ModelRuntime; batch: NonNullable<ReturnType<ModelRuntime['take']>> }
    | undefined {
    const now = performance.now();
    for (const [loadId, registered] of this.#models) {
      if (registered.runtime.waiting === 0) continue;
      const batch = registered.runtime.take(now);
      if (batch === undefined) continue;
      this.#models.delete(loadId);
      this.#models.set(loadId, registered);
      return { runtime: registered.runtime, batch };
    }
    return undefined;
  }

  /** A worker died: its callers have their error already; a new one takes its place and its models. */
  async #replace(slot: Slot): Promise<void> {
    if (this.#closing) return;
    slot.restarts += 1;
    if (slot.restarts > MAX_FRUITLESS_RESTARTS) {
      this.#giveUp(new EngineError('execution', 'a worker thread ends as often as it is started'));
      return;
    }
    slot.busy = true;
    slot.thread = this.#spawn();
    try {
      await slot.thread.started();
      for (const [loadId, { source, options }] of this.#models) {
        await slot.thread.load(loadId, source, options);
      }
    } catch {
      return; // this one died too: its own death notice goes on from here
    }
    slot.busy = false;
    this.#pump();
  }

  #giveUp(error: EngineError): void {
    for (const { runtime } of this.#models.values()) runtime.abandon(error);
    this.#settings.onFatal?.(error);
  }
}
