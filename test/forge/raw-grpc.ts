import { once } from 'node:events';
import type { ClientHttp2Session, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';

/** gRPC calls as frames and headers, for what no client sends. */

/** A Length-Prefixed-Message ("gRPC over HTTP2"). */
export function framed(message: Buffer | string, compressed = 0): Buffer {
  const bytes = Buffer.from(message);
  const prefix = Buffer.alloc(5, compressed);
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
}

/** A request of these pieces, not ended. */
export function send(
  session: ClientHttp2Session,
  path: string,
  pieces: readonly Buffer[],
  more: OutgoingHttpHeaders,
) {
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...more,
  });
  for (const piece of pieces) stream.write(piece);
  return stream;
}

export interface Reply {
  readonly headers: IncomingHttpHeaders;
  readonly status: number;
  readonly details: string;
  readonly body: Buffer;
}

export async function replyTo(stream: ReturnType<typeof send>): Promise<Reply> {
  let headers: IncomingHttpHeaders = {};
  let trailers: IncomingHttpHeaders = {};
  stream.once('response', (received) => {
    headers = received;
  });
  stream.once('trailers', (received) => {
    trailers = received;
  });
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(stream, 'end');
  const end = { ...headers, ...trailers };
  return {
    headers,
    status: Number(end['grpc-status']),
    details: decodeURIComponent(String(end['grpc-message'] ?? '')),
    body: Buffer.concat(chunks),
  };
}
