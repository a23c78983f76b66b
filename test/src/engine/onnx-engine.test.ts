import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import {
  Cancellation,
  type Engine,
  type InferenceRequest,
  type LoadedModel,
} from '../../../src/engine/engine.js';
import { createEngine } from '../../../src/engine/onnx-engine.js';
import { identityModel, mlpModel, rowOf } from '../../forge/inference-models.js';
import { dataType, encodeModel } from '../../forge/onnx.js';
import { refusal } from '../../forge/refusal.js';

const engine = await createEngine({ workers: 2 });
after(() => engine.close());

const source = (model: Uint8Array, name = 'm') => ({
  name,
  version: '1',
  model,
  externalData: [],
});

test('many at once, each its own answer', async () => {
  const model = await engine.load(source(identityModel('FP32')));
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, i) => model.infer({ ...rowOf([i, -i]), caller: `c${i % 7}` })),
  );
  answers.forEach(({ outputs }, i) => {
    assert.deepEqual(outputs[0]?.data, new Uint8Array(Float32Array.of(i, -i).buffer));
  });
  assert.equal(model.statistics.success.count, 200);
  assert.equal(model.waiting, 0);
  await model.drain();
});

test('the bytes of the model may be shared memory', async () => {
  const model = mlpModel([2, 4, 3]);
  const shared = new Uint8Array(new SharedArrayBuffer(model.length));
  shared.set(model);
  const [plain, other] = await Promise.all([
    engine.load(source(model)),
    engine.load(source(shared)),
  ]);
  const request = rowOf([0.25, -7]);
  const [a, b] = await Promise.all([plain.infer(request), other.infer(request)]);
  assert.deepEqual(a.outputs, b.outputs);
  assert.notEqual(plain.loadId, other.loadId);
});

test('external data comes from memory', async () => {
  const type = { tensor: dataType.float, shape: ['n', 2] };
  const bytes = encodeModel({
    graph: {
      inputs: [{ name: 'input', type }],
      outputs: [{ name: 'output', type }],
      initializers: [
        { name: 'w', type: dataType.float, dims: [2], external: { location: 'w.bin' } },
      ],
      nodes: [{ op: 'Add', inputs: ['input', 'w'], outputs: ['output'] }],
    },
  });
  const data = new Uint8Array(Float32Array.of(10, 20).buffer);
  const model = await engine.load({
    ...source(bytes),
    externalData: [{ path: 'w.bin', data }],
  });
  const { outputs } = await model.infer(rowOf([1, 2]));
  assert.deepEqual(outputs[0]?.data, new Uint8Array(Float32Array.of(11, 22).buffer));
});

test('what ONNX Runtime cannot load is refused', async () => {
  await assert.rejects(engine.load(source(new Uint8Array(16))), refusal('load', /./));
});

test('a sequence in the signature is refused at load', async () => {
  const bytes = encodeModel({
    graph: {
      inputs: [{ name: 'input', type: { tensor: dataType.float, shape: [1] } }],
      outputs: [{ name: 'output', type: { sequence: { tensor: dataType.float, shape: [1] } } }],
      nodes: [{ op: 'SequenceConstruct', inputs: ['input'], outputs: ['output'] }],
    },
  });
  await assert.rejects(
    engine.load(source(bytes)),
    refusal('load', /output output is not a tensor: the protocol has no such type/),
  );
});

for (const [side, input, output] of [
  ['input', '__proto__', 'output'],
  ['output', 'input', '__proto__'],
] as const) {
  test(`an ${side} by whose name the binding carries no tensor is refused at load`, async () => {
    const type = { tensor: dataType.float, shape: ['n', 2] };
    const bytes = encodeModel({
      graph: {
        inputs: [{ name: input, type }],
        outputs: [{ name: output, type }],
        nodes: [{ op: 'Identity', inputs: [input], outputs: [output] }],
      },
    });
    const expected = new RegExp(`expected another name of an ${side} than __proto__, `);
    await assert.rejects(engine.load(source(bytes)), refusal('load', expected));
  });
}

test('a failed execution is an error to its caller alone', async () => {
  const type = { tensor: dataType.float, shape: ['n', 2] };
  const bytes = encodeModel({
    graph: {
      inputs: [
        { name: 'input', type },
        { name: 'shape', type: { tensor: dataType.int64, shape: [2] } },
      ],
      outputs: [{ name: 'output', type: { tensor: dataType.float, shape: ['a', 'b'] } }],
      nodes: [{ op: 'Reshape', inputs: ['input', 'shape'], outputs: ['output'] }],
    },
  });
  const model = await engine.load(source(bytes));
  const reshape = (...to: bigint[]): InferenceRequest => {
    const data = new Uint8Array(BigInt64Array.from(to).buffer);
    const shape = { name: 'shape', datatype: 'INT64', shape: [2], data } as const;
    return { ...rowOf([1, 2]), inputs: [...rowOf([1, 2]).inputs, shape] };
  };
  const [good, bad] = await Promise.allSettled([
    model.infer(reshape(2n, 1n)),
    model.infer(reshape(3n, 5n)),
  ]);
  assert.equal(good.status, 'fulfilled');
  assert.equal(bad.status, 'rejected');
  refusal('invalid-request', /^ONNX Runtime could not execute a Reshape node/)(bad.reason);
  assert.equal(model.statistics.fail.count, 1);
});

/**
 * An engine with one worker and requests that occupy it: dispatch is synchronous, so whatever is asked
 * for in the same turn of the event loop has to wait.
 */
async function occupied(): Promise<{ engine: Engine; model: LoadedModel; busy: Promise<unknown> }> {
  const single = await createEngine({ workers: 1 });
  const model = await single.load(source(identityModel('FP32')));
  return {
    engine: single,
    model,
    busy: Promise.all([1, 2, 3].map((i) => model.infer(rowOf([i, i])))),
  };
}

test('deadlines and cancellations take effect before dispatch', async () => {
  const single = await createEngine({ workers: 1 });
  const busyModel = await single.load(source(identityModel('FP32')));
  const echo = await single.load(source(identityModel('FP32')));
  const busy = busyModel.infer(rowOf([1, 2]));
  const gone = new Cancellation();
  const late = echo.infer({ ...rowOf([1, 2]), deadline: performance.now() - 1 });
  const cancelled = echo.infer({ ...rowOf([1, 2]), cancellation: gone });
  gone.cancel();
  const before = echo.infer({ ...rowOf([1, 2]), cancellation: gone });
  await Promise.all([
    assert.rejects(late, refusal('deadline', /passed while it waited/)),
    assert.rejects(cancelled, refusal('cancelled', /went away/)),
    assert.rejects(before, refusal('cancelled', /went away/)),
    busy,
  ]);
  assert.equal(echo.statistics.executionCount, 0);
  await single.close();
});

test('draining finishes what was accepted and accepts no more', async () => {
  const { engine: single, model, busy } = await occupied();
  const drained = model.drain();
  const refused = assert.rejects(model.infer(rowOf([1, 2])), refusal('draining', /unloading/));
  await Promise.all([busy, drained, refused]);
  assert.equal(model.statistics.success.count, 3);
  await single.close();
});

test('who filled the queue gives way to who has less in it, down to an equal share', async () => {
  const small = await createEngine({ workers: 1 });
  try {
    const batching = { maxQueueSize: 4 };
    const model = await small.load(source(identityModel('FP32')), { batching });
    const ask = (caller: string, times: number) =>
      Array.from({ length: times }, () => model.infer({ ...rowOf([1, 2]), caller }));
    // The first leaves at once when the queue is full; four wait.
    const settled = await Promise.allSettled([...ask('a:1', 5), ...ask('b:1', 3)]);
    const [first, second] = [settled.slice(0, 5), settled.slice(5)];
    assert.deepEqual(
      first.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'rejected'],
    );
    assert.deepEqual(
      second.map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'rejected'],
    );
    const displaced = first[4]?.status === 'rejected' ? first[4].reason : undefined;
    refusal(
      'exhausted',
      /^the queue is full: 4 of 4 requests .* gave way to a caller with fewer$/,
    )(displaced);
    const refused = second[2]?.status === 'rejected' ? second[2].reason : undefined;
    refusal('exhausted', /^the queue is full: 4 of 4 requests .* this request has 8$/)(refused);
  } finally {
    await small.close();
  }
});

test('a full queue refuses at once and says how full it is', async () => {
  const small = await createEngine({ workers: 1 });
  try {
    const batching = { maxQueueSize: 2 };
    const model = await small.load(source(identityModel('FP32')), { batching });
    const accepted = Array.from({ length: 3 }, () => model.infer(rowOf([1, 2])));
    await assert.rejects(
      model.infer(rowOf([1, 2])),
      refusal('exhausted', /the queue is full: 2 of 2 requests/),
    );
    await Promise.all(accepted);
  } finally {
    await small.close();
  }
});
