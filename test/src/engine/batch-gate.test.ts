import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideBatching } from '../../../src/engine/batch-gate.js';
import { Samples } from '../../../src/engine/batch-samples.js';
import type { TrialWorker } from '../../../src/engine/batch-trial.js';
import type { BatchingOptions, LoadOptions } from '../../../src/engine/engine.js';
import { EngineError } from '../../../src/engine/error.js';
import type { Execution } from '../../../src/engine/messages.js';
import { createEngine } from '../../../src/engine/onnx-engine.js';
import type { Datatype } from '../../../src/engine/tensor.js';
import { identityModel, identityRow, mlpModel } from '../../forge/inference-models.js';
import { dataType, encodeModel } from '../../forge/onnx.js';
import type { NodeInit, TensorInit, ValueInit } from '../../forge/onnx-init.js';

const scalar = (name: string, value: number): TensorInit => ({
  name,
  type: dataType.float,
  dims: [],
  floats: [value],
});

const rows = (name: string, tensor: number, width = 4): ValueInit => ({
  name,
  type: { tensor, shape: ['n', width] },
});

/** Where the largest `of` of all rows is above `least`, `value` is divided by 255: neighbours matter. */
const dividedAbove = (of: string, value: string): readonly NodeInit[] => [
  { op: 'ReduceMax', inputs: [of], outputs: ['most'], attributes: { keepdims: { i: 0 } } },
  { op: 'Greater', inputs: ['most', 'least'], outputs: ['above'] },
  { op: 'Div', inputs: [value, 'divisor'], outputs: ['divided'] },
  { op: 'Where', inputs: ['above', 'divided', value], outputs: ['output'] },
];

function model(
  inputs: readonly ValueInit[],
  nodes: readonly NodeInit[],
  initializers: readonly TensorInit[],
): Uint8Array {
  return encodeModel({
    graph: { inputs, outputs: [rows('output', dataType.float)], initializers, nodes },
    opsets: { '': 15 },
  });
}

/** Integers above `least` in any row change all rows. */
const mixesAbove = (tensor: number, least: number): Uint8Array =>
  model(
    [rows('input', tensor)],
    [
      {
        op: 'Cast',
        inputs: ['input'],
        outputs: ['cast'],
        attributes: { to: { i: dataType.float } },
      },
      ...dividedAbove('cast', 'cast'),
    ],
    [scalar('least', least), scalar('divisor', 255)],
  );

/** Floats of two inputs: an index into a table of two rows, which no larger integer is, and what mixes rows. */
const indexed = model(
  [rows('input', dataType.float), rows('types', dataType.int64, 16)],
  [
    { op: 'Gather', inputs: ['table', 'types'], outputs: ['embedded'] },
    {
      op: 'ReduceMean',
      inputs: ['embedded'],
      outputs: ['mean'],
      attributes: { axes: { ints: [1] }, keepdims: { i: 0 } },
    },
    { op: 'Add', inputs: ['input', 'mean'], outputs: ['sum'] },
    ...dividedAbove('input', 'sum'),
  ],
  [
    { name: 'table', type: dataType.float, dims: [2, 4], floats: [0, 0, 0, 0, 1, 1, 1, 1] },
    scalar('least', 100),
    scalar('divisor', 255),
  ],
);

/** In training mode ONNX Runtime keeps what it learns of each execution. */
const remembers = model(
  [rows('input', dataType.float)],
  [
    {
      op: 'BatchNormalization',
      inputs: ['input', 'one', 'one', 'mean', 'variance'],
      outputs: ['output', 'm', 'v'],
      attributes: { training_mode: { i: 1 } },
    },
  ],
  ['one', 'mean', 'variance'].map((name) => ({
    name,
    type: dataType.float,
    dims: [4],
    floats: [1, 1, 1, 1],
  })),
);

const engine = await createEngine({ workers: 1 });
test.after(() => engine.close());

const load = (bytes: Uint8Array, batching: BatchingOptions = {}) =>
  engine.load(
    { name: 'm', version: '1', model: bytes, externalData: [] },
    { operators: [], batching: { sweep: false, maxBatchSize: 8, ...batching } },
  );

for (const [what, bytes, reason] of [
  ['bytes above 15', mixesAbove(dataType.uint8, 15), /neighbours have \w+ input/],
  ['16-bit integers above 20000', mixesAbove(dataType.uint16, 20_000), /neighbours have \w+ input/],
  ['32-bit integers above 10⁹', mixesAbove(dataType.int32, 1e9), /neighbours have \w+ input/],
  ['64-bit integers above 10¹⁸', mixesAbove(dataType.int64, 1e18), /neighbours have \w+ input/],
  ['floats beside an index', indexed, /neighbours have large input/],
  ['what was executed before', remembers, /other bits after an extreme one/],
] as const) {
  test(`the samples find that answers depend on ${what}`, async () => {
    const { batching } = await load(bytes);
    assert.equal(batching.invariance, 'varies', batching.reason);
    assert.match(batching.reason, reason);
  });
}

test('the reason names the kinds of neighbours that were tried, by input', async () => {
  const bytes = model(
    [rows('input', dataType.float), rows('types', dataType.int64, 4)],
    [
      {
        op: 'GatherElements',
        inputs: ['input', 'types'],
        outputs: ['output'],
        attributes: { axis: { i: 1 } },
      },
    ],
    [],
  );
  const { batching } = await load(bytes);
  assert.equal(
    batching.reason,
    'batches of 2 to 8 changed no bit of any row, nor did neighbours with zero, large, huge, infinite, nan (input); zero (types)',
  );
});

test('requests are executed between the trials of a load', async () => {
  const busy = await load(identityModel('FP32'));
  let loading = true;
  const loaded = load(mlpModel([64, 256, 64]), { maxBatchSize: 32 }).finally(() => {
    loading = false;
  });
  let answered = 0;
  for (; loading; answered += 1) await busy.infer(identityRow(answered));
  assert.equal((await loaded).batching.invariance, 'proven');
  assert.ok(answered > 100, `${answered} answers`);
});

interface Fake {
  /** Milliseconds that a row takes, and an execution of its own. */
  readonly perRow?: number;
  readonly overhead?: number;
  readonly refuses?: (input: Uint8Array) => boolean;
  readonly options?: Omit<LoadOptions, 'batching'>;
  readonly batching?: BatchingOptions;
  readonly datatype?: Datatype;
  /** Input `input`'s. */
  readonly shape?: readonly (string | number)[];
}

/** The outcome for a worker that gives every input back, and what it was given. */
async function decide({
  perRow = 0.001,
  overhead = 0,
  refuses = () => false,
  options = {},
  batching = {},
  datatype = 'FP32',
  shape = ['n', 1],
}: Fake) {
  const spec = { name: 'input', datatype, shape };
  const given: Execution[] = [];
  let spent = 0;
  const worker: TrialWorker = {
    alive: true,
    run: async (execution) => {
      given.push(execution);
      const [{ shape: actual } = { shape: [] }] = execution.inputs;
      const data = new Uint8Array(execution.buffer);
      if (refuses(data)) throw new EngineError('execution', 'refused');
      const took = overhead + perRow * (actual[0] ?? 0);
      spent += took;
      const outputs = [{ datatype, shape: actual, data }];
      const times = { computeInput: 0, computeInfer: 0, computeOutput: 0 };
      const annotations = { annotations: new Uint8Array(), annotationEnds: [] };
      return { result: { outputs, ...annotations, ...times }, took };
    },
  };
  const outcome = await decideBatching(
    worker,
    1,
    { inputs: [spec], outputs: [{ ...spec, name: 'output' }] },
    { operators: [], ...options, batching: { sweep: false, maxBatchSize: 4, ...batching } },
  );
  return { outcome, given, spent };
}

test('a delicate input is tried with ordinary values and zero alone', async () => {
  const { outcome, given } = await decide({
    datatype: 'INT32',
    options: { delicateInputs: ['input'] },
  });
  assert.equal(outcome.invariance, 'proven');
  assert.match(outcome.reason, /neighbours with zero \(input\)$/);
  const most = Math.max(...given.flatMap(({ buffer }) => [...new Int32Array(buffer)]));
  assert.equal(most, 1);
});

test('a model that refuses every extreme value proves nothing', async () => {
  const { outcome } = await decide({
    datatype: 'INT8',
    shape: ['n', 8],
    refuses: (data) => !data.includes(1) || data.some((e) => e > 1),
  });
  assert.deepEqual(outcome, {
    maxBatchSize: 1,
    sizes: new Map(),
    invariance: 'unproven',
    reason: 'the model refuses every extreme value in input input, with inputs [n,8]',
  });
});

for (const [shapes, perRow, overhead] of [
  [1, 0.5, 0],
  [1, 0.01, 5],
  [16, 0.5, 0],
] as const) {
  test(`without a sweep proofs end in time: ${shapes} shapes, ${overhead} + ${perRow} ms a row`, async () => {
    const sizes = Array.from({ length: shapes }, (_, i) => i + 1);
    const { outcome, spent } = await decide({
      perRow,
      overhead,
      shape: ['n', 'width'],
      batching: { maxBatchSize: 512, dimensions: { width: sizes } },
    });
    assert.equal(outcome.invariance, 'proven', outcome.reason);
    assert.ok(outcome.maxBatchSize < 512 && outcome.maxBatchSize >= 8, outcome.reason);
    assert.ok(spent < 12_000, `${spent} ms`);
  });
}

test('where not even batches of two can be proven in time, requests are executed alone', async () => {
  const { outcome } = await decide({ perRow: 10_000 });
  assert.equal(outcome.invariance, 'unproven');
  assert.match(outcome.reason, /^a proof would take longer than 10000 ms/);
});

test('the event loop goes on while large samples are made', async () => {
  const samples = new Samples(
    [{ name: 'input', datatype: 'FP32', shape: ['n', 2 ** 22] }],
    [[2 ** 22]],
  );
  let turned = false;
  setImmediate(() => {
    turned = true;
  });
  const [[bytes] = []] = await samples.ordinary(1);
  assert.equal(bytes?.length, 2 ** 24);
  assert.ok(turned);
});
