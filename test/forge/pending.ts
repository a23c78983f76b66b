import { addressOf, type Pending } from '../../src/engine/pending.js';

let made = 0;

/** A request, newer than those made before it, whose end is written into `ends`. */
export function pending(
  caller: string,
  bytes: number,
  ends: Map<Pending, string>,
  priority = 0,
): Pending {
  const one: Pending = {
    request: { inputs: [], outputs: [], caller },
    address: addressOf(caller),
    batchKey: '',
    sharedRows: 1,
    rows: 1,
    inputBytes: bytes,
    bytes,
    priority,
    enqueued: made++,
    expires: Number.POSITIVE_INFINITY,
    waiting: false,
    resolve: () => undefined,
    reject: ({ message }) => ends.set(one, message),
  };
  return one;
}
