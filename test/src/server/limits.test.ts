import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Settings } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { after, test } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { type ServiceError, status } from '@grpc/grpc-js';
import { AssayError } from '../../../attestation/encoding/error.js';
import { EngineError } from '../../../src/engine/error.js';
import { fromStrings } from '../../../src/engine/framing.js';
import { decodeInferRequest } from '../../../src/server/codec/infer-request.js';
import { rawOf } from '../../../src/server/codec/typed-contents.js';
import { invalid, isOwnFailure } from '../../../src/server/rpc-error.js';
import { identityModel } from '../../forge/inference-models.js';
import { type InferAnswer, startTestServer } from '../../forge/inference-server.js';

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

const field = (number: number, bytes: Buffer): Buffer => {
  const head = [8 * number + 2];
  for (let rest = bytes.length; ; rest = Math.floor(rest / 128)) {
    head.push(rest < 128 ? rest : (rest % 128) + 128);
    if (rest < 128) return Buffer.concat([Buffer.from(head), bytes]);
  }
};
const repeated = (times: number, ...bytes: readonly number[]): Buffer =>
  Buffer.alloc(times * bytes.length, Buffer.from(bytes));
const input = (number: number, bytes: Buffer): Buffer => field(5, field(number, bytes));
const MOST_FIELDS = 2 ** 18;

/** Few bytes each, and an object for each if they were decoded. */
const CROWDS: readonly (readonly [what: string, message: Buffer, refusal: RegExp])[] = [
  ['inputs', repeated(4097, 0x2a, 0), /more than 4096 inputs$/],
  ['outputs', repeated(4097, 0x32, 0), /more than 4096 outputs$/],
  ['raw contents', repeated(4097, 0x3a, 0), /more than 4096 raw_input_contents$/],
  ['parameters', repeated(MOST_FIELDS + 1, 0x22, 0), /more than 262144 fields$/],
  ['unknown fields', repeated(MOST_FIELDS + 1, 0x78, 0), /more than 262144 fields$/],
  ['dimensions', input(3, repeated(MOST_FIELDS, 1)), /more than 262144 fields$/],
  ['strings', input(5, repeated(MOST_FIELDS, 0x42, 0)), /more than 262144 fields$/],
  ['floats one by one', input(5, repeated(MOST_FIELDS, 0x35, 0, 0, 0, 0)), /more than 262144 fi/],
];

for (const [what, message, refusal] of CROWDS) {
  test(`a message of too many ${what} is refused, whatever its bytes`, async () => {
    await assert.rejects(server.callBytes('ModelInfer', message), {
      code: status.INVALID_ARGUMENT,
      details: refusal,
    });
  });
}

test('elements that come one by one are those that come together, as many as there may be', () => {
  const half = (MOST_FIELDS - 4) / 2;
  const packed = field(6, Buffer.alloc(4 * half, Buffer.of(0, 0, 128, 63)));
  const unpacked = repeated(half, 0x35, 0, 0, 0, 64);
  const { inputs } = decodeInferRequest(input(5, Buffer.concat([packed, unpacked, packed])));
  const [{ contents = { field: undefined, chunks: [] } } = {}] = inputs;
  const target = { name: 'x', datatype: 'FP32', shape: [3 * half] } as const;
  const bytes = Buffer.concat(rawOf(target, contents));
  const values = Array.from({ length: 3 }, (_, i) =>
    bytes.subarray(4 * half * i, 4 * half * (i + 1)),
  );
  const floats = (value: number): Buffer => Buffer.from(new Float32Array(half).fill(value).buffer);
  assert.deepEqual(values, [floats(1), floats(2), floats(1)]);
});

test('a BYTES tensor of too many strings is refused, a long one is not', async () => {
  const strings = await startTestServer({ models: { text: identityModel('BYTES', ['n']) } });
  const ask = (elements: Buffer[]) =>
    strings.call('ModelInfer', {
      model_name: 'text',
      inputs: [{ name: 'input', datatype: 'BYTES', shape: [2 ** 20 + 1] }],
      raw_input_contents: elements,
    });
  await assert.rejects(ask([Buffer.alloc(8)]), {
    code: status.INVALID_ARGUMENT,
    details: 'expected at most 1048576 elements of a BYTES tensor, not 1048577',
  });
  const long = fromStrings(['ä'.repeat(500_000), '']);
  const answer = await strings.call<InferAnswer>('ModelInfer', {
    model_name: 'text',
    inputs: [{ name: 'input', datatype: 'BYTES', shape: [2] }],
    raw_input_contents: [long],
  });
  assert.deepEqual(answer.raw_output_contents, [Buffer.from(long)]);
  await strings.close();
});

test('a message without tensors is refused beyond 1 MiB, however large one with tensors may be', async () => {
  const named = (length: number) => server.call('ModelReady', { name: 'm'.repeat(length) });
  assert.deepEqual(await named(2 ** 20 - 8), { ready: false });
  await assert.rejects(named(2 ** 20), {
    code: status.RESOURCE_EXHAUSTED,
    details: 'Received message larger than max (1048580 vs 1048576)',
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
      assert.ok(encodeURI(details).length < 3200);
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
