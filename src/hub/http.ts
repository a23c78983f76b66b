import {
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as plainRequest,
} from 'node:http';
import { request as tlsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { AssayError } from '../../attestation/encoding/error.js';
import { TemporaryError } from './retry.js';

/** A body that is read as it is sent, anew each time. */
export interface SentParts {
  /** Bytes of all parts. */
  readonly length: number;
  readonly parts: () => AsyncIterable<Uint8Array>;
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH';
  readonly url: URL;
  readonly headers?: { readonly [name: string]: string };
  readonly body?: Uint8Array | SentParts;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Where the response came from, after redirects. */
  readonly url: URL;
  /** Unread: whoever does not want it discards it. */
  readonly body: IncomingMessage;
}

export interface HttpOptions {
  /** HTTP without TLS to hosts other than this machine. */
  readonly plainHttp: boolean;
  /** Milliseconds without a byte after which a connection is given up. */
  readonly idleTimeout: number;
}

export interface SendOptions extends HttpOptions {
  /** Gives up the request, and its answer while that is read, for a reason that is a sentence. */
  readonly signal: AbortSignal;
}

const MAX_REDIRECTS = 5;
const MAX_DISCARDED = 16 * 1024;
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];

/** True for a host that is this machine itself. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}

function checkUrl(url: URL, options: HttpOptions): void {
  const plain = url.protocol === 'http:' && (options.plainHttp || isLoopback(url.hostname));
  if (!plain && url.protocol !== 'https:') {
    throw new AssayError(
      'HUB_TRANSPORT',
      `expected HTTPS, not ${url.protocol}//${url.host} (plain HTTP is for this machine, or where it is asked for)`,
    );
  }
  if (url.username !== '' || url.password !== '') {
    throw new AssayError('HUB_TRANSPORT', `expected a URL without credentials from ${url.host}`);
  }
}

/**
 * Sends one request and returns as soon as the response's head is there. Follows nothing. Who is given up,
 * by the signal or for silence, is HUB_UNREACHABLE, in the body too.
 * @throws AssayError HUB_UNREACHABLE where the connection fails, HUB_TRANSPORT for an unsafe URL.
 */
export async function send(request: HttpRequest, options: SendOptions): Promise<HttpResponse> {
  const { method, url, headers, body } = request;
  const { idleTimeout, signal } = options;
  checkUrl(url, options);
  return new Promise((resolve, reject) => {
    const make = url.protocol === 'https:' ? tlsRequest : plainRequest;
    const length =
      body === undefined && method !== 'POST' && method !== 'PUT'
        ? {}
        : { 'content-length': String(body?.length ?? 0) };
    const outgoing = make(url, {
      method,
      headers: { 'user-agent': 'assay', 'accept-encoding': 'identity', ...headers, ...length },
    });
    let current: ClientRequest | IncomingMessage = outgoing;
    const giveUp = (reason: string): void => {
      const shown = `${method} ${url.host}${url.pathname}: ${reason}`;
      current.destroy(new TemporaryError('HUB_UNREACHABLE', shown));
    };
    outgoing.setTimeout(idleTimeout, () => giveUp(`nothing came for ${idleTimeout} ms`));
    const abort = (): void => giveUp(String(signal.reason));
    // One signal serves many requests: each leaves it when it is over.
    const leave = (): void => signal.removeEventListener('abort', abort);
    signal.addEventListener('abort', abort);
    outgoing.on('error', (cause) => {
      leave();
      const failed = `${method} ${url.host} failed`;
      const given = cause instanceof AssayError;
      reject(given ? cause : new TemporaryError('HUB_UNREACHABLE', failed, cause));
    });
    outgoing.once('response', (incoming) => {
      current = incoming;
      incoming.on('error', () => {}).once('close', leave);
      // Whoever answers before all was sent wants no more of it.
      incoming.once('end', () => outgoing.writableFinished || outgoing.destroy());
      resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, url, body: incoming });
    });
    if (signal.aborted) abort();
    if (body === undefined || body instanceof Uint8Array) outgoing.end(body);
    else {
      const parts = Readable.from(body.parts());
      parts.once('error', (cause) => outgoing.destroy(cause));
      outgoing.once('close', () => parts.destroy());
      parts.pipe(outgoing);
    }
  });
}

/**
 * Sends a GET or HEAD and follows redirects, as registries answer them for blobs. Another origin
 * never sees the Authorization header, and TLS is never left.
 */
export async function sendFollowing(
  request: HttpRequest,
  options: SendOptions,
): Promise<HttpResponse> {
  let next = request;
  for (let hops = 0; ; hops++) {
    const response = await send(next, options);
    if (!REDIRECTS.includes(response.status)) return response;
    response.body.destroy();
    if (hops === MAX_REDIRECTS) {
      throw new AssayError('HUB_REDIRECT', `expected at most ${MAX_REDIRECTS} redirects`);
    }
    const url = locationOf(response);
    const headers = Object.entries(next.headers ?? {}).filter(
      ([name]) => url.origin === next.url.origin || name.toLowerCase() !== 'authorization',
    );
    next = { method: request.method, url, headers: Object.fromEntries(headers) };
  }
}

/**
 * The Location of a response, relative to where it came from. Throws HUB_PROTOCOL for one that is none,
 * HUB_REDIRECT for one that leads out of TLS.
 */
export function locationOf(response: HttpResponse): URL {
  const { location } = response.headers;
  let url: URL;
  try {
    url = new URL(location ?? '', location === undefined ? undefined : response.url);
  } catch (cause) {
    throw new AssayError('HUB_PROTOCOL', `expected ${response.url.host} to name a Location`, cause);
  }
  if (response.url.protocol === 'https:' && url.protocol !== 'https:') {
    throw new AssayError('HUB_REDIRECT', `expected ${response.url.host} not to lead out of TLS`);
  }
  return url;
}

/**
 * Lets go of a body that nobody wants. A short one is read, so that its connection can serve again; it
 * keeps no process alive meanwhile, and one that goes on and on costs the peer the connection.
 */
export function discard({ body }: HttpResponse): void {
  let length = 0;
  body.on('data', (part: Uint8Array) => {
    length += part.length;
    if (length > MAX_DISCARDED) body.destroy();
  });
  body.socket.unref();
}

/**
 * Refuses a body in another encoding than the one asked for: sizes and digests are of the bytes as they
 * are. Throws HUB_PROTOCOL.
 */
export function expectIdentity({ headers, url, body }: HttpResponse): void {
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding.toLowerCase() === 'identity') return;
  body.destroy();
  throw new AssayError(
    'HUB_PROTOCOL',
    `expected ${url.host} to send bytes as they are, not with a Content-Encoding`,
  );
}

/**
 * Reads a body of at most `limit` bytes; throws HUB_SIZE,
 * HUB_PROTOCOL, or HUB_UNREACHABLE where it breaks off.
 */
export async function readBody(
  response: HttpResponse,
  limit: number,
  what: string,
): Promise<Uint8Array> {
  expectIdentity(response);
  const parts: Uint8Array[] = [];
  let length = 0;
  const tooLarge = (): AssayError =>
    new AssayError('HUB_SIZE', `expected ${what} to have at most ${limit} bytes`);
  if (Number(response.headers['content-length'] ?? 0) > limit) {
    response.body.destroy();
    throw tooLarge();
  }
  try {
    for await (const part of response.body as AsyncIterable<Uint8Array>) {
      length += part.length;
      if (length > limit) throw tooLarge();
      parts.push(part);
    }
  } catch (error) {
    if (error instanceof AssayError) throw error;
    throw new TemporaryError('HUB_UNREACHABLE', `${response.url.host} broke off ${what}`, error);
  }
  return Buffer.concat(parts);
}
