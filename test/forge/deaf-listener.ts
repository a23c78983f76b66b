import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

/** Why a test with a deaf listener is skipped; false where it is not. */
export const withoutDeaf =
  process.platform === 'linux'
    ? false
    : 'which SYN a full queue leaves unanswered is known of Linux';

const HOST = '127.0.0.1';
const BACKLOG = 1;

/** Something that passes connections on, until it answers no SYN any more. */
export interface DeafListener {
  readonly port: number;
  /** From here on nobody takes connections, and no more can wait for that. */
  deafen(): Promise<void>;
  close(): Promise<void>;
}

/** Starts a listener, in a thread that can stand still, that passes connections on to a port of this machine. */
export async function startDeafListener(honest: number): Promise<DeafListener> {
  const worker = new Worker(new URL(import.meta.url), { workerData: honest });
  const [port] = (await once(worker, 'message')) as [number];
  const waiting: Socket[] = [];
  return {
    port,
    deafen: async () => {
      worker.postMessage('deafen');
      await once(worker, 'message');
      // Linux lets one more connection wait than the backlog says.
      for (let i = 0; i <= BACKLOG; i++) {
        const socket = connect(port, HOST);
        waiting.push(socket);
        await once(socket, 'connect');
      }
    },
    close: async () => {
      for (const socket of waiting) socket.destroy();
      await worker.terminate();
    },
  };
}

if (!isMainThread) {
  const server = createServer((downstream) => {
    const upstream = connect(Number(workerData), HOST);
    downstream.on('error', () => upstream.destroy()).pipe(upstream);
    upstream.on('error', () => downstream.destroy()).pipe(downstream);
  });
  server.listen({ host: HOST, port: 0, backlog: BACKLOG }, () => {
    parentPort?.postMessage((server.address() as AddressInfo).port);
  });
  parentPort?.once('message', () => {
    parentPort?.postMessage('deaf');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });
}
