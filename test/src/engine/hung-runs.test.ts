import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InferenceRequest } from '../../../src/engine/engine.js';
import type { EngineError } from '../../../src/engine/error.js';
import { createEngine } from '../../../src/engine/onnx-engine.js';
import { identityModel, loopModel } from '../../forge/inference-models.js';
import { refusal } from '../../forge/refusal.js';

const source = (model: Uint8Array) => ({ name: 'm', version: '1', model, externalData: [] });

const turns = (count: bigint): InferenceRequest => ({
  inputs: [
    {
      name: 'input',
      datatype: 'INT64',
      shape: [1],
      data: new Uint8Array(BigInt64Array.of(count).buffer),
    },
  ],
  outputs: ['output'],
});

const echo: InferenceRequest = {
  inputs: [{ name: 'input', datatype: 'FP32', shape: [1, 2], data: new Uint8Array(8) }],
  outputs: ['output'],
};

/** Long against the limit of a test, short enough for a thread that nobody can stop. */
const LONG = 1_000_000n;

test('an execution within its limit is none of the watchdog’s business', async () => {
  const hangs: EngineError[] = [];
  const engine = await createEngine({ workers: 1, onHang: (error) => hangs.push(error) });
  const model = await engine.load(source(loopModel()), { maxRun: 60_000 });
  await model.infer(turns(10n));
  await engine.close();
  assert.deepEqual(hangs, []);
});

test('an execution beyond its limit: its caller is told, the others are served on', async () => {
  const hangs: EngineError[] = [];
  const engine = await createEngine({ workers: 2, onHang: (error) => hangs.push(error) });
  const slow = await engine.load(source(loopModel()), { maxRun: 20 });
  const quick = await engine.load(source(identityModel('FP32')));
  await assert.rejects(
    slow.infer(turns(LONG)),
    refusal('timeout', /^the execution took longer than the 0.02 s that it may take$/),
  );
  assert.equal(hangs.length, 1);
  assert.deepEqual([slow.instances, quick.instances], [1, 1]);
  await Promise.all([quick.infer(echo), slow.infer(turns(1n)), quick.infer(echo)]);
  await engine.close();
});

test('with its last worker a model is lost: who waits is refused, and who comes', async () => {
  const hangs: EngineError[] = [];
  const engine = await createEngine({ workers: 1, onHang: (error) => hangs.push(error) });
  const model = await engine.load(source(loopModel()), { maxRun: 20 });
  const hung = model.infer(turns(LONG));
  const lost = refusal('draining', /^model m version 1 has no worker left/);
  const waits = assert.rejects(model.infer(turns(1n)), lost);
  await assert.rejects(hung, refusal('timeout', /./));
  await waits;
  await assert.rejects(model.infer(turns(1n)), lost);
  assert.equal(model.instances, 0);
  await assert.rejects(engine.load(source(identityModel('FP32'))), refusal('load', /no workers/));
  await engine.close();
  assert.equal(hangs.length, 1);
});

test('models that have a session each are on workers of their own, and do not fall together', async () => {
  const size = 2 ** 20;
  const sizes = [0, 1.1 * size, 1.1 * size, 1.7 * size];
  const engine = await createEngine({
    workers: 2,
    memoryBudget: 2 * size,
    memoryInUse: () => sizes.shift() ?? 0,
  });
  const slow = await engine.load(source(loopModel()), { maxRun: 20 });
  const quick = await engine.load(source(identityModel('FP32')));
  await assert.rejects(slow.infer(turns(LONG)), refusal('timeout', /./));
  assert.deepEqual([slow.instances, quick.instances], [0, 1]);
  await quick.infer(echo);
  await engine.close();
});
