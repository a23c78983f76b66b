import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Cancellation, type InferenceRequest } from '../../../src/engine/engine.js';
import { EngineError } from '../../../src/engine/error.js';
import { createEngine } from '../../../src/engine/onnx-engine.js';
import { gatedAnnotator } from '../../forge/gated-annotator.js';
import { identityModel, identityRow } from '../../forge/inference-models.js';

const source = { name: 'm', version: '1', model: identityModel('FP32'), externalData: [] };

const refusal = (reason: EngineError['reason']) => (error: unknown) => {
  assert.ok(error instanceof EngineError);
  assert.equal(error.reason, reason);
  return true;
};

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
