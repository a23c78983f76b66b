import assert from 'node:assert/strict';
import { mock, type TestContext, test } from 'node:test';
import { EngineError } from '../../../src/engine/error.js';
import type { Execution, ExecutionResult } from '../../../src/engine/messages.js';
import { runSeries } from '../../../src/engine/series.js';
import { type ThreadEvents, WorkerThread } from '../../../src/engine/worker-thread.js';
import { gatedAnnotator } from '../../forge/gated-annotator.js';
import { identityModel, loopModel } from '../../forge/inference-models.js';
import { passTime } from '../../forge/pass-time.js';
import { pending } from '../../forge/pending.js';
import { refusal } from '../../forge/refusal.js';

/** One execution of the identity model, of one row. */
const executionOf = (value: number): Execution => ({
  loadId: 1,
  buffer: Float32Array.of(value, 0).buffer,
  inputs: [{ datatype: 'FP32', shape: [1, 2], offset: 0, length: 8 }],
  outputs: ['output'],
  rows: [],
  context: new Uint8Array(),
  notes: [],
});

/** A worker that has the identity model, whose watchdog waits for `passTime`, and is closed after the test. */
async function start(context: TestContext) {
  const { annotator, open } = gatedAnnotator();
  const onHang = mock.fn<ThreadEvents['onHang']>();
  const thread = new WorkerThread(annotator, { onDeath: () => undefined, onHang });
  const source = { name: 'm', version: '1', model: identityModel('FP32'), externalData: [] };
  await thread.load(1, source, { intraOpThreads: 1, graphOptimizationLevel: 'all' }, 1000);
  mock.timers.enable({ apis: ['setTimeout'] });
  context.after(async () => {
    mock.timers.reset();
    open();
    await thread.close();
  });
  return { thread, onHang };
}

test('what a worker is given that has ended is refused at once, and never hangs', async (context) => {
  const { thread, onHang } = await start(context);
  await thread.close();
  await assert.rejects(thread.run(executionOf(1)), /^EngineError: the worker thread has ended$/);
  passTime();
  assert.equal(onHang.mock.callCount(), 0);
});

for (const { what, series, expected } of [
  {
    what: 'the first series',
    series: [[13], [1, 2]],
    expected: [['EngineError'], ['none', 'none']],
  },
  {
    what: 'the second execution of the first',
    series: [[1, 13], [2]],
    expected: [['none', 'EngineError'], ['none']],
  },
  {
    what: 'the series behind it',
    series: [[1], [13, 2]],
    expected: [['answered'], ['EngineError', 'none']],
  },
  {
    what: 'the first series as it seals it',
    series: [
      [15, 1],
      [2, 3],
    ],
    expected: [
      ['EngineError', 'EngineError'],
      ['none', 'none'],
    ],
  },
]) {
  test(`a worker that dies in ${what}: what it had not begun may be tried again`, async (context) => {
    const { thread, onHang } = await start(context);
    const ended = await Promise.all(
      series.map((values) => thread.runSeries(values.map(executionOf))),
    );
    const told = ended.map(({ outcomes }) =>
      outcomes.map((outcome) => {
        if (outcome === undefined) return 'none';
        return outcome instanceof EngineError ? outcome.name : 'answered';
      }),
    );
    passTime();
    assert.deepEqual(told, expected);
    assert.equal(onHang.mock.callCount(), 0);
  });
}

test('what waits behind an execution that hangs may be tried again', async (context) => {
  const { thread, onHang } = await start(context);
  const both = [[12], [2, 3]].map((values) => thread.runSeries(values.map(executionOf)));
  passTime();
  const [first, second] = await Promise.all(both);
  const hangs = onHang.mock.calls.map(({ arguments: [, error] }) => error);
  assert.deepEqual(first?.outcomes, hangs);
  assert.deepEqual(second?.outcomes, [undefined, undefined]);
  assert.equal(hangs.length, 1);
  assert.match(String(hangs[0]), /took longer than the 1 s that it may take$/);
});

test('an execution that hangs behind another is noticed, and blamed alone', async (context) => {
  const { thread, onHang } = await start(context);
  const [first, second] = [[1], [12]].map((values) => thread.runSeries(values.map(executionOf)));
  assert.ok(!((await first)?.outcomes[0] instanceof EngineError));
  passTime();
  assert.equal(onHang.mock.callCount(), 1);
  const [outcome] = (await second)?.outcomes ?? [];
  assert.ok(outcome instanceof EngineError);
  assert.equal(outcome.reason, 'timeout');
});

const IDLE = { alive: true, hung: false, executions: 0, dispatched: 0, ended: true };

test('each of a series has waited for those before it, an answer that failed took nothing', async () => {
  const result = (milliseconds: number): ExecutionResult => ({
    outputs: [],
    annotations: new Uint8Array(),
    annotationEnds: [],
    computeInput: 1e6,
    computeInfer: (milliseconds - 3) * 1e6,
    computeOutput: 2e6,
  });
  const failed = new EngineError('execution', 'refused');
  const runs = async () => ({ began: -1000, outcomes: [result(5), failed, undefined, result(7)] });
  const series = Array.from({ length: 4 }, () => pending('a:1', 8, new Map()));
  const outcomes = await runSeries(
    1,
    series.map((one) => [one] as const),
    { ...IDLE, runSeries: runs },
    undefined,
  );
  assert.deepEqual(outcomes.slice(1, 3), [failed, undefined]);
  const waited = outcomes.map((outcome, i) => {
    const queue = outcome instanceof EngineError ? undefined : outcome?.[0]?.timings.queue;
    return queue === undefined ? undefined : queue / 1e6 + (series[i]?.enqueued ?? 0);
  });
  assert.deepEqual(waited, [-1000, undefined, undefined, -995]);
});

test('each of a series that no worker can be given is refused', async () => {
  const runs = async () => {
    throw new RangeError('Array buffer allocation failed');
  };
  const series = [1, 2].map(() => [pending('a:1', 8, new Map())] as const);
  const outcomes = await runSeries(1, series, { ...IDLE, runSeries: runs }, undefined);
  assert.equal(outcomes.length, 2);
  for (const outcome of outcomes) refusal('execution', /allocation failed$/)(outcome);
});

test('of a series, a batch whose answer has not its rows is refused, and no other', async () => {
  const outputs = [{ datatype: 'FP32' as const, shape: [1], data: new Uint8Array(4) }];
  const times = { computeInput: 0, computeInfer: 0, computeOutput: 0 };
  const one = { outputs, annotations: new Uint8Array(), annotationEnds: [], ...times };
  const runs = async () => ({ began: 0, outcomes: [one, one] });
  const each = () => pending('a:1', 8, new Map());
  const series = [[each(), each()] as const, [each()] as const];
  const [shared, alone] = await runSeries(1, series, { ...IDLE, runSeries: runs }, undefined);
  refusal('execution', /has 1 rows for a batch of 2$/)(shared);
  assert.ok(alone !== undefined && !(alone instanceof EngineError));
  assert.equal(alone[0]?.outputs[0]?.data, outputs[0]?.data);
});

/** Notes in shared memory how many executions it has annotated. */
const COUNTING = new URL(
  `data:text/javascript,${encodeURIComponent(`
    export const makeAnnotator = (done) => ({
      annotate: () => {
        Atomics.add(done, 0, 1);
        Atomics.notify(done, 0);
        return new Uint8Array();
      },
      seal: (annotations) => ({
        bytes: new Uint8Array(),
        ends: annotations.map(() => 0),
        notice: new Uint8Array(),
      }),
    });`)}`,
);

test('queue and compute times are within the whole, also where the event loop comes late to the answers', async () => {
  const done = new Int32Array(new SharedArrayBuffer(4));
  const thread = new WorkerThread(
    { module: COUNTING, data: done, context: () => undefined },
    { onDeath: () => undefined, onHang: () => undefined },
  );
  const source = { name: 'm', version: '1', model: loopModel(), externalData: [] };
  await thread.load(1, source, { intraOpThreads: 1, graphOptimizationLevel: 'all' }, 60_000);
  const ask = (count: bigint, enqueued: number) => {
    const data = new Uint8Array(BigInt64Array.of(count).buffer);
    const input = { name: 'input', datatype: 'INT64' as const, shape: [1], data };
    const request = { inputs: [input], outputs: ['output'] };
    const one = { ...pending('a:1', 8, new Map()), request, enqueued };
    return runSeries(1, [[one]], thread, new Uint8Array());
  };
  try {
    const started = performance.now();
    const both = [ask(1n, started), ask(20_000n, started)];
    for (let seen = 0; seen < 2; seen = Atomics.load(done, 0)) Atomics.wait(done, 0, seen);
    const [, second] = await Promise.all(both);
    const whole = (performance.now() - started) * 1e6;
    const [outcome] = second ?? [];
    assert.ok(outcome !== undefined && !(outcome instanceof EngineError));
    const { queue = 0, computeInfer = 0 } = outcome[0]?.timings ?? {};
    assert.ok(
      computeInfer > 0 && queue + computeInfer <= whole,
      `${queue} and ${computeInfer} of ${whole}`,
    );
  } finally {
    await thread.close();
  }
});
