import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe } from 'node:diagnostics_channel';
import { Socket } from 'node:net';
import { ChannelCredentials, type experimental } from '@grpc/grpc-js';
import { type CallOptions, within } from './within.js';

/** Longest wait for a TCP connection, and then for a TLS handshake, milliseconds. */
export const HANDSHAKE = 10_000;

/** The bounds of the connections that are made from here on. */
const connecting = new AsyncLocalStorage<CallOptions>();

/** Destroys a socket that is not connected in time. */
function boundConnection(socket: Socket, bounds: CallOptions): void {
  const connected = new Promise<void>((resolve) => {
    socket.once('connect', resolve).once('close', () => resolve());
  });
  const late = (): Error => new Error(`no TCP connection within ${bounds.timeout} ms`);
  within(connected, bounds, late).catch((error: Error) => socket.destroy(error));
}

subscribe('net.client.socket', (message) => {
  const bounds = connecting.getStore();
  if (bounds === undefined || typeof message !== 'object' || message === null) return;
  if ('socket' in message && message.socket instanceof Socket) {
    boundConnection(message.socket, bounds);
  }
});

/**
 * TLS credentials whose connections and handshakes end. grpc-js bounds neither, and drops none that is being
 * made with its channel: where no SYN is answered, or a peer takes the connection and then is silent, it
 * would keep the process alive, and the channel from trying again.
 */
export class BoundedConnections extends ChannelCredentials {
  readonly #credentials: ChannelCredentials;
  readonly #closed = new AbortController();
  readonly #bounds: CallOptions;

  /** @param timeout milliseconds for a connection, and for a handshake. */
  constructor(credentials: ChannelCredentials, timeout = HANDSHAKE) {
    super();
    this.#credentials = credentials;
    this.#bounds = { timeout, signal: this.#closed.signal };
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(
    ...of: Parameters<ChannelCredentials['_createSecureConnector']>
  ): experimental.SecureConnector {
    const connector = this.#credentials._createSecureConnector(...of);
    const bounds = this.#bounds;
    const late = (): Error => new Error(`no TLS handshake within ${bounds.timeout} ms`);
    return {
      // grpc-js destroys the socket where this rejects.
      connect: (socket) => within(connector.connect(socket), bounds, late),
      // grpc-js opens the socket as soon as it has waited for this, and shows it to nobody before it is connected.
      waitForReady: () => {
        connecting.enterWith(bounds);
        return connector.waitForReady();
      },
      getCallCredentials: () => connector.getCallCredentials(),
      destroy: () => connector.destroy(),
    };
  }

  /** Ends the connections and handshakes under way, and all to come. */
  close(): void {
    this.#closed.abort();
  }
}
