import { AssayError } from '../../attestation/encoding/error.js';

/** Time that tests can turn. */
export interface Scheduler {
  /** Milliseconds on a clock that only goes forward. */
  now(): number;
  /** Calls back once after the delay, unless cancelled. */
  after(milliseconds: number, callback: () => void): () => void;
}

export const systemScheduler: Scheduler = {
  now: () => performance.now(),
  after(milliseconds, callback) {
    const timer = setTimeout(callback, milliseconds);
    return () => clearTimeout(timer);
  },
};

/** Resolves after so many milliseconds. */
export function pause(scheduler: Scheduler, milliseconds: number): Promise<void> {
  return new Promise((resume) => scheduler.after(milliseconds, resume));
}

/**
 * Runs tasks one at a time, in order. A caller waits at most its deadline; a task that is already
 * running cannot be stopped (it sits in the kernel), so it keeps its turn and the next waits for it,
 * but its caller is told. A task whose deadline passed while it waited never starts.
 */
export class SerialQueue {
  readonly #scheduler: Scheduler;
  readonly #limit: number;
  #tail: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(limit: number, scheduler: Scheduler) {
    this.#limit = limit;
    this.#scheduler = scheduler;
  }

  /** Throws PLATFORM_BUSY when full, PLATFORM_DEADLINE when the caller's time is up. */
  run<T>(deadline: number, task: (expired: () => boolean) => Promise<T>): Promise<T> {
    if (this.#waiting >= this.#limit) {
      const error = new AssayError(
        'PLATFORM_BUSY',
        `${this.#waiting} requests already wait for the attestation hardware`,
      );
      return Promise.reject(error);
    }
    this.#waiting += 1;
    let late = false;
    return new Promise<T>((resolve, reject) => {
      const cancel = this.#scheduler.after(deadline, () => {
        late = true;
        reject(
          new AssayError(
            'PLATFORM_DEADLINE',
            `no answer from the attestation hardware within ${deadline} ms`,
          ),
        );
      });
      const turn = async (): Promise<void> => {
        try {
          if (!late) resolve(await task(() => late));
        } catch (error) {
          reject(error);
        } finally {
          cancel();
          this.#waiting -= 1;
        }
      };
      this.#tail = this.#tail.then(turn);
    });
  }
}
