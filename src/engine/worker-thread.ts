import { Worker } from 'node:worker_threads';
import type { AnnotatorSettings, ExecutionOptions, ModelSource } from './engine.js';
import { asEngineError, EngineError } from './error.js';
import { type Ended, GivenSeries, type Waiter } from './given-series.js';
import type {
  Execution,
  ExecutionResult,
  FromWorker,
  ToWorker,
  WorkerSettings,
} from './messages.js';
import type { TensorSpec } from './tensor.js';

export interface Signature {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** What came of an execution; undefined where the thread was lost at another, or before it. */
type ExecutionOutcome = ExecutionResult | EngineError | undefined;

/** Each is called once at most. */
export interface ThreadEvents {
  /** The thread ended unasked; everything that it was given is rejected with `execution`. */
  readonly onDeath: (worker: WorkerThread) => void;
  /** A run took longer than it may; everything that the thread was given is rejected with `timeout`. */
  readonly onHang: (worker: WorkerThread, error: EngineError) => void;
}

/** What executes series. */
export type Executor = Pick<
  WorkerThread,
  'alive' | 'hung' | 'executions' | 'dispatched' | 'ended' | 'runSeries'
>;

/** What the thread tells its annotator's owner. */
type Annotating = Pick<AnnotatorSettings, 'noticed' | 'ended'>;

/**
 * The main thread's end of one worker. A run that hangs cannot be stopped: ONNX Runtime has no way
 * to cancel it, and ending a thread inside of a run aborts the process. Its thread is given no more.
 */
export class WorkerThread {
  readonly #worker: Worker;
  readonly #loads = new Map<number, Waiter<Signature>>();
  readonly #unloads = new Map<number, Waiter<void>>();
  readonly #started: Promise<void>;
  readonly #ended: Promise<void>;
  /** Milliseconds that an execution may take, by load. */
  readonly #limits = new Map<number, number>();
  readonly #series = new GivenSeries(() => this.#hang());
  readonly #events: ThreadEvents;
  readonly #annotating: Annotating;
  #closing = false;
  #dead = false;
  #hung = false;

  constructor(annotator: AnnotatorSettings | undefined, events: ThreadEvents) {
    this.#events = events;
    this.#annotating = annotator ?? {};
    const settings: WorkerSettings = {
      annotator: annotator && { url: annotator.module.href, data: annotator.data },
      executed: this.#series.counter,
    };
    // The worker inherits no flags (a profiler's, an inspector's) and no environment of its own.
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), {
      workerData: settings,
      execArgv: [],
    });
    // It is -1 once the thread has ended.
    const { threadId } = this.#worker;
    let cause: unknown;
    this.#worker.on('error', (error) => {
      cause = error;
    });
    this.#started = new Promise((resolve, reject) => {
      this.#worker.on('message', (message: FromWorker) => {
        if (message.kind === 'started') resolve();
        else this.#receive(message);
      });
      this.#worker.once('exit', () => {
        const why = cause instanceof Error ? `: ${cause.message}` : '';
        const message = `a worker thread ended before it had started${why}`;
        reject(new EngineError('execution', message, cause));
      });
    });
    this.#started.catch(() => undefined);
    this.#ended = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#dead = true;
        this.#series.stopWatch();
        annotator?.ended?.(threadId);
        this.#rejectAll(
          new EngineError('execution', 'the worker thread ended unexpectedly', cause),
        );
        resolve();
        if (!this.#closing) events.onDeath(this);
      });
    });
  }

  get alive(): boolean {
    return !this.#dead && !this.#hung;
  }

  /** It is inside of a run that does not end. */
  get hung(): boolean {
    return this.#hung;
  }

  /** In all series that it has. */
  get executions(): number {
    return this.#series.executions;
  }

  /** performance.now() at which it was given the last of them. */
  get dispatched(): number {
    return this.#series.dispatched;
  }

  /** It has executed all of it, and says so soon. */
  get ended(): boolean {
    return this.#series.ended;
  }

  /** Resolves when the thread can take work, rejects if it ended before. */
  started(): Promise<void> {
    return this.#started;
  }

  /** @param maxRun milliseconds that an execution of the model may take. */
  load(
    loadId: number,
    source: ModelSource,
    options: Required<ExecutionOptions>,
    maxRun: number,
  ): Promise<Signature> {
    this.#limits.set(loadId, maxRun);
    const { model, externalData } = source;
    return this.#ask((waiter) => this.#loads.set(loadId, waiter), {
      kind: 'load',
      loadId,
      model,
      externalData,
      options,
    });
  }

  unload(loadId: number): Promise<void> {
    this.#limits.delete(loadId);
    return this.#ask((waiter) => this.#unloads.set(loadId, waiter), { kind: 'unload', loadId });
  }

  /** One execution, as `runSeries` does it; rejects with its error. */
  async run(execution: Execution): Promise<ExecutionResult> {
    const [result] = (await this.runSeries([execution])).outcomes;
    if (result === undefined || result instanceof EngineError) {
      throw result ?? new EngineError('execution', 'the worker thread answered nothing');
    }
    return result;
  }

  /**
   * Executions of one load, one after another, behind the series that it has. Resolves to what came of each
   * once all have ended: its result or its error, or undefined where the thread ended or hangs at another of
   * them, or before them. That one has an error, so that trying the others again comes to an end. Their buffers
   * are transferred: they are empty when this returns.
   */
  async runSeries(
    executions: readonly Execution[],
  ): Promise<{ readonly began: number; readonly outcomes: readonly ExecutionOutcome[] }> {
    const dispatched = performance.now();
    const steps = this.#series.expect(executions.length);
    const buffers = executions.map(({ buffer }) => buffer);
    const limit = this.#limits.get(executions[0]?.loadId ?? 0);
    try {
      const { results, began } = await this.#ask<Ended>(
        (waiter) => this.#series.add({ executions: executions.length, limit, dispatched, waiter }),
        { kind: 'run', executions },
        buffers,
      );
      const outcomes = results.map((result) =>
        result !== undefined && 'message' in result
          ? new EngineError(result.refused ? 'invalid-request' : 'execution', result.message)
          : result,
      );
      return { began, outcomes };
    } catch (error) {
      const blamed = this.#series.blamed(steps);
      const outcomes = executions.map((_, i) => (blamed(i) ? asEngineError(error) : undefined));
      return { began: dispatched, outcomes };
    }
  }

  /** Ends the thread after what it was given; waits for that, unless it hangs. */
  async close(): Promise<void> {
    this.#closing = true;
    if (!this.#dead) this.#post({ kind: 'close' });
    if (!this.#hung) await this.#ended;
  }

  #ask<T>(
    register: (waiter: Waiter<T>) => void,
    message: ToWorker,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!this.alive) {
        reject(new EngineError('execution', 'the worker thread has ended'));
        return;
      }
      register({ resolve, reject });
      this.#post(message, transfer);
    });
  }

  #post(message: ToWorker, transfer: readonly ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  #receive(message: Exclude<FromWorker, { kind: 'started' }>): void {
    switch (message.kind) {
      case 'loaded':
        take(this.#loads, message.loadId)?.resolve(message);
        break;
      case 'unloaded':
        take(this.#unloads, message.loadId)?.resolve();
        break;
      case 'load-failed':
        take(this.#loads, message.loadId)?.reject(new EngineError('load', message.message));
        break;
      case 'ran':
        if (message.notice !== undefined) this.#annotating.noticed?.(message.notice);
        this.#series.answered(message.results);
        break;
    }
  }

  #hang(): void {
    this.#hung = true;
    const error = new EngineError(
      'timeout',
      `the execution took longer than the ${this.#series.limit / 1000} s that it may take`,
    );
    this.#rejectAll(error);
    this.#events.onHang(this, error);
  }

  #rejectAll(error: EngineError): void {
    this.#series.giveUp(error);
    for (const waiters of [this.#loads, this.#unloads]) {
      for (const waiter of waiters.values()) waiter.reject(error);
      waiters.clear();
    }
  }
}

function take<T>(waiters: Map<number, Waiter<T>>, id: number): Waiter<T> | undefined {
  const waiter = waiters.get(id);
  waiters.delete(id);
  return waiter;
}
