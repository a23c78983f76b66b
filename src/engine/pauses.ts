import { setImmediate as nextTurn } from 'node:timers/promises';

/** Milliseconds for which work that can wait may keep the event loop. */
const LONGEST = 4;

/** Lets the event loop do what else it has between the pieces of long work. */
export class Pauses {
  #since = performance.now();

  /** Call it between pieces: resolves in a later turn once the work has kept the event loop for long enough. */
  async due(): Promise<void> {
    if (performance.now() - this.#since < LONGEST) return;
    await nextTurn();
    this.#since = performance.now();
  }
}
