import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { mock, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { EngineError } from '../../../src/engine/error.js';
import { createEngine } from '../../../src/engine/onnx-engine.js';
import { WorkerPool } from '../../../src/engine/worker-pool.js';
import { gatedAnnotator } from '../../forge/gated-annotator.js';
import { identityModel, identityRow } from '../../forge/inference-models.js';
import { passTime } from '../../forge/pass-time.js';
import { refusal } from '../../forge/refusal.js';

const source = { name: 'm', version: '1', model: identityModel('FP32'), externalData: [] };

/** A gated annotator, and the ends of its threads. */
function watchedAnnotator() {
  const { annotator, open } = gatedAnnotator();
  const threads = new EventEmitter();
  return { annotator: { ...annotator, ended: () => threads.emit('ended') }, open, threads };
}

/** The first of its threads ends before it has started. */
const STILLBORN = new URL(
  `data:text/javascript,${encodeURIComponent(`
    export const makeAnnotator = (started) => {
      if (Atomics.add(new Int32Array(started.counter ?? started), 0, 1) === 0) process.exit(1);
    };`)}`,
);

const IDLE = new URL('data:text/javascript,export const makeAnnotator = () => undefined');

/** Stands for a system that has so many threads and no more: what a further one is given cannot be sent to it. */
function exhausted(threads: number, module = IDLE) {
  const counter = new SharedArrayBuffer(4);
  let made = 0;
  const data = {
    get counter() {
      made += 1;
      return made > threads ? () => undefined : counter;
    },
  };
  return { module, data, context: () => undefined };
}

test('an engine whose worker cannot start is none, and says why', async () => {
  const module = new URL('data:text/javascript,throw new Error("no annotator")');
  const annotator = { module, context: () => undefined };
  const why = /^a worker thread ended before it had started: no annotator$/;
  await assert.rejects(createEngine({ workers: 1, annotator }), refusal('execution', why));
});

test('an engine of which one worker cannot start leaves no thread behind', async () => {
  const ended = mock.fn();
  const data = new SharedArrayBuffer(4);
  const annotator = { module: STILLBORN, data, context: () => undefined, ended };
  await assert.rejects(createEngine({ workers: 3, annotator }), refusal('execution'));
  assert.equal(ended.mock.callCount(), 4, 'all of them, and what took the place of the first');
});

test('an engine for whose last worker there is no thread is none, and leaves no thread behind', async () => {
  const threads = new EventEmitter();
  const ends = mock.fn();
  threads.on('ended', ends);
  const both = new Promise((resolve) =>
    threads.on('ended', () => ends.mock.callCount() === 2 && resolve(0)),
  );
  const annotator = { ...exhausted(2), ended: () => threads.emit('ended') };
  const why =
    /^a worker thread cannot be started: .+; expected a limit of threads .+ for 3 workers$/s;
  await assert.rejects(createEngine({ workers: 3, annotator }), refusal('execution', why));
  await both;
});

test('a pool for whose dead worker there is no other thread gives up, and the process goes on', async () => {
  const given = new EventEmitter();
  const up = once(given, 'up');
  const pool = new WorkerPool({
    workers: 1,
    annotator: exhausted(1, STILLBORN),
    restore: async () => undefined,
    pump: () => undefined,
    onHang: () => undefined,
    onFatal: (error) => given.emit('up', error),
  });
  refusal('execution', /^a worker thread cannot be started: /)((await up)[0]);
  assert.ok(pool.slots[0]?.lost !== undefined);
});

test('what takes the place of a worker, and ends before it has started, is replaced once', async () => {
  const module = new URL(
    `data:text/javascript,${encodeURIComponent(`
      export const makeAnnotator = ({ counter }) => {
        if (Atomics.add(new Int32Array(counter), 0, 1) < 2) process.exit(1);
      };`)}`,
  );
  const counter = new SharedArrayBuffer(4);
  let made = 0;
  const data = {
    get counter() {
      made += 1;
      return counter;
    },
  };
  const given = new EventEmitter();
  const up = once(given, 'up');
  const pool = new WorkerPool({
    workers: 1,
    annotator: { module, data, context: () => undefined },
    restore: async () => undefined,
    pump: () => given.emit('up'),
    onHang: () => undefined,
    onFatal: () => undefined,
  });
  await up;
  await pool.close();
  assert.deepEqual([made, pool.slots[0]?.restarts], [3, 2]);
});

test('a worker that cannot load again what the one before it had is ended, and replaced', async () => {
  const ended = mock.fn();
  const given = new EventEmitter();
  const up = once(given, 'up');
  let restored = 0;
  const data = new SharedArrayBuffer(4);
  const pool = new WorkerPool({
    workers: 1,
    annotator: { module: STILLBORN, data, context: () => undefined, ended },
    restore: async () => {
      restored += 1;
      if (restored === 1) throw new EngineError('load', 'no memory');
    },
    pump: () => given.emit('up'),
    onHang: () => undefined,
    onFatal: () => undefined,
  });
  await up;
  assert.equal(ended.mock.callCount(), 2, 'the first, and the one that could not load');
  await pool.close();
  assert.deepEqual([restored, pool.slots[0]?.restarts], [2, 2]);
});

test('a pool that gives up starts no further worker', async () => {
  const module = new URL('data:text/javascript,throw new Error("no annotator")');
  const given = new EventEmitter();
  const pool = new WorkerPool({
    workers: 1,
    annotator: { module, context: () => undefined },
    restore: async () => undefined,
    pump: () => undefined,
    onHang: () => undefined,
    onFatal: () => given.emit('up', pool.slots[0]?.thread),
  });
  const [last] = await once(given, 'up');
  await turn();
  assert.equal(pool.slots[0]?.thread, last);
});

test('a worker that dies with nothing to do: who asks before the next one has the model is answered', async () => {
  const { annotator, threads } = watchedAnnotator();
  const engine = await createEngine({ workers: 1, annotator });
  const model = await engine.load(source);
  try {
    const asked = once(threads, 'ended').then(() => model.infer(identityRow(2)));
    await model.infer(identityRow(16));
    const { outputs } = await asked;
    assert.deepEqual(outputs[0]?.data, identityRow(2).inputs[0]?.data);
  } finally {
    await engine.close();
  }
});

test('a load that waits for a worker which hangs is refused, and takes no memory', async () => {
  const { annotator, open } = gatedAnnotator();
  const engine = await createEngine({ workers: 1, annotator });
  const model = await engine.load(source, { maxRun: 1000 });
  const { reserved } = engine.memory;
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const hung = assert.rejects(model.infer(identityRow(12)), refusal('timeout'));
    await turn();
    const loading = assert.rejects(engine.load(source), refusal('timeout'));
    await turn();
    passTime();
    await Promise.all([hung, loading]);
    assert.equal(engine.memory.reserved, reserved);
  } finally {
    mock.timers.reset();
    open();
    await engine.close();
  }
});

test('a worker whose execution hung is not replaced when it ends after all: no model counts on it', async () => {
  const { annotator, open, threads } = watchedAnnotator();
  const engine = await createEngine({ workers: 1, annotator });
  const model = await engine.load(source, { maxRun: 1000 });
  const ends = mock.fn();
  threads.on('ended', ends);
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const hung = assert.rejects(model.infer(identityRow(14)), refusal('timeout'));
    await turn();
    passTime();
    await hung;
    const ended = once(threads, 'ended');
    open();
    await ended;
  } finally {
    mock.timers.reset();
    open();
    await engine.close();
  }
  assert.equal(ends.mock.callCount(), 1);
});

test('a pool that is closed as a worker cannot load again what it had: no other takes its place', async () => {
  const restored = new EventEmitter();
  const data = new SharedArrayBuffer(4);
  const pool = new WorkerPool({
    workers: 1,
    annotator: { module: STILLBORN, data, context: () => undefined },
    restore: async () => {
      restored.emit('closed', pool.close());
      throw new EngineError('load', 'no memory');
    },
    pump: () => undefined,
    onHang: () => undefined,
    onFatal: () => undefined,
  });
  const [closed] = await once(restored, 'closed');
  await closed;
  await turn();
  assert.equal(pool.slots[0]?.restarts, 1);
});
