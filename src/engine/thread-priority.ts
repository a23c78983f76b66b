import { getPriority, setPriority } from 'node:os';

/** Steps of niceness between the event loop and the workers. */
const STEP = 5;
/** Of these, those that the event loop rises: the workers then fall little behind other processes. */
const RISE = 3;

/**
 * Where workers keep every core busy, the event loop waits for the end of a worker's time slice (4 ms on
 * a kernel of 250 Hz) before it can answer a call that needs no worker, unless it has a higher priority.
 * Priorities change no bit of an answer. Linux alone has them by thread (setpriority(2), "C
 * library/kernel differences"); elsewhere, or where a sandbox forbids the calls, nothing happens.
 */
function shift(steps: number): void {
  if (process.platform !== 'linux') return;
  try {
    setPriority(Math.max(-20, Math.min(getPriority() + steps, 19)));
  } catch {
    // What it costs is latency alone.
  }
}

let favoured = false;

/**
 * Raises the calling thread, which is the event loop's, once. That needs CAP_SYS_NICE: without it the
 * workers are lowered by all of the steps, and what shares their control group with them comes first.
 */
export function favourEventLoop(): void {
  if (!favoured) shift(-RISE);
  favoured = true;
}

/** Lowers the calling thread, a worker's, below the one that started it, and the threads that it starts. */
export function giveWayToEventLoop(): void {
  shift(STEP);
}
