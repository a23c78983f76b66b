import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { AssayError } from '../../../attestation/encoding/error.js';
import { arithmeticModel, identityModel, mlpModel } from '../../forge/inference-models.js';
import { arithmetic, bytesOf, floats } from '../../forge/inference-requests.js';
import { type InferAnswer, startTestServer } from '../../forge/inference-server.js';
import { pseudoRandom } from '../../forge/random.js';

const MLP_WIDTHS = [8, 16, 4];

const server = await startTestServer({
  models: {
    arithmetic: arithmeticModel(),
    mlp: mlpModel(MLP_WIDTHS),
    scalar: identityModel('FP32', []),
  },
  maxReceiveBytes: 64 * 1024,
});
const infer = (request: object): Promise<InferAnswer> => server.call('ModelInfer', request);

test('raw contents: every output, in the order of the signature, the id echoed', async () => {
  const answer = await infer(arithmetic());
  assert.equal(answer.model_name, 'arithmetic');
  assert.equal(answer.model_version, '1');
  assert.equal(answer.id, 'request 7');
  assert.deepEqual(
    answer.outputs.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
    [
      { name: 'sum', datatype: 'FP32', shape: ['1', '3'] },
      { name: 'difference', datatype: 'FP32', shape: ['1', '3'] },
    ],
  );
  assert.deepEqual(answer.raw_output_contents, [floats(11, 22, 33), floats(-9, -18, -27)]);
  assert.deepEqual(answer.parameters, {});
});

test('priority and timeout may be integers of any type, whole floats too', async () => {
  for (const value of [{ int64_param: 2 }, { uint64_param: 2 }, { double_param: 2 }]) {
    const parameters = { priority: value, timeout: { double_param: 1e300 } };
    const { raw_output_contents } = await infer({ ...arithmetic(), parameters });
    assert.deepEqual(raw_output_contents[0], floats(11, 22, 33));
  }
});

test('inputs in another order are matched by name', async () => {
  const request = arithmetic();
  request.inputs.reverse();
  request.raw_input_contents.reverse();
  assert.deepEqual((await infer(request)).raw_output_contents[1], floats(-9, -18, -27));
});

test('only the outputs that were asked for come, in the order of the signature', async () => {
  const one = await infer({ ...arithmetic(), outputs: [{ name: 'difference' }] });
  assert.deepEqual(
    one.outputs.map(({ name }) => name),
    ['difference'],
  );
  assert.deepEqual(one.raw_output_contents, [floats(-9, -18, -27)]);
  const both = await infer({
    ...arithmetic(),
    outputs: [{ name: 'difference' }, { name: 'sum' }],
  });
  assert.deepEqual(
    both.outputs.map(({ name }) => name),
    ['sum', 'difference'],
  );
});

test('a scalar has an empty shape', async () => {
  const answer = await infer({
    model_name: 'scalar',
    inputs: [{ name: 'input', datatype: 'FP32', shape: [] }],
    raw_input_contents: [floats(2.5)],
  });
  assert.deepEqual(answer.outputs[0]?.shape, []);
  assert.deepEqual(answer.raw_output_contents, [floats(2.5)]);
});

test('results equal plain onnxruntime-node bit for bit', async () => {
  const session = await InferenceSession.create(mlpModel(MLP_WIDTHS));
  const random = pseudoRandom(99);
  await Promise.all(
    Array.from({ length: 40 }, async (_, index) => {
      const rows = 1 + (index % 5);
      const values = Float32Array.from({ length: rows * 8 }, () => random() * 10);
      const plain = await session.run({ input: new Tensor('float32', values, [rows, 8]) });
      const expected = plain['output']?.data as Float32Array;
      const answer = await infer({
        model_name: 'mlp',
        id: String(index),
        inputs: [{ name: 'input', datatype: 'FP32', shape: [rows, 8] }],
        raw_input_contents: [bytesOf(values)],
      });
      assert.equal(answer.id, String(index));
      assert.deepEqual(answer.raw_output_contents, [bytesOf(expected)]);
    }),
  );
});

test('metadata states types and shapes, -1 where a dimension may vary', async () => {
  assert.deepEqual(await server.call('ServerMetadata', {}), {
    name: 'assay',
    version: 'test',
    extensions: ['model_configuration', 'model_repository', 'schedule_policy', 'statistics'],
  });
  assert.deepEqual(await server.call('ModelMetadata', { name: 'arithmetic' }), {
    name: 'arithmetic',
    versions: ['1'],
    platform: 'onnxruntime_onnx',
    inputs: ['a', 'b'].map((name) => ({ name, datatype: 'FP32', shape: ['-1', '3'] })),
    outputs: ['sum', 'difference'].map((name) => ({ name, datatype: 'FP32', shape: ['-1', '3'] })),
  });
});

test('liveness and readiness', async () => {
  assert.deepEqual(await server.call('ServerLive', {}), { live: true });
  assert.deepEqual(await server.call('ServerReady', {}), { ready: true });
  const ready = (request: object): Promise<unknown> => server.call('ModelReady', request);
  assert.deepEqual(await ready({ name: 'mlp' }), { ready: true });
  assert.deepEqual(await ready({ name: 'mlp', version: '1' }), { ready: true });
  assert.deepEqual(await ready({ name: 'mlp', version: '2' }), { ready: false });
  assert.deepEqual(await ready({ name: 'nothing' }), { ready: false });
});

test('unknown metadata is NOT_FOUND', async () => {
  await assert.rejects(server.call('ModelMetadata', { name: 'nothing' }), {
    code: status.NOT_FOUND,
  });
});

test('what fails of the server itself is told to its operator alone', async () => {
  const error = new AssayError('RECEIPT_SIZE', 'no room in /var/lib/secret');
  const failing = await startTestServer({
    models: { arithmetic: arithmeticModel() },
    head: () => {
      throw error;
    },
  });
  await assert.rejects(failing.call('ModelInfer', arithmetic()), {
    code: status.INTERNAL,
    details: 'the request failed for a reason of the server',
  });
  assert.deepEqual(failing.failures, [error]);
});
