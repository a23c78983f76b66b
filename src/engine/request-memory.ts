import type { WaitingRequests } from './displacement.js';
import { availableMemory } from './memory-budget.js';

/** Of the machine's memory, what inputs may take unless the operator says otherwise. */
const DEFAULT_SHARE = 0.125;

/** An eighth of what this process may have, bytes: half of what `defaultMemoryBudget` leaves. */
export function defaultRequestMemory(): number {
  return Math.floor(availableMemory() * DEFAULT_SHARE);
}

/**
 * What the inputs of requests may take from their acceptance to their answer, all models together,
 * bytes. The reads that a message came in may have up to as much again, and an execution has a copy of its
 * inputs beside, for as long as it takes.
 */
export class RequestMemory {
  readonly limit: number;
  /** The queues in which something waits. */
  readonly waiting = new Set<WaitingRequests>();
  #held = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  get held(): number {
    return this.#held;
  }

  /** Bytes by which a request of so many would exceed the limit; 0 or less if it would not. */
  excess(bytes: number): number {
    return this.#held + bytes - this.limit;
  }

  /** Gives up what is past its deadline, of all models: it would keep others out until a worker comes upon it. */
  dropExpired(now: number): void {
    for (const queue of this.waiting) queue.dropExpired(now);
  }

  hold(bytes: number): void {
    this.#held += bytes;
  }

  release(bytes: number): void {
    this.#held -= bytes;
  }
}
