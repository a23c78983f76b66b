import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Settings } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { after, test } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { type ServiceError, status } from '@grpc/grpc-js';
import { AssayError } from '../../../attestation/encoding/error.js';
import { EngineError } from '../../../src/engine/error.js';
import { invalid, isOwnFailure } from '../../../src/server/rpc-error.js';
import { identityModel } from '../../forge/inference-models.js';
import { startTestServer } from '../../forge/inference-server.js';

const server = await startTestServer({
  models: { echo: identityModel('FP32') },
  connections: { max: 3, maxStreams: 7 },
});

/** The helper's own client has one of the connections. */
await server.call('ServerLive', {});

async function open(): Promise<TLSSocket> {
  const options = { port: server.port, ca: server.certificatePem, ALPNProtocols: ['h2'] };
  const socket = connectTls({ ...options, host: 'localhost' });
  await once(socket, 'secureConnect');
  after(() => socket.destroy());
  return socket;
}

test('a peer is told how many calls it may have under way on a connection', async () => {
  const session = connect(`https://localhost:${server.port}`, { ca: server.certificatePem });
  const [settings] = (await once(session, 'remoteSettings')) as [Settings];
  assert.equal(settings.maxConcurrentStreams, 7);
  session.destroy();
  await once(session, 'close');
});

test('connections beyond the limit are closed as they come, those that there are stay', async () => {
  const [first] = [await open(), await open()];
  const refused = connectSocket({ port: server.port, host: '127.0.0.1' });
  refused.on('error', () => undefined);
  await once(refused, 'close');
  assert.equal(refused.bytesRead, 0);
  await server.call('ServerLive', {});
  first.destroy();
  for (;;) {
    // The server hears of the end of a connection when it does; then there is room again.
    const next = connectTls({ port: server.port, host: 'localhost', ca: server.certificatePem });
    const [event] = await Promise.race([
      once(next, 'secureConnect').then(() => ['open']),
      once(next, 'error').then(() => ['refused']),
    ]);
    next.destroy();
    if (event === 'open') break;
  }
});

test('a message beyond the limit is refused, in bytes', async () => {
  const small = await startTestServer({
    models: { echo: identityModel('FP32') },
    maxReceiveBytes: 1024,
  });
  const request = (bytes: number): object => ({
    model_name: 'echo',
    inputs: [{ name: 'input', datatype: 'FP32', shape: [bytes / 8, 2] }],
    raw_input_contents: [Buffer.alloc(bytes)],
  });
  await small.call('ModelInfer', request(512));
  await assert.rejects(small.call('ModelInfer', request(1024)), {
    code: status.RESOURCE_EXHAUSTED,
    details: /larger than max \(\d+ vs\.? 1024\)/,
  });
});

test('a message counts whole against the memory of requests, whatever its tensors are', async () => {
  const small = await startTestServer({
    models: { echo: identityModel('FP32') },
    engine: { requestMemory: 1024 },
  });
  const ask = (id: string) =>
    small.call('ModelInfer', {
      model_name: 'echo',
      id,
      inputs: [{ name: 'input', datatype: 'FP32', shape: [1, 2] }],
      raw_input_contents: [Buffer.alloc(8)],
    });
  await ask('x');
  await assert.rejects(ask('x'.repeat(1000)), {
    code: status.RESOURCE_EXHAUSTED,
    details: /have 0 of 1024 bytes in all models, this request has 10\d\d$/,
  });
  await small.close();
});

test('a name that no message could repeat is cut in the answer, and other calls go on', async () => {
  const named = (model_name: string) => server.call('ModelMetadata', { name: model_name });
  for (const character of ['m', '\u6c34', '\u{1f600}']) {
    await assert.rejects(named(character.repeat(100_000)), (error) => {
      const { code, details } = error as ServiceError;
      assert.equal(code, status.NOT_FOUND);
      assert.match(details, /^no model [^;]+…$/u);
      assert.ok(encodeURI(details).length < 8192);
      return true;
    });
  }
  await server.call('ServerLive', {});
});

test('what a caller did wrong, and what a limit refused, is no failure of the server', () => {
  const own = [new EngineError('execution', 'x'), new TypeError('x'), new EngineError('load', 'x')];
  const others = [
    new EngineError('exhausted', 'x'),
    new EngineError('deadline', 'x'),
    new AssayError('TENSOR_CONTENTS', 'x'),
    invalid('x'),
  ];
  assert.deepEqual(own.map(isOwnFailure), [true, true, true]);
  assert.deepEqual(others.map(isOwnFailure), [false, false, false, false]);
});
