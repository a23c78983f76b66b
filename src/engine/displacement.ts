import type { EngineError } from './error.js';
import type { Pending } from './pending.js';

/** What waits of one address. */
export interface Held {
  size: number;
  bytes: number;
}

/** Requests that wait, and can give way. */
export interface WaitingRequests {
  /** By address. */
  readonly held: ReadonlyMap<string, Held>;
  /** The one of an address that would leave last. */
  newestOf(address: string): Pending | undefined;
  giveUp(pending: Pending, error: EngineError): void;
}

/** Whether a request leaves after another: less urgent, or as urgent and newer. */
export function isLater(a: Pending, b: Pending | undefined): boolean {
  if (b === undefined || a.priority !== b.priority)
    return b === undefined || a.priority > b.priority;
  return a.enqueued >= b.enqueued;
}

function newestOf(
  queues: readonly WaitingRequests[],
  address: string,
): { readonly queue: WaitingRequests; readonly pending: Pending } | undefined {
  let newest: { readonly queue: WaitingRequests; readonly pending: Pending } | undefined;
  for (const queue of queues) {
    const pending = queue.newestOf(address);
    if (pending !== undefined && isLater(pending, newest?.pending)) newest = { queue, pending };
  }
  return newest;
}

/**
 * Makes room for a request by giving up the newest of the addresses that have most, as long as they have
 * more than its own would have with it; `need` is what has to be freed, in requests or in bytes. Does
 * nothing and returns false where that would not be enough.
 */
export function displace(
  queues: readonly WaitingRequests[],
  measure: keyof Held,
  need: number,
  by: Pending,
  error: EngineError,
): boolean {
  const others = new Map<string, number>();
  for (const { held } of queues) {
    for (const [address, amount] of held) {
      others.set(address, (others.get(address) ?? 0) + amount[measure]);
    }
  }
  const share = (others.get(by.address) ?? 0) + (measure === 'size' ? 1 : by.bytes);
  others.delete(by.address);
  let surplus = 0;
  for (const amount of others.values()) surplus += Math.max(0, amount - share);
  if (surplus < need) return false;
  for (let freed = 0; freed < need; ) {
    const [address, amount] = greatest(others);
    const newest = newestOf(queues, address);
    if (newest === undefined) return false;
    const { queue, pending } = newest;
    const size = measure === 'size' ? 1 : pending.bytes;
    queue.giveUp(pending, error);
    others.set(address, amount - size);
    freed += size;
  }
  return true;
}

function greatest(amounts: ReadonlyMap<string, number>): readonly [string, number] {
  let most: readonly [string, number] = ['', 0];
  for (const entry of amounts) if (entry[1] > most[1]) most = entry;
  return most;
}
