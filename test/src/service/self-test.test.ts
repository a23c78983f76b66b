import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { toHex } from '../../../attestation/encoding/bytes.js';
import {
  outputsDigest,
  type SelfTest,
  vectorsDigest,
} from '../../../attestation/evidence/self-test.js';
import type { Serving } from '../../../src/main.js';
import { scaleModel, servedModel } from '../../forge/enclave.js';
import { dataType, encodeModel, encodeTensor } from '../../forge/onnx.js';
import { serveIn } from '../../forge/serving.js';
import { recurrentModel } from '../../forge/trapping-models.js';

let root = '';
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'assay-self-test-'));
});
after(() => rm(root, { recursive: true }));

const vector = (values: readonly number[], dims = [values.length]): Uint8Array =>
  encodeTensor({ type: dataType.float, dims, floats: values });

const floats = (name: string, values: readonly number[]) => ({
  name,
  datatype: 'FP32',
  shape: [values.length],
  data: new Uint8Array(Float32Array.from(values).buffer),
});

interface Package {
  /** Input and expected outputs, of `y = 2x` the one, of each test set. */
  readonly sets: readonly (readonly [readonly number[], ...(readonly number[])[]])[];
  /** In place of `y = 2x`. */
  readonly model?: Uint8Array;
  /** The shape of so many numbers; one dimension unless given. */
  readonly shapeOf?: (count: number) => number[];
  readonly tolerances?: unknown;
  readonly enabled?: boolean;
  readonly allowEmptyTensors?: boolean;
  /** Another model in the folder. */
  readonly another?: boolean;
  /** What the launch policy demands of the model. */
  readonly demand?: Record<string, unknown>;
}

const graph = toHex(servedModel('m', 2).identity.graph);

/** Serves a model with these vectors beside it. */
async function serveTested(given: Package): Promise<Serving> {
  const folder = await mkdtemp(join(root, 'package-'));
  await writeFile(join(folder, 'm.onnx'), given.model ?? scaleModel(2));
  if (given.another) await writeFile(join(folder, 'n.onnx'), scaleModel(3));
  for (const [i, [x, ...outputs]] of given.sets.entries()) {
    const set = join(folder, `test_data_set_${i}`);
    await mkdir(set);
    await writeFile(join(set, 'input_0.pb'), vector(x, given.shapeOf?.(x.length)));
    for (const [at, y] of outputs.entries())
      await writeFile(join(set, `output_${at}.pb`), vector(y, given.shapeOf?.(y.length)));
  }
  if (given.tolerances !== undefined) {
    await writeFile(join(folder, 'tolerances.json'), JSON.stringify(given.tolerances));
  }
  if (given.demand !== undefined) {
    const policy = { version: 1, models: [{ graph, ...given.demand }] };
    await writeFile(join(folder, 'launch.json'), JSON.stringify(policy));
  }
  return serveIn(folder, {
    metrics: { port: 0 },
    ...(given.demand && { launchPolicy: 'launch.json' }),
    models: [
      {
        name: 'm',
        path: 'm.onnx',
        selfTest: given.enabled ?? true,
        allowEmptyTensors: given.allowEmptyTensors ?? false,
        batching: { maxBatchSize: 1 },
      },
    ],
  });
}

/** What the manifest says of them. */
async function outcomeOf(given: Package): Promise<SelfTest | null> {
  const serving = await serveTested(given);
  await serving.close();
  return serving.enclave.manifest.models[0]?.selfTest ?? null;
}

/** `y = 2x`, `z = 3x` */
const twoOutputs = encodeModel({
  graph: {
    inputs: [{ name: 'x', type: { tensor: dataType.float, shape: ['n'] } }],
    nodes: [
      { op: 'Sum', inputs: ['x', 'x'], outputs: ['y'] },
      { op: 'Sum', inputs: ['y', 'x'], outputs: ['z'] },
    ],
    outputs: ['y', 'z'].map((name) => ({ name, type: { tensor: dataType.float, shape: ['n'] } })),
  },
});

/** `y = x`, of which there must be three. */
const threeAlone = encodeModel({
  graph: {
    inputs: [{ name: 'x', type: { tensor: dataType.float, shape: ['n'] } }],
    nodes: [{ op: 'Reshape', inputs: ['x', 'shape'], outputs: ['y'] }],
    outputs: [{ name: 'y', type: { tensor: dataType.float, shape: [3] } }],
    initializers: [{ name: 'shape', type: dataType.int64, dims: [1], int64s: [3] }],
  },
});

const right = [
  [
    [1, 2],
    [2, 4],
  ],
  [[-3], [-6]],
] as const;
const near = [[[1], [2.001]]] as const;
const wrong = [[[1], [3]]] as const;

describe('a model with test vectors', () => {
  test('runs them before it serves, and states what came of it', async () => {
    const outcome = await outcomeOf({ sets: right });
    assert.equal(outcome?.sets, 2);
    assert.equal(outcome?.identical, 2);
    assert.deepEqual(await outcomeOf({ sets: right }), outcome);
    const other = await outcomeOf({ sets: right.slice(0, 1) });
    assert.notDeepEqual(other?.vectors, outcome?.vectors);
    assert.notDeepEqual(other?.outputs, outcome?.outputs);
  });

  test('counts none of them: nobody asked', async () => {
    const serving = await serveTested({ sets: right });
    const metrics = await fetch(`http://127.0.0.1:${serving.metricsPort}/metrics`);
    const counts = (await metrics.text()).match(/^nv_inference_\w+\{.+\} .+$/gm) ?? [];
    await serving.close();
    assert.equal(counts.length, 13);
    for (const count of counts) assert.match(count, / 0$/);
  });

  test('within the declared tolerance is served, and not called identical', async () => {
    const tolerances = { version: 1, default: { absolute: 0.01 } };
    const outcome = await outcomeOf({ sets: near, tolerances });
    assert.equal(outcome?.sets, 1);
    assert.equal(outcome?.identical, 0);
  });

  test('within ONNX’s own bounds is served where none are declared, and not called identical', async () => {
    const outcome = await outcomeOf({ sets: [[[1], [2 + 2 ** -22]]] });
    assert.deepEqual([outcome?.sets, outcome?.identical], [1, 0]);
  });

  test('is called identical where all outputs of a set are', async () => {
    const tolerances = { version: 1, default: { absolute: 0.01 } };
    const sets = [
      [[1], [2], [3]],
      [[1], [2], [3.001]],
      [[1], [2.001], [3]],
    ] as const;
    const outcome = await outcomeOf({ sets, model: twoOutputs, tolerances });
    assert.deepEqual([outcome?.sets, outcome?.identical], [3, 1]);
  });

  test('states what it computed of the outputs that a set expects', async () => {
    const [both, first] = await Promise.all(
      [[[1], [2], [3]] as const, [[1], [2]] as const].map((set) =>
        outcomeOf({ sets: [set], model: twoOutputs }),
      ),
    );
    const [y, z] = [floats('y', [2]), floats('z', [3])];
    assert.deepEqual(both?.outputs, outputsDigest([[y, z]]));
    assert.deepEqual(first?.outputs, outputsDigest([[y]]));
  });

  const refused: readonly (readonly [string, Package])[] = [
    ['an output that is wrong', { sets: wrong }],
    ['one wrong output among right ones', { sets: [...right, ...wrong] }],
    [
      'an output beyond the declared tolerance',
      { sets: near, tolerances: { version: 1, default: { absolute: 1e-6 } } },
    ],
    ['bits that differ where none may', { sets: near, tolerances: { version: 1 } }],
    ['an output of another shape', { sets: [[[1], [2, 2]]] }],
  ];
  for (const [name, given] of refused) {
    test(`is not served with ${name}: MODEL_SELF_TEST`, async () => {
      await assert.rejects(outcomeOf(given), { code: 'MODEL_SELF_TEST' });
    });
  }

  const unfit: readonly (readonly [string, Package, RegExp])[] = [
    [
      'no rows, on which ONNX Runtime would end the process',
      { sets: [[[], []]], model: recurrentModel(), shapeOf: (rows) => [1, rows, 1] },
      /test_data_set_0: input x: expected elements, shape \[1,0,1\] has none; .*allowEmptyTensors$/,
    ],
    [
      'another rank',
      { sets: [[[1], [1]]], model: recurrentModel(), shapeOf: (count) => [count] },
      /test_data_set_0: input x: expected shape \[steps,rows,1\], not \[1\]$/,
    ],
    [
      'what it does not run on',
      { sets: [[[1, 2], [1]]], model: threeAlone },
      /own test vectors: test_data_set_0 does not run$/,
    ],
  ];
  for (const [name, given, message] of unfit) {
    test(`is not run on ${name}: MODEL_SELF_TEST`, async () => {
      await assert.rejects(outcomeOf(given), { code: 'MODEL_SELF_TEST', message });
    });
  }

  test('is run on no elements where the configuration says so', async () => {
    const outcome = await outcomeOf({ sets: [[[], []]], allowEmptyTensors: true });
    assert.equal(outcome?.identical, 1);
  });

  test('is not served with a set that expects nothing: MODEL_VECTORS', async () => {
    await assert.rejects(outcomeOf({ sets: [[[1]]] }), { code: 'MODEL_VECTORS' });
  });

  test('is not served where another model may own them: MODEL_VECTORS', async () => {
    const several = { sets: right, another: true };
    await assert.rejects(outcomeOf(several), {
      code: 'MODEL_VECTORS',
      message: /expected one model beside test_data_set_\*, not 2 \(m\.onnx, n\.onnx\)/,
    });
    assert.equal(await outcomeOf({ ...several, enabled: false }), null);
  });

  test('is not served with tolerances that are none: HUB_TOLERANCES', async () => {
    const tolerances = { version: 1, defualt: {} };
    await assert.rejects(outcomeOf({ sets: right, tolerances }), { code: 'HUB_TOLERANCES' });
  });

  test('is not served with tolerances of an output that it has not: HUB_TOLERANCES', async () => {
    const tolerances = { version: 1, default: { absolute: 1 }, outputs: { z: {} } };
    await assert.rejects(outcomeOf({ sets: right, tolerances }), {
      code: 'HUB_TOLERANCES',
      message: /expected limits for outputs of the model \("y"\), not for "z"$/,
    });
  });
});

describe('a launch policy that requires test vectors', () => {
  const tolerances = { version: 1, default: { absolute: 0.01 } };
  const plain: Package = { sets: right };
  const hex = (outcome: SelfTest | null) => ({
    vectors: toHex(outcome?.vectors ?? new Uint8Array()),
    outputs: toHex(outcome?.outputs ?? new Uint8Array()),
  });
  const digests = (given: Package) => outcomeOf(given).then(hex);

  test('is met by these vectors, and by these bits', async () => {
    const { vectors, outputs } = await digests(plain);
    for (const selfTest of [{ vectors }, { vectors, outputs }]) {
      const outcome = await outcomeOf({ ...plain, demand: { name: 'm', selfTest } });
      assert.deepEqual(hex(outcome), { vectors, outputs });
    }
  });

  const cases: readonly (readonly [string, Package, Package])[] = [
    ['none', { sets: [] }, plain],
    ['none that are run', { ...plain, enabled: false }, plain],
    ['fewer', { sets: right.slice(0, 1) }, plain],
    ['others that hold as well', { sets: [[[4], [8]]] }, plain],
    ['tolerances that are not required', { ...plain, tolerances }, plain],
    ['no tolerances', plain, { ...plain, tolerances }],
    [
      'wider tolerances',
      { ...plain, tolerances: { version: 1, default: { absolute: 10 } } },
      { ...plain, tolerances },
    ],
  ];
  for (const [name, given, required] of cases) {
    test(`refuses ${name}: LAUNCH_POLICY_VECTORS`, async () => {
      const { vectors } = await digests(required);
      await assert.rejects(outcomeOf({ ...given, demand: { selfTest: { vectors } } }), {
        code: 'LAUNCH_POLICY_VECTORS',
      });
    });
  }

  test('refuses those that it requires where they do not hold: MODEL_SELF_TEST', async () => {
    const sets = wrong.map(([x, y]) => ({ inputs: [floats('x', x)], outputs: [floats('y', y)] }));
    const selfTest = { vectors: toHex(vectorsDigest(sets, null)) };
    await assert.rejects(outcomeOf({ sets: wrong, demand: { selfTest } }), {
      code: 'MODEL_SELF_TEST',
    });
  });

  test('refuses other bits than those it requires: LAUNCH_POLICY_OUTPUTS', async () => {
    const { vectors } = await digests(plain);
    const selfTest = { vectors, outputs: '00'.repeat(32) };
    await assert.rejects(outcomeOf({ ...plain, demand: { selfTest } }), {
      code: 'LAUNCH_POLICY_OUTPUTS',
    });
  });

  test('refuses a graph under another name than it has: LAUNCH_POLICY_NAME', async () => {
    await assert.rejects(outcomeOf({ ...plain, demand: { name: 'other' } }), {
      code: 'LAUNCH_POLICY_NAME',
    });
  });
});

describe('nothing is run', () => {
  test('without vectors', async () => {
    assert.equal(await outcomeOf({ sets: [] }), null);
  });
  test('where the operator says so', async () => {
    assert.equal(await outcomeOf({ sets: wrong, enabled: false }), null);
  });
  test('where the folder holds several models and no vectors', async () => {
    assert.equal(await outcomeOf({ sets: [], another: true }), null);
  });
});
