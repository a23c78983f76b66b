import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { createSecureContext } from 'node:tls';
import { fileURLToPath } from 'node:url';
import {
  Client,
  type ClientOptions,
  credentials,
  Metadata,
  type MethodDefinition,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';
import { AssayError } from '../../attestation/encoding/error.js';
import { BoundedConnections, HANDSHAKE } from './bounded-connections.js';
import {
  assertPinned,
  type Endpoint,
  endpointText,
  presentedCertificate,
  spkiDigest,
} from './endpoint.js';
import { MAX_MESSAGE } from './exchange.js';
import { type CallOptions, LONGEST, listenOften, within } from './within.js';

const PROTO = fileURLToPath(new URL('../../../proto/', import.meta.url));

function loadDefinitions(): PackageDefinition {
  return loadSync(['open_inference_grpc.proto', 'assay/v1/attestation.proto'], {
    includeDirs: [PROTO],
    keepCase: true,
    longs: Number,
    defaults: true,
    arrays: true,
    objects: true,
    oneofs: true,
  });
}

/** Read at the first call: most commands make none. */
let definitions: PackageDefinition | undefined;

/**
 * Largest message of any other service, bytes: an evidence bundle of the largest and its frame. Nobody
 * knows yet who sends it.
 */
const MAX_ATTESTATION = 16 * 1024 * 1024 + 1024;
const INFERENCE = 'inference.GRPCInferenceService';

/** What is sent as server name where the target is an address: RFC 6066 section 3 allows names alone. */
const NO_NAME = 'enclave.invalid';

/**
 * Milliseconds between attempts to reach a server that cannot be reached, at most: it is one enclave, not a
 * service of many, and grpc-js's own two minutes outlast most restarts.
 */
const LONGEST_BACKOFF = 5000;

/** Milliseconds for a call where the caller names none. */
export const DEFAULT_TIMEOUT = 60_000;

/**
 * Milliseconds to wait, from 1 to `longest`. Throws USAGE_TIMEOUT for what is no time: grpc-js throws at NaN
 * where no caller catches it, and a socket waits for ever at 0.
 */
function bounded(timeout: number, longest: number): number {
  if (typeof timeout === 'number' && timeout >= 0) return Math.max(1, Math.min(timeout, longest));
  throw new AssayError(
    'USAGE_TIMEOUT',
    `expected a timeout of 0 milliseconds or more, not ${typeof timeout === 'number' ? timeout : typeof timeout}`,
  );
}

function methodOf(service: string, name: string): MethodDefinition<object, object> {
  definitions ??= loadDefinitions();
  const definition = definitions[service] as
    | { readonly [method: string]: MethodDefinition<object, object> }
    | undefined;
  const method = definition?.[name];
  if (method === undefined) throw new TypeError(`${service} has no method ${name}`);
  return method;
}

/**
 * Whether a call ended with its time before it was given to any connection. Of a deadline that passes here
 * grpc-js says where the call was sent, as `remote_addr=`. The channel's state does not tell: a server that
 * ends takes no more calls, and finishes those that it has.
 */
function wasNeverSent({ code, details }: ServiceError): boolean {
  if (code !== status.DEADLINE_EXCEEDED) return false;
  return details.startsWith('Deadline exceeded after ') && !details.includes('remote_addr=');
}

/**
 * gRPC over TLS to whoever holds one key. Names and authorities do not count: the certificate that
 * was presented is the only root, and every handshake, also of a reconnection, must be with its key.
 */
export class PinnedChannel {
  readonly endpoint: Endpoint;
  readonly certificate: X509Certificate;
  /** SHA-256 of the SubjectPublicKeyInfo that is pinned. */
  readonly key: Uint8Array;
  readonly #credentials: BoundedConnections;
  readonly #attestation: Client;
  /** Opened by the first inference: grpc-js bounds messages by the connection. */
  #inference: Client | undefined;
  /** Under way: who answers there now. */
  #look: Promise<X509Certificate> | undefined;
  readonly #end = new AbortController();

  private constructor(endpoint: Endpoint, certificate: X509Certificate) {
    this.endpoint = endpoint;
    this.certificate = certificate;
    this.key = spkiDigest(certificate);
    this.#credentials = this.#makeCredentials();
    this.#attestation = this.#open(MAX_ATTESTATION);
  }

  #makeCredentials(): BoundedConnections {
    const ca = this.certificate.toString();
    const context = createSecureContext({ ca, minVersion: 'TLSv1.3' });
    const checkServerIdentity = (_: string, peer: { readonly raw: Buffer }): Error | undefined => {
      try {
        assertPinned(new X509Certificate(peer.raw), this.key, this.#where);
        return undefined;
      } catch (error) {
        return error instanceof Error ? error : new Error(String(error));
      }
    };
    return new BoundedConnections(
      credentials.createFromSecureContext(context, { checkServerIdentity }),
    );
  }

  /** A connection of its own, under the same pin, on which answers have at most so many bytes. */
  #open(maxReceived: number): Client {
    const options: ClientOptions = {
      'grpc.max_receive_message_length': maxReceived,
      'grpc.max_send_message_length': MAX_MESSAGE,
      'grpc.enable_http_proxy': 0,
      'grpc.enable_channelz': 0,
      'grpc.max_reconnect_backoff_ms': LONGEST_BACKOFF,
      'grpc.use_local_subchannel_pool': 1,
      ...(isIP(this.endpoint.host) === 0 ? {} : { 'grpc.ssl_target_name_override': NO_NAME }),
    };
    // With its scheme: hosts may be called `dns` or `unix`, which grpc-js would take for one.
    return new Client(`dns:${this.#where}`, this.#credentials, options);
  }

  /**
   * Pins whatever key the server presents now; evidence has yet to tell whose it is. Throws USAGE_TIMEOUT,
   * CLIENT_UNREACHABLE or the signal's own reason.
   */
  static async open(
    endpoint: Endpoint,
    timeout: number,
    signal?: AbortSignal,
  ): Promise<PinnedChannel> {
    const bounds = { timeout: bounded(timeout, HANDSHAKE), signal };
    return new PinnedChannel(endpoint, await presentedCertificate(endpoint, bounds));
  }

  #inferenceClient(): Client {
    this.#inference ??= this.#open(MAX_MESSAGE);
    return this.#inference;
  }

  get #where(): string {
    return endpointText(this.endpoint);
  }

  /**
   * One unary call, whose bounds are also those of finding out why it failed. Throws USAGE_TIMEOUT before
   * anything is sent, CLIENT_TLS_PIN if the server no longer presents the pinned key, CLIENT_UNREACHABLE,
   * also once this is closed, CLIENT_SERVICE with the status that the server answered, or the signal's own reason.
   */
  async call<Response extends object>(
    service: string,
    name: string,
    request: object,
    { timeout, signal }: CallOptions,
  ): Promise<Response> {
    signal?.throwIfAborted();
    this.#end.signal.throwIfAborted();
    const deadline = Date.now() + bounded(timeout, LONGEST);
    listenOften(signal);
    const method = methodOf(service, name);
    const client = service === INFERENCE ? this.#inferenceClient() : this.#attestation;
    try {
      return await new Promise<Response>((resolve, reject) => {
        const call = client.makeUnaryRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize as (bytes: Buffer) => Response,
          request,
          new Metadata(),
          { deadline },
          (error, response) => {
            signal?.removeEventListener('abort', cancel);
            if (error !== null) reject(error);
            else if (response === undefined) reject(new TypeError('an empty answer'));
            else resolve(response);
          },
        );
        const cancel = (): void => call.cancel();
        signal?.addEventListener('abort', cancel, { once: true });
      });
    } catch (error) {
      signal?.throwIfAborted();
      // A server may answer the same words before the time is over.
      const left = Math.max(1, deadline - Date.now());
      if (left === 1 && wasNeverSent(error as ServiceError)) {
        const message = `${this.#where}: no connection took the call within ${timeout} ms`;
        throw new AssayError('CLIENT_UNREACHABLE', message, error);
      }
      return await this.#translate(name, error as ServiceError, { timeout: left, signal });
    }
  }

  /** The certificate that is presented now: one look for all calls that a lost connection ends together. */
  #presented(bounds: CallOptions): Promise<X509Certificate> {
    const { signal } = this.#end;
    this.#look ??= presentedCertificate(this.endpoint, { timeout: HANDSHAKE, signal }).finally(
      () => {
        this.#look = undefined;
      },
    );
    return within(this.#look, bounds, () => {
      const message = `${this.#where}: no TLS handshake within ${bounds.timeout} ms`;
      return new AssayError('CLIENT_UNREACHABLE', message);
    });
  }

  /** gRPC reports a refused handshake as unavailable; asking for the certificate again tells them apart. */
  async #translate(
    name: string,
    error: ServiceError,
    { timeout, signal }: CallOptions,
  ): Promise<never> {
    if (error.code === status.UNAVAILABLE) {
      const bounds = { timeout: bounded(timeout, HANDSHAKE), signal };
      const now = await this.#presented(bounds);
      assertPinned(now, this.key, this.#where);
      throw new AssayError('CLIENT_UNREACHABLE', `${this.#where}: ${error.details}`, error);
    }
    const code = typeof error.code === 'number' ? (status[error.code] ?? 'UNKNOWN') : 'UNKNOWN';
    const details = error.details ?? error.message;
    throw new AssayError('CLIENT_SERVICE', `${name} answered ${code}: ${details}`, error);
  }

  /** Ends connections, also those that are being made. */
  close(): void {
    const message = `${this.#where}: the session is closed`;
    this.#end.abort(new AssayError('CLIENT_UNREACHABLE', message));
    this.#credentials.close();
    this.#attestation.close();
    this.#inference?.close();
  }
}
