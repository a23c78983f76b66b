import { ChannelCredentials, type experimental } from '@grpc/grpc-js';
import { within } from './within.js';

/** Longest wait for a TLS handshake, milliseconds. */
export const HANDSHAKE = 10_000;

/**
 * TLS credentials whose handshakes end. grpc-js bounds none and drops none with its channel: a peer that
 * takes the connection and then is silent would keep the process alive, and the channel from trying again.
 */
export class BoundedHandshakes extends ChannelCredentials {
  readonly #credentials: ChannelCredentials;
  readonly #timeout: number;
  readonly #closed = new AbortController();

  /** @param timeout milliseconds for a handshake. */
  constructor(credentials: ChannelCredentials, timeout = HANDSHAKE) {
    super();
    this.#credentials = credentials;
    this.#timeout = timeout;
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
    const bounds = { timeout: this.#timeout, signal: this.#closed.signal };
    const late = (): Error => new Error(`no TLS handshake within ${this.#timeout} ms`);
    return {
      // grpc-js destroys the socket where this rejects.
      connect: (socket) => within(connector.connect(socket), bounds, late),
      waitForReady: () => connector.waitForReady(),
      getCallCredentials: () => connector.getCallCredentials(),
      destroy: () => connector.destroy(),
    };
  }

  /** Ends the handshakes under way, and all to come. */
  close(): void {
    this.#closed.abort();
  }
}
