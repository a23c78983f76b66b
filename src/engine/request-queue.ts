import type { InferenceRequest, InferenceResult } from './engine.js';
import { EngineError } from './error.js';

/** A request that was accepted and waits for a worker. */
export interface Pending {
  readonly request: InferenceRequest;
  /** `addressOf` its caller. */
  readonly address: string;
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

/** Requests of one caller by connection, each first in, first out; the order of the Map is that of turns. */
type Connections = Map<string, Pending[]>;

/** A caller's address: `203.0.113.7:50123` is a connection of `203.0.113.7`. */
export function addressOf(caller: string): string {
  const end = caller.lastIndexOf(':');
  return end === -1 ? caller : caller.slice(0, end);
}

/** Sends a key to the end of the turns, or away where nothing of it waits. */
function endTurn<T>(turns: Map<string, T>, key: string, rest: T, empty: boolean): void {
  turns.delete(key);
  if (!empty) turns.set(key, rest);
}

/**
 * A bounded queue. More urgent priorities leave first; within one, addresses take turns, so that a
 * caller with a thousand waiting requests delays another by one, not by a thousand, over however many
 * connections it sends them; connections of one address, which may be a proxy's with callers of its
 * own, take turns among themselves; within a connection, first in, first out.
 */
export class RequestQueue {
  /** priority → address → its connections. */
  readonly #levels = new Map<number, Map<string, Connections>>();
  readonly #limits: QueueLimits;
  /** What waits of each address. */
  readonly #held = new Map<string, { size: number; bytes: number }>();
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

  /**
   * Throws EngineError `exhausted`, with the queue's state, when there is no room. A full queue makes
   * room for an address that has less than another by refusing that one's newest request: filling the
   * queue first gives nobody more than a share.
   */
  push(pending: Pending): void {
    const { maxQueueSize, maxQueueBytes } = this.#limits;
    while (!this.hasRoom(pending)) {
      const state =
        `the queue is full: ${this.#size} of ${maxQueueSize} requests and ${this.#bytes} of ` +
        `${maxQueueBytes} bytes wait`;
      const displaced = this.#displacedBy(pending);
      if (displaced === undefined) {
        throw new EngineError('exhausted', `${state}, this request has ${pending.bytes}`);
      }
      const reason = `${state}, and this caller's newest gave way to a caller with fewer`;
      this.giveUp(displaced, new EngineError('exhausted', reason));
    }
    const held = entry(this.#held, pending.address, () => ({ size: 0, bytes: 0 }));
    held.size += 1;
    held.bytes += pending.bytes;
    const { caller = '' } = pending.request;
    const level = entry(this.#levels, pending.priority, () => new Map<string, Connections>());
    const connections = entry(level, pending.address, () => new Map<string, Pending[]>());
    entry(connections, caller, (): Pending[] => []).push(pending);
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
      for (const connections of level.values()) {
        for (const pending of [...connections.values()].flat()) this.giveUp(pending, error);
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
    const joins = (next: Pending): boolean => {
      const [first = next] = batch;
      const fits = rows + next.rows <= Math.min(maxRows, first.sharedRows);
      return first === next || (fits && next.batchKey === first.batchKey);
    };
    for (const priority of [...this.#levels.keys()].sort((a, b) => a - b)) {
      const level = this.#levels.get(priority);
      let progress = level !== undefined;
      while (level !== undefined && progress) {
        progress = false;
        for (const [address, connections] of [...level]) {
          const next = this.#next(connections, joins, now);
          if (next !== undefined) {
            batch.push(next);
            rows += next.rows;
            progress = true;
          }
          if (next !== undefined || connections.size === 0) {
            endTurn(level, address, connections, connections.size === 0);
          }
          const most = Math.min(maxRows, batch[0]?.sharedRows ?? maxRows);
          if (batch.length > 0 && (rows >= most || most <= 1)) return batch;
        }
      }
      if (level?.size === 0) this.#levels.delete(priority);
    }
    return batch;
  }

  /** Removes the first request that joins, of the connection whose turn it is. */
  #next(
    connections: Connections,
    joins: (pending: Pending) => boolean,
    now: number,
  ): Pending | undefined {
    for (const [connection, waiting] of connections) {
      const head = this.#head(waiting, now);
      if (head === undefined) connections.delete(connection);
      if (head === undefined || !joins(head)) continue;
      waiting.shift();
      this.#settle(head);
      endTurn(connections, connection, waiting, waiting.length === 0);
      return head;
    }
    return undefined;
  }

  /** The first that still waits; those before it are forgotten. */
  #head(waiting: Pending[], now: number): Pending | undefined {
    for (;;) {
      const [first] = waiting;
      if (first === undefined) return undefined;
      if (!first.settled && first.expires < now) {
        this.giveUp(first, new EngineError('deadline', 'the deadline passed while it waited'));
      }
      if (!first.settled) return first;
      waiting.shift();
    }
  }

  /** The newest request of the address that has most, if that is more than this one's would have. */
  #displacedBy({ address, bytes }: Pending): Pending | undefined {
    const measure = this.#size >= this.#limits.maxQueueSize ? 'size' : 'bytes';
    const own = (this.#held.get(address)?.[measure] ?? 0) + (measure === 'size' ? 1 : bytes);
    let greatest = own;
    let from: string | undefined;
    for (const [other, held] of this.#held) {
      if (other === address || held[measure] <= greatest) continue;
      greatest = held[measure];
      from = other;
    }
    if (from === undefined) return undefined;
    let newest: Pending | undefined;
    for (const level of this.#levels.values()) {
      for (const waiting of level.get(from)?.values() ?? []) {
        const last = waiting.findLast(({ settled }) => !settled);
        if (last !== undefined && isLater(last, newest)) newest = last;
      }
    }
    return newest;
  }

  #settle(pending: Pending): void {
    const held = this.#held.get(pending.address);
    if (held !== undefined) {
      held.size -= 1;
      held.bytes -= pending.bytes;
      if (held.size === 0) this.#held.delete(pending.address);
    }
    pending.settled = true;
    this.#size -= 1;
    this.#bytes -= pending.bytes;
    this.#rows -= pending.rows;
  }
}

/** Whether a request leaves after another: less urgent, or as urgent and newer. */
function isLater(a: Pending, b: Pending | undefined): boolean {
  if (b === undefined || a.priority !== b.priority)
    return b === undefined || a.priority > b.priority;
  return a.enqueued >= b.enqueued;
}

function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const there = map.get(key);
  if (there !== undefined) return there;
  const made = make();
  map.set(key, made);
  return made;
}
