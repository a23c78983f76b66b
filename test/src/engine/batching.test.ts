import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { BatchingOptions, InferenceRequest } from '../../../src/engine/engine.js';
import { createEngine } from '../../../src/engine/onnx-engine.js';
import { ELEMENT_BYTES } from '../../../src/engine/tensor.js';
import { identityModel, mlpModel, ONNX_TYPES } from '../../forge/inference-models.js';
import { dataType, encodeModel } from '../../forge/onnx.js';
import type { NodeInit } from '../../forge/onnx-init.js';
import { pseudoRandom } from '../../forge/random.js';

const engine = await createEngine({ workers: 1 });
after(() => engine.close());

const WIDTH = 16;
const MLP = mlpModel([WIDTH, 32, 8]);

const load = (
  model: Uint8Array,
  operators: readonly string[] | undefined,
  batching: BatchingOptions = {},
) =>
  engine.load(
    { name: 'm', version: '1', model, externalData: [] },
    { batching: { sweep: false, ...batching }, ...(operators === undefined ? {} : { operators }) },
  );

/** FP32 [n, 4] → [n, 4] through these nodes, from `input` to `output`. */
function rowsModel(nodes: readonly NodeInit[]): Uint8Array {
  const type = { tensor: dataType.float, shape: ['n', 4] };
  return encodeModel({
    graph: {
      inputs: [{ name: 'input', type }],
      outputs: [{ name: 'output', type }],
      initializers: [{ name: 'zero', type: dataType.int64, dims: [1], int64s: [0] }],
      nodes,
    },
    opsets: { '': 18 },
  });
}

/** Scales are taken over the whole batch: a neighbour changes the answer. */
const DYNAMIC_QUANTIZATION = rowsModel([
  { op: 'DynamicQuantizeLinear', inputs: ['input'], outputs: ['q', 'scale', 'zp'] },
  { op: 'DequantizeLinear', inputs: ['q', 'scale', 'zp'], outputs: ['output'] },
]);

/** Subtracts the largest value of each column over all rows. */
const REDUCTION = rowsModel([
  { op: 'ReduceMax', inputs: ['input', 'zero'], outputs: ['max'] },
  { op: 'Sub', inputs: ['input', 'max'], outputs: ['output'] },
]);

test('an MLP proves that neighbours do not matter', async () => {
  const { batching } = await load(MLP, ['Gemm', 'Relu']);
  assert.equal(batching.invariance, 'proven', batching.reason);
  assert.ok(batching.maxBatchSize > 1);
});

test('an operator that quantises over the batch is refused at once', async () => {
  const { batching } = await load(DYNAMIC_QUANTIZATION, [
    'DynamicQuantizeLinear',
    'DequantizeLinear',
  ]);
  assert.equal(batching.invariance, 'unproven');
  assert.equal(batching.maxBatchSize, 1);
  assert.match(batching.reason, /the graph has DynamicQuantizeLinear, which can mix rows/);
});

for (const [what, model] of [
  ['quantisation over the batch', DYNAMIC_QUANTIZATION],
  ['a reduction over the rows', REDUCTION],
] as const) {
  test(`the samples find ${what} without being told of it`, async () => {
    const { batching } = await load(model, []);
    assert.equal(batching.maxBatchSize, 1);
    assert.equal(batching.invariance, 'varies', batching.reason);
    assert.match(batching.reason, /in a batch of \d+, row \d+ differs from the same row alone/);
  });
}

const NOT_BATCHED = [
  ['unknown operators', identityModel('FP32'), undefined, /operators of the graph were not given/],
  ['strings', identityModel('BYTES'), ['Identity'], /strings have no rows/],
  ['a fixed first dimension', identityModel('FP32', [1, 2]), ['Identity'], /first dimension/],
  ['another dimension that varies', identityModel('FP32', ['n', 'm']), [], /first dimension/],
  ['a scalar', identityModel('FP32', []), [], /first dimension/],
] as const;

for (const [what, model, operators, reason] of NOT_BATCHED) {
  test(`executed alone: ${what}`, async () => {
    const { batching } = await load(model, operators);
    assert.equal(batching.maxBatchSize, 1);
    assert.equal(batching.invariance, 'unproven');
    assert.match(batching.reason, reason);
  });
}

for (const [width, reason] of [
  [4, /^an output has not one row for each row of the inputs, with inputs \[n,4\]$/],
  [1, /^in a batch of 2, row 0 differs from the same row alone/],
] as const) {
  test(`executed alone: rows that become columns, of ${width}`, async () => {
    const transposed = encodeModel({
      graph: {
        inputs: [{ name: 'input', type: { tensor: dataType.float, shape: ['n', width] } }],
        outputs: [{ name: 'output', type: { tensor: dataType.float, shape: [width, 'n'] } }],
        nodes: [{ op: 'Transpose', inputs: ['input'], outputs: ['output'] }],
      },
    });
    const { batching } = await load(transposed, ['Transpose']);
    assert.deepEqual([batching.invariance, batching.maxBatchSize], ['varies', 1]);
    assert.match(batching.reason, reason);
  });
}

test('max_batch_size 1 turns it off', async () => {
  const { batching } = await load(MLP, ['Gemm', 'Relu'], { maxBatchSize: 1 });
  assert.deepEqual(batching, {
    maxBatchSize: 1,
    sizes: new Map(),
    invariance: 'off',
    reason: 'max_batch_size is below 2',
  });
});

for (const { what, operators, maxBatchSize, counted } of [
  { what: 'requests share executions', operators: ['Identity'], maxBatchSize: 8, counted: 4 },
  { what: 'a size is stated, and requests share none', maxBatchSize: 8, counted: 4 },
  { what: 'a size is stated that is none', maxBatchSize: 1, counted: 1 },
  { what: 'none is stated, and requests share none', counted: 1 },
]) {
  test(`what a request of four rows counts as, ${what}: ${counted}`, async () => {
    const batching = { sweep: false, ...(maxBatchSize !== undefined && { maxBatchSize }) };
    const model = await load(identityModel('FP32'), operators, batching);
    const data = new Uint8Array(32);
    const inputs = [{ name: 'input', datatype: 'FP32' as const, shape: [4, 2], data }];
    const { outputs, timings } = await model.infer({ inputs, outputs: ['output'] });
    assert.deepEqual(outputs, [{ name: 'output', datatype: 'FP32', shape: [4, 2], data }]);
    const { inferenceCount, executionCount, batches } = model.statistics;
    assert.deepEqual(
      [timings.rows, timings.batchSize, inferenceCount, executionCount, ...batches.keys()],
      [counted, counted, counted, 1, counted],
    );
  });
}

const session = await InferenceSession.create(MLP);

/** A request of so many rows, and what plain onnxruntime-node answers to it alone. */
async function sample(
  rows: number,
  random: () => number,
): Promise<{ request: InferenceRequest; expected: Uint8Array }> {
  const values = Float32Array.from({ length: rows * WIDTH }, () => random() * 5);
  const plain = await session.run({ input: new Tensor('float32', values, [rows, WIDTH]) });
  const output = plain['output']?.data;
  assert.ok(output instanceof Float32Array);
  const { buffer, byteOffset, byteLength } = output;
  const data = new Uint8Array(values.buffer);
  return {
    request: {
      inputs: [{ name: 'input', datatype: 'FP32', shape: [rows, WIDTH], data }],
      outputs: ['output'],
    },
    expected: new Uint8Array(buffer, byteOffset, byteLength),
  };
}

test('the sweep takes a size within the bound', async () => {
  const { batching } = await load(MLP, ['Gemm', 'Relu'], { sweep: true, maxBatchSize: 6 });
  assert.ok(batching.maxBatchSize >= 1 && batching.maxBatchSize <= 6, batching.reason);
});

test('answers of shared executions equal those of plain onnxruntime-node alone', async () => {
  const model = await load(MLP, ['Gemm', 'Relu']);
  const random = pseudoRandom(5);
  const samples = await Promise.all(
    Array.from({ length: 300 }, (_, i) => sample(1 + (i % 4), random)),
  );
  await Promise.all(
    samples.map(async ({ request, expected }, i) => {
      const { outputs } = await model.infer({ ...request, caller: `c${i % 5}` });
      assert.deepEqual(outputs[0]?.shape, [1 + (i % 4), 8]);
      assert.deepEqual(outputs[0]?.data, expected);
    }),
  );
  const { statistics } = model;
  assert.equal(statistics.inferenceCount, 750, 'a request of four rows counts as four');
  assert.ok(statistics.executionCount < 150, `${statistics.executionCount} executions`);
  let rows = 0;
  for (const [size, { computeInfer }] of statistics.batches) rows += size * computeInfer.count;
  assert.equal(rows, 750);
});

test('inputs of all sizes of elements lie where they may, whatever lies before them', async () => {
  const kinds = ['UINT8', 'FP64', 'BOOL', 'INT16', 'INT8', 'FP32', 'UINT8', 'INT64'] as const;
  const specs = kinds.map((datatype, i) => ({
    name: `x${i}`,
    type: { tensor: ONNX_TYPES[datatype], shape: ['n', 1] },
  }));
  const bytes = encodeModel({
    graph: {
      inputs: specs,
      outputs: specs.map(({ type }, i) => ({ name: `y${i}`, type })),
      nodes: specs.map(({ name }, i) => ({ op: 'Identity', inputs: [name], outputs: [`y${i}`] })),
    },
  });
  const model = await load(bytes, ['Identity'], { maxBatchSize: 8 });
  assert.equal(model.batching.invariance, 'proven', model.batching.reason);
  const requests = [1, 2, 3, 1, 1].map((rows, nth) => ({
    inputs: kinds.map((datatype, i) => ({
      name: `x${i}`,
      datatype,
      shape: [rows, 1],
      data: new Uint8Array(rows * ELEMENT_BYTES[datatype]).fill(datatype === 'BOOL' ? 1 : nth + i),
    })),
    outputs: kinds.map((_, i) => `y${i}`),
  }));
  const answers = await Promise.all(requests.map((request) => model.infer(request)));
  answers.forEach(({ outputs, timings }, nth) => {
    assert.equal(timings.batchSize, 8);
    assert.deepEqual(
      outputs,
      requests[nth]?.inputs.map((input, i) => ({ ...input, name: `y${i}` })),
    );
  });
});

test('max_batch_size bounds the rows of a request where the operator states it', async () => {
  const model = await load(MLP, ['Gemm', 'Relu'], { maxBatchSize: 4 });
  const random = pseudoRandom(3);
  const four = await sample(4, random);
  const { outputs } = await model.infer(four.request);
  assert.deepEqual(outputs[0]?.data, four.expected);
  await assert.rejects(model.infer((await sample(5, random)).request), {
    reason: 'invalid-request',
    message: 'input input: expected at most 4 rows (max_batch_size), not 5',
  });
  const unstated = await load(MLP, ['Gemm', 'Relu']);
  const many = await sample(100, random);
  assert.deepEqual((await unstated.infer(many.request)).outputs[0]?.data, many.expected);
});

test('an execution that turns out long keeps nobody from a free worker', async () => {
  const two = await createEngine({ workers: 2 });
  try {
    const model = await two.load(
      { name: 'm', version: '1', model: MLP, externalData: [] },
      { operators: ['Gemm', 'Relu'], batching: { sweep: false, maxQueueSize: 2 } },
    );
    const random = pseudoRandom(9);
    const { request } = await sample(1, random);
    for (let i = 0; i < 20; i++) await model.infer(request);
    const { request: huge } = await sample(300_000, random);
    const order: string[] = [];
    const ask = (what: string, asked: InferenceRequest) =>
      model.infer(asked).then(() => order.push(what));
    await Promise.all([
      ask('long', huge),
      ...Array.from({ length: 3 }, () =>
        new Promise(setImmediate).then(() => ask('short', request)),
      ),
    ]);
    assert.deepEqual(order, ['short', 'short', 'short', 'long']);
  } finally {
    await two.close();
  }
});

test('callers take turns: one with many requests does not delay another', async () => {
  const model = await load(MLP, ['Gemm', 'Relu'], { maxBatchSize: 2 });
  const { request } = await sample(1, pseudoRandom(1));
  const order: string[] = [];
  const ask = async (caller: string): Promise<void> => {
    await model.infer({ ...request, caller });
    order.push(caller);
  };
  await Promise.all([...Array.from({ length: 20 }, () => ask('greedy')), ask('modest')]);
  assert.ok(order.indexOf('modest') <= 3, order.join(' '));
});

/** Who was answered, in order, of callers that ask so often at once; one request an execution. */
async function turnsOf(callers: Readonly<Record<string, number>>): Promise<readonly string[]> {
  const model = await load(MLP, undefined);
  const { request } = await sample(1, pseudoRandom(1));
  const order: string[] = [];
  const asked = Object.entries(callers).flatMap(([caller, times]) =>
    Array.from({ length: times }, async () => {
      await model.infer({ ...request, caller });
      order.push(caller);
    }),
  );
  await Promise.all(asked);
  return order;
}

test('an address has one share, over however many connections it asks', async () => {
  const greedy = Object.fromEntries(
    Array.from({ length: 10 }, (_, i) => [`203.0.113.7:${5000 + i}`, 4]),
  );
  const order = await turnsOf({ ...greedy, '203.0.113.9:5000': 6 });
  const modest = order.map((caller, i) => (caller === '203.0.113.9:5000' ? i : -1));
  assert.deepEqual(
    modest.filter((place) => place !== -1).map((place) => place % 2),
    [1, 1, 1, 1, 1, 1],
    order.join(' '),
  );
  assert.equal(Math.max(...modest), 11, 'every second execution is its own until it is served');
});

test('connections of one address take turns among themselves', async () => {
  const order = await turnsOf({ '[2001:db8::1]:5000': 20, '[2001:db8::1]:5001': 2 });
  const places = order.flatMap((caller, i) => (caller.endsWith('5001') ? [i] : []));
  assert.deepEqual(places, [1, 3], order.join(' '));
});

test('a more urgent request leaves first', async () => {
  const model = await load(MLP, undefined, { priorityLevels: 3 });
  const { request } = await sample(1, pseudoRandom(1));
  const order: number[] = [];
  const ask = async (priority: number): Promise<void> => {
    await model.infer({ ...request, priority });
    order.push(priority);
  };
  await Promise.all([3, 3, 2, 1, 9].map(ask));
  // 9 is beyond the levels and counts as none: the middle one.
  assert.deepEqual(order, [1, 2, 9, 3, 3]);
});

test('with a delay a free worker waits for a preferred size', async () => {
  const model = await load(MLP, ['Gemm', 'Relu'], {
    maxBatchSize: 8,
    preferredBatchSizes: [4],
    maxQueueDelayMicroseconds: 3_600_000_000,
  });
  const { request } = await sample(1, pseudoRandom(1));
  const answers = await Promise.all(Array.from({ length: 4 }, () => model.infer(request)));
  assert.deepEqual(
    answers.map(({ timings }) => timings.batchSize),
    [4, 4, 4, 4],
  );
});

test('a request that fails fails alone', async () => {
  const type = { tensor: dataType.int64, shape: ['n'] };
  const table = { name: 'table', type: dataType.float, dims: [4], floats: [10, 11, 12, 13] };
  const gather = encodeModel({
    graph: {
      inputs: [{ name: 'input', type }],
      outputs: [{ name: 'output', type: { tensor: dataType.float, shape: ['n'] } }],
      initializers: [table],
      nodes: [{ op: 'Gather', inputs: ['table', 'input'], outputs: ['output'] }],
    },
  });
  const model = await load(gather, ['Gather'], { maxBatchSize: 8 });
  assert.equal(model.batching.invariance, 'proven', model.batching.reason);
  const ask = (index: bigint): Promise<unknown> =>
    model.infer({
      inputs: [
        {
          name: 'input',
          datatype: 'INT64',
          shape: [1],
          data: new Uint8Array(BigInt64Array.of(index).buffer),
        },
      ],
      outputs: ['output'],
    });
  const settled = await Promise.allSettled([0n, 1n, 999n, 2n, 3n].map(ask));
  assert.deepEqual(
    settled.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
  );
  const reason = settled[2]?.status === 'rejected' ? String(settled[2].reason) : '';
  assert.match(reason, /could not execute a Gather node on these inputs/);
  assert.doesNotMatch(reason, /999/);
});
