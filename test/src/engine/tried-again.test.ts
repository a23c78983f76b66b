import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Cancellation, type InferenceRequest } from '../../../src/engine/engine.js';
import type { EngineError } from '../../../src/engine/error.js';
import { createEngine } from '../../../src/engine/onnx-engine.js';
import { gatedAnnotator } from '../../forge/gated-annotator.js';
import { identityModel, identityRow } from '../../forge/inference-models.js';
import { passTime } from '../../forge/pass-time.js';
import { refusal } from '../../forge/refusal.js';

const source = { name: 'm', version: '1', model: identityModel('FP32'), externalData: [] };

const BATCHED = { batching: { maxBatchSize: 8, sweep: false }, operators: ['Identity'] };

test('a request that is tried again and finds no room is over: its cancellation takes nobody else away', async () => {
  const { annotator, open } = gatedAnnotator();
  const engine = await createEngine({ workers: 1, annotator });
  const model = await engine.load(source, { batching: { maxBatchSize: 1, maxQueueSize: 2 } });
  for (let i = 0; i < 20; i++) await model.infer(identityRow(1));
  const ask = (value: number, more: Partial<InferenceRequest> = {}) =>
    model.infer({ ...identityRow(value), caller: '192.0.2.1:1', ...more });
  try {
    const died = assert.rejects(ask(14), refusal('execution'));
    await turn();
    const cancellation = new Cancellation();
    const behind = assert.rejects(ask(2, { cancellation }), refusal('exhausted'));
    await turn();
    assert.equal(model.waiting, 0, 'the worker has both');
    const others = [ask(3), ask(4)];
    open();
    await died;
    await behind;
    cancellation.cancel();
    assert.equal(model.waiting, 2);
    assert.equal(model.statistics.fail.count, 2);
    await Promise.all(others);
    assert.equal(engine.requestMemory.held, 0);
  } finally {
    open();
    await engine.close();
  }
});

test('a worker that dies at a batch: its requests are executed again alone, and whoever it dies of is refused', async () => {
  const { annotator } = gatedAnnotator();
  const fatal: EngineError[] = [];
  const engine = await createEngine({
    workers: 1,
    annotator,
    onFatal: (error) => fatal.push(error),
  });
  const model = await engine.load(source, BATCHED);
  assert.equal(model.batching.maxBatchSize, 8, model.batching.reason);
  try {
    const values = [1, 13, 2, 13, 13, 13, 13, 3];
    const outcomes = await Promise.allSettled(
      values.map((value) => model.infer(identityRow(value))),
    );
    const sizes = outcomes.map((outcome) => {
      if (outcome.status === 'fulfilled') return outcome.value.timings.batchSize;
      return refusal('execution')(outcome.reason) && 'refused';
    });
    assert.deepEqual(
      sizes,
      values.map((value) => (value === 13 ? 'refused' : 1)),
    );
    assert.equal(engine.requestMemory.held, 0);
    assert.deepEqual(fatal, []);
  } finally {
    await engine.close();
  }
});

test('a batch that hangs is not tried again: it would take another worker', async () => {
  const { annotator, open } = gatedAnnotator();
  const engine = await createEngine({ workers: 2, annotator });
  const model = await engine.load(source, { ...BATCHED, maxRun: 1000 });
  assert.equal(model.batching.maxBatchSize, 8, model.batching.reason);
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const asked = [12, 1].map((value) =>
      assert.rejects(model.infer(identityRow(value)), refusal('timeout')),
    );
    await turn();
    assert.equal(model.waiting, 0, 'a worker has both');
    passTime();
    open();
    await Promise.all(asked);
    assert.equal(model.instances, 1);
  } finally {
    mock.timers.reset();
    open();
    await engine.close();
  }
});
