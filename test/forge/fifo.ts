import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import type { TestContext } from 'node:test';

/** Why tests that make FIFOs are skipped, where they are. */
export const needsFifo = process.platform !== 'linux' && 'needs a FIFO and /proc';

/**
 * Makes a FIFO that nobody writes to. Whoever waits for a writer nevertheless is let go at the test's end,
 * also if the FIFO has no name any more.
 */
export function makeFifo(t: TestContext, path: string): void {
  execFileSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  t.after(() => {
    closeSync(openSync(`/proc/self/fd/${reader}`, constants.O_RDWR));
    closeSync(reader);
  });
}
