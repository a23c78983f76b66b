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
  /** Gives up what is past its deadline. */
  dropExpired(now: number): void;
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

/** What waits of each address, in requests or in bytes. */
function amounts(queues: readonly WaitingRequests[], measure: keyof Held): Map<string, number> {
  const all = new Map<string, number>();
  for (const { held } of queues) {
    for (const [address, amount] of held) {
      all.set(address, (all.get(address) ?? 0) + amount[measure]);
    }
  }
  return all;
}

/** What addresses hold, summed, above what the request's own would hold with it. */
export function surplus(
  queues: readonly WaitingRequests[],
  measure: keyof Held,
  by: Pending,
): number {
  const all = amounts(queues, measure);
  const share = (all.get(by.address) ?? 0) + (measure === 'size' ? 1 : by.bytes);
  let sum = 0;
  for (const amount of all.values()) sum += Math.max(0, amount - share);
  return sum;
}

/**
 * Makes room for a request by giving up the newest of the addresses that have most, until `need` is freed,
 * in requests or in bytes, which is no more than the `surplus`.
 */
export function displace(
  queues: readonly WaitingRequests[],
  measure: keyof Held,
  need: number,
  by: Pending,
  error: EngineError,
): void {
  const others = amounts(queues, measure);
  others.delete(by.address);
  for (let freed = 0; freed < need; ) {
    const [address, amount] = greatest(others);
    const newest = newestOf(queues, address);
    if (newest === undefined) return;
    const { queue, pending } = newest;
    const size = measure === 'size' ? 1 : pending.bytes;
    queue.giveUp(pending, error);
    others.set(address, amount - size);
    freed += size;
  }
}

function greatest(amounts: ReadonlyMap<string, number>): readonly [string, number] {
  let most: readonly [string, number] = ['', 0];
  for (const entry of amounts) if (entry[1] > most[1]) most = entry;
  return most;
}
