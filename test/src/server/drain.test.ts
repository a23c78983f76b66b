import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ClientHttp2Session, OutgoingHttpHeaders } from 'node:http2';
import { connect } from 'node:net';
import { test } from 'node:test';
import { type Call, calls, ECHO_PATH, startEcho } from '../../forge/echo-service.js';
import { framed, replyTo, send } from '../../forge/raw-grpc.js';

/** Milliseconds that these drains wait for what never ends. */
const GRACE = 50;
/** A drain that goes on after it fails its test, where it would keep the file from ending. */
const LIMIT = { timeout: 20_000 };

const WATCH = '/grpc.health.v1.Health/Watch';
const REFLECTION = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
/** Of a call that grpc-js answers itself. */
const LIBRARY = { 'content-type': 'application/grpc;v=1' };

function open(
  session: ClientHttp2Session,
  path: string,
  message: Buffer,
  headers: OutgoingHttpHeaders = {},
) {
  const stream = send(session, path, [message], headers);
  stream.on('error', () => undefined);
  return stream;
}

/** Resolves when the server has read all that was sent on a connection. */
async function received(session: ClientHttp2Session): Promise<void> {
  if (session.connecting) await once(session, 'connect');
  await new Promise<void>((resolve, reject) => {
    session.ping((error) => (error === null ? resolve() : reject(error)));
  });
}

async function half(session: ClientHttp2Session, headers?: OutgoingHttpHeaders): Promise<void> {
  open(session, ECHO_PATH, framed('hold').subarray(0, 7), headers);
  await received(session);
}

async function unanswered(
  session: ClientHttp2Session,
  headers?: OutgoingHttpHeaders,
): Promise<void> {
  const held = once(calls, 'held');
  open(session, ECHO_PATH, framed('hold'), headers).end();
  await held;
}

const OPEN: Readonly<Record<string, (session: ClientHttp2Session) => Promise<unknown>>> = {
  'a stream on which nothing was sent': (session) => {
    open(session, REFLECTION, Buffer.alloc(0));
    return received(session);
  },
  'half a request': (session) => half(session),
  'half a request to grpc-js': (session) => half(session, LIBRARY),
  'a call without an answer': (session) => unanswered(session),
  'a call without an answer from grpc-js': (session) => unanswered(session, LIBRARY),
};

for (const [name, begin] of Object.entries(OPEN)) {
  test(`a drain ends when its grace does, with TLS and without: ${name}`, LIMIT, async () => {
    const server = await startEcho(3_600_000);
    const sessions = [server.openSecure(), server.open()];
    for (const session of sessions) await begin(session);
    const closed = sessions.map((session) => once(session, 'close'));
    await server.drain(GRACE);
    await Promise.all(closed);
  });
}

const WATCHED: readonly [name: string, request: string, statuses: readonly number[]][] = [
  ['the server', '', [1, 2]],
  ['a service', '\n\x09test.Echo', [1, 2]],
  ['a name that is no service', '\n\x01x', [3]],
];

for (const [name, request, statuses] of WATCHED) {
  test(`a drain tells who watches ${name}, and does not wait for it`, LIMIT, async () => {
    const server = await startEcho(3_600_000);
    server.setServing(true);
    const stream = open(server.open(), WATCH, framed(request)).end();
    const reply = replyTo(stream);
    await once(stream, 'data');
    await server.drain(3_600_000);
    const { status, body } = await reply;
    assert.equal(status, 0);
    assert.deepEqual(body, Buffer.concat(statuses.map((one) => framed(Buffer.from([8, one])))));
  });
}

test('a drain leaves no connection on which nothing was said', LIMIT, async () => {
  const server = await startEcho(3_600_000);
  const sockets = [server.port, server.plaintextPort ?? 0].map((port) =>
    connect(port, '127.0.0.1').resume(),
  );
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  // Accepted later than those, on both listeners.
  await Promise.all([server.openSecure(), server.open()].map(received));
  const closed = sockets.map((socket) => once(socket, 'close'));
  await server.drain(GRACE);
  await Promise.all(closed);
});

test(
  'a drain takes no calls of a connection whose handshake ends after it began, and lets it go',
  LIMIT,
  async () => {
    const server = await startEcho(3_600_000);
    const socket = connect(server.port, '127.0.0.1');
    await once(socket, 'connect');
    const earlier = server.openSecure();
    const held = once(calls, 'held');
    const stream = open(earlier, ECHO_PATH, framed('hold')).end();
    const reply = replyTo(stream);
    const [, answer]: Call = (await held) as [Call[0], Call[1]];
    const drained = server.drain(3_600_000);
    const late = server.openSecure(socket);
    await once(late, 'goaway');
    await once(late, 'close');
    answer(null, Buffer.from('held'));
    assert.deepEqual((await reply).body, framed('held'));
    await drained;
  },
);
