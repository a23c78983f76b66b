import type { AnnotatorSettings } from './engine.js';
import { asEngineError, EngineError } from './error.js';
import { WorkerThread } from './worker-thread.js';

/** Replacements of one worker without a single execution between, after which the pool gives up. */
const MAX_FRUITLESS_RESTARTS = 3;

interface Errand {
  readonly run: () => Promise<void>;
  readonly reject: (error: EngineError) => void;
}

/** The place of one worker, which is replaced when its thread dies. */
export interface Slot {
  thread: WorkerThread;
  /** Series and errands that its worker has; more than one where a series waits behind another. */
  given: number;
  /** Work that needs the worker between executions: loads and unloads. */
  readonly errands: Errand[];
  restarts: number;
  /** Why it has no worker any more, and will have none. */
  lost: EngineError | undefined;
}

export interface PoolSettings {
  readonly workers: number;
  readonly annotator: AnnotatorSettings | undefined;
  /** Loads into a new thread what the one before it had. */
  readonly restore: (slot: Slot, thread: WorkerThread) => Promise<void>;
  /** Something changed: give the free workers what is next for them. */
  readonly pump: () => void;
  /** An execution does not end; its worker is lost for good, since it must not be terminated. */
  readonly onHang: (error: EngineError) => void;
  /** Workers end as often as they are started. */
  readonly onFatal: (error: EngineError) => void;
}

/** The worker threads: started, supervised, replaced, closed. */
export class WorkerPool {
  readonly slots: readonly Slot[];
  readonly #settings: PoolSettings;
  #closing = false;

  /** Throws EngineError `execution`, and leaves no thread behind, where the system has none for a worker. */
  constructor(settings: PoolSettings) {
    this.#settings = settings;
    const slots: Slot[] = [];
    this.slots = slots;
    try {
      while (slots.length < settings.workers) {
        const thread = this.#spawn();
        slots.push({ thread, given: 0, errands: [], restarts: 0, lost: undefined });
      }
    } catch (error) {
      void this.close();
      throw error;
    }
  }

  async started(): Promise<void> {
    await Promise.all(this.slots.map(({ thread }) => thread.started()));
  }

  /** Runs work on a slot's worker, between executions. */
  errand<T>(slot: Slot, work: (thread: WorkerThread) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (slot.lost !== undefined) {
        reject(slot.lost);
        return;
      }
      slot.errands.push({ run: () => work(slot.thread).then(resolve, reject), reject });
      this.#settings.pump();
    });
  }

  /** Ends the threads after what they were given, without waiting for one that hangs. */
  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.slots.map(({ thread }) => thread.close()));
  }

  #spawn(): WorkerThread {
    const slotOf = (thread: WorkerThread): Slot | undefined =>
      this.slots.find((slot) => slot.thread === thread);
    try {
      return new WorkerThread(this.#settings.annotator, {
        onDeath: (dead) => {
          const slot = slotOf(dead);
          if (slot !== undefined) void this.#replace(slot);
        },
        onHang: (hung, error) => {
          const slot = slotOf(hung);
          if (slot !== undefined) lose(slot, error);
          this.#settings.onHang(error);
        },
      });
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const message = `a worker thread cannot be started: ${reason}; expected a limit of threads (RLIMIT_NPROC, pids.max) with room for ${this.#settings.workers} workers`;
      throw new EngineError('execution', message, cause);
    }
  }

  /** A worker died: its callers have their error already; a new one takes its place and its models. */
  async #replace(slot: Slot): Promise<void> {
    if (this.#closing || slot.thread.hung) return;
    slot.restarts += 1;
    if (slot.restarts > MAX_FRUITLESS_RESTARTS) {
      const why = 'a worker thread ends as often as it is started';
      this.#giveUp(slot, new EngineError('execution', why));
      return;
    }
    slot.given = 1;
    try {
      slot.thread = this.#spawn();
    } catch (error) {
      this.#giveUp(slot, asEngineError(error));
      return;
    }
    const { thread } = slot;
    try {
      await thread.started();
      await this.#settings.restore(slot, thread);
    } catch {
      // If this one died too, its own death notice goes on from here; if it lives, it lacks a session.
      if (!thread.alive) return;
      await thread.close();
      return this.#replace(slot);
    }
    slot.given = 0;
    this.#settings.pump();
  }

  #giveUp(slot: Slot, error: EngineError): void {
    lose(slot, error);
    this.#settings.onFatal(error);
  }
}

function lose(slot: Slot, error: EngineError): void {
  slot.lost = error;
  for (const { reject } of slot.errands.splice(0)) reject(error);
}
