import { addressOf, type Pending } from '../../src/engine/pending.js';

/** A request whose end is written into `ends`. */
export function pending(
  caller: string,
  bytes: number,
  ends: Map<Pending, string>,
  priority = 0,
): Pending {
  const made: Pending = {
    request: { inputs: [], outputs: [], caller },
    address: addressOf(caller),
    batchKey: '',
    sharedRows: 1,
    rows: 1,
    inputBytes: bytes,
    bytes,
    priority,
    enqueued: ends.size,
    expires: Number.POSITIVE_INFINITY,
    waiting: false,
    resolve: () => undefined,
    reject: ({ message }) => ends.set(made, message),
  };
  return made;
}
