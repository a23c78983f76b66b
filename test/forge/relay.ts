import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { makeTlsIdentity } from '../../enclave/tls.js';

/** Something that stands between a client and a server. */
export interface Relay {
  readonly target: string;
  close(): void;
}

function join(a: Socket, b: Socket, sockets: Set<{ destroy(): unknown }>): void {
  for (const [socket, other] of [
    [a, b],
    [b, a],
  ] as const) {
    sockets.add(socket);
    socket.on('error', () => other.destroy());
    socket.pipe(other);
  }
}

function started(
  server: ReturnType<typeof createServer>,
  sockets: Set<{ destroy(): unknown }>,
): Promise<Relay> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      resolve({
        target: `127.0.0.1:${port}`,
        close: () => {
          server.close();
          for (const socket of sockets) socket.destroy();
        },
      });
    });
  });
}

/**
 * The relay attack: ends TLS with a key of its own and passes everything on to a genuine enclave, so
 * that evidence, answers and receipts are genuine and the relay reads them all.
 */
export async function startRelay(port: number): Promise<Relay> {
  const { certificatePem, privateKeyPem } = await makeTlsIdentity(['127.0.0.1'], new Date());
  const sockets = new Set<{ destroy(): unknown }>();
  const server = createTlsServer(
    { cert: certificatePem, key: privateKeyPem, ALPNProtocols: ['h2'] },
    (downstream) => {
      const upstream = connectTls({
        host: '127.0.0.1',
        port,
        ALPNProtocols: ['h2'],
        rejectUnauthorized: false,
      });
      join(downstream, upstream, sockets);
    },
  );
  return started(server, sockets);
}

/**
 * The harder relay: the first `honest` connections pass through untouched, so that the client meets the
 * enclave's own key; every later one ends at another server.
 */
export async function startSwitch(
  port: number,
  otherPort: number,
  honest: number,
): Promise<Relay & { cut(): void }> {
  let left = honest;
  const sockets = new Set<{ destroy(): unknown }>();
  const server = createServer((downstream) => {
    const upstream = connectTcp(left > 0 ? port : otherPort, '127.0.0.1');
    left--;
    join(downstream, upstream, sockets);
  });
  const relay = await started(server, sockets);
  return {
    ...relay,
    cut: () => {
      for (const socket of sockets) socket.destroy();
      sockets.clear();
    },
  };
}
