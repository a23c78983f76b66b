import { availableParallelism } from 'node:os';
import { Turns } from '../system/turns.js';
import { decideBatching } from './batch-gate.js';
import { collectSparingly } from './collections.js';
import type {
  AnnotatorSettings,
  BatchingOutcome,
  Engine,
  LoadedModel,
  LoadOptions,
  ModelSource,
} from './engine.js';
import { EngineError } from './error.js';
import { isSteady } from './execution-times.js';
import { defaultMemoryBudget, MemoryBudget } from './memory-budget.js';
import { ModelRuntime } from './model-runtime.js';
import { ModelSessions, type SessionOptions } from './model-sessions.js';
import { defaultRequestMemory, RequestMemory } from './request-memory.js';
import type { Batch } from './series.js';
import { withScalars } from './tensor.js';
import { favourEventLoop } from './thread-priority.js';
import { type Slot, WorkerPool } from './worker-pool.js';
import type { Signature } from './worker-thread.js';

export interface EngineSettings {
  /** Worker threads; default one a core. Each holds a session of every model for which there is room. */
  readonly workers?: number | undefined;
  /** Bytes that the models and their sessions may take together; default: see `defaultMemoryBudget`. */
  readonly memoryBudget?: number | undefined;
  /** How sessions are measured: bytes that the process has in memory now, which is the default. */
  readonly memoryInUse?: () => number;
  readonly annotator?: AnnotatorSettings;
  /** Bytes that the inputs of requests may take together; default: see `defaultRequestMemory`. */
  readonly requestMemory?: number | undefined;
  /** Called when the engine cannot go on; the process should end and be restarted. */
  readonly onFatal?: (error: EngineError) => void;
  /**
   * Called when an execution hangs, with `timeout`. The other workers go on, so that the process can
   * be drained; but only its end, by a signal that no thread can delay, frees the one that hangs.
   */
  readonly onHang?: ((error: EngineError) => void) | undefined;
}

const DEFAULT_QUEUE_SIZE = 1024;
const DEFAULT_MAX_RUN = 300_000;

interface Work {
  readonly runtime: ModelRuntime;
  readonly series: readonly Batch[];
}

interface Registered {
  readonly runtime: ModelRuntime;
  readonly sessions: ModelSessions;
}

/** Starts the worker threads; rejects with EngineError if one cannot start. */
export async function createEngine(settings: EngineSettings = {}): Promise<Engine> {
  // ONNX Runtime since 1.30 reports its use to its vendor over HTTPS unless the process says not to.
  // Threads have environments of their own, which native code does not see: it is said here.
  process.env['ORT_DISABLE_TELEMETRY'] = '1';
  favourEventLoop();
  collectSparingly();
  const engine = new OnnxEngine(settings);
  try {
    await engine.started();
  } catch (error) {
    // The threads that did start would keep the process from ending.
    await engine.close();
    throw error;
  }
  return engine;
}

class OnnxEngine implements Engine {
  readonly #settings: EngineSettings;
  readonly #pool: WorkerPool;
  readonly #budget: MemoryBudget;
  readonly #requests: RequestMemory;
  /** What can be asked, by load, in the order of their turns. */
  readonly #models = new Map<number, Registered>();
  /** Those of all loads, also of one that is under way: what a worker has that takes another's place. */
  readonly #sessions = new Set<ModelSessions>();
  /** Loads and unloads happen one after another: each load is measured by what memory grows by. */
  readonly #turns = new Turns();
  #nextLoad = 0;
  #waking: NodeJS.Immediate | undefined;
  #closing = false;

  constructor(settings: EngineSettings) {
    this.#settings = settings;
    this.#budget = new MemoryBudget(settings.memoryBudget ?? defaultMemoryBudget());
    this.#requests = new RequestMemory(settings.requestMemory ?? defaultRequestMemory());
    this.#pool = new WorkerPool({
      workers: settings.workers ?? availableParallelism(),
      annotator: settings.annotator,
      restore: async (slot, thread) => {
        for (const sessions of this.#sessions) {
          if (sessions.holds(slot)) await sessions.load(thread);
        }
      },
      pump: () => this.#pump(),
      onHang: (error) => this.#lost(error, settings.onHang),
      onFatal: (error) => this.#lost(error, settings.onFatal),
    });
  }

  async started(): Promise<void> {
    await this.#pool.started();
  }

  get memory(): Engine['memory'] {
    return { budget: this.#budget.total, reserved: this.#budget.reserved };
  }

  get requestMemory(): Engine['requestMemory'] {
    return { limit: this.#requests.limit, held: this.#requests.held };
  }

  load(source: ModelSource, options: LoadOptions = {}): Promise<LoadedModel> {
    return this.#turns.take(() => this.#load(source, options));
  }

  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all([...this.#models.values()].map(({ runtime }) => runtime.drain()));
    await this.#turns.take(() => this.#pool.close());
  }

  #assertOpen(): void {
    if (this.#closing) throw new EngineError('draining', 'the engine is shutting down');
  }

  /**
   * The first session decides whether the model can be served, what it takes and whether requests may
   * be batched; the others follow together.
   */
  async #load(source: ModelSource, options: LoadOptions): Promise<LoadedModel> {
    this.#assertOpen();
    this.#nextLoad += 1;
    const loadId = this.#nextLoad;
    const sessions = this.#sessionsOf(loadId, source, options);
    const [slot] = this.#leastLoaded();
    if (slot === undefined) throw new EngineError('load', 'the engine has no workers');
    this.#sessions.add(sessions);
    const { signature, batching } = await this.#fill(sessions, slot, options).catch(
      async (error: unknown) => {
        await this.#close(sessions);
        throw error;
      },
    );
    const { maxQueueSize = DEFAULT_QUEUE_SIZE } = options.batching ?? {};
    const runtime = new ModelRuntime(
      loadId,
      source,
      signature,
      {
        memory: this.#requests,
        context: () => this.#settings.annotator?.context(loadId),
        batching,
        options: { ...options.batching, maxQueueSize },
        acceptsEmpty: options.acceptsEmpty ?? true,
        steady: isSteady(options),
        sessions,
      },
      {
        wake: () => this.#wake(),
        dispatch: () => this.#pump(),
        release: () => this.#turns.take(() => this.#unload(loadId)),
      },
    );
    this.#models.set(loadId, { runtime, sessions });
    return runtime;
  }

  /** Makes the sessions of a load: one that decides, then those of the other workers. */
  async #fill(
    sessions: ModelSessions,
    slot: Slot,
    options: LoadOptions,
  ): Promise<{ readonly signature: Signature; readonly batching: BatchingOutcome }> {
    const { signature, outcome } = await sessions.first(slot, (worker, made) =>
      decideBatching(worker, sessions.loadId, made, options),
    );
    await sessions.spread(this.#leastLoaded());
    this.#assertOpen();
    const inputs = withScalars(signature.inputs, options.scalarInputs ?? []);
    return { signature: { ...signature, inputs }, batching: outcome };
  }

  async #close(sessions: ModelSessions): Promise<void> {
    await sessions.close();
    this.#sessions.delete(sessions);
  }

  #sessionsOf(loadId: number, source: ModelSource, options: LoadOptions): ModelSessions {
    const session: SessionOptions = {
      execution: {
        intraOpThreads: options.intraOpThreads ?? 1,
        graphOptimizationLevel: options.graphOptimizationLevel ?? 'all',
      },
      maxRun: options.maxRun ?? DEFAULT_MAX_RUN,
    };
    const memoryInUse = this.#settings.memoryInUse ?? process.memoryUsage.rss;
    return new ModelSessions(loadId, source, session, {
      pool: this.#pool,
      budget: this.#budget,
      memoryInUse,
    });
  }

  /** The workers, those with the fewest sessions first. */
  #leastLoaded(): readonly Slot[] {
    const all = [...this.#sessions];
    const held = (slot: Slot): number => all.filter((sessions) => sessions.holds(slot)).length;
    return this.#pool.slots
      .filter(({ lost }) => lost === undefined)
      .sort((a, b) => held(a) - held(b));
  }

  /** What one model gives back lets another that had too few sessions have more. */
  async #unload(loadId: number): Promise<void> {
    const unloaded = this.#models.get(loadId);
    this.#models.delete(loadId);
    if (unloaded !== undefined) await this.#close(unloaded.sessions);
    if (this.#closing) return;
    for (const sessions of this.#sessions) {
      await sessions.spread(this.#leastLoaded()).catch(() => undefined);
    }
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

  /**
   * Gives every free worker what is next for it, and one that is free in a moment what it can go on with.
   * Synchronous: called whenever something changes.
   */
  #pump(): void {
    for (const slot of this.#pool.slots) {
      const { given, thread } = slot;
      if (given > 1 || !thread.alive) continue;
      const errand = given === 0 ? slot.errands.shift() : undefined;
      if (errand !== undefined) void errand.run().finally(this.#give(slot));
      else this.#execute(slot, given === 0 ? this.#next(slot) : this.#behind(slot));
    }
  }

  #execute(slot: Slot, work: Work | undefined): void {
    if (work === undefined) return;
    slot.restarts = 0;
    void work.runtime.execute(work.series, slot.thread, this.#give(slot));
  }

  /** Counts what a worker is given; what is returned is called once it has ended. */
  #give(slot: Slot): () => void {
    const { thread } = slot;
    slot.given += 1;
    return () => {
      // A worker that died meanwhile has been replaced; the new one is free when it says so.
      if (slot.thread === thread) slot.given -= 1;
      this.#pump();
    };
  }

  /** The next work of the models that a worker holds, which take turns. */
  #next(slot: Slot): Work | undefined {
    const now = performance.now();
    for (const [loadId, registered] of this.#models) {
      const { runtime, sessions } = registered;
      if (runtime.waiting === 0 || !sessions.holds(slot)) continue;
      const series = runtime.take(now);
      if (series === undefined) continue;
      this.#models.delete(loadId);
      this.#models.set(loadId, registered);
      return { runtime, series };
    }
    return undefined;
  }

  /** The next work for a worker that has a series, where no models need take turns: one alone waits for it. */
  #behind(slot: Slot): Work | undefined {
    if (slot.errands.length > 0) return undefined;
    let only: ModelRuntime | undefined;
    for (const { runtime, sessions } of this.#models.values()) {
      if (runtime.waiting === 0 || !sessions.holds(slot)) continue;
      if (only !== undefined) return undefined;
      only = runtime;
    }
    const series = only?.takeBehind(slot.thread, performance.now());
    return only && series && { runtime: only, series };
  }

  /** A worker is lost for good: what waits for it alone is refused. */
  #lost(error: EngineError, tell: ((error: EngineError) => void) | undefined): void {
    for (const { runtime } of this.#models.values()) runtime.workerLost();
    tell?.(error);
  }
}
