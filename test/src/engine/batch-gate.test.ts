import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Samples } from '../../../src/engine/batch-samples.js';
import type { BatchingOptions } from '../../../src/engine/engine.js';
import { createEngine } from '../../../src/engine/onnx-engine.js';
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

/** Rows of a table, of which those from the third on in any row change all rows. */
const embeds = (length: number): Uint8Array =>
  model(
    [rows('input', dataType.int64)],
    [
      { op: 'Gather', inputs: ['table', 'input'], outputs: ['embedded'] },
      ...dividedAbove('embedded', 'embedded'),
    ],
    [
      {
        name: 'table',
        type: dataType.float,
        dims: [length],
        floats: Array.from({ length }, (_, i) => (i < 2 ? i : 200)),
      },
      scalar('least', 100),
      scalar('divisor', 255),
    ],
  );

/** Integers whose low 32 bits are above 1.1 · 10⁹, which no power of two's are, change all rows. */
const mixesLowWords = model(
  [rows('input', dataType.int64)],
  [
    { op: 'Cast', inputs: ['input'], outputs: ['low'], attributes: { to: { i: dataType.int32 } } },
    { op: 'Cast', inputs: ['low'], outputs: ['cast'], attributes: { to: { i: dataType.float } } },
    ...dividedAbove('cast', 'cast'),
  ],
  [scalar('least', 1.1e9), scalar('divisor', 255)],
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
  ['low words of 64-bit integers', mixesLowWords, /neighbours have uniform input/],
  ['places in a table of 3', embeds(3), /neighbours have 0 to 2 input/],
  ['places in a table of 8', embeds(8), /neighbours have 0 to 7 input/],
  ['places in a table of 200', embeds(200), /neighbours have 0 to 199 input/],
  ['floats beside an index', indexed, /neighbours have large input/],
  ['what was executed before', remembers, /other bits after an extreme one/],
] as const) {
  test(`the samples find that answers depend on ${what}`, async () => {
    const { batching } = await load(bytes);
    assert.equal(batching.invariance, 'varies', batching.reason);
    assert.match(batching.reason, reason);
  });
}

test('the reason names the kinds of rows that were tried, by input', async () => {
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
    'batches of 2 to 8 changed no bit of any row: of ordinary ones, and of those with zero, large, huge, infinite, nan, wide, wild (input); zero, 0 to 3 (types)',
  );
});

test('a place in a table of two rows has been tried with both', async () => {
  const { batching } = await load(embeds(2));
  assert.equal(batching.invariance, 'proven');
  assert.match(batching.reason, /of those with zero, 0 to 1 \(input\)$/);
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

test('samples of one kind differ from input to input, from row to row, and from ordinary ones', async () => {
  const shape = ['n', 8];
  const inputs = ['a', 'b'].map((name) => ({ name, datatype: 'FP32' as const, shape }));
  const samples = new Samples(inputs, [[8], [8]]);
  const choices = inputs.map(({ name }, index) => ({ index, name, kind: 'large' as const }));
  const ordinary = await samples.ordinary(2);
  const large = await Promise.all([0, 1, 2].map((nth) => samples.with([], choices, nth)));
  const all = [...ordinary, ...large].flat().map((bytes) => Buffer.from(bytes).toString('hex'));
  assert.equal(new Set(all).size, 2 * (2 + 3));
  const again = new Samples(inputs, [[8], [8]]);
  assert.deepEqual(await again.with([], choices, 2), large[2]);
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
