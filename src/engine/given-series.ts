import type { EngineError } from './error.js';
import type { FromWorker } from './messages.js';
import { Watchdog } from './watchdog.js';

type Results = Extract<FromWorker, { kind: 'ran' }>['results'];

export interface Waiter<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: EngineError) => void;
}

/** What came of a series. */
export interface Ended {
  /** Undefined: not begun. */
  readonly results: readonly (Results[number] | undefined)[];
  /** performance.now() at which the event loop knew that the thread was free for the series. */
  readonly began: number;
}

/** A series of executions that a thread has. */
interface Series {
  readonly executions: number;
  /** Milliseconds that each may take. */
  readonly limit: number | undefined;
  /** performance.now() at which it was posted. */
  readonly dispatched: number;
  readonly waiter: Waiter<Ended>;
}

/** Where the executions of a series are in the thread's counter, which takes two steps for each. */
interface Steps {
  readonly before: number;
  readonly executions: number;
}

/** The counter is of 32 bits and may have begun anew. */
const stepsBetween = (from: number, to: number): number => (to - from) | 0;

/** The series that one thread was given, how far it has come with them, and whether it hangs in one. */
export class GivenSeries {
  /**
   * In their order. A Map would keep answers alive that it has let go of, once V8 has taken it for long-lived.
   */
  readonly #series: Series[] = [];
  readonly #counter = new Int32Array(new SharedArrayBuffer(4));
  readonly #executed = (): number => Atomics.load(this.#counter, 0);
  readonly #watchdog: Watchdog;
  /** performance.now() at which the newest answer came. */
  #answered = Number.NEGATIVE_INFINITY;
  /** Of the counter, once the thread has executed all that it was given. */
  #lastStep = 0;

  /** @param onHang an execution takes longer than it may. */
  constructor(onHang: () => void) {
    this.#watchdog = new Watchdog(this.#executed, onHang);
  }

  /** In which the thread counts its executions. */
  get counter(): SharedArrayBuffer {
    return this.#counter.buffer;
  }

  /** In all series. */
  get executions(): number {
    return this.#series.reduce((sum, { executions }) => sum + executions, 0);
  }

  /** performance.now() at which the last was posted. */
  get dispatched(): number {
    return this.#series.at(-1)?.dispatched ?? Number.NEGATIVE_INFINITY;
  }

  /** The thread has executed all of them, whether it has said so or not. */
  get ended(): boolean {
    return stepsBetween(this.#lastStep, this.#executed()) >= 0;
  }

  /** Milliseconds that each execution of the first may take. */
  get limit(): number {
    return this.#series[0]?.limit ?? 0;
  }

  /** Says which steps those of a series will be that the thread is about to be given. */
  expect(executions: number): Steps {
    const before = this.#series.length > 0 ? this.#lastStep : this.#executed();
    this.#lastStep = before + 2 * executions;
    return { before, executions };
  }

  /** Which executions of a series the thread was lost at: the one that it was in, or all where it had ended them. */
  blamed({ before, executions }: Steps): (i: number) => boolean {
    const taken = stepsBetween(before, this.#executed());
    return (i) => taken >= 2 * executions || i === taken % executions;
  }

  add(series: Series): void {
    this.#series.push(series);
    if (this.#series.length === 1) this.#watch();
  }

  /** The thread has answered the first. */
  answered(results: Results): void {
    const series = this.#series.shift();
    this.#watch();
    const began = Math.max(series?.dispatched ?? 0, this.#answered);
    this.#answered = performance.now();
    series?.waiter.resolve({ results, began });
  }

  /** The first fails; those behind it were not begun. */
  giveUp(error: EngineError): void {
    const [first, ...behind] = this.#series.splice(0);
    first?.waiter.reject(error);
    for (const { waiter, executions, dispatched } of behind) {
      waiter.resolve({ results: Array.from({ length: executions }), began: dispatched });
    }
  }

  stopWatch(): void {
    this.#watchdog.stop();
  }

  /** Watches the first. */
  #watch(): void {
    this.#watchdog.stop();
    const limit = this.#series[0]?.limit;
    if (limit !== undefined) this.#watchdog.start(limit);
  }
}
