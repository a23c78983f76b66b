import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, connect, constants, type OutgoingHttpHeaders } from 'node:http2';
import { after, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import type { Session } from '../../../src/client/session.js';
import type { Cancellation, InferenceRequest, LoadedModel } from '../../../src/engine/engine.js';
import { startProxy } from '../../../src/proxy/proxy.js';
import { calls, REPEAT_PATH, startEcho } from '../../forge/echo-service.js';
import { startTestServer } from '../../forge/inference-server.js';
import { framed, type Reply, replyTo, send } from '../../forge/raw-grpc.js';

/** What is waited for and never comes fails its test, where it would keep the file from ending. */
const LIMIT = { timeout: 20_000 };
const TIMEOUT = { 'grpc-timeout': '300m' };
/** Says that 4 GiB follow. */
const OVERSIZED = Buffer.from('00ffffffff', 'hex');

const server = await startTestServer({ models: {} });
const echo = await startEcho(3_600_000);
const proxy = await startProxy({ models: () => [] } as unknown as Session, {
  address: { host: '127.0.0.1', port: 0 },
  maxReceiveBytes: 1024,
  connect: () => new Promise(() => {}),
});
after(() => proxy.close());
const INFERENCE_URL = `https://localhost:${server.port}`;
const PROXY_URL = `http://127.0.0.1:${proxy.port}`;
const ECHO_URL = `http://127.0.0.1:${echo.plaintextPort}`;

/** A connection on which each call may be sent 64 bytes before the caller takes what there is. */
function openNarrow(url: string): ClientHttp2Session {
  const session = connect(url, { ca: server.certificatePem, settings: { initialWindowSize: 64 } });
  after(() => session.destroy());
  return session;
}

type Stream = ReturnType<typeof send>;

/** What a caller gets who begins to take answers only now. */
function takeAll(session: ClientHttp2Session, stream: Stream): Promise<Reply> {
  session.settings({ initialWindowSize: 2 ** 20 });
  return replyTo(stream);
}

const INFER = '/inference.GRPCInferenceService/ModelInfer';
const STREAM_INFER = '/inference.GRPCInferenceService/ModelStreamInfer';
const UNKNOWN_MODEL = framed('\n\x01x');
const WATCH = '/grpc.health.v1.Health/Watch';
const REFLECTION = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
const LIST_SERVICES = framed(':\0');
const STREAMS: readonly [name: string, url: string, path: string, message: Buffer][] = [
  ['ModelStreamInfer', INFERENCE_URL, STREAM_INFER, UNKNOWN_MODEL],
  ['ModelStreamInfer of a proxy', PROXY_URL, STREAM_INFER, UNKNOWN_MODEL],
  ['reflection', INFERENCE_URL, REFLECTION, LIST_SERVICES],
  ['a service that looks at nothing', ECHO_URL, REPEAT_PATH, framed('x'.repeat(100))],
];

for (const [name, url, path, message] of STREAMS) {
  const messages = Array.from({ length: 5 }, () => message);

  test(`the deadline of a call ends it while its answers wait: ${name}`, LIMIT, async () => {
    const session = openNarrow(url);
    const stream = send(session, path, messages, TIMEOUT);
    await once(stream, 'response');
    // Its deadline is later, and none of its answers wait.
    const later = await replyTo(send(echo.open(), WATCH, [framed('')], TIMEOUT).end());
    assert.equal(later.status, status.DEADLINE_EXCEEDED);
    const reply = await takeAll(session, stream);
    assert.equal(reply.status, status.DEADLINE_EXCEEDED);
  });

  test(`an oversized message ends a call while its answers wait: ${name}`, LIMIT, async () => {
    const session = openNarrow(url);
    const stream = send(session, path, messages, {});
    await once(stream, 'response');
    stream.write(OVERSIZED);
    await new Promise((received) => session.ping(received));
    const reply = await takeAll(session, stream);
    assert.equal(reply.status, status.RESOURCE_EXHAUSTED);
  });
}

test('a call is cancelled with its status, though its answers wait', LIMIT, async () => {
  const session = openNarrow(ECHO_URL);
  const stream = send(session, REPEAT_PATH, [framed('x'.repeat(100))], {});
  await once(stream, 'response');
  const cancelled = once(calls, 'cancelled');
  stream.write(OVERSIZED);
  await cancelled;
});

/** How a call can end before its answer, as its headers or its caller say. */
const ENDS: readonly [string, OutgoingHttpHeaders, (stream: Stream) => void][] = [
  ['its caller resets it', {}, (stream) => stream.close(constants.NGHTTP2_CANCEL)],
  ['its deadline passes', TIMEOUT, () => undefined],
];
for (const [name, headers, end] of ENDS) {
  test(`an inference that waits is taken back as ${name}`, LIMIT, async () => {
    const asked = new Promise<Cancellation | undefined>((resolve) => {
      const infer = ({ cancellation }: InferenceRequest): Promise<never> => {
        resolve(cancellation);
        return new Promise(() => undefined);
      };
      const model = { name, version: '1', inputs: [], outputs: [], infer };
      server.registry.add(model as unknown as LoadedModel);
    });
    const message = framed(`\n${String.fromCharCode(name.length)}${name}`);
    const stream = send(openNarrow(INFERENCE_URL), INFER, [message], headers);
    stream.on('error', () => undefined).end();
    const cancellation = await asked;
    assert.equal(cancellation?.cancelled, false);
    const cancelled = new Promise<void>((resolve) => cancellation?.onCancel(resolve));
    end(stream);
    await cancelled;
  });
}
