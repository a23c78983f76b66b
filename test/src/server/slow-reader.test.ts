import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { InferenceRequest, LoadedModel } from '../../../src/engine/engine.js';
import { EngineError } from '../../../src/engine/error.js';
import { createEngine } from '../../../src/engine/onnx-engine.js';
import { Inferrer } from '../../../src/server/infer.js';
import { ModelRegistry } from '../../../src/server/model-registry.js';
import { streamInfer } from '../../../src/server/stream-infer.js';
import { identityModel } from '../../forge/inference-models.js';
import { quiet, SlowCall } from '../../forge/slow-call.js';

const engine = await createEngine({ workers: 1 });
after(() => engine.close());
const models = new ModelRegistry();
const echo = await engine.load({
  name: 'echo',
  version: '1',
  model: identityModel('FP32', ['n']),
  externalData: [],
});
models.add(echo);

/** A request with no tensors is answered too: with what is wrong with it. */
const REQUEST = Buffer.from('0a046563686f', 'hex');

/** A tensor of one number, which `echo` answers. */
const NUMBER = Buffer.from(
  `${REQUEST.toString('hex')}2a100a05${Buffer.from('input').toString('hex')}1204465033321a01013a0400000000`,
  'hex',
);

/** Waits for as long as its caller does. */
const patient: LoadedModel = Object.create(echo, {
  name: { value: 'wait' },
  infer: {
    value: ({ cancellation }: InferenceRequest) =>
      new Promise((_, reject) => {
        cancellation?.onCancel(() => reject(new EngineError('cancelled', 'nobody waits for it')));
      }),
  },
});
models.add(patient);
const TO_PATIENT = Buffer.from(NUMBER.toString('latin1').replace('echo', 'wait'), 'latin1');

function begin(deadline?: number): { readonly call: SlowCall; readonly failures: () => number } {
  let failures = 0;
  const call = new SlowCall(deadline);
  streamInfer(new Inferrer(models), () => {
    failures += 1;
  })(call as unknown as ServerDuplexStream<Buffer, Buffer>);
  return { call, failures: () => failures };
}

test('a caller who takes no answers is not read from, and misses none once it does', async () => {
  const { call, failures } = begin();
  for (let i = 0; i < 1000; i++) call.push(REQUEST);
  call.push(null);
  const decoded = await quiet(failures);
  assert.ok(decoded < 150, `${decoded} requests were read for a caller who took one answer`);
  assert.equal(call.taken.length, 1);
  const ended = new Promise((resolve) => call.once('finish', resolve));
  call.takeAll();
  await ended;
  assert.equal(call.taken.length, 1000);
});

test('a caller who takes no answers and goes away leaves nothing waiting', async () => {
  const { call } = begin();
  for (let i = 0; i < 100; i++) call.push(REQUEST);
  await quiet(() => call.listenerCount('drain'));
  assert.equal(call.listenerCount('drain'), 1);
  call.emit('cancelled', 'cancelled');
  assert.equal(await quiet(() => call.listenerCount('drain')), 0);
});

test('a caller who goes away takes back its requests that wait, and no other does', async () => {
  const [first, second] = [begin(), begin()];
  for (const { call } of [first, first, second]) call.push(TO_PATIENT);
  assert.equal(await quiet(first.failures), 0);
  first.call.emit('cancelled', 'cancelled');
  assert.equal(await quiet(first.failures), 2);
  assert.equal(second.failures(), 0);
});

test('a clock that is turned while a stream lasts leaves its requests the time that they have', async (t) => {
  const { now } = Date;
  const { call, failures } = begin(now() + 3_600_000);
  t.mock.method(Date, 'now', () => now() + 7_200_000);
  call.takeAll();
  const ended = new Promise((resolve) => call.once('finish', resolve));
  call.push(NUMBER);
  call.push(null);
  await ended;
  assert.equal(failures(), 0);
  assert.equal(call.taken.length, 1);
});
