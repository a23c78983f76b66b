import { getPriority, setPriority } from 'node:os';

/** Steps of niceness: enough that a thread that wakes up preempts, too few to starve beside others. */
const STEP = 5;
const LEAST_URGENT = 19;

/**
 * Lets the event loop go first where workers keep every core busy: without this it waits for the end
 * of a worker's time slice (4 ms on a kernel of 250 Hz) before it can answer a call that needs no
 * worker. Lowers the calling thread, and the threads that it starts later; needs no privilege, and
 * changes no bit of an answer. Linux alone has priorities by thread (setpriority(2), "C library/kernel
 * differences"); elsewhere, or where it is not allowed, nothing happens.
 */
export function giveWayToEventLoop(): void {
  if (process.platform !== 'linux') return;
  try {
    setPriority(Math.min(getPriority() + STEP, LEAST_URGENT));
  } catch {
    // A sandbox that forbids the call costs latency alone.
  }
}
