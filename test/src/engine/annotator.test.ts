import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AnnotatorSettings } from '../../../src/engine/engine.js';
import { createEngine } from '../../../src/engine/onnx-engine.js';
import { identityModel, identityRow, rowOf } from '../../forge/inference-models.js';

/**
 * Annotates with the first element, and on sealing adds to each what the annotator was made with and how
 * many left together. It cannot seal a 13, and ends its thread at a 14.
 */
const MODULE = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { threadId } from 'node:worker_threads';
    export const makeAnnotator = (data) => ({
      annotate: ([{ data: bytes }]) => {
        const value = new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);
        if (value === 12) throw new Error('no annotation');
        return Uint8Array.of(value);
      },
      seal: (annotations) => {
        if (annotations.some(([value]) => value === 13)) throw new Error('no seal');
        if (annotations.some(([value]) => value === 14)) process.exit(1);
        return {
          bytes: Uint8Array.from(annotations.flatMap(([value]) => [value, data, annotations.length])),
          ends: annotations.map((_, i) => 3 * (i + 1)),
          notice: Uint8Array.of(threadId, annotations.length),
        };
      },
    });`)}`,
);

const source = { name: 'm', version: '1', model: identityModel('FP32'), externalData: [] };

async function start(settings: Partial<AnnotatorSettings>) {
  const engine = await createEngine({
    workers: 1,
    annotator: { module: MODULE, data: 7, context: () => new Uint8Array(), ...settings },
  });
  return { engine, model: await engine.load(source, { batching: { maxBatchSize: 1 } }) };
}

test('annotations are sealed by the message, and the notice of each comes before its answers', async () => {
  const told: number[] = [];
  const { engine, model } = await start({ noticed: ([, count = 0]) => told.push(count) });
  try {
    for (let first = 1; first < 100; first += 33) {
      const values = Array.from({ length: 33 }, (_, i) => 20 + first + i);
      const answers = await Promise.all(
        values.map(async (value) => {
          const { annotation } = await model.infer(identityRow(value));
          return { annotation, told: told.reduce((sum, count) => sum + count, 0) };
        }),
      );
      answers.forEach(({ annotation, told: before }, i) => {
        assert.deepEqual([...(annotation ?? [])].slice(0, 2), [values[i], 7]);
        assert.ok(before >= first + i, 'the notice was late');
      });
    }
    assert.ok(
      told.some((count) => count > 1),
      'no message had two',
    );
  } finally {
    await engine.close();
  }
});

test('what cannot be sealed is not answered, and the worker goes on', async () => {
  const { engine, model } = await start({});
  try {
    await assert.rejects(model.infer(identityRow(13)), {
      reason: 'execution',
      message: 'what was executed could not be sealed: no seal',
    });
    assert.deepEqual((await model.infer(identityRow(5))).annotation, Uint8Array.of(5, 7, 1));
  } finally {
    await engine.close();
  }
});

test('what cannot be annotated is not answered, what was executed beside it is', async () => {
  const { engine, model } = await start({});
  try {
    const answers = await Promise.allSettled(
      [20, 12, 21, 22].map((value) => model.infer(identityRow(value))),
    );
    assert.deepEqual(
      answers.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
    );
    await assert.rejects(model.infer(identityRow(12)), {
      reason: 'execution',
      message: 'what was executed could not be annotated: no annotation',
    });
  } finally {
    await engine.close();
  }
});

test('without a context nothing is annotated or sealed', async () => {
  const told: Uint8Array[] = [];
  const { engine, model } = await start({
    context: () => undefined,
    noticed: (notice) => told.push(notice),
  });
  try {
    assert.equal((await model.infer(identityRow(13))).annotation, undefined);
    assert.equal(told.length, 0);
  } finally {
    await engine.close();
  }
});

test('the end of a thread is told, by the identifier that it had', async () => {
  const threads: number[] = [];
  const ended: number[] = [];
  const { engine, model } = await start({
    noticed: ([thread = 0]) => threads.push(thread),
    ended: (thread) => ended.push(thread),
  });
  await model.infer(identityRow(1));
  await assert.rejects(model.infer(identityRow(14)), { reason: 'execution' });
  assert.deepEqual(ended, threads);
  await model.infer(identityRow(2));
  await engine.close();
  assert.deepEqual(ended, threads);
  assert.equal(new Set(threads).size, 2);
});

/** Annotates with the shape and the first element of each tensor, with the context and the note. */
const ECHO = new URL(
  `data:text/javascript,${encodeURIComponent(`
    const view = ({ name, shape, data: { buffer, byteOffset } }) =>
      name + shape.join('x') + ':' + new DataView(buffer, byteOffset).getFloat32(0, true);
    export const makeAnnotator = () => ({
      annotate: (inputs, outputs, { context, note }) =>
        Buffer.from([...inputs.map(view), ...outputs.map(view), context, note].join(' ')),
      seal: (annotations) => {
        let end = 0;
        return {
          bytes: Uint8Array.from(Buffer.concat(annotations)),
          ends: annotations.map(({ length }) => (end += length)),
          notice: new Uint8Array(),
        };
      },
    });`)}`,
);

test('each of an execution is annotated with its own rows and its own note, whoever shares it', async () => {
  const engine = await createEngine({
    workers: 1,
    annotator: { module: ECHO, context: () => Uint8Array.of(7) },
  });
  const options = { operators: ['Identity'], batching: { maxBatchSize: 8, sweep: false } };
  const model = await engine.load(source, options);
  const request = (value: number, rows: number, note: readonly number[] | undefined) => ({
    inputs: rowOf(new Array<number>(2 * rows).fill(value)).inputs.map((input) => ({
      ...input,
      shape: [rows, 2],
    })),
    outputs: ['output'],
    ...(note && { note: Uint8Array.from(note) }),
  });
  const asked = [
    { value: 20, rows: 1, note: [1, 2, 3] },
    { value: 21, rows: 2, note: undefined },
    { value: 22, rows: 3, note: [4] },
    { value: 23, rows: 2, note: [5, 6] },
  ];
  const annotated = async ({ value, rows, note }: (typeof asked)[number], shared: number) => {
    const { annotation, timings } = await model.infer(request(value, rows, note));
    assert.equal(timings.batchSize, shared);
    const tensors = ['input', 'output'].map((name) => `${name}${rows}x2:${value}`);
    assert.equal(Buffer.from(annotation ?? []).toString(), [...tensors, 7, note ?? ''].join(' '));
  };
  try {
    await Promise.all(asked.map((each) => annotated(each, 8)));
    for (const each of asked) await annotated(each, each.rows);
  } finally {
    await engine.close();
  }
});
