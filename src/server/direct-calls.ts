import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { type Server, status } from '@grpc/grpc-js';
import { joined, totalLength } from '../engine/pieces.js';
import { PREFIX } from './codec/prefix.js';
import { forgetEndedStreams } from './ended-streams.js';
import { type Encoding, inflated, isEncoding } from './inflate.js';
import { PieceGuard } from './piece-guard.js';
import { ownMemory, RequestMessage } from './request-message.js';
import { toStatus } from './rpc-error.js';
import { insideOf, takeStreams } from './streams.js';
import type { Answer, Pieces, UnaryCall, UnaryMethod } from './unary-methods.js';

export interface DirectSettings {
  readonly methods: ReadonlyMap<string, UnaryMethod>;
  /** Largest request, bytes. */
  readonly maxReceiveBytes: number;
}

/**
 * What follows a response's first piece is copied behind it up to this size: that costs less than a frame of its
 * own. What is longer may be shared with other calls, and stays one in memory however many are slow to read it.
 */
const COPIED = 1024;
const RESPONSE = { ':status': 200, 'content-type': 'application/grpc+proto' } as const;
const PLAIN_TYPES = ['application/grpc', 'application/grpc+proto'];
/** What the length of a message can say, bytes. */
const MOST_SENT = 2 ** 32 - 1;
/** With the member that Node adds to its copy where it lacks it: V8 makes a hidden class for each such copy. */
const WITH_TRAILERS = { endStream: false, waitForTrailers: true } as const;
const OK = { 'grpc-status': '0' } as const;
const EMPTY = Buffer.alloc(0);
/**
 * What a caller may send before it hears from the server, bytes, of one request and of all on a
 * connection: with the 64 KiB of RFC 9113 section 6.9.2 a tensor of 600 KB takes ten round trips.
 */
const WINDOW = 2 ** 20;
const SHARED_WINDOW = 4 * WINDOW;
/** Longest delay of a timer, milliseconds. */
const MAX_DELAY = 2 ** 31 - 1;
/** As a `grpc-timeout`. */
const LONGEST_TIMEOUT = '2147483S';

const MILLISECONDS = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 } as const;

/** Milliseconds of a `grpc-timeout`, Infinity without one; undefined where it is not one. */
function timeoutOf(header: string | string[] | undefined): number | undefined {
  if (header === undefined) return Number.POSITIVE_INFINITY;
  const match = /^(\d{1,8})([HMSmun])$/.exec(String(header));
  const unit = match?.[2] as keyof typeof MILLISECONDS | undefined;
  return unit === undefined ? undefined : Number(match?.[1]) * MILLISECONDS[unit];
}

/** `identity` where the header is absent. */
function encodingOf(headers: IncomingHttpHeaders): string {
  return String(headers['grpc-encoding'] ?? 'identity');
}

/** Calls that need more than this file has are grpc-js's. */
function isPlain(headers: IncomingHttpHeaders): boolean {
  const encoding = encodingOf(headers);
  return (
    headers[':method'] === 'POST' &&
    PLAIN_TYPES.includes(headers['content-type'] ?? '') &&
    (encoding === 'identity' || isEncoding(encoding))
  );
}

/**
 * grpc-js decompresses each message as it comes, a thousand times what was sent, before it knows that it
 * has any use for it.
 */
function refuseEncoding(stream: ServerHttp2Stream, encoding: Encoding): void {
  const details = `expected no ${encoding} but in calls with one message each way`;
  stream.resume();
  stream.respond(
    {
      ...RESPONSE,
      'grpc-status': status.UNIMPLEMENTED,
      'grpc-message': encodeURI(details),
      'grpc-accept-encoding': 'identity',
    },
    { endStream: true },
  );
}

const peers = new WeakMap<object, string>();

/** Address and port, looked up once a connection. */
function peerOf({ session }: ServerHttp2Stream): string {
  if (session === undefined) return 'unknown';
  const known = peers.get(session);
  if (known !== undefined) return known;
  const { remoteAddress, remotePort } = session.socket;
  const peer = remoteAddress === undefined ? 'unknown' : `${remoteAddress}:${remotePort}`;
  peers.set(session, peer);
  return peer;
}

/** Of an uncompressed message, into the room before it. */
function writePrefix({ buffer, byteOffset }: Uint8Array, length: number): void {
  const view = new DataView(buffer, byteOffset, PREFIX);
  view.setUint8(0, 0);
  view.setUint32(1, length);
}

function ignore(): void {}

function sendOk(this: ServerHttp2Stream): void {
  this.sendTrailers(OK);
}

/** One call, from its headers to its trailers. */
class DirectCall implements UnaryCall<unknown> {
  request: unknown;
  readonly #stream: ServerHttp2Stream;
  readonly #peer: string;
  /** performance.now() */
  readonly #deadline: number;
  readonly #timer: NodeJS.Timeout | undefined;
  #answered = false;
  #cancelled: () => void = ignore;

  constructor(
    stream: ServerHttp2Stream,
    method: UnaryMethod,
    timeout: number,
    encoding: string,
    maxReceiveBytes: number,
  ) {
    this.#stream = stream;
    this.#peer = peerOf(stream);
    this.#deadline = performance.now() + timeout;
    if (timeout !== Number.POSITIVE_INFINITY) {
      this.#timer = setTimeout(() => this.#expire(), Math.min(timeout, MAX_DELAY));
    }
    const limit = Math.min(method.limit, maxReceiveBytes);
    const encoded = isEncoding(encoding) ? encoding : undefined;
    const message = new RequestMessage(limit, encoded !== undefined);
    stream.on('data', (piece: Buffer) => this.#attempt(() => message.push(piece)));
    stream.on('end', () =>
      this.#attempt(() => {
        const pieces = message.end();
        if (encoded === undefined || !message.compressed) this.#handle(method, pieces);
        else this.#inflate(method, joined(pieces), encoded, limit);
      }),
    );
    stream.on('close', () => this.#close());
  }

  #inflate(method: UnaryMethod, message: Buffer, encoding: Encoding, limit: number): void {
    inflated(message, encoding, limit, () => !this.#answered).then(
      (bytes = EMPTY) =>
        this.#attempt(() => this.#handle(method, ownMemory([bytes], bytes.length))),
      (error) =>
        this.#attempt(() => {
          throw error;
        }),
    );
  }

  #handle(method: UnaryMethod, pieces: readonly Buffer[]): void {
    this.request = method.parse(pieces);
    method.handle(this, (error, response) =>
      this.#attempt(() => this.#answer(error, response && method.serialize(response))),
    );
    // A caller who is slow to read its answer does not keep its request in memory.
    this.request = undefined;
  }

  once(_event: 'cancelled', listener: () => void): void {
    this.#cancelled = listener;
  }

  /** By the clock as it is now: whoever turns it ends no call. */
  getDeadline(): number {
    return Math.ceil(Date.now() + this.#deadline - performance.now());
  }

  getPeer(): string {
    return this.#peer;
  }

  /** The rest of a request that was refused is read and dropped. */
  #attempt(step: () => void): void {
    if (this.#answered) return;
    try {
      step();
    } catch (error) {
      const { code, details } = toStatus(error);
      this.#fail(code, details);
    }
  }

  #answer(error: Parameters<Answer<object>>[0], response: Pieces | undefined): void {
    if (response === undefined) this.#fail(error?.code ?? status.UNKNOWN, error?.details ?? '');
    else this.#succeed(response);
  }

  #expire(): void {
    this.#fail(status.DEADLINE_EXCEEDED, 'Deadline exceeded');
    this.#cancelled();
  }

  /**
   * Node's table of a connection's streams keeps those that have ended alive until V8 collects the whole heap,
   * with all that they refer to: no request, then, and none of its answer.
   */
  #close(): void {
    this.#stream.removeAllListeners('data').removeAllListeners('end');
    if (this.#settle()) this.#cancelled();
    this.#cancelled = ignore;
  }

  /** False where it was before. */
  #settle(): boolean {
    if (this.#answered) return false;
    this.#answered = true;
    clearTimeout(this.#timer);
    return true;
  }

  #succeed(response: Pieces): void {
    const stream = this.#stream;
    const length = totalLength(response) - PREFIX;
    if (length > MOST_SENT) {
      this.#fail(
        status.RESOURCE_EXHAUSTED,
        `the answer has ${length} bytes, gRPC's most ${MOST_SENT}`,
      );
      return;
    }
    if (!this.#settle() || stream.destroyed || stream.closed) return;
    // Nor what made its answer, where a caller is slow to read it.
    this.#cancelled = ignore;
    const copied = length + PREFIX - response[0].length <= COPIED;
    const [first, ...others] = copied ? [joined(response)] : response;
    writePrefix(first, length);
    stream.respond(RESPONSE, WITH_TRAILERS);
    stream.on('wantTrailers', sendOk);
    // All in one write: a frame of its own for each piece costs the event loop a twentieth of its time.
    if (others.length > 0) stream.cork();
    stream.write(first);
    for (const piece of others) stream.write(piece);
    stream.end();
  }

  #fail(code: status, details: string): void {
    const stream = this.#stream;
    if (!this.#settle() || stream.destroyed || stream.closed) return;
    stream.respond(
      { ...RESPONSE, 'grpc-status': code, 'grpc-message': encodeURI(details) },
      { endStream: true },
    );
  }
}

/** Ends a stream of grpc-js's whose message comes in pieces that cost more memory than they may. */
function guard(stream: ServerHttp2Stream): void {
  const pieces = new PieceGuard();
  stream.prependListener('data', (piece: Buffer) => {
    if (!pieces.admits(piece)) stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  });
}

/**
 * Answers plain calls of these methods on their HTTP/2 streams, past grpc-js, which takes more of the
 * event loop's time for a small inference than all the rest, nearly a millisecond of a ping where
 * inferences keep the caches cold, and lets callers send more at once than it can be told to.
 * Connections, their limits and every other call stay its own. It has no interface for either, so this
 * looks inside of it, and throws TypeError with a version that is made otherwise.
 * @param server with its listeners.
 */
export function answerDirectly(server: Server, { methods, maxReceiveBytes }: DirectSettings): void {
  const { http2Servers, onStreamOpened } = insideOf(server);
  for (const http2Server of http2Servers.keys()) {
    http2Server.on('session', (session) => {
      session.settings({ initialWindowSize: WINDOW });
      session.setLocalWindowSize(SHARED_WINDOW);
      forgetEndedStreams(session);
    });
    takeStreams(http2Server, (stream, headers, pass) => {
      const method = methods.get(headers[':path'] ?? '');
      const timeout = timeoutOf(headers['grpc-timeout']);
      const encoding = encodingOf(headers);
      if (method !== undefined && timeout !== undefined && isPlain(headers)) {
        onStreamOpened(stream);
        new DirectCall(stream, method, timeout, encoding, maxReceiveBytes);
      } else if (isEncoding(encoding)) {
        refuseEncoding(stream, encoding);
      } else {
        if (headers['grpc-timeout'] !== undefined && Number(timeout) > MAX_DELAY) {
          // grpc-js takes a longer one for one that is over.
          headers['grpc-timeout'] = LONGEST_TIMEOUT;
        }
        pass();
        guard(stream);
      }
    });
  }
}
