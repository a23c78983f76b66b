import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { ConnectionInjector } from '@grpc/grpc-js';
import { AssayError } from '../../attestation/encoding/error.js';

/** Where to listen; port 0 takes a free one. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Listener {
  readonly port: number;
  /** Accepts no more; connections that there are stay. */
  close(): void;
  /** Ends the connections that there are, whatever is under way on them; resolves when they are closed. */
  disconnect(): Promise<void>;
}

/**
 * How often a gRPC server whose connections are accepted here asks each peer whether it is there, and how
 * long for, milliseconds.
 */
export const KEEPALIVE = {
  'grpc.keepalive_time_ms': 60_000,
  'grpc.keepalive_timeout_ms': 20_000,
};

/** Milliseconds between two looks at all connections. */
const LOOK_MS = 10_000;

/** Looks in a row that a connection may be silent: a peer that is there answers within KEEPALIVE. */
const SILENT_LOOKS = 8;

/** What the last look at a connection saw. */
interface Seen {
  /** Bytes that were received on it, TLS included. */
  received: number;
  /** Looks since then at which it had received no more. */
  silent: number;
}

/**
 * Ends connections whose peers are gone. Node may lose a reset, above all one soon after a TLS handshake
 * (nodejs/node#42710): the session waits for a write that never ends and reads no more, so that its pings are
 * never answered, and it cannot be closed. Only ending the socket beneath it frees both; left to itself it
 * would hold a descriptor, and one of the listener's connections, for good.
 */
function endLost(sockets: ReadonlyMap<Socket, Seen>): void {
  for (const [socket, seen] of sockets) {
    const { bytesRead } = socket;
    seen.silent = bytesRead === seen.received ? seen.silent + 1 : 0;
    seen.received = bytesRead;
    // A connection that was reset has no peer. Node asks the system until it was told of one, which beneath
    // TLS nobody has it do while the connection is in use.
    const reset = seen.silent > 0 && socket.remoteAddress === undefined;
    if (reset || seen.silent >= SILENT_LOOKS) socket.destroy();
  }
}

/**
 * Accepts connections for a gRPC server, which by itself accepts any number. Those beyond
 * `maxConnections` are closed at once, before a TLS handshake costs anything; those on which nothing is
 * received for 80 seconds are ended within ten more, so that the server must ask its peers (KEEPALIVE).
 * Rejects with CONFIG_LISTEN.
 */
export function listen(
  { host, port }: Address,
  maxConnections: number,
  injector: Pick<ConnectionInjector, 'injectConnection'>,
): Promise<Listener> {
  const sockets = new Map<Socket, Seen>();
  const server = createServer((socket) => {
    // None is silent at its first look, which may come at once.
    sockets.set(socket, { received: 0, silent: -1 });
    socket.once('close', () => sockets.delete(socket));
    injector.injectConnection(socket);
  });
  server.maxConnections = maxConnections;
  return new Promise((resolve, reject) => {
    // Also once it listens: accept(2) passes errors of single connections on, which their peers may try again.
    server.on('error', (error) => {
      reject(new AssayError('CONFIG_LISTEN', `cannot listen on ${host}:${port}`, error));
    });
    server.listen(port, host, () => {
      const { port: bound } = server.address() as AddressInfo;
      const looks = setInterval(endLost, LOOK_MS, sockets).unref();
      // When the last connection is closed too.
      server.once('close', () => clearInterval(looks));
      resolve({
        port: bound,
        close: () => server.close(),
        disconnect: async () => {
          const open = [...sockets.keys()];
          await Promise.all(
            open.map((socket) => new Promise((closed) => socket.destroy().once('close', closed))),
          );
        },
      });
    });
  });
}
