/**
 * Milliseconds after a signal in which others are taken for the same wish: `timeout` tells its child and then
 * the child's group, and a terminal or a supervisor may tell a group of which another has told this process.
 */
const SAME_WISH = 1000;

/** SIGHUP: of a terminal that was closed, or of whoever expects a daemon to read its configuration again. */
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** Where signals come from, and what time it is, milliseconds; the process's own unless stated. */
interface Surroundings {
  readonly process: Pick<NodeJS.EventEmitter, 'on'>;
  readonly now: () => number;
}

/**
 * Resolves at the first SIGTERM, SIGINT or SIGHUP.
 * @param again called with each that comes when a second has passed since the first, whichever it is.
 */
export function endingSignal(
  again: (signal: NodeJS.Signals) => void,
  { process: source, now }: Surroundings = { process, now: () => performance.now() },
): Promise<NodeJS.Signals> {
  let first: number | undefined;
  return new Promise((resolve) => {
    for (const signal of SIGNALS) {
      source.on(signal, () => {
        if (first !== undefined && now() - first >= SAME_WISH) again(signal);
        first ??= now();
        resolve(signal);
      });
    }
  });
}

/** Ends the process as the signal does by itself. */
export function endBy(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}
