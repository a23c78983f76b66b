import { constants } from 'node:os';

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

/** Of Node 22.15 and later: replaces what the process executes, and ends all of its threads. */
interface Replaceable {
  execve?(file: string, args: readonly string[], env: NodeJS.ProcessEnv): never;
}

/**
 * Ends the process as the signal does by itself, whatever its threads are inside of, SIGKILL included. The first
 * process of a container gets no signal from inside of it that it does not listen for (pid_namespaces(7)): that
 * one exits as a shell says of a process that the signal ended. Earlier versions of Node abort there.
 */
export function endBy(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  if (process.pid !== 1) return;
  const { execPath, env } = process;
  const ending = `process.exit(${128 + constants.signals[signal]})`;
  const replaceable: NodeJS.Process & Replaceable = process;
  replaceable.execve?.(execPath, [execPath, '-e', ending], env);
  process.abort();
}
