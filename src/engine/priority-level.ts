import { type Held, isLater } from './displacement.js';
import type { Pending } from './pending.js';

/** Requests of one address by connection, each first in, first out; the order of the Map is that of turns. */
export type Connections = Map<string, Pending[]>;

/** What waits of one priority. */
export class PriorityLevel {
  /** Requests; whoever takes one by its turn counts it. */
  size = 0;
  /** In the order of their turns; those of which something waits. */
  readonly addresses = new Map<string, Connections>();

  add(pending: Pending): void {
    const { caller = '' } = pending.request;
    const connections = entry(this.addresses, pending.address, (): Connections => new Map());
    entry(connections, caller, (): Pending[] => []).push(pending);
    this.size += 1;
  }

  /** Leaves nothing of it behind: the memory of requests that were given up would be on no books. */
  remove(pending: Pending): void {
    const { address } = pending;
    const { caller = '' } = pending.request;
    this.size -= 1;
    const connections = this.addresses.get(address);
    const waiting = connections?.get(caller);
    waiting?.splice(waiting.lastIndexOf(pending), 1);
    if (waiting?.length === 0) connections?.delete(caller);
    if (connections?.size === 0) this.addresses.delete(address);
  }

  /** What waits of each connection. */
  *connections(): Generator<readonly Pending[]> {
    for (const connections of this.addresses.values()) yield* connections.values();
  }

  /** The one of an address that would leave last. */
  newestOf(address: string): Pending | undefined {
    let newest: Pending | undefined;
    for (const waiting of this.addresses.get(address)?.values() ?? []) {
      const last = waiting.at(-1);
      if (last !== undefined && isLater(last, newest)) newest = last;
    }
    return newest;
  }

  /** What waits of each address. */
  held(): ReadonlyMap<string, Held> {
    const held = new Map<string, Held>();
    for (const [address, connections] of this.addresses) {
      const all = [...connections.values()].flat();
      held.set(address, { size: all.length, bytes: all.reduce((sum, one) => sum + one.bytes, 0) });
    }
    return held;
  }
}

/** What a map has for a key, made where it has nothing. */
export function entry<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const there = map.get(key);
  if (there !== undefined) return there;
  const made = make();
  map.set(key, made);
  return made;
}
