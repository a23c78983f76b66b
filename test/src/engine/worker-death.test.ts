import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, mock, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { Engine, LoadedModel } from '../../../src/engine/engine.js';
import { EngineError } from '../../../src/engine/error.js';
import { createEngine } from '../../../src/engine/onnx-engine.js';
import { WorkerPool } from '../../../src/engine/worker-pool.js';
import { identityModel, identityRow, mlpModel } from '../../forge/inference-models.js';
import { passTime } from '../../forge/pass-time.js';

const folder = await mkdtemp(join(tmpdir(), 'assay-death-'));
after(() => rm(folder, { recursive: true }));

/** An annotator that fails at an input of 12 and ends its thread at 13, having done what `last` says. */
async function deadly(last = '', first = ''): Promise<URL> {
  const path = join(folder, `${Math.random().toString(36).slice(2)}.mjs`);
  const source = `
    import { existsSync, writeFileSync } from 'node:fs';
    ${first}
    function annotate([input]) {
      const value = new DataView(input.data.buffer, input.data.byteOffset).getFloat32(0, true);
      if (value === 12) throw new Error('no annotation');
      if (value === 13) { ${last}; process.exit(1); }
      return new Uint8Array();
    }
    const seal = (annotations) => ({
      bytes: new Uint8Array(),
      ends: annotations.map(() => 0),
      notice: new Uint8Array(),
    });
    export const makeAnnotator = () => ({ annotate, seal });`;
  await writeFile(path, source);
  return pathToFileURL(path);
}

async function start(
  module: URL,
  workers: number,
): Promise<{ engine: Engine; model: LoadedModel; fatal: EngineError[] }> {
  const fatal: EngineError[] = [];
  const engine = await createEngine({
    workers,
    annotator: { module, context: () => new Uint8Array() },
    onFatal: (error) => fatal.push(error),
  });
  const source = { name: 'm', version: '1', model: identityModel('FP32'), externalData: [] };
  return { engine, model: await engine.load(source, { batching: { maxBatchSize: 1 } }), fatal };
}

/** How each of the requests ended: what it was answered, or the reason of its refusal. */
async function ends(model: LoadedModel, values: readonly number[]): Promise<readonly unknown[]> {
  const outcomes = await Promise.allSettled(values.map((value) => model.infer(identityRow(value))));
  return outcomes.map((outcome) => {
    if (outcome.status === 'rejected') {
      assert.ok(outcome.reason instanceof EngineError);
      return outcome.reason.reason;
    }
    const data = outcome.value.outputs[0]?.data ?? new Uint8Array();
    return new DataView(data.buffer, data.byteOffset).getFloat32(0, true);
  });
}

for (const workers of [1, 2]) {
  test(`a worker of ${workers} that dies in a run: its caller is told, all others are answered`, async () => {
    const { engine, model, fatal } = await start(await deadly(), workers);
    try {
      const values = [1, 13, 2, 3, 13, 4, 5];
      const expected = values.map((value) => (value === 13 ? 'execution' : value));
      assert.deepEqual(await ends(model, values), expected);
      assert.deepEqual(await ends(model, values), expected);
      assert.equal(engine.requestMemory.held, 0);
      assert.equal(fatal.length, 0);
    } finally {
      await engine.close();
    }
  });
}

test('a worker that dies as a failed batch is executed one by one: who is behind is executed again', async () => {
  const hangs: EngineError[] = [];
  const engine = await createEngine({
    workers: 1,
    annotator: { module: await deadly(), context: () => new Uint8Array() },
    onHang: (error) => hangs.push(error),
  });
  const source = { name: 'm', version: '1', model: identityModel('FP32'), externalData: [] };
  const batching = { maxBatchSize: 8, sweep: false };
  const options = { batching, operators: ['Identity'], maxRun: 1000 };
  const model = await engine.load(source, options);
  assert.equal(model.batching.maxBatchSize, 8, model.batching.reason);
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    assert.deepEqual(await ends(model, [12, 13, 20]), ['execution', 'execution', 20]);
    passTime();
    assert.deepEqual(hangs, [], 'what a dead worker was not given does not hang');
    assert.equal(engine.requestMemory.held, 0);
  } finally {
    mock.timers.reset();
    await engine.close();
  }
});

/**
 * An annotator's module whose thread ends at the first run of ONNX Runtime of which a condition holds: of its
 * `rows`, of how many runs of one row were of `zeros`, and of how many `others` came after two of those, as
 * the proof begins with all of what it had found. The next thread lives.
 */
async function deadlyRun(condition: string): Promise<URL> {
  const name = Buffer.from(condition).toString('hex');
  const path = join(folder, `run-${name}.mjs`);
  const mark = JSON.stringify(join(folder, `ran-${name}`));
  const source = `
    import { existsSync, writeFileSync } from 'node:fs';
    import { createRequire } from 'node:module';
    const { prototype } = createRequire(${JSON.stringify(import.meta.url)})('onnxruntime-node').InferenceSession;
    const { run } = prototype;
    let zeros = 0;
    let others = 0;
    prototype.run = function (feeds, ...more) {
      const { data: [element], dims: [rows] } = feeds.input;
      if (rows === 1 && element === 0) zeros += 1;
      else if (rows === 1 && zeros >= 2) others += 1;
      if ((${condition}) && !existsSync(${mark})) {
        writeFileSync(${mark}, '');
        process.exit(1);
      }
      return run.call(this, feeds, ...more);
    };
    export const makeAnnotator = () => ({
      annotate: () => new Uint8Array(),
      seal: (annotations) => ({
        bytes: new Uint8Array(),
        ends: annotations.map(() => 0),
        notice: new Uint8Array(),
      }),
    });`;
  await writeFile(path, source);
  return pathToFileURL(path);
}

for (const { what, condition } of [
  { what: 'an ordinary row', condition: 'true' },
  { what: 'the first adversary', condition: 'zeros > 0' },
  { what: 'another row of an adversary', condition: 'others === 2' },
  { what: 'a batch', condition: 'others > 0 && rows > 1' },
]) {
  test(`a worker that dies as the proof of batches executes ${what}: the load fails, and states nothing`, async () => {
    const hangs: EngineError[] = [];
    const engine = await createEngine({
      workers: 1,
      annotator: { module: await deadlyRun(condition), context: () => new Uint8Array() },
      onHang: (error) => hangs.push(error),
    });
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      const loaded = engine.load(
        { name: 'm', version: '1', model: identityModel('FP32'), externalData: [] },
        { batching: { maxBatchSize: 8, sweep: false }, operators: ['Identity'], maxRun: 1000 },
      );
      await assert.rejects(loaded, /^EngineError: the worker thread ended unexpectedly$/);
      passTime();
      assert.deepEqual(hangs, []);
    } finally {
      mock.timers.reset();
      await engine.close();
    }
  });
}

test('a worker that dies while its model drains: what was accepted ends, and so does the drain', async () => {
  const { engine, model } = await start(await deadly(), 1);
  try {
    const asked = ends(model, [1, 13, 2]);
    const drained = model.drain();
    assert.deepEqual(await asked, [1, 'execution', 2]);
    await drained;
  } finally {
    await engine.close();
  }
});

test('a worker that dies while another model waits for it to load: the load goes on', async () => {
  const { engine, model } = await start(await deadly(), 1);
  try {
    const asked = ends(model, [13]);
    const other = engine.load({
      name: 'other',
      version: '1',
      model: identityModel('FP32'),
      externalData: [],
    });
    assert.deepEqual(await asked, ['execution']);
    const outcome = await other.then(
      (loaded) => ends(loaded, [7]),
      (error: unknown) => (error instanceof EngineError ? error.reason : error),
    );
    assert.ok(outcome === 'execution' || (Array.isArray(outcome) && outcome[0] === 7), 'it ends');
    assert.deepEqual(await ends(model, [8]), [8]);
  } finally {
    await engine.close();
  }
});

/** An annotator that says on which thread it ran, ends it at 13, and waits at 14 and 15 for a file. */
async function telling(gates: readonly string[]): Promise<URL> {
  const path = join(folder, 'telling.mjs');
  const source = `
    import { existsSync } from 'node:fs';
    import { threadId } from 'node:worker_threads';
    const gates = ${JSON.stringify(gates)};
    function annotate([input]) {
      const value = new DataView(input.data.buffer, input.data.byteOffset).getFloat32(0, true);
      if (value === 13) process.exit(1);
      const gate = gates[value - 14];
      while (gate !== undefined && !existsSync(gate));
      return new Uint8Array([threadId]);
    }
    const seal = (annotations) => ({
      bytes: Uint8Array.from(annotations, ([id]) => id),
      ends: annotations.map((_, i) => i + 1),
      notice: new Uint8Array(),
    });
    export const makeAnnotator = () => ({ annotate, seal });`;
  await writeFile(path, source);
  return pathToFileURL(path);
}

test('a worker that dies while others are asked for several models all the time comes back', async () => {
  const { engine, model } = await start(await telling([]), 2);
  // Its load takes so long that many requests are dispatched meanwhile.
  const source = {
    name: 'other',
    version: '1',
    model: mlpModel([2, 500_000, 2]),
    externalData: [],
  };
  const other = await engine.load(source, { batching: { maxBatchSize: 1 } });
  const seen = new Set<number>();
  let asked = 0;
  const ask = async (until: number): Promise<void> => {
    while (seen.size < until && asked < 5000) {
      asked += 1;
      const { annotation } = await (asked % 2 === 0 ? model : other).infer(identityRow(1));
      seen.add(annotation?.[0] ?? 0);
    }
  };
  const callers = (until: number) => Promise.all(Array.from({ length: 4 }, () => ask(until)));
  try {
    await callers(2);
    const killed = ends(model, [13]);
    await callers(3);
    assert.deepEqual(await killed, ['execution']);
    assert.equal(seen.size, 3, `the new worker answered none of ${asked} requests`);
  } finally {
    await engine.close();
  }
});

test('a worker that dies while a model that it has loads on another has the model again', async () => {
  const gates = ['first', 'second'].map((name) => join(folder, name));
  const { engine, model } = await start(await telling(gates), 2);
  const source = { name: 'other', version: '1', model: identityModel('FP32'), externalData: [] };
  try {
    const waiting = ends(model, [14, 15]);
    await turn();
    const loading = engine.load(source, { batching: { maxBatchSize: 1 } });
    await turn();
    const killed = ends(model, [13, 8]);
    await writeFile(gates[0] ?? '', '');
    assert.deepEqual(await killed, ['execution', 8], 'the first worker is replaced');
    await writeFile(gates[1] ?? '', '');
    assert.deepEqual(await waiting, [14, 15]);
    const values = Array.from({ length: 16 }, (_, i) => 100 + i);
    assert.deepEqual(await ends(await loading, values), values);
  } finally {
    await engine.close();
  }
});

test('workers that cannot start again: who waits is refused, and the engine says that it cannot go on', async () => {
  const mark = JSON.stringify(join(folder, 'mark'));
  const module = await deadly(
    `writeFileSync(${mark}, '')`,
    `if (existsSync(${mark})) throw new Error('not again');`,
  );
  const { engine, model, fatal } = await start(module, 1);
  try {
    assert.deepEqual(await ends(model, [13, 1, 2]), ['execution', 'draining', 'draining']);
    assert.deepEqual(await ends(model, [3]), ['draining']);
    assert.deepEqual(
      fatal.map(({ reason }) => reason),
      ['execution'],
    );
    assert.equal(engine.requestMemory.held, 0);
  } finally {
    await engine.close();
  }
});

test('a worker that lives but cannot load again what it had is replaced, and given up in the end', async () => {
  const mark = JSON.stringify(join(folder, 'died'));
  const dies = `if (!existsSync(${mark})) { writeFileSync(${mark}, ''); process.exit(1); }`;
  const annotator = { module: await deadly('', dies), context: () => undefined };
  let restored = 0;
  const fatal = await new Promise<EngineError>((resolve) => {
    const pool = new WorkerPool({
      workers: 1,
      annotator,
      restore: async () => {
        restored += 1;
        throw new EngineError('load', 'no memory');
      },
      pump: () => undefined,
      onHang: () => undefined,
      onFatal: (error) => void pool.close().then(() => resolve(error)),
    });
  });
  assert.equal(fatal.reason, 'execution');
  assert.equal(restored, 3);
});
