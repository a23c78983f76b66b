import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, constants, type OutgoingHttpHeaders } from 'node:http2';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { deflateSync, gzipSync } from 'node:zlib';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import { BaseServerInterceptingCall } from '@grpc/grpc-js/build/src/server-interceptors.js';
import { answerDirectly } from '../../../src/server/direct-calls.js';
import { insideOf } from '../../../src/server/streams.js';
import {
  type Call,
  calls,
  ECHO_MAX,
  ECHO_PATH,
  openLibrary,
  startEcho,
} from '../../forge/echo-service.js';
import { framed, type Reply, replyTo, send as sendRaw } from '../../forge/raw-grpc.js';

const server = await startEcho(3_600_000);
const session = server.open();
const library = await openLibrary();

const send = (pieces: readonly Buffer[], more: OutgoingHttpHeaders, on = session) =>
  sendRaw(on, ECHO_PATH, pieces, more);

function ask(pieces: readonly Buffer[], more: OutgoingHttpHeaders = {}, on = session) {
  const stream = send(pieces, more, on);
  stream.end();
  return replyTo(stream);
}

/** What grpc-js puts on every answer, and a direct one does without. */
const isDirect = ({ headers }: Reply): boolean => headers['grpc-encoding'] === undefined;

const message = framed('a message');
const large = framed(Buffer.from(Array.from({ length: ECHO_MAX }, (_, i) => i % 251)));
const every = (bytes: Buffer, size: number): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    bytes.subarray(i * size, (i + 1) * size),
  );

const same: readonly {
  readonly name: string;
  readonly pieces: readonly Buffer[];
  readonly headers?: OutgoingHttpHeaders;
  readonly status: status;
}[] = [
  { name: 'one message', pieces: [message], status: status.OK },
  { name: 'an empty message', pieces: [framed('')], status: status.OK },
  { name: 'a message in pieces of a byte', pieces: every(message, 1), status: status.OK },
  { name: 'the largest message', pieces: every(large, 16_000), status: status.OK },
  {
    name: 'a type with a suffix',
    pieces: [message],
    status: status.OK,
    headers: { 'content-type': 'application/grpc+proto' },
  },
  {
    name: 'an encoding of identity',
    pieces: [message],
    status: status.OK,
    headers: { 'grpc-encoding': 'identity' },
  },
  {
    name: 'a deadline that is far',
    pieces: [message],
    status: status.OK,
    headers: { 'grpc-timeout': '99999999H' },
  },
  { name: 'an error of the handler', pieces: [framed('fail')], status: status.NOT_FOUND },
  { name: 'a malformed message', pieces: [framed('malformed')], status: status.INTERNAL },
  { name: 'no message', pieces: [], status: status.UNIMPLEMENTED },
  { name: 'half a message', pieces: [message.subarray(0, 9)], status: status.UNIMPLEMENTED },
  { name: 'half a prefix', pieces: [message.subarray(0, 3)], status: status.UNIMPLEMENTED },
  { name: 'two messages', pieces: [message, message], status: status.UNIMPLEMENTED },
  {
    name: 'a message in gzip',
    pieces: every(framed(gzipSync('a message'), 1), 7),
    status: status.OK,
    headers: { 'grpc-encoding': 'gzip' },
  },
  {
    name: 'a message in deflate',
    pieces: [framed(deflateSync('a message'), 1)],
    status: status.OK,
    headers: { 'grpc-encoding': 'deflate' },
  },
  {
    name: 'a message that is not compressed, though others may be',
    pieces: [message],
    status: status.OK,
    headers: { 'grpc-encoding': 'gzip' },
  },
  {
    name: 'the largest message in gzip',
    pieces: [framed(gzipSync(Buffer.alloc(ECHO_MAX)), 1)],
    status: status.OK,
    headers: { 'grpc-encoding': 'gzip' },
  },
  {
    name: 'a message in gzip that takes more than the limit',
    pieces: [framed(gzipSync(Buffer.alloc(ECHO_MAX + 1)), 1)],
    status: status.RESOURCE_EXHAUSTED,
    headers: { 'grpc-encoding': 'gzip' },
  },
  {
    name: 'a message that is not in its encoding',
    pieces: [framed('not in gzip', 1)],
    status: status.INTERNAL,
    headers: { 'grpc-encoding': 'gzip' },
  },
  {
    name: 'a message beyond the limit',
    pieces: [framed(Buffer.alloc(ECHO_MAX + 1))],
    status: status.RESOURCE_EXHAUSTED,
  },
];
for (const { name, pieces, headers, status: expected } of same) {
  test(`answered as grpc-js answers it: ${name}`, async () => {
    const direct = await ask(pieces, headers);
    const plain = await ask(pieces, headers, library);
    assert.equal(direct.status, expected);
    assert.deepEqual(
      { ...direct, headers: undefined, details: direct.details.replace(/^expected.*/, '') },
      {
        ...plain,
        headers: undefined,
        details: plain.details.replace(/^(Received (no|a sec)|Error des|Failed to dec|OK).*/, ''),
      },
    );
    assert.equal(isDirect(direct), true, 'this version of grpc-js is made otherwise');
  });
}

test('an answer that has no encoding is a failure of the server, of which it says nothing', async () => {
  const { status: code, details } = await ask([framed('unsayable')]);
  assert.equal(code, status.INTERNAL);
  assert.doesNotMatch(details, /unsayable/);
});

test('a message that says it is compressed, with no encoding to undo it by, is refused', async () => {
  const { status: code, details } = await ask([framed('a message', 1)]);
  assert.equal(code, status.INTERNAL);
  assert.match(details, /no compressed message without a grpc-encoding/);
});

for (const path of [ECHO_PATH, '/test.Echo/Nope']) {
  test(`a call of ${path} that ended before the server is told of it ends no more than itself`, async (t) => {
    const plain = new Server();
    t.after(() => plain.forceShutdown());
    const port = await promisify(plain.bindAsync.bind(plain))(
      '127.0.0.1:0',
      ServerCredentials.createInsecure(),
    );
    const [http2Server] = insideOf(plain).http2Servers.keys();
    assert.ok(http2Server);
    const method = {
      limit: 10,
      parse: String,
      handle: () => assert.fail('called'),
      serialize: () => [Buffer.alloc(5)] as const,
    };
    answerDirectly(plain, { methods: new Map([[ECHO_PATH, method]]), maxReceiveBytes: 10 });
    // As a reset does that comes with the call.
    http2Server.prependListener('stream', (stream) => stream.destroy(new Error('reset')));
    const client = connect(`http://127.0.0.1:${port}`);
    t.after(() => client.destroy());
    const stream = sendRaw(client, path, [], {});
    const [error] = await once(stream.end(), 'error');
    assert.match(String(error), /NGHTTP2_INTERNAL_ERROR/);
  });
}

const others: readonly {
  readonly name: string;
  readonly pieces: readonly Buffer[];
  readonly headers: OutgoingHttpHeaders;
  readonly status: status;
}[] = [
  {
    name: 'an encoding that there is not',
    pieces: [framed('a message', 1)],
    headers: { 'grpc-encoding': 'zip' },
    status: status.UNIMPLEMENTED,
  },
  {
    name: 'another content type of gRPC',
    pieces: [message],
    headers: { 'content-type': 'application/grpc;v=1' },
    status: status.OK,
  },
  {
    name: 'a timeout that is none',
    pieces: [message],
    headers: { 'grpc-timeout': '1 day' },
    status: status.INTERNAL,
  },
];
for (const { name, pieces, headers, status: expected } of others) {
  test(`left to grpc-js: ${name}`, async () => {
    const reply = await ask(pieces, headers);
    assert.equal(reply.status, expected);
    if (expected === status.OK) {
      assert.deepEqual(reply.body, message);
      assert.equal(isDirect(reply), false);
    }
  });
}

test('grpc-js, which decompresses whatever comes, gets no compressed call', async () => {
  const calling = [
    { 'content-type': 'application/grpc;v=1' },
    { 'grpc-timeout': '1 day' },
    { ':path': '/grpc.health.v1.Health/Watch' },
  ];
  for (const headers of calling) {
    const encoding = { ...headers, 'grpc-encoding': 'gzip' };
    const reply = await ask([framed(gzipSync('a message'), 1)], encoding);
    assert.equal(reply.status, status.UNIMPLEMENTED);
    assert.equal(reply.headers['grpc-accept-encoding'], 'identity');
  }
});

test('a deadline that passes is told, cancels the call, and drops the answer', async () => {
  const cancelled = once(calls, 'cancelled');
  const held = once(calls, 'held');
  const asked = Date.now();
  const reply = ask([framed('hold')], { 'grpc-timeout': '50m' });
  const [call, answer] = (await held) as unknown as Call;
  const came = Number(call.getDeadline()) - 50;
  assert.ok(asked <= came && came <= Date.now(), `${came} is not since ${asked}`);
  assert.match(call.getPeer(), /^127\.0\.0\.1:\d+$/);
  assert.equal((await reply).status, status.DEADLINE_EXCEEDED);
  await cancelled;
  answer(null, Buffer.from('late'));
});

test('a clock that is turned while a request comes leaves the time that it has', async (t) => {
  const held = once(calls, 'held');
  const stream = send([framed('hold').subarray(0, 7)], { 'grpc-timeout': '1H' });
  const reply = replyTo(stream);
  await promisify(session.ping.bind(session))();
  const { now } = Date;
  t.mock.method(Date, 'now', () => now() + 7_200_000);
  stream.end(framed('hold').subarray(7));
  const [call, answer] = (await held) as unknown as Call;
  const left = Number(call.getDeadline()) - Date.now();
  assert.ok(left > 3_000_000 && left <= 3_600_000, `${left} ms of an hour`);
  answer(null, Buffer.from('now'));
  await reply;
});

test('a deadline in thirty days, left to grpc-js, is not over', async () => {
  const held = once(calls, 'held');
  const headers = { 'content-type': 'application/grpc;v=1', 'grpc-timeout': '2592000S' };
  const reply = ask([framed('hold')], headers);
  const [call, answer] = (await held) as unknown as Call;
  assert.ok(Number(call.getDeadline()) > Date.now());
  answer(null, Buffer.from('now'));
  await reply;
});

test('a caller that goes away cancels the call, and an answer goes nowhere', async () => {
  const cancelled = once(calls, 'cancelled');
  const held = once(calls, 'held');
  const stream = send([framed('hold')], {});
  stream.on('error', () => undefined);
  stream.end();
  const [, answer] = (await held) as unknown as Call;
  stream.close(8);
  await cancelled;
  answer(null, Buffer.from('late'));
  assert.equal((await ask([message])).status, status.OK);
});

test('a call that is answered is not cancelled', async () => {
  let cancellations = 0;
  const count = (): void => {
    cancellations += 1;
  };
  calls.on('cancelled', count);
  const held = once(calls, 'held');
  const reply = ask([framed('hold')]);
  const [, answer] = (await held) as unknown as Call;
  answer(null, Buffer.from('now'));
  assert.deepEqual((await reply).body, framed('now'));
  await ask([message]);
  calls.off('cancelled', count);
  assert.equal(cancellations, 0);
});

test('a connection is not idle while a call is under way on it', async () => {
  const short = await startEcho(200);
  const [busy, idle] = [short.open(), short.open()];
  const held = once(calls, 'held');
  const stream = send([framed('hold')], {}, busy);
  stream.end();
  const reply = replyTo(stream);
  const [, answer] = (await held) as unknown as Call;
  await once(idle, 'close');
  assert.equal(busy.closed, false);
  answer(null, Buffer.from('still here'));
  assert.deepEqual((await reply).body, framed('still here'));
});

test('a drain waits for calls under way', async () => {
  const draining = await startEcho(3_600_000);
  const held = once(calls, 'held');
  const stream = send([framed('hold')], {}, draining.open());
  stream.end();
  const reply = replyTo(stream);
  const [, answer] = (await held) as unknown as Call;
  const drained = draining.drain(60_000);
  answer(null, Buffer.from('the last'));
  assert.equal((await reply).status, status.OK);
  await drained;
});

test('a caller may send a tensor of a megabyte before it hears from the server', async () => {
  const fresh = server.open();
  while (fresh.remoteSettings.initialWindowSize !== 2 ** 20) await once(fresh, 'remoteSettings');
  await replyTo(send([message], {}, fresh).end());
  assert.ok((fresh.state.remoteWindowSize ?? 0) > 2 ** 21);
});

test('a message in frames of a byte is gathered, or its stream is ended where grpc-js would keep each', async () => {
  const bytes = framed(Buffer.alloc(3000));
  const [direct, others] = [send([], {}), send([], { 'content-type': 'application/grpc;v=1' })];
  const ended = new Promise((resolve) => others.once('close', resolve));
  others.on('error', () => undefined);
  for (const byte of bytes) {
    for (const stream of [direct, others]) {
      if (!stream.closed) await new Promise((resolve) => stream.write(Buffer.of(byte), resolve));
    }
  }
  direct.end();
  assert.deepEqual((await replyTo(direct)).body, bytes);
  await ended;
  assert.equal(others.rstCode, constants.NGHTTP2_ENHANCE_YOUR_CALM);
});

test('a version of grpc-js that is made otherwise is refused', () => {
  const settings = { methods: new Map(), maxReceiveBytes: ECHO_MAX };
  const other = Object.create(new Server(), { http2Servers: { value: undefined } }) as Server;
  assert.throws(() => answerDirectly(other, settings), /made otherwise/);
});

test('a version of grpc-js whose calls are made otherwise is refused', (t) => {
  const call = BaseServerInterceptingCall.prototype;
  const own = Object.getOwnPropertyDescriptor(call, 'notifyOnCancel') ?? assert.fail();
  t.after(() => Object.defineProperty(call, 'notifyOnCancel', own));
  Reflect.deleteProperty(call, 'notifyOnCancel');
  const settings = { methods: new Map(), maxReceiveBytes: ECHO_MAX };
  assert.throws(() => answerDirectly(new Server(), settings), /made otherwise/);
});
