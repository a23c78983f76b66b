import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { BatchPolicy } from '../../../src/engine/batch-policy.js';
import type { InferenceRequest } from '../../../src/engine/engine.js';
import { EngineError } from '../../../src/engine/error.js';
import { createEngine } from '../../../src/engine/onnx-engine.js';
import { dataType, encodeModel } from '../../forge/onnx.js';

const MILLISECOND = 1_000_000;

const KIBIBYTE = 1024;

const USUAL = {
  last: MILLISECOND,
  rows: 64,
  workers: 2,
  size: 1,
  bytes: KIBIBYTE,
  addresses: ['192.0.2.1'],
};

const SERIES: readonly (Partial<typeof USUAL> & { what: string; executions: number })[] = [
  { what: 'nothing was executed yet', last: Number.POSITIVE_INFINITY, executions: 1 },
  { what: 'long executions', last: 17 * MILLISECOND, executions: 1 },
  { what: 'executions of 5 ms', last: 5 * MILLISECOND, executions: 3 },
  { what: 'short executions', last: 100, executions: 8 },
  { what: 'little waits', rows: 3, executions: 1 },
  { what: 'two for each worker wait', rows: 4, executions: 2 },
  { what: 'many workers share', workers: 16, executions: 4 },
  { what: 'executions of many rows', size: 16, executions: 2 },
  { what: 'large requests', bytes: 300 * KIBIBYTE, executions: 3 },
  { what: 'requests of megabytes', bytes: 4096 * KIBIBYTE, executions: 1 },
  { what: 'large requests in executions of two', bytes: 150 * KIBIBYTE, size: 2, executions: 3 },
  { what: 'nothing waits', rows: 0, addresses: [], executions: 1 },
  { what: 'two addresses wait', addresses: ['192.0.2.1', '192.0.2.2'], executions: 1 },
];

for (const { what, executions, ...differing } of SERIES) {
  test(`executions that a worker is given at once, ${what}: ${executions}`, () => {
    const { last, rows, workers, size, bytes, addresses } = { ...USUAL, ...differing };
    const each = rows / addresses.length;
    const held = new Map(
      addresses.map((address) => [address, { size: each, bytes: each * bytes }]),
    );
    const waiting = { size: rows, rows, held, oldest: 0 };
    assert.equal(new BatchPolicy(1, {}).seriesNow(waiting, size, workers, last), executions);
  });
}

const engine = await createEngine({ workers: 1 });
after(() => engine.close());

/** 60 divided by the input, INT32. */
const QUOTIENT = encodeModel({
  graph: {
    inputs: [{ name: 'input', type: { tensor: dataType.int32, shape: [1] } }],
    outputs: [{ name: 'output', type: { tensor: dataType.int32, shape: [1] } }],
    initializers: [{ name: 'sixty', type: dataType.int32, dims: [1], int32s: [60] }],
    nodes: [{ op: 'Div', inputs: ['sixty', 'input'], outputs: ['output'] }],
  },
});

const by = (divisor: number): InferenceRequest => ({
  inputs: [
    {
      name: 'input',
      datatype: 'INT32',
      shape: [1],
      data: new Uint8Array(Int32Array.of(divisor).buffer),
    },
  ],
  outputs: ['output'],
});

test('requests that a worker is given at once are answered each for itself', async () => {
  const model = await engine.load(
    { name: 'm', version: '1', model: QUOTIENT, externalData: [] },
    { batching: { maxBatchSize: 1 } },
  );
  await model.infer(by(1));
  const divisors = [1, 2, 0, 3, 4, 5, 0, 6, 10, 12];
  const outcomes = await Promise.allSettled(divisors.map((divisor) => model.infer(by(divisor))));
  for (const [i, outcome] of outcomes.entries()) {
    const divisor = divisors[i] ?? 0;
    if (outcome.status === 'rejected') {
      assert.ok(outcome.reason instanceof EngineError);
      assert.equal(outcome.reason.reason, 'invalid-request');
      assert.equal(divisor, 0);
      continue;
    }
    const { outputs, timings } = outcome.value;
    assert.deepEqual(outputs[0]?.data, by(60 / divisor).inputs[0]?.data);
    assert.equal(timings.batchSize, 1);
  }
  const { executionCount, inferenceCount, fail, batches } = model.statistics;
  assert.deepEqual([executionCount, inferenceCount, fail.count], [9, 9, 2]);
  assert.deepEqual([...batches.keys()], [1]);
});
