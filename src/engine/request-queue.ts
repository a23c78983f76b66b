import { displace, type Held, isLater, surplus, type WaitingRequests } from './displacement.js';
import { EngineError } from './error.js';
import { Gathering } from './gathering.js';
import { overdue, type Pending } from './pending.js';
import { type Connections, entry, PriorityLevel } from './priority-level.js';
import type { RequestMemory } from './request-memory.js';

const NEVER = Number.POSITIVE_INFINITY;

/** Sends a key to the end of the turns, or away where nothing of it waits. */
function endTurn<T>(turns: Map<string, T>, key: string, rest: T, empty: boolean): void {
  if (turns.size === 1 && !empty) return;
  turns.delete(key);
  if (!empty) turns.set(key, rest);
}

/**
 * A bounded queue. More urgent priorities leave first; within one, addresses take turns, so that a
 * caller with a thousand waiting requests delays another by one, not by a thousand, over however many
 * connections it sends them; connections of one address, which may be a proxy's with callers of its
 * own, take turns among themselves, of one request or several; within a connection, first in, first out.
 */
export class RequestQueue implements WaitingRequests {
  /** By priority; none where nothing waits. */
  readonly #levels = new Map<number, PriorityLevel>();
  /** Requests of each priority that may wait. */
  readonly #maxSize: number;
  readonly #memory: RequestMemory;
  readonly #held = new Map<string, Held>();
  #size = 0;
  #rows = 0;
  /** performance.now() before which nothing that waits expires. */
  #nextExpiry = NEVER;

  constructor(maxSize: number, memory: RequestMemory) {
    this.#maxSize = maxSize;
    this.#memory = memory;
  }

  get size(): number {
    return this.#size;
  }

  /** Rows of all that wait. */
  get rows(): number {
    return this.#rows;
  }

  /** It holds as many requests of a priority as it may. */
  get full(): boolean {
    if (this.#size < this.#maxSize) return false;
    for (const { size } of this.#levels.values()) if (size >= this.#maxSize) return true;
    return false;
  }

  /** Requests of a priority that wait. */
  #sizeOf(priority: number): number {
    return this.#levels.get(priority)?.size ?? 0;
  }

  #fullOf(priority: number): boolean {
    return this.#size >= this.#maxSize && this.#sizeOf(priority) >= this.#maxSize;
  }

  /** performance.now() at which what has waited longest was accepted; undefined where nothing waits. */
  get oldest(): number | undefined {
    let oldest: number | undefined;
    for (const [first] of this.#connections()) {
      if (first !== undefined && first.enqueued < (oldest ?? NEVER)) oldest = first.enqueued;
    }
    return oldest;
  }

  /** What waits of each connection. */
  *#connections(): Generator<readonly Pending[]> {
    for (const level of this.#levels.values()) yield* level.connections();
  }

  /** What waits of each address. */
  get held(): ReadonlyMap<string, Held> {
    return this.#held;
  }

  hasRoom({ bytes, priority }: Pending): boolean {
    return !this.#fullOf(priority) && this.#memory.excess(bytes) <= 0;
  }

  dropExpired(now: number): void {
    if (now <= this.#nextExpiry) return;
    const all = [...this.#connections()].flat();
    for (const pending of all) {
      const late = overdue(pending, now);
      if (late !== undefined) this.giveUp(pending, late);
    }
    this.#nextExpiry = all.reduce(
      (next, { waiting, expires }) => (waiting ? Math.min(next, expires) : next),
      NEVER,
    );
  }

  /**
   * Takes a request in, and its bytes from the memory until it is given up or `RequestMemory.release`
   * gives them back. Throws EngineError `exhausted`, with the queue's state, when there is no room. A
   * full queue makes room for an address that has less of the priority than another by refusing that one's
   * newest requests, where the memory is full of whichever model: filling it first gives nobody more than a
   * share.
   */
  push(pending: Pending): void {
    this.#makeRoom(pending);
    this.#nextExpiry = Math.min(this.#nextExpiry, pending.expires);
    if (this.#size === 0) this.#memory.waiting.add(this);
    this.#memory.hold(pending.bytes);
    const held = entry(this.#held, pending.address, () => ({ size: 0, bytes: 0 }));
    held.size += 1;
    held.bytes += pending.bytes;
    entry(this.#levels, pending.priority, () => new PriorityLevel()).add(pending);
    pending.waiting = true;
    this.#size += 1;
    this.#rows += pending.rows;
  }

  /** Gives up a request at once; no effect unless it waits. */
  giveUp(pending: Pending, error: EngineError): void {
    if (!pending.waiting) return;
    this.#remove(pending);
    this.#settle(pending);
    this.#memory.release(pending.bytes);
    pending.reject(error);
  }

  /** Gives up everything that waits. */
  clear(error: EngineError): void {
    for (const pending of [...this.#connections()].flat()) this.giveUp(pending, error);
  }

  /**
   * Removes the next request and those that may share its execution, `maxRows` rows at most (the
   * first alone may have more). Requests past their deadline are rejected on the way.
   * @param turn requests that a connection may have in its turn, where one address alone waits.
   */
  take(maxRows: number, now: number, turn: number): readonly Pending[] {
    const gathering = new Gathering(maxRows);
    for (const priority of [...this.#levels.keys()].sort((a, b) => a - b)) {
      const level = this.#levels.get(priority);
      let progress = level !== undefined;
      while (level !== undefined && progress) {
        progress = false;
        const { addresses } = level;
        const most = addresses.size === 1 ? turn : 1;
        for (const [address, connections] of [...addresses]) {
          const taken = this.#takeTurn(connections, gathering, most, now);
          if (taken > 0) {
            level.size -= taken;
            progress = true;
            endTurn(addresses, address, connections, connections.size === 0);
          }
          if (gathering.full) return gathering.batch;
        }
      }
      if (level?.addresses.size === 0) this.#levels.delete(priority);
    }
    return gathering.batch;
  }

  /** Removes the first requests that join, `most` at most, of the connection whose turn it is; how many did. */
  #takeTurn(connections: Connections, gathering: Gathering, most: number, now: number): number {
    for (const [connection, waiting] of connections) {
      let taken = 0;
      while (taken < most && !gathering.full) {
        const head = this.#head(waiting, now);
        if (head === undefined || !gathering.joins(head)) break;
        waiting.shift();
        this.#settle(head);
        gathering.add(head);
        taken += 1;
      }
      if (taken === 0) continue;
      endTurn(connections, connection, waiting, waiting.length === 0);
      return taken;
    }
    return 0;
  }

  /** The first whose deadline has not passed; those before it are given up. */
  #head(waiting: readonly Pending[], now: number): Pending | undefined {
    for (;;) {
      const [first] = waiting;
      const late = first && overdue(first, now);
      if (first === undefined || late === undefined) return first;
      this.giveUp(first, late);
    }
  }

  newestOf(address: string): Pending | undefined {
    let newest: Pending | undefined;
    for (const level of this.#levels.values()) {
      const last = level.newestOf(address);
      if (last !== undefined && isLater(last, newest)) newest = last;
    }
    return newest;
  }

  /** What waits of one priority. */
  #waitingOf(priority: number): WaitingRequests {
    const level = this.#levels.get(priority) ?? new PriorityLevel();
    return {
      held: level.held(),
      newestOf: (address) => level.newestOf(address),
      giveUp: (pending, error) => this.giveUp(pending, error),
      dropExpired: (now) => this.dropExpired(now),
    };
  }

  /**
   * Without room, the newest requests of addresses that hold more than this one's would are given up: of this
   * queue and priority where that is full, of any model's where the memory is. Nobody gives way to a request for
   * which there would still be no room.
   */
  #makeRoom(by: Pending): void {
    if (this.hasRoom(by)) return;
    const { held, limit, waiting } = this.#memory;
    const { priority } = by;
    const full = this.#fullOf(priority);
    const own = this.#levels.size === 1 ? [this] : [this.#waitingOf(priority)];
    const everyone = [...waiting];
    const state =
      `the queue is full: ${this.#sizeOf(priority)} of ${this.#maxSize} requests` +
      `${priority === 0 ? '' : ` of priority ${priority}`} wait, and those that are not ` +
      `answered yet have ${held} of ${limit} bytes in all models`;
    if (
      (full && surplus(own, 'size', by) < 1) ||
      surplus(everyone, 'bytes', by) < this.#memory.excess(by.bytes)
    ) {
      throw new EngineError('exhausted', `${state}, this request has ${by.bytes}`);
    }
    const reason = `${state}, and this caller's newest gave way to a caller with fewer`;
    const gaveWay = new EngineError('exhausted', reason);
    if (full) displace(own, 'size', 1, by, gaveWay);
    displace(everyone, 'bytes', this.#memory.excess(by.bytes), by, gaveWay);
  }

  #remove(pending: Pending): void {
    const { priority } = pending;
    const level = this.#levels.get(priority);
    level?.remove(pending);
    if (level?.addresses.size === 0) this.#levels.delete(priority);
  }

  #settle(pending: Pending): void {
    const held = this.#held.get(pending.address);
    if (held !== undefined) {
      held.size -= 1;
      held.bytes -= pending.bytes;
      if (held.size === 0) this.#held.delete(pending.address);
    }
    pending.waiting = false;
    this.#size -= 1;
    this.#rows -= pending.rows;
    if (this.#size === 0) this.#memory.waiting.delete(this);
  }
}
