import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { BatchPolicy, ShortExecutions } from '../../../src/engine/batch-policy.js';
import type { Engine, LoadedModel } from '../../../src/engine/engine.js';
import { createEngine } from '../../../src/engine/onnx-engine.js';
import { gatedAnnotator } from '../../forge/gated-annotator.js';
import { identityModel } from '../../forge/inference-models.js';

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

interface Asked {
  readonly caller?: string;
  readonly rows?: number;
  /** Of its message beyond its inputs. */
  readonly padding?: number;
  readonly other?: boolean;
}

const asking = (value: number, { caller = 'a:1', rows = 1, padding = 0 }: Asked) => ({
  inputs: [
    {
      name: 'input',
      datatype: 'FP32' as const,
      shape: [rows, 2],
      data: new Uint8Array(new Float32Array(2 * rows).fill(value).buffer),
    },
  ],
  outputs: ['output'],
  caller,
  messageBytes: 8 * rows + padding,
});

/** One worker that has two models, and answered each short executions. */
async function shortModels(before: readonly Asked[]): Promise<{
  engine: Engine;
  model: LoadedModel;
  other: LoadedModel;
  open: () => void;
}> {
  const { annotator, open } = gatedAnnotator();
  const engine = await createEngine({ workers: 1, annotator });
  const load = async (name: string): Promise<LoadedModel> => {
    const model = identityModel('FP32');
    const source = { name, version: '1', model, externalData: [] };
    const batching = { maxBatchSize: 8, sweep: false };
    const loaded = await engine.load(source, { batching, operators: ['Identity'] });
    for (let i = 0; i < 20; i++) await loaded.infer(asking(1, {}));
    return loaded;
  };
  const [model, other] = [await load('one'), await load('other')];
  for (const each of before) await model.infer(asking(1, each));
  return { engine, model, other, open };
}

const CASES: readonly {
  readonly what: string;
  readonly before?: readonly Asked[];
  /** What shares the execution that the worker has. */
  readonly has?: readonly Asked[];
  /** Turn by turn of the event loop. */
  readonly asked: readonly (readonly Asked[])[];
  readonly left: number;
}[] = [
  { what: 'a request of the same address is given to it', asked: [[{ caller: 'a:2' }]], left: 0 },
  { what: 'one more waits', asked: [[{}], [{}]], left: 1 },
  { what: 'one of another address waits', asked: [[{ caller: 'b:1' }]], left: 1 },
  {
    what: 'where one of another address waits, both have their turns',
    asked: [[{}, { caller: 'b:1' }]],
    left: 2,
  },
  {
    what: 'one of two addresses that share it waits',
    has: [{}, { caller: 'b:1' }],
    asked: [[{}]],
    left: 1,
  },
  { what: 'one of another model waits', asked: [[{ other: true }]], left: 1 },
  {
    what: 'where one of another model waits, both have their turns',
    asked: [[{ other: true }], [{}]],
    left: 2,
  },
  {
    what: 'one waits where its inputs are longer than any before',
    has: [{ rows: 8 }],
    asked: [[{}]],
    left: 1,
  },
  {
    what: 'how long its message is does not matter',
    has: [{ padding: 999 }],
    asked: [[{}]],
    left: 0,
  },
  {
    what: 'how long messages before it were does not matter',
    before: [{ padding: 999 }],
    has: [{ rows: 8 }],
    asked: [[{}]],
    left: 1,
  },
];

for (const { what, before = [], has = [{}], asked, left } of CASES) {
  test(`while a worker has a short execution: ${what}`, async () => {
    const { engine, model, other, open } = await shortModels(before);
    try {
      const all = has.map((each) => model.infer(asking(12, each)));
      await turn();
      assert.equal(model.waiting, 0);
      for (const now of asked) {
        for (const each of now) {
          all.push((each.other === true ? other : model).infer(asking(2, each)));
        }
        await turn();
      }
      assert.equal(model.waiting + other.waiting, left);
      open();
      await Promise.all(all);
    } finally {
      open();
      await engine.close();
    }
  });
}

test('while a worker has a short execution and a load waits for the worker: nothing is given to it', async () => {
  const { engine, model, open } = await shortModels([]);
  try {
    const first = model.infer(asking(12, {}));
    await turn();
    const source = { name: 'new', version: '1', model: identityModel('FP32'), externalData: [] };
    const loaded = engine.load(source);
    await turn();
    const second = model.infer(asking(2, {}));
    await turn();
    assert.equal(model.waiting, 1);
    open();
    await Promise.all([first, loaded, second]);
  } finally {
    open();
    await engine.close();
  }
});
