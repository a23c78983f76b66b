import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { BatchPolicy } from '../../../src/engine/batch-policy.js';
import type { InferenceRequest, InferenceResult } from '../../../src/engine/engine.js';
import { EngineError } from '../../../src/engine/error.js';
import { isSteady } from '../../../src/engine/execution-times.js';
import { ModelRuntime } from '../../../src/engine/model-runtime.js';
import { createEngine } from '../../../src/engine/onnx-engine.js';
import { RequestMemory } from '../../../src/engine/request-memory.js';
import type { Batch } from '../../../src/engine/series.js';
import type { Executor } from '../../../src/engine/worker-thread.js';
import { dataType, encodeModel } from '../../forge/onnx.js';

const MILLISECOND = 1_000_000;

const KIBIBYTE = 1024;

const USUAL = {
  rows: 64,
  /** Of a request. */
  each: 1,
  workers: 2,
  size: 1,
  bytes: KIBIBYTE,
  addresses: ['192.0.2.1'],
};

const SERIES: readonly (Partial<typeof USUAL> & { what: string; executions: number })[] = [
  { what: 'much waits', executions: 8 },
  { what: 'little waits', rows: 3, executions: 1 },
  { what: 'two for each worker wait', rows: 4, executions: 2 },
  { what: 'many workers share', workers: 16, executions: 4 },
  { what: 'executions of many rows', size: 16, executions: 2 },
  { what: 'requests of more rows than an execution', size: 4, each: 8, executions: 4 },
  { what: 'large requests', bytes: 300 * KIBIBYTE, executions: 3 },
  { what: 'requests of megabytes', bytes: 4096 * KIBIBYTE, executions: 1 },
  { what: 'large requests in executions of two', bytes: 150 * KIBIBYTE, size: 2, executions: 3 },
  { what: 'nothing waits', rows: 0, addresses: [], executions: 1 },
  { what: 'two addresses wait', addresses: ['192.0.2.1', '192.0.2.2'], executions: 1 },
];

for (const { what, executions, ...differing } of SERIES) {
  test(`executions that a worker is given at most at once, ${what}: ${executions}`, () => {
    const { rows, each, workers, size, bytes, addresses } = { ...USUAL, ...differing };
    const own = rows / each / addresses.length;
    const held = new Map(addresses.map((address) => [address, { size: own, bytes: own * bytes }]));
    const waiting = { size: rows, rows, held, oldest: 0 };
    assert.equal(new BatchPolicy(1, {}).seriesNow(waiting, size, workers), executions);
  });
}

const execution = (bytes: number, milliseconds: number, caller = '192.0.2.1:1') => ({
  bytes,
  caller,
  took: milliseconds * MILLISECOND,
});

const longOnes = Array.from({ length: 8 }, () => execution(8, 20));
const many = (bytes: number, count = 64): number[] => Array.from({ length: count }, () => bytes);

const TAKEN: readonly {
  readonly what: string;
  readonly steady?: boolean;
  readonly before: readonly ReturnType<typeof execution>[];
  /** Bytes of each request that waits, all of one address. */
  readonly waits: readonly number[];
  readonly executions: number;
}[] = [
  { what: 'nothing was executed yet', before: [], waits: many(8), executions: 1 },
  { what: 'they were long', before: [execution(8, 17)], waits: many(8), executions: 1 },
  { what: 'they took 5 ms', before: [execution(8, 5)], waits: many(8), executions: 3 },
  { what: 'they were short', before: [execution(8, 0.1)], waits: many(8), executions: 8 },
  {
    what: 'they were long, another caller’s newest was short',
    before: [...longOnes, execution(8, 0.1, '192.0.2.2:1')],
    waits: many(8),
    executions: 1,
  },
  {
    what: 'they were long until a few that were short',
    before: [...longOnes, ...Array.from({ length: 12 }, () => execution(8, 0.1))],
    waits: many(8),
    executions: 1,
  },
  {
    what: 'one was long, hundreds since were short',
    before: [execution(8, 20), ...Array.from({ length: 200 }, () => execution(8, 0.1))],
    waits: many(8),
    executions: 8,
  },
  {
    what: 'those of fewer bytes were short',
    before: [execution(80, 0.1)],
    waits: many(800),
    executions: 1,
  },
  {
    what: 'those of more bytes were long',
    before: [execution(8, 0.1), execution(800, 20)],
    waits: many(8),
    executions: 8,
  },
  {
    what: 'behind two short ones long ones wait',
    before: [execution(8, 0.1), execution(800, 20)],
    waits: [8, 8, ...many(800)],
    executions: 3,
  },
  {
    what: 'they were short, of a model whose time depends on values',
    steady: false,
    before: [execution(8, 0.1)],
    waits: many(8),
    executions: 1,
  },
];

for (const { what, steady = true, before, waits, executions } of TAKEN) {
  test(`executions that a worker is given at once, ${what}: ${executions}`, async () => {
    const times: number[] = [];
    const worker: Executor = {
      alive: true,
      hung: false,
      executions: 0,
      dispatched: 0,
      ended: true,
      runSeries: async (series) => ({
        began: 0,
        outcomes: series.map(() => ({
          outputs: [],
          annotations: new Uint8Array(),
          annotationEnds: [],
          computeInput: 0,
          computeInfer: times.shift() ?? 0,
          computeOutput: 0,
        })),
      }),
    };
    const runtime = new ModelRuntime(
      1,
      { name: 'm', version: '1', model: new Uint8Array(), externalData: [] },
      { inputs: [], outputs: [] },
      {
        memory: new RequestMemory(99_999),
        context: () => undefined,
        batching: { maxBatchSize: 1, sizes: new Map(), invariance: 'off', reason: '' },
        options: { maxQueueSize: 99 },
        acceptsEmpty: true,
        steady,
        sessions: { count: 2, bytes: 0 },
      },
      { wake: () => undefined, dispatch: () => undefined, release: async () => undefined },
    );
    const ask = (bytes: number, caller: string): Promise<InferenceResult> =>
      runtime.infer({
        inputs: [{ name: 'input', datatype: 'INT8', shape: [bytes], data: new Uint8Array(bytes) }],
        outputs: [],
        caller,
      });
    for (const { bytes, took, caller } of before) {
      times.push(took);
      const answer = ask(bytes, caller);
      await runtime.execute(runtime.take(0) ?? [], worker, () => undefined);
      await answer;
    }
    const answers = waits.map((bytes) => ask(bytes, '192.0.2.1:1'));
    const taken = runtime.take(0) ?? [];
    assert.equal(taken.length, executions);
    for (let next: readonly Batch[] | undefined = taken; next; next = runtime.take(0)) {
      await runtime.execute(next, worker, () => undefined);
    }
    await Promise.all(answers);
  });
}

for (const { what, options, steady } of [
  { what: 'a model that adds', options: { operators: ['Add'] }, steady: true },
  { what: 'a Loop', options: { operators: ['Add', 'Loop'] }, steady: false },
  { what: 'an If', options: { operators: ['If'] }, steady: false },
  { what: 'a Scan', options: { operators: ['Scan'] }, steady: false },
  { what: 'an input that says how much', options: { delicateInputs: ['n'] }, steady: false },
]) {
  test(`the time of an execution can be told by the bytes of its inputs, ${what}: ${steady}`, () => {
    assert.equal(isSteady(options), steady);
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
