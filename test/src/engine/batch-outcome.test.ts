import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideBatching } from '../../../src/engine/batch-gate.js';
import type { TrialWorker } from '../../../src/engine/batch-trial.js';
import type { BatchingOptions, LoadOptions } from '../../../src/engine/engine.js';
import { EngineError } from '../../../src/engine/error.js';
import type { Execution } from '../../../src/engine/messages.js';
import type { Datatype } from '../../../src/engine/tensor.js';

interface Fake {
  /** Milliseconds that a row takes, and an execution of its own. */
  readonly perRow?: number;
  readonly overhead?: number;
  readonly refuses?: (input: Uint8Array) => boolean;
  /** Whether the last row's answer has other bits, by all rows' elements of the first input. */
  readonly changes?: (rows: Float32Array) => boolean;
  readonly options?: Omit<LoadOptions, 'batching'>;
  readonly batching?: BatchingOptions;
  /** How many there are; the first is `input`. */
  readonly inputs?: number;
  /** Of each input. */
  readonly datatype?: Datatype;
  readonly shape?: readonly (string | number)[];
}

/** The outcome for a worker that gives the first input back, and what it was given. */
async function decide({
  perRow = 0.001,
  overhead = 0,
  refuses = () => false,
  changes = () => false,
  options = {},
  batching = {},
  inputs = 1,
  datatype = 'FP32',
  shape = ['n', 1],
}: Fake) {
  const specs = Array.from({ length: inputs }, (_, i) => ({
    name: i === 0 ? 'input' : `input${i}`,
    datatype,
    shape,
  }));
  const given: Execution[] = [];
  let spent = 0;
  const worker: TrialWorker = {
    alive: true,
    run: async (execution) => {
      given.push(execution);
      const [{ shape: actual, length } = { shape: [], length: 0 }] = execution.inputs;
      const data = new Uint8Array(execution.buffer, 0, length);
      if (refuses(new Uint8Array(execution.buffer))) throw new EngineError('execution', 'refused');
      const took = overhead + perRow * (actual[0] ?? 0);
      spent += took;
      const answer = data.slice();
      if (length % 4 === 0 && changes(new Float32Array(answer.buffer))) answer.fill(0xee, -1);
      const outputs = [{ datatype, shape: actual, data: answer }];
      const times = { computeInput: 0, computeInfer: 0, computeOutput: 0 };
      const annotations = { annotations: new Uint8Array(), annotationEnds: [] };
      return { result: { outputs, ...annotations, ...times }, took };
    },
  };
  const outcome = await decideBatching(
    worker,
    1,
    { inputs: specs, outputs: [{ name: 'output', datatype, shape }] },
    { operators: [], ...options, batching: { sweep: false, maxBatchSize: 4, ...batching } },
  );
  return { outcome, given, spent };
}

for (const datatype of ['INT32', 'FP32'] as const) {
  test(`a model with a delicate input of ${datatype} is not tried, and proves nothing`, async () => {
    const { outcome, given } = await decide({ datatype, options: { delicateInputs: ['input'] } });
    assert.equal(outcome.invariance, 'unproven');
    assert.equal(
      outcome.reason,
      'extreme values in input input could exhaust memory or end the process',
    );
    assert.equal(given.length, 0);
  });
}

for (const operator of [
  'DynamicQuantizeLinear',
  'DynamicQuantizeMatMul',
  'DynamicQuantizeLSTM',
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
  'Bernoulli',
  'Multinomial',
  'If',
  'Loop',
  'Scan',
]) {
  test(`a model with ${operator} is not tried, however alike its samples are`, async () => {
    const { outcome, given } = await decide({ options: { operators: ['Add', operator] } });
    assert.deepEqual(outcome, {
      maxBatchSize: 1,
      sizes: new Map(),
      invariance: 'unproven',
      reason: `the graph has ${operator}, which can mix rows`,
    });
    assert.equal(given.length, 0);
  });
}

test('a delicate input of BOOL is tried: it has no extremes', async () => {
  const { outcome } = await decide({
    datatype: 'BOOL',
    options: { delicateInputs: ['input'] },
  });
  assert.equal(outcome.invariance, 'proven', outcome.reason);
});

test('a model that executes no sample is served, and proves nothing', async () => {
  const { outcome } = await decide({ refuses: () => true });
  assert.deepEqual(outcome, {
    maxBatchSize: 1,
    sizes: new Map(),
    invariance: 'unproven',
    reason: 'the model could not be executed on samples',
  });
});

for (const [what, refuses] of [
  ['value', (element: number) => !(Math.abs(element) <= 3 && element !== 0)],
  ['value but zero', (element: number) => !(Math.abs(element) <= 3)],
] as const) {
  test(`a model that refuses every extreme ${what} proves nothing`, async () => {
    const { outcome } = await decide({
      shape: ['n', 8],
      refuses: ({ buffer }) => new Float32Array(buffer).some(refuses),
    });
    assert.deepEqual(outcome, {
      maxBatchSize: 1,
      sizes: new Map(),
      invariance: 'unproven',
      reason:
        'no row with extreme values but zero in input input could be executed, with inputs [n,8]',
    });
  });
}

test('a model that refuses a few rows of a kind proves what it can without them', async () => {
  const { outcome } = await decide({
    refuses: ({ buffer }) => new Float32Array(buffer).some((e) => Math.abs(e) >= 5e3 && e <= 1e4),
  });
  assert.equal(outcome.invariance, 'proven', outcome.reason);
  assert.match(outcome.reason, /of those with zero, large, /);
});

const ordinary = (element = 0): boolean => Math.abs(element) <= 3 && element !== 0;

for (const { what, changes, reason } of [
  {
    what: 'an ordinary row behind an extreme one',
    changes: ([a, b, ...more]: Float32Array) => more.length === 0 && !ordinary(a) && ordinary(b),
    reason: /^in a batch of 2, row 1 differs .* alone \(its neighbours have zero input\)/,
  },
  {
    what: 'an extreme row behind an ordinary one',
    changes: ([a, b, ...more]: Float32Array) =>
      more.length === 0 && ordinary(a) && b !== undefined && !ordinary(b),
    reason: /^in a batch of 2, row 1 differs .* alone \(it has zero input\)/,
  },
  {
    what: 'rows that are all extreme',
    changes: (rows: Float32Array) => rows.length > 1 && !rows.some(ordinary),
    reason: /^in a batch of 2, row 1 differs .* alone \(it has wide input\)/,
  },
  {
    what: 'three rows that are all ordinary',
    changes: (rows: Float32Array) => rows.length === 3 && rows.every(ordinary),
    reason: /^in a batch of 3, row 2 differs from the same row alone, with/,
  },
  {
    what: 'the largest batches',
    changes: (rows: Float32Array) => rows.length === 4,
    reason: /^in a batch of 4, row 3 differs from the same row alone, with/,
  },
]) {
  test(`the proof finds answers that depend on the batch: ${what}`, async () => {
    const { outcome } = await decide({ changes });
    assert.deepEqual([outcome.invariance, outcome.maxBatchSize], ['varies', 1]);
    assert.match(outcome.reason, reason);
  });
}

test('inputs that exclude each other’s extremes have them in turns', async () => {
  const extreme = (element = 1): boolean => !(Math.abs(element) <= 3 && element !== 0);
  const { outcome } = await decide({
    inputs: 2,
    refuses: ({ buffer }) => {
      const [first, second] = [new Float32Array(buffer, 0, 16), new Float32Array(buffer, 64)];
      return second.some((element, row) => extreme(element) && extreme(first[row]));
    },
  });
  assert.equal(outcome.invariance, 'proven', outcome.reason);
  assert.match(
    outcome.reason,
    /with zero, large, huge, infinite, nan, wide, wild \(input, input1\)$/,
  );
});

for (const [shapes, inputs, perRow, overhead] of [
  [1, 1, 0.5, 0],
  [1, 1, 0.01, 5],
  [16, 1, 0.5, 0],
  [1, 300, 0.5, 20],
] as const) {
  test(`without a sweep proofs end in time: ${shapes} shapes, ${inputs} inputs, ${overhead} + ${perRow} ms a row`, async () => {
    const sizes = Array.from({ length: shapes }, (_, i) => i + 1);
    const { outcome, spent } = await decide({
      perRow,
      overhead,
      inputs,
      shape: ['n', 'width'],
      batching: { maxBatchSize: 512, dimensions: { width: sizes } },
    });
    assert.equal(outcome.invariance, 'proven', outcome.reason);
    assert.ok(outcome.maxBatchSize < 512 && outcome.maxBatchSize >= 8, outcome.reason);
    assert.ok(spent < 12_000, `${spent} ms`);
  });
}

test('where neighbours cannot be found in time, requests are executed alone', async (t) => {
  const perRow = 100;
  let refused = 0;
  t.mock.method(performance, 'now', () => refused * perRow);
  const { outcome, spent } = await decide({
    datatype: 'INT64',
    inputs: 40,
    perRow,
    batching: { maxBatchSize: 2 },
    refuses: ({ buffer }) => {
      const refuses = new BigInt64Array(buffer).filter((e) => e !== 0n && e !== 1n).length > 1;
      if (refuses) refused += 1;
      return refuses;
    },
  });
  assert.equal(outcome.invariance, 'unproven');
  assert.match(outcome.reason, /^a proof would take longer than 10000 ms/);
  const measured = perRow * (1 + 1 + 1 + 2 + 2);
  const whole = spent + refused * perRow;
  assert.ok(whole - measured <= 10_000, `${whole} ms`);
});

test('where not even batches of two can be proven in time, requests are executed alone', async () => {
  const { outcome } = await decide({ perRow: 10_000 });
  assert.equal(outcome.invariance, 'unproven');
  assert.match(outcome.reason, /^a proof would take longer than 10000 ms/);
});
