/**
 * A run must not end during so many ticks in a row before it counts as hung: a machine that was
 * paused, or an event loop that was blocked, makes one tick late, not all of them.
 */
const TICKS = 4;

/** Tells when what was started is not stopped in time. One thing at a time. */
export class Watchdog {
  readonly #expired: () => void;
  #timer: NodeJS.Timeout | undefined;
  #left = 0;

  constructor(expired: () => void) {
    this.#expired = expired;
  }

  start(milliseconds: number): void {
    this.stop();
    this.#left = TICKS;
    this.#timer = setTimeout(() => this.#tick(), milliseconds / TICKS);
    this.#timer.unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    this.#left -= 1;
    if (this.#left > 0) this.#timer?.refresh();
    else this.#expired();
  }
}
