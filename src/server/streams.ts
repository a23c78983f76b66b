import type {
  Http2Server,
  IncomingHttpHeaders,
  ServerHttp2Session,
  ServerHttp2Stream,
} from 'node:http2';
import type { Server, ServerInterceptingCall, ServerInterceptor } from '@grpc/grpc-js';
import { BaseServerInterceptingCall } from '@grpc/grpc-js/build/src/server-interceptors.js';

/** What grpc-js 1.14 keeps to itself. */
interface Inside {
  readonly http2Servers: ReadonlyMap<Http2Server, unknown>;
  /** Counts the stream, so that its connection is not idle. */
  onStreamOpened(stream: ServerHttp2Stream): void;
}

interface InsideCall {
  /** Tells the call's handler, once. What is written from then on is dropped, and so is what the caller sends. */
  notifyOnCancel(): void;
}

/** Throws TypeError with a version that is made otherwise: left to itself it may be ended by any caller. */
export function insideOf(server: Server): Inside {
  const { http2Servers, onStreamOpened } = server as unknown as Partial<Inside>;
  const { notifyOnCancel } = BaseServerInterceptingCall.prototype as unknown as Partial<InsideCall>;
  if (
    !(http2Servers instanceof Map) ||
    typeof onStreamOpened !== 'function' ||
    typeof notifyOnCancel !== 'function'
  ) {
    throw new TypeError('expected a server of grpc-js 1.14, this one is made otherwise');
  }
  return { http2Servers, onStreamOpened: onStreamOpened.bind(server) };
}

/**
 * Cancels a call of grpc-js's as its status is sent. Left to itself, grpc-js does so once the status has gone
 * out, behind the answers that the caller has yet to take; an answer that is written meanwhile, past a deadline
 * or an oversized message, makes the stream fail without a status, and it never ends.
 */
export const cancelWithStatus: ServerInterceptor = (_method, call) => {
  const base = call as ServerInterceptingCall & InsideCall;
  const sendStatus = base.sendStatus.bind(base);
  base.sendStatus = (status) => {
    sendStatus(status);
    base.notifyOnCancel();
  };
  return base;
};

/** The sessions of a server's connections, as they come and go. */
export class Sessions {
  readonly #open = new Set<ServerHttp2Session>();
  /** Called when none is left; undefined until they are to end. */
  #none: (() => void) | undefined;

  /** Throws as `insideOf`. */
  constructor(server: Server) {
    for (const http2Server of insideOf(server).http2Servers.keys()) {
      http2Server.on('session', (session) => this.#add(session));
    }
  }

  #add(session: ServerHttp2Session): void {
    this.#open.add(session);
    session.once('close', () => {
      this.#open.delete(session);
      if (this.#open.size === 0) this.#none?.();
    });
    // Once all who listen have been told of it: it may be destroyed at once.
    if (this.#none !== undefined) setImmediate(() => session.close());
  }

  /**
   * Has sessions that come from now on, their handshakes under way, end with their calls, as grpc-js has
   * those that there are. Resolves once none is left, or after so many milliseconds: some may be lost, and never
   * end.
   */
  async ended(limit: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#none = resolve;
      timer = setTimeout(resolve, limit);
      if (this.#open.size === 0) resolve();
    });
    clearTimeout(timer);
  }
}

function ignore(): void {}

/**
 * Has `handle` told of a server's streams in place of those who were; `pass` tells them. Of those that ended
 * before Node tells of them, nobody is: grpc-js answers some calls at once, which throws then, and nobody
 * catches it, so that any caller could end the process.
 */
export function takeStreams(
  http2Server: Http2Server,
  handle: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, pass: () => void) => void,
): void {
  const others = http2Server.listeners('stream');
  http2Server.removeAllListeners('stream');
  http2Server.on('stream', (...told) => {
    const [stream, headers] = told;
    stream.on('error', ignore);
    if (stream.destroyed || stream.closed) return;
    handle(stream, headers, () => {
      for (const other of others) Reflect.apply(other, http2Server, told);
    });
  });
}
