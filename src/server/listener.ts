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
  /** Ends the connections that there are, whatever is under way on them. */
  disconnect(): void;
}

/**
 * Accepts connections for a gRPC server, which by itself accepts any number. Those beyond
 * `maxConnections` are closed at once, before a TLS handshake costs anything. Rejects with
 * CONFIG_LISTEN.
 */
export function listen(
  { host, port }: Address,
  maxConnections: number,
  injector: Pick<ConnectionInjector, 'injectConnection'>,
): Promise<Listener> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    injector.injectConnection(socket);
  });
  server.maxConnections = maxConnections;
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      reject(new AssayError('CONFIG_LISTEN', `cannot listen on ${host}:${port}`, error));
    });
    server.listen(port, host, () => {
      const { port: bound } = server.address() as AddressInfo;
      resolve({
        port: bound,
        close: () => server.close(),
        disconnect: () => {
          for (const socket of sockets) socket.destroy();
        },
      });
    });
  });
}
