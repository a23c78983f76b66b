import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { batchShapes } from '../../../src/engine/batch-shapes.js';
import type { BatchingOptions, InferenceRequest } from '../../../src/engine/engine.js';
import { createEngine } from '../../../src/engine/onnx-engine.js';
import { identityModel } from '../../forge/inference-models.js';
import { dataType, encodeModel } from '../../forge/onnx.js';

const engine = await createEngine({ workers: 1 });
after(() => engine.close());

const MODEL = identityModel('FP32', ['n', 'w']);

const load = (batching: BatchingOptions, model = MODEL) =>
  engine.load(
    { name: 'm', version: '1', model, externalData: [] },
    { batching: { sweep: false, maxBatchSize: 8, ...batching }, operators: [] },
  );

const request = (width: number, value: number, caller: string): InferenceRequest => ({
  inputs: [
    {
      name: 'input',
      datatype: 'FP32',
      shape: [1, width],
      data: new Uint8Array(new Float32Array(width).fill(value).buffer),
    },
  ],
  outputs: ['output'],
  caller,
});

test('shapes that the operator names are proven one by one, and share executions', async () => {
  const model = await load({ dimensions: { w: [4, 6] } });
  const { batching } = model;
  assert.equal(batching.invariance, 'proven', batching.reason);
  assert.deepEqual([...batching.sizes].sort(), [
    ['4', 8],
    ['6', 8],
  ]);
  const widths = Array.from({ length: 120 }, (_, i) => [4, 5, 6][i % 3] ?? 4);
  const results = await Promise.all(
    widths.map((width, i) => model.infer(request(width, i, `c${i % 7}`))),
  );
  const shared = new Map<number, number>();
  results.forEach(({ outputs, timings }, i) => {
    const width = widths[i] ?? 0;
    assert.deepEqual(outputs[0]?.shape, [1, width]);
    assert.deepEqual(outputs[0]?.data, request(width, i, '').inputs[0]?.data);
    shared.set(width, Math.max(shared.get(width) ?? 0, timings.batchSize));
  });
  assert.equal(shared.get(5), 1, 'a shape that was not proven is executed alone');
  assert.ok((shared.get(4) ?? 0) > 1 && (shared.get(6) ?? 0) > 1);
});

test('a shape that many ask for does not keep another waiting', async () => {
  const model = await load({ maxBatchSize: 2, dimensions: { w: [4, 6] } });
  const order: string[] = [];
  const ask = async (width: number, caller: string): Promise<void> => {
    await model.infer(request(width, 1, caller));
    order.push(caller);
  };
  await Promise.all([
    ...Array.from({ length: 10 }, () => ask(4, 'wide')),
    ...Array.from({ length: 10 }, () => ask(4, 'other')),
    ask(6, 'narrow'),
  ]);
  assert.ok(order.indexOf('narrow') <= 4, order.join(' '));
});

const UNPROVEN: readonly (readonly [string, BatchingOptions, typeof MODEL, RegExp])[] = [
  ['no sizes', {}, MODEL, /batching names no sizes of w$/],
  ['sizes of another', { dimensions: { h: [4] } }, MODEL, /batching names no sizes of w$/],
  [
    'a dimension without a name',
    { dimensions: { w: [4] } },
    identityModel('FP32', ['n', '']),
    /does not have a first dimension that alone may vary$/,
  ],
  [
    'rows that count twice',
    { dimensions: { n: [4] } },
    identityModel('FP32', ['n', 'n']),
    /does not have a first dimension that alone may vary$/,
  ],
  [
    'too many shapes',
    { dimensions: { w: Array.from({ length: 17 }, (_, i) => i + 1) } },
    MODEL,
    /batching names 17 shapes, at most 16 are proven/,
  ],
];
for (const [what, batching, model, reason] of UNPROVEN) {
  test(`executed alone: ${what}`, async () => {
    const outcome = (await load(batching, model)).batching;
    assert.deepEqual([outcome.invariance, outcome.maxBatchSize], ['unproven', 1]);
    assert.match(outcome.reason, reason);
  });
}

const named = (...shape: readonly (string | number)[]) => ({
  name: shape.join(),
  datatype: 'FP32' as const,
  shape,
});

for (const { what, inputs, dimensions, shapes } of [
  {
    what: 'rows alone vary',
    inputs: [named('n', 3), named('m')],
    dimensions: {},
    shapes: [[[3], []]],
  },
  {
    what: 'two dimensions vary',
    inputs: [named('n', 'h', 3, 'w')],
    dimensions: { h: [1, 2], w: [5, 6, 5] },
    shapes: [[[1, 3, 5]], [[1, 3, 6]], [[2, 3, 5]], [[2, 3, 6]]],
  },
  {
    what: 'two inputs share one',
    inputs: [named('n', 'h'), named('n', 'w', 'h')],
    dimensions: { h: [1, 2], w: [5] },
    shapes: [
      [[1], [5, 1]],
      [[2], [5, 2]],
    ],
  },
  {
    what: 'there are as many as may be',
    inputs: [named('n', 'w')],
    dimensions: { w: Array.from({ length: 16 }, (_, i) => i) },
    shapes: Array.from({ length: 16 }, (_, i) => [[i]]),
  },
]) {
  test(`the shapes that a proof is made for, where ${what}`, () => {
    assert.deepEqual(batchShapes(inputs, dimensions), shapes);
  });
}

test('one shape whose rows mix is enough to batch none', async () => {
  // Pads to five columns, then takes the largest of column 4 over all rows: zero up to width 4.
  const type = { tensor: dataType.float, shape: ['n', 'w'] };
  const ints = (name: string, ...int64s: readonly number[]) => ({
    name,
    type: dataType.int64,
    dims: [int64s.length],
    int64s,
  });
  const mixing = encodeModel({
    graph: {
      inputs: [{ name: 'input', type }],
      outputs: [{ name: 'output', type }],
      initializers: [
        ints('pads', 0, 0, 0, 4),
        ints('from', 4),
        ints('to', 5),
        ints('columns', 1),
        ints('rows', 0),
      ],
      nodes: [
        { op: 'Pad', inputs: ['input', 'pads'], outputs: ['padded'] },
        { op: 'Slice', inputs: ['padded', 'from', 'to', 'columns'], outputs: ['fifth'] },
        { op: 'ReduceMax', inputs: ['fifth', 'rows'], outputs: ['largest'] },
        { op: 'Sub', inputs: ['input', 'largest'], outputs: ['output'] },
      ],
    },
    opsets: { '': 18 },
  });
  const alone = await load({ dimensions: { w: [4] } }, mixing);
  assert.equal(alone.batching.invariance, 'proven', alone.batching.reason);
  const both = await load({ dimensions: { w: [4, 5] } }, mixing);
  assert.equal(both.batching.invariance, 'varies');
  assert.match(both.batching.reason, /differs from the same row alone.*, with inputs \[n,5\]$/);
});
