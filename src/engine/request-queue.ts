import type { InferenceRequest, InferenceResult } from './engine.js';
import { EngineError } from './error.js';

/** A request that was accepted and waits for a worker. */
export interface Pending {
  readonly request: InferenceRequest;
  /** Requests with equal keys may share an execution. */
  readonly batchKey: string;
  /** Most rows of an execution that it may share; 1: none. */
  readonly sharedRows: number;
  /** Dimension 0 of its inputs; 1 where the model is not batched. */
  readonly rows: number;
  readonly bytes: number;
  readonly priority: number;
  /** performance.now() */
  readonly enqueued: number;
  /** performance.now(): not dispatched later. */
  readonly expires: number;
  readonly resolve: (result: InferenceResult) => void;
  readonly reject: (error: EngineError) => void;
  /** Set once it was answered, dispatched or given up. */
  settled: boolean;
}

export interface QueueLimits {
  /** Requests that may wait. */
  readonly maxQueueSize: number;
  /** Sum of the input bytes that may wait. */
  readonly maxQueueBytes: number;
}

/**
 * A bounded queue. More urgent priorities leave first; within one, callers take turns, so that a
 * caller with a thousand waiting requests delays another by one, not by a thousand; within a caller,
 * first in, first out.
 */
export class RequestQueue {
  /** priority → caller → its requests. A Map keeps the order of insertion: the order of turns. */
  readonly #levels = new Map<number, Map<string, Pending[]>>();
  readonly #limits: QueueLimits;
  #size = 0;
  #bytes = 0;
  #rows = 0;

  constructor(limits: QueueLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#size;
  }

  /** Rows of all that wait. */
  get rows(): number {
    return this.#rows;
  }

  hasRoom({ bytes }: Pending): boolean {
    const { maxQueueSize, maxQueueBytes } = this.#limits;
    return this.#size < maxQueueSize && this.#bytes + bytes <= maxQueueBytes;
  }

  /** Throws EngineError `exhausted`, with the queue's state, when there is no room. */
  push(pending: Pending): void {
    const { maxQueueSize, maxQueueBytes } = this.#limits;
    if (!this.hasRoom(pending)) {
      throw new EngineError(
        'exhausted',
        `the queue is full: ${this.#size} of ${maxQueueSize} requests and ${this.#bytes} of ` +
          `${maxQueueBytes} bytes wait, this request has ${pending.bytes}`,
      );
    }
    let level = this.#levels.get(pending.priority);
    if (level === undefined) {
      level = new Map();
      this.#levels.set(pending.priority, level);
    }
    const caller = pending.request.caller ?? '';
    const waiting = level.get(caller);
    if (waiting === undefined) level.set(caller, [pending]);
    else waiting.push(pending);
    this.#size += 1;
    this.#bytes += pending.bytes;
    this.#rows += pending.rows;
  }

  /** Gives up a waiting request at once; no effect on one that was dispatched. */
  giveUp(pending: Pending, error: EngineError): void {
    if (pending.settled) return;
    this.#settle(pending);
    pending.reject(error);
  }

  /** Gives up everything that waits. */
  clear(error: EngineError): void {
    for (const level of this.#levels.values()) {
      for (const waiting of level.values()) {
        for (const pending of waiting) this.giveUp(pending, error);
      }
    }
    this.#levels.clear();
  }

  /**
   * Removes the next request and those that may share its execution, `maxRows` rows at most (the
   * first alone may have more). Requests past their deadline are rejected on the way.
   */
  take(maxRows: number, now: number): Pending[] {
    const batch: Pending[] = [];
    let rows = 0;
    for (const priority of [...this.#levels.keys()].sort((a, b) => a - b)) {
      const level = this.#levels.get(priority);
      let progress = level !== undefined;
      while (level !== undefined && progress) {
        progress = false;
        for (const caller of [...level.keys()]) {
          const next = this.#head(level, caller, now);
          if (next === undefined) continue;
          const [first = next] = batch;
          const most = Math.min(maxRows, first.sharedRows);
          if (first !== next) {
            if (rows + next.rows > most || next.batchKey !== first.batchKey) continue;
          }
          this.#removeHead(level, caller);
          this.#settle(next);
          batch.push(next);
          rows += next.rows;
          progress = true;
          if (rows >= most || most <= 1) return batch;
        }
      }
      if (level?.size === 0) this.#levels.delete(priority);
    }
    return batch;
  }

  /** The caller's first live request. */
  #head(level: Map<string, Pending[]>, caller: string, now: number): Pending | undefined {
    const waiting = level.get(caller) ?? [];
    for (;;) {
      const [first] = waiting;
      if (first === undefined) {
        level.delete(caller);
        return undefined;
      }
      if (!first.settled && first.expires < now) {
        this.giveUp(first, new EngineError('deadline', 'the deadline passed while it waited'));
      }
      if (!first.settled) return first;
      waiting.shift();
    }
  }

  /** Removes the caller's head and sends the caller to the end of the turns. */
  #removeHead(level: Map<string, Pending[]>, caller: string): void {
    const waiting = level.get(caller);
    if (waiting === undefined) return;
    waiting.shift();
    level.delete(caller);
    if (waiting.length > 0) level.set(caller, waiting);
  }

  #settle(pending: Pending): void {
    pending.settled = true;
    this.#size -= 1;
    this.#bytes -= pending.bytes;
    this.#rows -= pending.rows;
  }
}
