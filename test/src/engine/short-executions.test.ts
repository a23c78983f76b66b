import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { BatchPolicy, ShortExecutions } from '../../../src/engine/batch-policy.js';
import type { Engine, LoadedModel } from '../../../src/engine/engine.js';
import { createEngine } from '../../../src/engine/onnx-engine.js';
import { identityModel, identityRow } from '../../forge/inference-models.js';

const MILLISECOND = 1_000_000;

test('an execution is expected to be short by those that were, with about as many bytes', () => {
  const short = new ShortExecutions();
  const expects = (bytes: number): boolean => short.expects(bytes);
  assert.deepEqual([0, 1].map(expects), [true, false], 'nothing is known');
  short.learn(100, 0.4 * MILLISECOND);
  assert.deepEqual([200, 201].map(expects), [true, false], 'twice as many');
  short.learn(10, 0.1 * MILLISECOND);
  assert.deepEqual([200, 201].map(expects), [true, false], 'fewer say nothing of more');
  short.learn(300, 0.5 * MILLISECOND);
  assert.deepEqual([150, 151].map(expects), [true, false], 'half of what was long');
  short.learn(4000, 9 * MILLISECOND);
  assert.deepEqual([150, 151].map(expects), [true, false], 'many say nothing of fewer');
});

test('a connection has a turn of several requests where executions are short', () => {
  const turnAfter = (last: number): number => new BatchPolicy(8, {}).turn(last);
  const turns = [0.4, 0.5, 20].map((last) => turnAfter(last * MILLISECOND));
  assert.deepEqual(turns, [8, 1, 1]);
  assert.equal(turnAfter(Number.POSITIVE_INFINITY), 1, 'before the first');
});

/** An annotator that waits at a 12 until it may go on. */
const MODULE = new URL(
  `data:text/javascript,${encodeURIComponent(`
    export const makeAnnotator = (gate) => ({
      annotate: ([{ data: bytes }]) => {
        const value = new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);
        if (value === 12) Atomics.wait(new Int32Array(gate), 0, 0);
        return new Uint8Array();
      },
    });`)}`,
);

/** One worker, held in an execution of the first model, whose executions are short. */
async function held(): Promise<{
  engine: Engine;
  models: readonly [LoadedModel, LoadedModel];
  first: Promise<unknown>;
  open: () => void;
}> {
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const annotator = { module: MODULE, data: gate.buffer, context: () => new Uint8Array() };
  const engine = await createEngine({ workers: 1, annotator });
  const load = async (name: string): Promise<LoadedModel> => {
    const model = identityModel('FP32');
    const source = { name, version: '1', model, externalData: [] };
    const loaded = await engine.load(source, { batching: { maxBatchSize: 1 } });
    for (let i = 0; i < 20; i++) await loaded.infer(identityRow(1));
    return loaded;
  };
  const models = [await load('one'), await load('other')] as const;
  const first = models[0].infer(identityRow(12));
  await turn();
  const open = (): void => {
    Atomics.store(gate, 0, 1);
    Atomics.notify(gate, 0);
  };
  return { engine, models, first, open };
}

for (const { what, asked, left } of [
  { what: 'a request of the same model is given to it', asked: [0], left: 0 },
  { what: 'one more waits', asked: [0, 0], left: 1 },
  { what: 'one of another model waits', asked: [1], left: 1 },
  { what: 'where one of another model waits, both have their turns', asked: [1, 0], left: 2 },
]) {
  test(`while a worker has a short execution: ${what}`, async () => {
    const { engine, models, first, open } = await held();
    try {
      const all: unknown[] = [];
      for (const which of asked) {
        all.push(models[which]?.infer(identityRow(2)));
        await turn();
      }
      assert.equal(models[0].waiting + models[1].waiting, left);
      open();
      await Promise.all([first, ...all]);
    } finally {
      open();
      await engine.close();
    }
  });
}
