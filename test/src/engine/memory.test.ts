import assert from 'node:assert/strict';
import { totalmem } from 'node:os';
import { after, test } from 'node:test';
import type { Engine } from '../../../src/engine/engine.js';
import { defaultMemoryBudget, MemoryBudget } from '../../../src/engine/memory-budget.js';
import { ModelSessions } from '../../../src/engine/model-sessions.js';
import { createEngine } from '../../../src/engine/onnx-engine.js';
import { defaultRequestMemory } from '../../../src/engine/request-memory.js';
import type { Slot, WorkerPool } from '../../../src/engine/worker-pool.js';
import { identityModel, identityRow } from '../../forge/inference-models.js';
import { dataType, encodeModel } from '../../forge/onnx.js';
import { refusal } from '../../forge/refusal.js';

const MIB = 1024 * 1024;
const MODEL = identityModel('FP32');

/** An engine whose process grows by ten MiB from one look to the next: what each session takes. */
async function engineWith(workers: number, budget: number): Promise<Engine> {
  let inUse = 0;
  const memoryInUse = (): number => {
    inUse += 10 * MIB;
    return inUse;
  };
  const engine = await createEngine({ workers, memoryBudget: budget, memoryInUse });
  after(() => engine.close());
  return engine;
}

const source = (name: string, model: Uint8Array = MODEL) => ({
  name,
  version: '1',
  model,
  externalData: [],
});

test('each worker has a session where there is room', async () => {
  const engine = await engineWith(3, 40 * MIB);
  const model = await engine.load(source('m'));
  assert.equal(model.instances, 3);
  assert.equal(model.memory, MODEL.length + 30 * MIB);
  assert.deepEqual(engine.memory, { budget: 40 * MIB, reserved: model.memory });
});

test('a model has as many sessions as fit, and answers with those', async () => {
  const engine = await engineWith(3, 25 * MIB);
  const model = await engine.load(source('m'));
  assert.equal(model.instances, 2);
  assert.equal(engine.memory.reserved, MODEL.length + 20 * MIB);
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, i) => model.infer({ ...identityRow(i), caller: `c${i % 3}` })),
  );
  answers.forEach(({ outputs }, i) => {
    assert.deepEqual(outputs[0]?.data, identityRow(i).inputs[0]?.data);
  });
});

test('a model of which no session can be loaded is refused: need and budget', async () => {
  const engine = await engineWith(1, 2 * MODEL.length);
  await assert.rejects(
    engine.load(source('m')),
    refusal('memory', /^model m version 1 needs 1 MiB, the memory budget of 1 MiB has 1 MiB left$/),
  );
  assert.equal(engine.memory.reserved, 0);
});

test('a model whose session turns out too large is refused, and what it took given back', async () => {
  const engine = await engineWith(2, 8 * MIB);
  await assert.rejects(
    engine.load(source('m')),
    refusal(
      'memory',
      /^model m version 1 needs 11 MiB, the memory budget of 8 MiB has 8 MiB left$/,
    ),
  );
  assert.equal(engine.memory.reserved, 0);
});

test('unloading gives memory back, and a model with too few sessions gets more', async () => {
  const engine = await engineWith(2, 35 * MIB);
  const first = await engine.load(source('first'));
  const second = await engine.load(source('second'));
  assert.deepEqual([first.instances, second.instances], [2, 1]);
  await assert.rejects(
    engine.load(source('third')),
    refusal('memory', /^model third version 1 needs 11 MiB/),
  );
  await first.drain();
  assert.equal(second.instances, 2);
  assert.equal(engine.memory.reserved, second.memory);
  await second.drain();
  assert.equal(engine.memory.reserved, 0);
});

test('a model that does not load takes nothing', async () => {
  const engine = await engineWith(1, 40 * MIB);
  await assert.rejects(engine.load(source('m', new Uint8Array(16))), { reason: 'load' });
  assert.equal(engine.memory.reserved, 0);
});

test('what is measured is one copy of the weights, not those that its load needed', async () => {
  const engine = await createEngine({ workers: 1 });
  after(() => engine.close());
  const rows = 2 ** 22;
  const size = rows * 16;
  const model = encodeModel({
    graph: {
      inputs: [{ name: 'input', type: { tensor: dataType.int64, shape: ['n'] } }],
      outputs: [{ name: 'output', type: { tensor: dataType.float, shape: ['n', 4] } }],
      initializers: [
        { name: 'w', type: dataType.float, dims: [rows, 4], external: { location: 'w.bin' } },
      ],
      nodes: [{ op: 'Gather', inputs: ['w', 'input'], outputs: ['output'] }],
    },
  });
  const data = new Uint8Array(new SharedArrayBuffer(size)).fill(1);
  const { memory } = await engine.load({
    ...source('m', model),
    externalData: [{ path: 'w.bin', data }],
  });
  assert.ok(memory >= 2 * size, `${memory}`);
  assert.ok(memory < 3 * size, `${memory}`);
});

for (const last of ['is loaded', 'fails too'] as const) {
  test(`a load that fails on one of several workers leaves nothing behind: the last ${last}`, async () => {
    const budget = new MemoryBudget(1000);
    const sessions = new Set<number>();
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const slots = [0, 1, 2].map((number) => ({ number, lost: undefined }));
    const load = async (number: number): Promise<void> => {
      if (number === 2) await gate;
      if (number === 1) setImmediate(open);
      if (number === 1 || (number === 2 && last === 'fails too')) throw new Error('bad_alloc');
      sessions.add(number);
    };
    const pool = {
      errand: ({ number }: { number: number }, work: (thread: object) => Promise<unknown>) =>
        work({ load: () => load(number), unload: async () => sessions.delete(number) }),
    };
    const made = new ModelSessions(
      1,
      source('m', new Uint8Array(100)),
      { execution: { intraOpThreads: 1, graphOptimizationLevel: 'all' }, maxRun: 1000 },
      { pool: pool as unknown as WorkerPool, budget, memoryInUse: () => 0 },
    );
    const [first] = slots as unknown as readonly Slot[];
    assert.ok(first !== undefined);
    await made.first(first, async () => undefined);
    await assert.rejects(made.spread(slots as unknown as readonly Slot[]), /^Error: bad_alloc$/);
    await made.close();
    assert.deepEqual([...sessions], []);
    assert.equal(budget.reserved, 0);
  });
}

test('an engine that closes during a load refuses the model and ends its sessions', async () => {
  let closed: Promise<void> | undefined;
  const memoryInUse = (): number => {
    closed ??= engine.close();
    return 0;
  };
  const engine = await createEngine({ workers: 2, memoryInUse });
  await assert.rejects(engine.load(source('m')), {
    reason: 'draining',
    message: 'the engine is shutting down',
  });
  await closed;
  assert.equal(engine.memory.reserved, 0);
});

for (const { what, constrained, has } of [
  { what: 'a control group with less than the machine', constrained: 8003, has: 8003 },
  { what: 'one without a limit', constrained: 2 ** 63, has: totalmem() },
  { what: 'none', constrained: 0, has: totalmem() },
]) {
  test(`sessions have three quarters of the memory, inputs an eighth: ${what}`, (t) => {
    t.mock.method(process, 'constrainedMemory', () => constrained);
    assert.equal(defaultMemoryBudget(), Math.floor(has * 0.75));
    assert.equal(defaultRequestMemory(), Math.floor(has * 0.125));
  });
}

test('a reservation fills the budget to the byte, keeps what it has and may shrink', () => {
  const budget = new MemoryBudget(3 * MIB);
  const [one, other] = [budget.reservation('one'), budget.reservation('other')];
  one.resize(2 * MIB);
  other.resize(MIB);
  assert.deepEqual([one.bytes, one.room, budget.reserved], [2 * MIB, 0, 3 * MIB]);
  assert.throws(
    () => other.resize(MIB + 1),
    refusal('memory', /^other needs 2 MiB, the memory budget of 3 MiB has 1 MiB left$/),
  );
  assert.deepEqual([other.bytes, budget.reserved], [MIB, 3 * MIB]);
  one.resize(MIB);
  assert.deepEqual([other.room, budget.reserved], [MIB, 2 * MIB]);
});
