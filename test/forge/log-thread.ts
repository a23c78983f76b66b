import { parentPort, threadId, workerData } from 'node:worker_threads';
import { encodeReceipt } from '../../attestation/receipt/receipt.js';
import { encodeNotice, LogWriter, type SharedLog } from '../../enclave/log-writer.js';
import { SharedRange } from '../../enclave/shared-range.js';

/** What a thread is told to do. */
export interface LogThread {
  readonly log: SharedLog;
  /** How many appends, and of how many entries each. */
  readonly appends: number;
  readonly entries: number;
  /** Ends inside of another append, after its first leaf. */
  readonly dies: boolean;
  /** Where it stores a 1, 4 bytes, once it has to wait for another to append. */
  readonly waits?: SharedArrayBuffer;
}

/** One append of a thread. */
export interface LoggedByThread {
  readonly entries: readonly Uint8Array[];
  readonly receipts: readonly Uint8Array[];
  readonly notice: Uint8Array;
}

const { log, appends, entries: count, dies, waits }: LogThread = workerData;
if (waits !== undefined) {
  const waiting = new Int32Array(waits);
  const { wait } = Atomics;
  const telling = (lock: Int32Array<SharedArrayBuffer>, index: number, value: number) => {
    Atomics.store(waiting, 0, 1);
    Atomics.notify(waiting, 0);
    return wait(lock, index, value);
  };
  Object.assign(Atomics, { wait: telling });
}
const writer = new LogWriter(log);
for (let i = 0; i < appends; i++) {
  const entries = Array.from({ length: count }, (_, k) => Uint8Array.of(threadId, i, i >> 8, k));
  const { head, place } = writer.append(entries);
  const receipts = entries.map((_, k) => {
    const { index, path } = place(k);
    return encodeReceipt(head, index, path);
  });
  parentPort?.postMessage({ entries, receipts, notice: encodeNotice(head) } as LoggedByThread);
}
if (dies) {
  const leaves = [new Uint8Array(32), new Uint8Array(32)];
  Object.defineProperty(leaves, 1, { get: () => process.exit(1) });
  new SharedRange(log.memory, threadId).tryExtend(leaves);
}
