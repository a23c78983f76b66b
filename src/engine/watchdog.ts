/**
 * A run must not end during so many ticks in a row before it counts as hung: a machine that was
 * paused, or an event loop that was blocked, makes one tick late, not all of them.
 */
const TICKS = 4;

/** Tells when what was started neither stops nor gets further in time. One thing at a time. */
export class Watchdog {
  readonly #progress: () => number;
  readonly #expired: () => void;
  #seen = 0;
  #timer: NodeJS.Timeout | undefined;
  #left = 0;

  /** @param progress another number whenever a part of what was started is done. */
  constructor(progress: () => number, expired: () => void) {
    this.#progress = progress;
    this.#expired = expired;
  }

  start(milliseconds: number): void {
    this.stop();
    this.#left = TICKS;
    this.#seen = this.#progress();
    this.#arm(milliseconds / TICKS);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #arm(tick: number): void {
    this.#timer = setTimeout(() => {
      const progress = this.#progress();
      this.#left = progress === this.#seen ? this.#left - 1 : TICKS;
      this.#seen = progress;
      if (this.#left > 0) this.#arm(tick);
      else this.#expired();
    }, tick);
    this.#timer.unref();
  }
}
