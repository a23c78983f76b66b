import { setImmediate as nextTurn } from 'node:timers/promises';
import type { TrialWorker } from './batch-trial.js';
import type { ExecutionOptions, ModelSource } from './engine.js';
import type { MemoryBudget, Reservation } from './memory-budget.js';
import type { Slot, WorkerPool } from './worker-pool.js';
import type { Signature, WorkerThread } from './worker-thread.js';

/** How a session is made, and how long one of its executions may take (milliseconds). */
export interface SessionOptions {
  readonly execution: Required<ExecutionOptions>;
  readonly maxRun: number;
}

export interface SessionsContext {
  readonly pool: WorkerPool;
  readonly budget: MemoryBudget;
  /** Bytes that the process has in memory now. */
  readonly memoryInUse: () => number;
}

/**
 * The sessions of one load and the memory that they take. The source stays in memory as long as they
 * do: a worker that dies is replaced from memory, not from the disk. A session's
 * size is measured on the first one, because it depends on what ONNX Runtime packs, shares and frees.
 *
 * Sessions do not share packed weights. ONNX Runtime can (`save_external_prepacked_constant_initializers`,
 * then a map of the file that it wrote), and the bits were equal; but with 512 MiB of weights, S, that
 * file has 2 S, writing it takes 4 S more beside the source, several times a session's load, and what
 * is executed is then a file instead of what was measured. N sessions of their own take
 * (1 + N) S with the source: where memory is short there is no room to begin to share, below six or
 * seven workers. A model that does not fit on every worker has fewer sessions instead.
 */
export class ModelSessions {
  readonly loadId: number;
  readonly #source: ModelSource;
  readonly #options: SessionOptions;
  readonly #context: SessionsContext;
  readonly #reservation: Reservation;
  readonly #holders = new Set<Slot>();
  /** Bytes of the source. */
  readonly #size: number;
  /** Bytes of one session, once it was measured. */
  #session = 0;
  #closed = false;

  constructor(
    loadId: number,
    source: ModelSource,
    options: SessionOptions,
    context: SessionsContext,
  ) {
    this.loadId = loadId;
    this.#source = source;
    this.#options = options;
    this.#context = context;
    this.#size = source.externalData.reduce(
      (sum, { data }) => sum + data.length,
      source.model.length,
    );
    this.#reservation = context.budget.reservation(
      `model ${source.name} version ${source.version}`,
    );
  }

  /** Sessions that can execute. */
  get count(): number {
    let count = 0;
    for (const { lost } of this.#holders) if (lost === undefined) count += 1;
    return count;
  }

  /** Bytes of the budget that the source and its sessions take. */
  get bytes(): number {
    return this.#reservation.bytes;
  }

  /** Whether a slot's worker has a session, and one that takes its place needs it. */
  holds(slot: Slot): boolean {
    return !this.#closed && this.#holders.has(slot);
  }

  /**
   * Makes the first session, then tries it, each trial between requests of other models. Its size is what the
   * process grew by, and at least the weights: other memory may have been freed meanwhile. Rejects with
   * EngineError `memory`, naming need and budget, if not even one fits.
   */
  async first<T>(
    slot: Slot,
    attempt: (worker: TrialWorker, signature: Signature) => Promise<T>,
  ): Promise<{ signature: Signature; outcome: T }> {
    const { pool, memoryInUse } = this.#context;
    // ONNX Runtime is given a copy, since it takes no shared memory, and makes the session from it.
    this.#reservation.resize(3 * this.#size);
    const { before, signature } = await pool.errand(slot, async (thread) => {
      const before = memoryInUse();
      const signature = await this.load(thread);
      this.#holders.add(slot);
      return { before, signature };
    });
    const outcome = await attempt(this.#trialWorker(slot), signature);
    this.#session = Math.max(this.#size, memoryInUse() - before);
    this.#reservation.resize(this.#size + this.#session);
    return { signature, outcome };
  }

  /** Each execution is an errand of its own: what waits for the worker meanwhile is executed before the next. */
  #trialWorker(slot: Slot): TrialWorker {
    let alive = true;
    return {
      get alive() {
        return alive && slot.lost === undefined;
      },
      run: async (execution) => {
        await nextTurn();
        return this.#context.pool.errand(slot, async (thread) => {
          const given = performance.now();
          const result = await thread.run(execution).finally(() => {
            alive = thread.alive;
          });
          return { result, took: performance.now() - given };
        });
      },
    };
  }

  /**
   * Makes sessions on further workers, in this order, as long as the budget has room for each and for
   * the copy of the source that its load needs.
   */
  async spread(slots: readonly Slot[]): Promise<void> {
    const open = slots.filter((slot) => !this.#holders.has(slot) && slot.lost === undefined);
    while (open.length > 0 && !this.#closed) {
      const fitting = Math.floor(this.#reservation.room / (this.#session + this.#size));
      if (fitting < 1) return;
      const made = await Promise.allSettled(
        open.splice(0, fitting).map((slot) => this.#further(slot)),
      );
      const failed = made.find(({ status }) => status === 'rejected');
      if (failed?.status === 'rejected') throw failed.reason;
    }
  }

  async #further(slot: Slot): Promise<void> {
    this.#reservation.resize(this.bytes + this.#session);
    try {
      await this.#context.pool.errand(slot, (thread) => this.load(thread));
      this.#holders.add(slot);
    } catch (error) {
      this.#reservation.resize(this.bytes - this.#session);
      throw error;
    }
  }

  /** Makes a session on a thread: a slot's first, or that of a replaced one. */
  load(thread: WorkerThread): Promise<Signature> {
    const { execution, maxRun } = this.#options;
    return thread.load(this.loadId, this.#source, execution, maxRun);
  }

  /** Frees the sessions and gives their memory back. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(
      [...this.#holders].map((slot) =>
        this.#context.pool
          .errand(slot, (thread) => thread.unload(this.loadId))
          .catch(() => undefined),
      ),
    );
    this.#holders.clear();
    this.#reservation.resize(0);
  }
}
